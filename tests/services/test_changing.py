"""Editing a message of ours and deleting it for everyone: what is queued, what changes nothing, and what is refused."""

from datetime import timedelta

import pytest

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Invalid, NotFound
from portal.models import (
    CHANGES,
    AuditEvent,
    Conversation,
    Direction,
    Lane,
    Message,
    MessageChange,
    MessageKind,
    MessageSource,
    MessageStatus,
)
from portal.queries import conversation_lists, message_search, undelivered
from portal.queries.undelivered import Bucket, Filter
from portal.services import changing, conversations, deleting, summaries
from portal.services import undelivered as decisions
from portal.services.deleting import Doomed
from portal.services.undelivered import Decision
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_message, make_tenant

SENT = {"direction": Direction.OUTBOUND}
WAITING = (MessageStatus.QUEUED, MessageStatus.SENDING)


@pytest.fixture
def target(scope: TenantScope, conversation: Conversation) -> Message:
    return make_message(scope, conversation, body="Fechamos às 18h", external_id="3EB0A", sent_at=now(), **SENT)


def edit(scope: TenantScope, target: Message, text: str = "Fechamos às 19h") -> None:
    with acting_for(scope):
        changing.edit(scope, target.id, text=text)


def delete(scope: TenantScope, target: Message) -> None:
    with acting_for(scope):
        changing.delete(scope, target.id)


def made(scope: TenantScope) -> list[Message]:
    """The changes, in the order in which they were asked for."""
    with acting_for(scope):
        theirs = scope.select(Message).where(Message.kind.in_(CHANGES)).order_by(Message.id)
        return list(db.session.scalars(theirs.execution_options(populate_existing=True)))


def put(scope: TenantScope, message: Message, **columns: object) -> None:
    with acting_for(scope), atomic():
        this = scope.update(Message).where(Message.id == message.id)
        db.session.execute(this.values(columns).execution_options(synchronize_session=False))


def current(scope: TenantScope, row: Message | Conversation) -> Message | Conversation:
    with acting_for(scope):
        this = scope.select(type(row)).where(type(row).id == row.id)
        return db.session.scalars(this.execution_options(populate_existing=True)).one()


def test_an_edit_is_queued_about_its_message_and_is_work_for_the_lane(
    scope: TenantScope, conversation: Conversation, target: Message
) -> None:
    edit(scope, target)

    [change] = made(scope)
    assert (change.kind, change.body, change.refers_to) == (MessageKind.EDIT, "Fechamos às 19h", "3EB0A")
    assert (change.status, change.source, change.is_cold) == (MessageStatus.QUEUED, MessageSource.PERSON, False)
    assert change.expires_at == target.sent_at + changing.EDITABLE_FOR
    with acting_for(scope):
        assert db.session.scalars(scope.select(Lane, Lane.has_work)).one()


def test_until_it_was_made_a_change_shows_nowhere(
    scope: TenantScope, conversation: Conversation, target: Message
) -> None:
    delete(scope, target)

    row, message = current(scope, conversation), current(scope, target)
    assert (row.last_message_kind, row.last_message_preview) == (MessageKind.TEXT, "Fechamos às 18h")
    assert (row.last_message_at, row.assigned_to_id) == (target.occurred_at, None)
    assert (message.body, message.deleted_at) == ("Fechamos às 18h", None)


def test_the_log_says_who_changed_a_message(scope: TenantScope, target: Message) -> None:
    edit(scope, target)
    delete(scope, target)

    with acting_for(scope):
        events = db.session.scalars(scope.select(AuditEvent).order_by(AuditEvent.id)).all()
    told = [(event.action, event.subject_type, event.subject_id) for event in events if event.subject_id == target.id]
    assert told == [("message.edited", "message", target.id), ("message.deleted", "message", target.id)]


@pytest.mark.parametrize("status", [*WAITING, MessageStatus.UNCONFIRMED])
def test_the_same_change_again_changes_nothing(scope: TenantScope, target: Message, status: MessageStatus) -> None:
    edit(scope, target)
    put(scope, made(scope)[0], status=status)
    edit(scope, target)
    put(scope, made(scope)[0], kind=MessageKind.DELETION, body="")
    delete(scope, target)

    assert len(made(scope)) == 1


