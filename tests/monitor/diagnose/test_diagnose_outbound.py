"""Messages that do not leave: each cause is made, recognised, and put right where that can be done."""

from uuid import UUID

import pytest

from portal.clock import now
from portal.db import atomic, db
from portal.evolution import errors
from portal.evolution.errors import EvolutionUnavailable
from portal.models import (
    AuditEvent,
    ColdReason,
    ConnectionAction,
    Lane,
    Message,
    MessageStatus,
    Relay,
    Tenant,
)
from portal.monitor.diagnose import Cause, Fix, Incident
from portal.outbox import owners
from portal.services import conversations
from portal.tenancy import across_tenants, acting_for
from tests.factories import make_conversation
from tests.monitor.diagnose.patient import Patient, ago
from tests.outbox.conftest import rows_of
from tests.outbox.sending import claim, claim_one, record, sent_of

pytestmark = pytest.mark.commits

OUTBOUND = Incident.OUTBOUND


def write(patient: Patient, text: str = "Olá", **columns: object) -> UUID:
    """A reply that waits to be sent."""
    conversation = make_conversation(patient.scope, patient.unit)
    with acting_for(patient.scope) as scope:
        message_id = conversations.reply(scope, conversation.id, text=text).message.id
        with atomic():
            wanted = {"status": MessageStatus.QUEUED, **columns}
            db.session.execute(scope.update(Message).where(Message.id == message_id).values(wanted))
    return message_id


def status_of(message_id: UUID) -> MessageStatus:
    return next(MessageStatus(message.status) for message in rows_of(Message) if message.id == message_id)


def write_failed(patient: Patient, code: str, *, at: object = None) -> UUID:
    failed = {"status": MessageStatus.FAILED, "error_code": code, "failed_at": at or now()}
    return write(patient, **failed)


def test_nothing_is_found_at_a_unit_that_sends(linked: Patient) -> None:
    write(linked)

    assert linked.trouble(OUTBOUND) == set()


def test_suspended_company_is_recognised(linked: Patient) -> None:
    with across_tenants("a test suspends a company"), atomic():
        db.session.query(Tenant).update({"suspended_at": now()})

    assert linked.trouble(OUTBOUND) == {Cause.COMPANY_SUSPENDED}


def test_lane_that_stayed_closed_is_opened(linked: Patient) -> None:
    linked.change(Lane, is_open=False)
    assert linked.trouble(OUTBOUND) == {Cause.LANE_CLOSED}

    assert linked.fix(OUTBOUND, Cause.LANE_CLOSED).is_found is False


def test_unit_that_is_away_for_a_moment_is_tried_again_by_itself(linked: Patient) -> None:
    write(linked)
    claimed = claim_one()
    record(claimed, EvolutionUnavailable(errors.UNIT_AWAY))

    finding = linked.find(OUTBOUND, Cause.UNIT_AWAY)

    assert (finding.is_found, finding.is_trouble, finding.codes) == (True, False, (errors.UNIT_AWAY,))
    assert finding.until is not None
    assert linked.trouble(OUTBOUND) == set()


def test_socket_that_is_open_and_dead_is_restarted(linked: Patient) -> None:
    message_id = write(linked)
    for _ in range(2):
        linked.change(Lane, next_send_at=ago(seconds=1), held_until=None)
        record(claim_one(), EvolutionUnavailable(errors.UNIT_AWAY))
    assert linked.trouble(OUTBOUND) == {Cause.SOCKET_DEAD}

    linked.apply(Fix.RESTART)

    assert linked.desk.connection.action == ConnectionAction.RESTART
    assert status_of(message_id) == MessageStatus.QUEUED
    linked.work()
    linked.work()
    linked.link_again()
    assert linked.trouble(OUTBOUND) == set()


def test_limit_of_new_chats_is_told_and_left_to_pass(linked: Patient) -> None:
    until = ago(hours=-1)
    linked.change(Lane, cold_reason=ColdReason.NEW_CHATS_REFUSED, cold_paused_until=until, next_cold_at=until)

    finding = linked.find(OUTBOUND, Cause.NEW_CHATS_PAUSED)

    assert (finding.is_trouble, finding.fix, finding.until) == (True, None, until)


def test_lane_at_which_nobody_looks_is_woken(linked: Patient) -> None:
    message_id = write(linked, created_at=ago(minutes=3))
    linked.change(Lane, has_work=False)
    assert claim() == []
    assert linked.trouble(OUTBOUND) == {Cause.QUEUE_STALLED}

    assert linked.fix(OUTBOUND, Cause.QUEUE_STALLED).is_found is False
    assert claim_one().id == message_id


def test_what_a_dead_worker_was_sending_is_in_doubt_and_never_sent_twice(linked: Patient) -> None:
    dead = owners.new_owner()
    owners.beat(dead, "outbox")
    message_id = write(linked)
    assert [claimed.id for claimed in claim(dead)] == [message_id]
    assert linked.trouble(OUTBOUND) == set()
    with across_tenants("a test lets a worker die"), atomic():
        db.session.query(Relay).filter(Relay.id == dead).update({"heartbeat_at": ago(minutes=2)})
    assert linked.trouble(OUTBOUND) == {Cause.SENDS_ABANDONED}

    assert linked.fix(OUTBOUND, Cause.SENDS_ABANDONED).is_found is False

    assert status_of(message_id) == MessageStatus.UNCONFIRMED
    assert linked.trouble(OUTBOUND) == {Cause.UNCONFIRMED}
    assert linked.find(OUTBOUND, Cause.UNCONFIRMED).fix is None
    assert claim() == []


def test_failures_that_may_pass_go_back_to_the_queue_once(linked: Patient) -> None:
    message_id = write_failed(linked, errors.UNREACHABLE)
    never, old = write_failed(linked, errors.NOT_ON_WHATSAPP), write_failed(linked, errors.UNREACHABLE, at=ago(days=3))
    assert linked.trouble(OUTBOUND) == {Cause.FAILED_FOR_NOW, Cause.FAILED_FOR_GOOD}
    assert linked.find(OUTBOUND, Cause.FAILED_FOR_GOOD).codes == (errors.NOT_ON_WHATSAPP,)

    linked.apply(Fix.REQUEUE)
    linked.apply(Fix.REQUEUE)

    assert [status_of(one) for one in (message_id, never, old)] == ["queued", "failed", "failed"]
    claimed = claim_one()
    assert claimed.id == message_id
    record(claimed, sent_of(claimed))
    linked.apply(Fix.REQUEUE)
    assert claim() == []
    with acting_for(linked.scope) as scope:
        tried = scope.select(AuditEvent).where(AuditEvent.action == "message.tried_again")
        assert [event.subject_id for event in db.session.scalars(tried)] == [message_id]


def test_failures_wait_until_their_cause_is_gone(linked: Patient) -> None:
    write_failed(linked, errors.UNREACHABLE)
    linked.change(Lane, is_open=False)

    assert linked.find(OUTBOUND, Cause.FAILED_FOR_NOW).fix is None
    linked.fix(OUTBOUND, Cause.LANE_CLOSED)
    assert linked.find(OUTBOUND, Cause.FAILED_FOR_NOW).fix is Fix.REQUEUE


def test_message_without_a_receipt_needs_a_look_at_the_phone(linked: Patient) -> None:
    write(linked, status=MessageStatus.SENT, sent_at=ago(hours=2))

    finding = linked.find(OUTBOUND, Cause.NO_RECEIPT)

    assert (finding.is_trouble, finding.count, finding.fix) == (True, 1, None)
