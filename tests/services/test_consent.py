"""Consent as staff notes it: with evidence, for the whole company, and settled where a message left it open."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Invalid, NotFound
from portal.models import (
    AuditEvent,
    ConsentEvent,
    ConsentKind,
    ConsentSource,
    Contact,
    Conversation,
    Direction,
    Message,
    MessageSource,
    MessageStatus,
    Unit,
    User,
)
from portal.queries import consent as queries
from portal.services import consent
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.factories import make_connected_unit, make_conversation, make_message, make_user

LookUp = Callable[[], Contact]


@pytest.fixture
def ana(scope: TenantScope) -> User:
    return make_user()


@pytest.fixture
def by_ana(scope: TenantScope, ana: User) -> TenantScope:
    return TenantScope(scope.tenant_id, ana.id)


@pytest.fixture
def maria(scope: TenantScope, conversation: Conversation) -> LookUp:
    """The contact as it now is."""

    def look() -> Contact:
        with acting_for(scope):
            this = scope.select(Contact).where(Contact.id == conversation.contact_id)
            return db.session.scalars(this.execution_options(populate_existing=True)).one()

    return look


def events(scope: TenantScope) -> list[ConsentEvent]:
    with acting_for(scope):
        return list(db.session.scalars(scope.select(ConsentEvent).order_by(ConsentEvent.id)))


def audited() -> list[tuple[str, object]]:
    with across_tenants("a test looks at the log"):
        noted = select(AuditEvent).where(AuditEvent.subject_type.in_(("contact", "conversation")))
        return [(event.action, event.after) for event in db.session.scalars(noted.order_by(AuditEvent.id))]


def doubt(scope: TenantScope, conversation: Conversation, body: str = "chega") -> Message:
    """A message of theirs that leaves it open."""
    message = make_message(scope, conversation, body=body, at=now() - timedelta(hours=1))
    with acting_for(scope), atomic():
        row = scope.get(Conversation, conversation.id)
        row.doubted_at, row.doubted_message_id = message.occurred_at, message.id
    return message


def queue(scope: TenantScope, conversation: Conversation, source: MessageSource) -> Message:
    return make_message(
        scope, conversation, direction=Direction.OUTBOUND, status=MessageStatus.QUEUED, source=source, body=source
    )


def test_opt_out_by_hand_says_who_noted_it_and_why(by_ana: TenantScope, ana: User, maria: LookUp) -> None:
    with acting_for(by_ana):
        consent.opt_out(by_ana, maria().id, note=" Disse no balcão. ")

    (event,) = events(by_ana)
    assert maria().opted_out_at == event.happened_at
    assert (event.kind, event.source, event.noted_by_id) == (ConsentKind.OPTED_OUT, ConsentSource.STAFF, ana.id)
    assert (event.note, event.message_id, event.unit_id) == ("Disse no balcão.", None, None)
    assert audited() == [("contact.opted_out", None)]


def test_opt_in_by_hand_needs_evidence(by_ana: TenantScope, maria: LookUp) -> None:
    with acting_for(by_ana):
        consent.opt_out(by_ana, maria().id)
        with pytest.raises(Invalid) as refused:
            consent.opt_in(by_ana, maria().id, note="  ")

    assert "note" in refused.value.fields
    assert maria().opted_out_at is not None


def test_opt_in_by_hand_brings_campaigns_back(by_ana: TenantScope, maria: LookUp) -> None:
    with acting_for(by_ana):
        consent.opt_out(by_ana, maria().id)
        consent.opt_in(by_ana, maria().id, note="Por telefone, em 3 de maio")

    assert maria().opted_out_at is None
    assert [event.kind for event in events(by_ana)] == [ConsentKind.OPTED_OUT, ConsentKind.OPTED_IN]


def test_second_click_notes_nothing(by_ana: TenantScope, maria: LookUp) -> None:
    with acting_for(by_ana):
        consent.opt_out(by_ana, maria().id)
        consent.opt_out(by_ana, maria().id)

    assert len(events(by_ana)) == 1


def test_what_is_noted_now_is_newer_than_a_message_dated_ahead(by_ana: TenantScope, maria: LookUp) -> None:
    with acting_for(by_ana), atomic():
        ahead = {
            "kind": ConsentKind.OPTED_OUT,
            "source": ConsentSource.MESSAGE,
            "happened_at": now() + timedelta(hours=1),
        }
        by_ana.add(ConsentEvent(contact_id=maria().id, **ahead))
        consent.recompute(by_ana, maria().id)
    with acting_for(by_ana):
        consent.opt_in(by_ana, maria().id, note="Por telefone")

    assert maria().opted_out_at is None


def test_endless_note_is_refused(by_ana: TenantScope, maria: LookUp) -> None:
    with acting_for(by_ana), pytest.raises(Invalid) as refused:
        consent.opt_out(by_ana, maria().id, note="x" * 501)

    assert "501" in refused.value.fields["note"]


@pytest.mark.parametrize("first", [ConsentKind.OPTED_OUT, ConsentKind.OPTED_IN])
def test_of_two_wishes_at_one_instant_the_opt_out_wins(scope: TenantScope, maria: LookUp, first: ConsentKind) -> None:
    at = now()
    with acting_for(scope), atomic():
        for kind in sorted(ConsentKind, key=lambda kind: kind != first):
            scope.add(ConsentEvent(contact_id=maria().id, kind=kind, source=ConsentSource.STAFF, happened_at=at))
            db.session.flush()
        consent.recompute(scope, maria().id)

    assert maria().opted_out_at == at


def test_campaign_messages_are_taken_back_at_every_unit_and_others_go_on(
    scope: TenantScope, by_ana: TenantScope, unit: Unit, conversation: Conversation, maria: LookUp
) -> None:
    other = make_connected_unit(scope, "praia", phone="5511999990009")
    there = make_conversation(scope, other)
    somebody = make_conversation(scope, unit, phone="5511999990077", name="João")
    taken_back = [queue(scope, one, MessageSource.CAMPAIGN).id for one in (conversation, there)]
    for source in (MessageSource.PERSON, MessageSource.API, MessageSource.AUTOMATIC):
        queue(scope, conversation, source)
    queue(scope, somebody, MessageSource.CAMPAIGN)
    of_one_unit = TenantScope(scope.tenant_id, by_ana.user_id, unit_ids=frozenset({unit.id}))

    with acting_for(scope):
        consent.opt_out(of_one_unit, maria().id)
        cancelled = scope.select(Message, Message.id).where(Message.status == MessageStatus.CANCELLED)
        assert sorted(db.session.scalars(cancelled)) == sorted(taken_back)
        assert set(db.session.scalars(cancelled.with_only_columns(Message.error_code))) == {"opted_out"}


def test_whoever_does_not_see_the_person_notes_nothing(scope: TenantScope, maria: LookUp) -> None:
    other = make_connected_unit(scope, "praia", phone="5511999990009")
    elsewhere = TenantScope(scope.tenant_id, unit_ids=frozenset({other.id}))

    with acting_for(scope), pytest.raises(NotFound):
        consent.opt_out(elsewhere, maria().id)


def test_doubt_that_was_an_opt_out_has_the_message_as_evidence(
    by_ana: TenantScope, ana: User, conversation: Conversation, maria: LookUp
) -> None:
    message = doubt(by_ana, conversation)

    with acting_for(by_ana):
        consent.settle_doubt(by_ana, conversation.id, message_id=message.id, is_opt_out=True)
        left = by_ana.get(Conversation, conversation.id)

    (event,) = events(by_ana)
    assert (event.source, event.noted_by_id) == (ConsentSource.STAFF, ana.id)
    assert (event.message_id, event.words, event.unit_id) == (message.id, "chega", message.unit_id)
    assert maria().opted_out_at == message.occurred_at
    assert (left.doubted_at, left.doubted_message_id) == (None, None)
    assert audited() == [("consent.doubt_settled", {"opt_out": True}), ("contact.opted_out", None)]


def test_doubt_that_was_none_is_dismissed(by_ana: TenantScope, conversation: Conversation, maria: LookUp) -> None:
    message = doubt(by_ana, conversation)

    with acting_for(by_ana):
        consent.settle_doubt(by_ana, conversation.id, message_id=message.id, is_opt_out=False)
        assert by_ana.get(Conversation, conversation.id).doubted_at is None

    assert (events(by_ana), maria().opted_out_at) == ([], None)


def test_doubt_is_settled_once(by_ana: TenantScope, conversation: Conversation, maria: LookUp) -> None:
    message = doubt(by_ana, conversation)

    with acting_for(by_ana):
        consent.settle_doubt(by_ana, conversation.id, message_id=message.id, is_opt_out=False)
        consent.settle_doubt(by_ana, conversation.id, message_id=message.id, is_opt_out=True)

    assert maria().opted_out_at is None


def test_evidence_of_a_unit_that_one_does_not_see_is_told_without_words(
    scope: TenantScope, unit: Unit, conversation: Conversation, maria: LookUp
) -> None:
    other = make_connected_unit(scope, "praia", phone="5511999990009")
    message = doubt(scope, conversation)
    elsewhere = TenantScope(scope.tenant_id, unit_ids=frozenset({other.id}))
    with acting_for(scope):
        consent.settle_doubt(scope, conversation.id, message_id=message.id, is_opt_out=True)
        (seen,) = queries.list_events(scope, maria().id)
        (hidden,) = queries.list_events(elsewhere, maria().id)

    assert (seen.unit.id if seen.unit else None, seen.words) == (unit.id, "chega")
    assert (hidden.unit, hidden.words) == (None, None)


def test_only_open_doubts_are_counted(
    scope: TenantScope, unit: Unit, conversation: Conversation, maria: LookUp
) -> None:
    opted_out = make_conversation(scope, unit, phone="5511999990077", name="João")
    for one in (conversation, opted_out):
        doubt(scope, one)
    with acting_for(scope), atomic():
        scope.get(Contact, opted_out.contact_id).opted_out_at = now()

    with acting_for(scope):
        assert queries.count_doubted(scope) == 1
        assert queries.count_doubted(scope, unit_id=unit.id) == 1