def test_the_text_that_a_message_has_changes_nothing(scope: TenantScope, target: Message) -> None:
    edit(scope, target, "Fechamos às 18h")

    assert made(scope) == []


def test_a_change_that_waits_becomes_the_new_one(scope: TenantScope, target: Message) -> None:
    edit(scope, target)
    edit(scope, target, "Fechamos às 20h")
    delete(scope, target)

    [change] = made(scope)
    assert (change.kind, change.body, change.status) == (MessageKind.DELETION, "", MessageStatus.QUEUED)
    assert change.expires_at == target.sent_at + changing.DELETABLE_FOR


def test_one_that_left_is_followed_by_the_new_one(scope: TenantScope, target: Message) -> None:
    edit(scope, target)
    put(scope, made(scope)[0], status=MessageStatus.SENDING)

    edit(scope, target, "Fechamos às 20h")

    assert [(one.body, one.status, one.handled_at is None) for one in made(scope)] == [
        ("Fechamos às 19h", MessageStatus.SENDING, False),
        ("Fechamos às 20h", MessageStatus.QUEUED, True),
    ]


@pytest.mark.parametrize("status", [MessageStatus.FAILED, MessageStatus.UNCONFIRMED])
def test_nobody_decides_any_more_about_one_that_was_followed(
    scope: TenantScope, target: Message, status: MessageStatus
) -> None:
    edit(scope, target)
    put(scope, made(scope)[0], status=status)

    delete(scope, target)

    first, second = made(scope)
    assert (first.handled_at is None, second.handled_at, second.status) == (False, None, MessageStatus.QUEUED)


@pytest.mark.parametrize("status", WAITING)
def test_what_is_being_deleted_is_not_edited(scope: TenantScope, target: Message, status: MessageStatus) -> None:
    delete(scope, target)
    put(scope, made(scope)[0], status=status)

    with pytest.raises(Invalid) as raised:
        edit(scope, target)

    assert raised.value.fields == {"text": "This message is being deleted for everyone."}


@pytest.mark.parametrize(("text", "problem"), [(" ", "Write a message first."), ("a" * 10_001, "too long")])
def test_an_edit_is_a_text_like_any_other(scope: TenantScope, target: Message, text: str, problem: str) -> None:
    with pytest.raises(Invalid, match=problem):
        edit(scope, target, text)

    assert made(scope) == []


NOT_OPEN = {
    "theirs": {"direction": Direction.INBOUND, "status": MessageStatus.RECEIVED},
    "deleted": {"deleted_at": now()},
    "a_test": {"is_test": True},
    "a_reaction": {"kind": MessageKind.REACTION},
    "a_change": {"kind": MessageKind.EDIT},
    "failed": {"status": MessageStatus.FAILED},
    "in_doubt": {"status": MessageStatus.UNCONFIRMED},
    "not_sent_yet": {"external_id": None, "status": MessageStatus.QUEUED},
}


@pytest.mark.parametrize("columns", NOT_OPEN.values(), ids=NOT_OPEN)
def test_only_what_is_ours_and_whatsapp_has_is_changed(
    scope: TenantScope, target: Message, columns: dict[str, object]
) -> None:
    put(scope, target, **columns)

    with pytest.raises(Invalid, match="can be edited"):
        edit(scope, target)
    with pytest.raises(Invalid, match="can be deleted"):
        delete(scope, target)


def test_only_texts_are_edited(scope: TenantScope, target: Message) -> None:
    put(scope, target, kind=MessageKind.IMAGE)

    delete(scope, target)
    with pytest.raises(Invalid, match="can be edited"):
        edit(scope, target)


@pytest.mark.parametrize("columns", [{"source": MessageSource.PHONE}, {"source": MessageSource.CAMPAIGN}])
def test_what_the_phone_or_a_campaign_wrote_is_ours_too(
    scope: TenantScope, target: Message, columns: dict[str, object]
) -> None:
    put(scope, target, **columns)

    edit(scope, target)

    assert len(made(scope)) == 1


