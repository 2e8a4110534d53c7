"""A conversation as work: who answers it, whether it is done, and notes, whoever does it and how often."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Forbidden, Invalid, NotFound
from portal.models import AuditEvent, Conversation, ConversationAlias, Direction, MessageKind, MessageSource, Unit, User
from portal.permissions import Role
from portal.services import conversation_work, conversations, members
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.conversation_work import current, events, make_note, set_work
from tests.factories import make_connected_unit, make_conversation, make_tenant, make_unit, make_user

Act = Callable[..., Any]


@pytest.fixture
def boss(scope: TenantScope) -> User:
    return make_user("boss@acme.test")


@pytest.fixture
def bia(unit: Unit) -> User:
    return make_user("bia@acme.test", role=Role.AGENT, unit_slugs=("centro",))


@pytest.fixture
def by_boss(scope: TenantScope, boss: User) -> TenantScope:
    return replace(scope, user_id=boss.id)


@pytest.fixture
def by_bia(scope: TenantScope, bia: User, unit: Unit) -> TenantScope:
    return replace(scope, user_id=bia.id, role=Role.AGENT, unit_ids=frozenset({unit.id}))


@pytest.fixture
def rival(database: None) -> TenantScope:
    return make_tenant("rival")


def do(scope: TenantScope, act: Act, *args: Any, **words: Any) -> Any:
    with acting_for(scope):
        return act(scope, *args, **words)


def actions(scope: TenantScope) -> list[str]:
    with acting_for(scope):
        logged = scope.select(AuditEvent, AuditEvent.action).order_by(AuditEvent.id)
        return [action for action in db.session.scalars(logged) if action.startswith("conversation.")]


def test_whoever_is_given_a_conversation_answers_it(
    by_boss: TenantScope, bia: User, conversation: Conversation
) -> None:
    do(by_boss, conversation_work.assign, conversation.id, to_id=bia.id)

    assert current(by_boss, conversation.id).assigned_to_id == bia.id
    assert events(by_boss, "kind", "created_by_id", "assigned_to_id") == [("assigned", by_boss.user_id, bia.id)]
    assert actions(by_boss) == ["conversation.assigned"]


def test_given_twice_it_is_told_once(by_boss: TenantScope, bia: User, conversation: Conversation) -> None:
    for _time in range(2):
        do(by_boss, conversation_work.assign, conversation.id, to_id=bia.id)

    assert events(by_boss) == ["assigned"]
    assert len(actions(by_boss)) == 1


def test_what_is_given_back_is_nobodys_and_says_whose_it_was(
    by_bia: TenantScope, bia: User, conversation: Conversation
) -> None:
    do(by_bia, conversation_work.assign, conversation.id, to_id=bia.id)

    do(by_bia, conversation_work.assign, conversation.id, to_id=None)

    assert current(by_bia, conversation.id).assigned_to_id is None
    assert events(by_bia, "kind", "assigned_to_id")[-1] == ("released", bia.id)


def make_disabled() -> User:
    user = make_user("gone@acme.test")
    with across_tenants("a test disables somebody"), atomic():
        db.session.get_one(User, user.id).disabled_at = now()
    return user


def make_invited() -> User:
    user = make_user("new@acme.test")
    with across_tenants("a test takes a password"), atomic():
        db.session.get_one(User, user.id).password_hash = None
    return user


@pytest.mark.parametrize(
    "make",
    [
        make_disabled,
        make_invited,
        lambda: make_user("far@acme.test", role=Role.AGENT, unit_slugs=("norte",)),
        lambda: make_user("rival@rival.test", tenant="rival"),
        lambda: make_user("op@portal.test", role=Role.SUPER_ADMIN, tenant=None),
    ],
    ids=["shut out", "invited", "of another unit", "of another company", "operator"],
)
def test_conversation_is_given_to_nobody_who_may_not_answer_it(
    by_boss: TenantScope, conversation: Conversation, make: Callable[[], User], rival: TenantScope
) -> None:
    make_unit(by_boss, "norte")
    user_id = make().id

    with pytest.raises(Invalid):
        do(by_boss, conversation_work.assign, conversation.id, to_id=user_id)

    assert (current(by_boss, conversation.id).assigned_to_id, events(by_boss)) == (None, [])


def test_what_is_done_is_closed_and_opened_again_each_told_once(
    by_boss: TenantScope, conversation: Conversation
) -> None:
    for act in (conversation_work.close, conversation_work.close, conversation_work.reopen, conversation_work.reopen):
        do(by_boss, act, conversation.id)

    assert current(by_boss, conversation.id).status == "open"
    assert events(by_boss, "kind", "created_by_id") == [("closed", by_boss.user_id), ("reopened", by_boss.user_id)]
    assert actions(by_boss) == ["conversation.closed", "conversation.reopened"]


EACH_ACT = pytest.mark.parametrize(
    "act",
    [
        lambda scope, id_: conversation_work.assign(scope, id_, to_id=scope.user_id),
        conversation_work.close,
        lambda scope, id_: conversation_work.add_note(scope, id_, "Oi"),
    ],
    ids=["assign", "close", "note"],
)


@EACH_ACT
def test_conversation_of_another_unit_or_company_is_not_there(
    by_bia: TenantScope, rival: TenantScope, act: Act
) -> None:
    whole = replace(by_bia, unit_ids=None)
    far = make_conversation(whole, make_unit(whole, "norte"))
    foreign = make_conversation(rival, make_connected_unit(rival, "sul"))

    for id_ in (far.id, foreign.id):
        with pytest.raises(NotFound):
            do(by_bia, act, id_)


@EACH_ACT
def test_what_is_done_with_a_joined_conversation_is_done_with_the_one_that_stays(
    by_boss: TenantScope, conversation: Conversation, act: Act
) -> None:
    gone = uuid4()
    with acting_for(by_boss), atomic():
        by_boss.add(ConversationAlias(id=gone, unit_id=conversation.unit_id, conversation_id=conversation.id))

    do(by_boss, act, gone)

    assert events(by_boss, "conversation_id") == [conversation.id]


def test_note_keeps_what_was_written_and_by_whom(by_bia: TenantScope, bia: User, conversation: Conversation) -> None:
    do(by_bia, conversation_work.add_note, conversation.id, "  Liga\r\ndepois das 14h \x00 ")

    assert events(by_bia, "kind", "body", "created_by_id") == [("note", "Liga\ndepois das 14h", bia.id)]
    assert actions(by_bia) == []


@pytest.mark.parametrize("text", ["", " \n ", "x" * 2_001], ids=["empty", "blank", "endless"])
def test_note_of_nothing_or_without_end_is_refused(by_bia: TenantScope, conversation: Conversation, text: str) -> None:
    with pytest.raises(Invalid):
        do(by_bia, conversation_work.add_note, conversation.id, text)


def test_second_click_on_one_form_makes_no_second_note(by_bia: TenantScope, conversation: Conversation) -> None:
    for form_id, text in (("a", "um"), ("a", "um"), ("a", "dois"), ("b", "um")):
        do(by_bia, conversation_work.add_note, conversation.id, text, form_id=form_id)

    assert sorted(events(by_bia, "body")) == ["dois", "um", "um"]


def test_note_is_deleted_by_its_author_and_by_administrators(
    by_bia: TenantScope, by_boss: TenantScope, conversation: Conversation
) -> None:
    for who in (by_bia, by_boss):
        note_id = make_note(by_bia, conversation, created_by_id=by_bia.user_id)
        do(who, conversation_work.delete_note, conversation.id, note_id)

    assert events(by_bia) == []
    assert actions(by_bia) == ["conversation.note_deleted"] * 2


def test_note_of_a_colleague_stays(by_bia: TenantScope, boss: User, conversation: Conversation) -> None:
    note_id = make_note(by_bia, conversation, created_by_id=boss.id)

    with pytest.raises(Forbidden):
        do(by_bia, conversation_work.delete_note, conversation.id, note_id)

    assert events(by_bia) == ["note"]


def test_only_a_note_of_that_conversation_is_deleted(
    by_boss: TenantScope, unit: Unit, conversation: Conversation
) -> None:
    elsewhere = make_note(by_boss, make_conversation(by_boss, unit, phone="5511999990009"))
    do(by_boss, conversation_work.close, conversation.id)
    (closed,) = [id_ for id_, kind in events(by_boss, "id", "kind") if kind == "closed"]

    for id_ in (elsewhere, closed, uuid4()):
        with pytest.raises(NotFound):
            do(by_boss, conversation_work.delete_note, conversation.id, id_)


def test_reply_to_a_conversation_of_nobody_makes_it_theirs(
    by_bia: TenantScope, bia: User, conversation: Conversation
) -> None:
    for text in ("Oi", "Tudo bem?"):
        do(by_bia, conversations.reply, conversation.id, text=text)

    assert current(by_bia, conversation.id).assigned_to_id == bia.id
    assert events(by_bia, "kind", "created_by_id", "assigned_to_id") == [("assigned", bia.id, bia.id)]
    assert actions(by_bia) == []


def test_reply_leaves_a_conversation_to_whoever_answers_it(
    by_boss: TenantScope, bia: User, conversation: Conversation
) -> None:
    set_work(by_boss, conversation.id, assigned_to_id=bia.id)

    do(by_boss, conversations.reply, conversation.id, text="Oi")

    assert (current(by_boss, conversation.id).assigned_to_id, events(by_boss)) == (bia.id, [])


def test_reply_opens_what_was_closed(by_bia: TenantScope, bia: User, conversation: Conversation) -> None:
    set_work(by_bia, conversation.id, assigned_to_id=bia.id, status="closed")

    do(by_bia, conversations.reply, conversation.id, text="Oi")

    assert current(by_bia, conversation.id).status == "open"
    assert events(by_bia, "kind", "created_by_id") == [("reopened", bia.id)]


def test_reply_of_nobody_in_particular_takes_nothing(scope: TenantScope, conversation: Conversation) -> None:
    do(scope, conversations.reply, conversation.id, text="Oi")

    assert (current(scope, conversation.id).assigned_to_id, events(scope)) == (None, [])


@pytest.mark.parametrize("source", [MessageSource.API, MessageSource.CAMPAIGN], ids=str)
def test_message_of_a_program_or_a_campaign_changes_nothing(
    by_boss: TenantScope, conversation: Conversation, source: MessageSource
) -> None:
    set_work(by_boss, conversation.id, status="closed")
    words = {"phone": "5511999990002", "text": "Oferta", "source": source}

    do(by_boss, conversations.send_to_phone, conversation.unit_id, **words)

    kept = current(by_boss, conversation.id)
    assert (kept.status, kept.assigned_to_id, events(by_boss)) == ("closed", None, [])


def test_automatic_answer_changes_nothing(by_boss: TenantScope, conversation: Conversation) -> None:
    set_work(by_boss, conversation.id, status="closed")
    with acting_for(by_boss), atomic():
        held = by_boss.get(Conversation, conversation.id)
        conversations.queue_automatic(by_boss, held, text="Anotado.", client_message_id="auto-1")

    kept = current(by_boss, conversation.id)
    assert (kept.status, kept.assigned_to_id, events(by_boss)) == ("closed", None, [])


def test_whoever_is_shut_out_leaves_what_they_answer_to_nobody(
    by_boss: TenantScope, bia: User, unit: Unit, conversation: Conversation
) -> None:
    done, of_boss = (make_conversation(by_boss, unit, phone=f"551199999000{n}") for n in (8, 9))
    for one, user_id in ((conversation, bia.id), (done, bia.id), (of_boss, by_boss.user_id)):
        set_work(by_boss, one.id, assigned_to_id=user_id)
    set_work(by_boss, done.id, status="closed")

    do(by_boss, members.disable, bia.id)

    answered = [current(by_boss, one.id).assigned_to_id for one in (conversation, done, of_boss)]
    assert answered == [None, None, by_boss.user_id]
    told = events(by_boss, "kind", "conversation_id", "assigned_to_id", "created_by_id")
    assert told == [("released", conversation.id, bia.id, None)]


def test_whoever_loses_a_unit_leaves_what_is_there(
    by_boss: TenantScope, bia: User, unit: Unit, conversation: Conversation
) -> None:
    north = make_connected_unit(by_boss, "norte", phone="5511999990055")
    there = make_conversation(by_boss, north)
    do(by_boss, members.change, bia.id, role="agent", unit_ids=[unit.id, north.id])
    for one in (conversation, there):
        set_work(by_boss, one.id, assigned_to_id=bia.id)

    do(by_boss, members.change, bia.id, role="agent", unit_ids=[unit.id])

    assert [current(by_boss, one.id).assigned_to_id for one in (conversation, there)] == [bia.id, None]
    assert events(by_boss, "kind", "conversation_id") == [("released", there.id)]


def test_whoever_becomes_an_administrator_keeps_what_they_answer(
    by_boss: TenantScope, bia: User, conversation: Conversation
) -> None:
    set_work(by_boss, conversation.id, assigned_to_id=bia.id)

    do(by_boss, members.change, bia.id, role="tenant_admin", unit_ids=())

    assert (current(by_boss, conversation.id).assigned_to_id, events(by_boss)) == (bia.id, [])


def test_ids_of_people_stand_in_the_log_as_text(by_boss: TenantScope, bia: User, conversation: Conversation) -> None:
    do(by_boss, conversation_work.assign, conversation.id, to_id=bia.id)

    with acting_for(by_boss):
        logged = by_boss.select(AuditEvent).where(AuditEvent.action == "conversation.assigned")
        event = db.session.scalars(logged).one()
    assert (event.subject_id, event.before, event.after) == (
        conversation.id,
        {"assigned_to": None},
        {"assigned_to": str(bia.id)},
    )


def test_old_message_that_comes_late_opens_nothing(scope: TenantScope, conversation: Conversation) -> None:
    set_work(scope, conversation.id, status="closed")
    with acting_for(scope), atomic():
        told = {"kind": MessageKind.TEXT, "body": "Oi", "at": now(), "direction": Direction.OUTBOUND}
        conversations.note_last_message(scope, conversation.id, **told)

    assert current(scope, conversation.id).status == "closed"