@pytest.mark.parametrize(
    ("change", "limit", "words"),
    [(edit, changing.EDITABLE_FOR, "15 minutes"), (delete, changing.DELETABLE_FOR, "two and a half days")],
    ids=["edit", "delete"],
)
def test_a_change_is_taken_as_long_as_whatsapp_takes_it(
    scope: TenantScope, target: Message, change: object, limit: timedelta, words: str
) -> None:
    put(scope, target, sent_at=now() - limit)
    with pytest.raises(Invalid, match=words):
        change(scope, target)

    put(scope, target, sent_at=now() - limit + timedelta(minutes=1))
    change(scope, target)

    assert len(made(scope)) == 1


def test_another_tenants_message_does_not_exist(target: Message) -> None:
    for change in (edit, delete):
        with pytest.raises(NotFound):
            change(make_tenant(f"rival-{change.__name__}"), target)


def test_a_change_is_no_message_for_lists_and_searches(
    scope: TenantScope, conversation: Conversation, target: Message
) -> None:
    long_ago = now() - timedelta(days=1)
    edit(scope, target, "Fechamos às dezenove")

    with acting_for(scope):
        rungs = conversation_lists.list_last_sent(scope, [conversation.id])
    put(scope, made(scope)[0], status=MessageStatus.SENT, sent_at=long_ago)
    with acting_for(scope):
        found = message_search.find_messages(scope, message_search.read_words("dezenove"))
        waiting = undelivered.list_ids(scope, Filter(Bucket.NO_RECEIPT))
    with acting_for(scope), atomic():
        row = scope.get(Conversation, conversation.id)
        summaries.renew(scope, row)
        shown = (row.last_message_at, row.last_message_preview)
    assert (rungs[conversation.id].status, found, waiting) == (MessageStatus.SENT, [], [])
    assert shown == (target.occurred_at, "Fechamos às 18h")


def test_a_deleted_row_leaves_no_words_behind_though_a_change_of_it_stays(
    scope: TenantScope, conversation: Conversation, target: Message
) -> None:
    edit(scope, target)

    with acting_for(scope), atomic():
        deleting.delete_messages(
            scope, [Doomed(target.id, target.unit_id, conversation.id, target.external_id, media_id=None)]
        )

    row = current(scope, conversation)
    assert (row.last_message_kind, row.last_message_preview) == (MessageKind.DELETION, None)


def decide(scope: TenantScope, decision: Decision) -> None:
    with acting_for(scope):
        assert decisions.decide(scope, decision, [made(scope)[0].id]).done == 1


def test_one_that_failed_is_tried_again(scope: TenantScope, target: Message) -> None:
    edit(scope, target)
    put(scope, made(scope)[0], status=MessageStatus.FAILED, failed_at=now())

    decide(scope, Decision.TRY_AGAIN)

    assert [(one.status, one.is_cold) for one in made(scope)] == [(MessageStatus.QUEUED, False)]


def test_one_in_doubt_is_sent_again_and_moves_no_conversation(
    scope: TenantScope, conversation: Conversation, target: Message
) -> None:
    delete(scope, target)
    put(scope, made(scope)[0], status=MessageStatus.UNCONFIRMED, sending_at=now())

    decide(scope, Decision.SEND_AGAIN)

    first, second = made(scope)
    assert (second.kind, second.refers_to, second.resend_of_id) == (MessageKind.DELETION, "3EB0A", first.id)
    assert current(scope, conversation).last_message_at == target.occurred_at


def test_one_that_a_person_saw_is_made(scope: TenantScope, conversation: Conversation, target: Message) -> None:
    edit(scope, target)
    put(scope, made(scope)[0], status=MessageStatus.UNCONFIRMED, sending_at=now())

    decide(scope, Decision.ARRIVED)

    message = current(scope, target)
    assert (message.body, message.original_body) == ("Fechamos às 19h", "Fechamos às 18h")
    assert message.edited_at is not None
    assert current(scope, conversation).last_message_preview == "Fechamos às 19h"
    with acting_for(scope):
        assert len(db.session.scalars(scope.select(MessageChange)).all()) == 1


def test_a_reply_after_a_change_is_still_the_newest(
    scope: TenantScope, conversation: Conversation, target: Message
) -> None:
    edit(scope, target)
    with acting_for(scope):
        conversations.reply(scope, conversation.id, text="Até já")

    assert current(scope, conversation).last_message_preview == "Até já"
