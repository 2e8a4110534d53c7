"""What people decide about messages that did not arrive: it happens once, and never by itself."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Invalid
from portal.models import (
    AuditEvent,
    Conversation,
    Direction,
    Lane,
    Message,
    MessageKind,
    MessageSource,
    MessageStatus,
)
from portal.services import undelivered
from portal.services.undelivered import MOST_AT_ONCE, Decided, Decision
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.factories import make_connected_unit, make_conversation, make_message, make_tenant, make_user

FAILED = {"status": MessageStatus.FAILED, "error_code": "timed_out", "retry_count": 3, "failed_at": now()}
IN_DOUBT = {"status": MessageStatus.UNCONFIRMED, "error_code": "timed_out", "sending_at": now() - timedelta(minutes=5)}
SILENT = {"status": MessageStatus.SENT, "sent_at": now() - timedelta(minutes=11)}


@pytest.fixture
def by_ana(scope: TenantScope) -> TenantScope:
    return replace(scope, user_id=make_user().id, address="192.0.2.1")


def make_ours(scope: TenantScope, conversation: Conversation, **columns: object) -> Message:
    """An outbound message that Evolution gave no id, unless the test says one."""
    message = make_message(scope, conversation, direction=Direction.OUTBOUND, **columns)  # type: ignore[arg-type]
    if "external_id" not in columns:
        change(scope, message.id, external_id=None)
    return message


def change(scope: TenantScope, message_id: UUID, **columns: object) -> None:
    with acting_for(scope), atomic():
        this = scope.update(Message).where(Message.id == message_id)
        db.session.execute(this.values(columns).execution_options(synchronize_session=False))


def decide(scope: TenantScope, decision: Decision, *messages: Message) -> Decided:
    with acting_for(scope):
        return undelivered.decide(scope, decision, [message.id for message in messages])


def rows() -> list[Message]:
    with across_tenants("a test looks"):
        return list(db.session.scalars(select(Message).order_by(Message.id).execution_options(populate_existing=True)))


def row(message: Message) -> Message:
    return next(found for found in rows() if found.id == message.id)


def lane() -> Lane:
    with across_tenants("a test looks"):
        return db.session.scalars(select(Lane).execution_options(populate_existing=True)).one()


def log() -> list[AuditEvent]:
    with across_tenants("a test looks"):
        events = select(AuditEvent).where(AuditEvent.action.startswith("message."))
        return list(db.session.scalars(events.order_by(AuditEvent.id)))


def test_failed_message_goes_back_to_the_queue_as_if_new(scope: TenantScope, conversation: Conversation) -> None:
    message = make_ours(scope, conversation, **FAILED, proposed_id="3EB0OLD", error_details="500", is_cold=False)

    decided = decide(scope, Decision.TRY_AGAIN, message)

    again = row(message)
    assert decided == Decided(done=1, left=0)
    assert (again.status, again.retry_count, again.error_code, again.error_details) == ("queued", 0, None, None)
    assert (again.failed_at, again.handled_at, again.sending_at) == (None, None, None)
    assert again.proposed_id not in (None, "3EB0OLD")
    assert again.expires_at is not None
    assert timedelta(hours=23.9) < again.expires_at - now() < timedelta(hours=24.1)
    assert again.is_cold
    assert lane().has_work


def test_message_that_waits_again_is_a_reply_once_the_person_wrote(
    scope: TenantScope, conversation: Conversation
) -> None:
    message = make_ours(scope, conversation, **FAILED, is_cold=True)
    make_message(scope, conversation)

    decide(scope, Decision.TRY_AGAIN, message)

    assert not row(message).is_cold


def test_message_that_whatsapp_refused_is_written_anew(scope: TenantScope, conversation: Conversation) -> None:
    first = make_ours(scope, conversation, **{**FAILED, "error_code": "refused_by_whatsapp"}, external_id="3EB0FIRST")

    decide(scope, Decision.TRY_AGAIN, first)

    kept, second = row(first), rows()[-1]
    assert (kept.status, kept.handled_at is not None) == ("failed", True)
    assert (second.status, second.resend_of_id, second.external_id) == ("queued", first.id, None)


@pytest.mark.parametrize("columns", [IN_DOUBT, SILENT], ids=["in doubt", "no receipt"])
def test_message_that_may_have_arrived_is_sent_as_a_second_one(
    scope: TenantScope, by_ana: TenantScope, conversation: Conversation, columns: dict[str, object]
) -> None:
    first = make_ours(scope, conversation, **columns, body="Está pronto", client_message_id="order-1")

    decided = decide(by_ana, Decision.SEND_AGAIN, first)

    kept, second = row(first), rows()[-1]
    assert decided == Decided(done=1, left=0)
    assert (kept.status, kept.handled_at) == (columns["status"], second.occurred_at)
    assert (second.resend_of_id, second.body, second.kind) == (first.id, "Está pronto", MessageKind.TEXT)
    assert (second.status, second.source, second.sent_by_id) == ("queued", MessageSource.PERSON, by_ana.user_id)
    assert second.proposed_id not in (None, kept.proposed_id)
    assert second.client_message_id is None
    assert second.expires_at is not None
    assert lane().has_work


def test_second_message_is_the_last_of_its_conversation(scope: TenantScope, conversation: Conversation) -> None:
    first = make_ours(scope, conversation, **IN_DOUBT, body="Está pronto", at=now() - timedelta(hours=1))
    make_message(scope, conversation, body="E então?", at=now() - timedelta(minutes=1))

    decide(scope, Decision.SEND_AGAIN, first)

    with acting_for(scope):
        shown = scope.get(Conversation, conversation.id)
        db.session.refresh(shown)
    assert (shown.last_message_preview, shown.last_message_direction) == ("Está pronto", "outbound")


def test_message_that_arrived_counts_as_sent_and_leaves_the_list(
    scope: TenantScope, conversation: Conversation
) -> None:
    message = make_ours(scope, conversation, **IN_DOUBT)

    decide(scope, Decision.ARRIVED, message)

    settled = row(message)
    assert (settled.status, settled.sent_at, settled.error_code) == ("sent", settled.sending_at, None)
    assert settled.handled_at is not None


@pytest.mark.parametrize("columns", [FAILED, IN_DOUBT, SILENT], ids=["failed", "in doubt", "no receipt"])
def test_message_set_aside_stays_what_it_is(
    scope: TenantScope, conversation: Conversation, columns: dict[str, object]
) -> None:
    message = make_ours(scope, conversation, **columns)

    decide(scope, Decision.SET_ASIDE, message)

    assert (row(message).status, len(rows())) == (columns["status"], 1)
    assert row(message).handled_at is not None
    assert not lane().has_work


@pytest.mark.parametrize(
    ("columns", "decision"),
    [
        (FAILED, Decision.SEND_AGAIN),
        (FAILED, Decision.ARRIVED),
        (IN_DOUBT, Decision.TRY_AGAIN),
        (SILENT, Decision.TRY_AGAIN),
        (SILENT, Decision.ARRIVED),
        ({"status": MessageStatus.SENT, "sent_at": now() + timedelta(days=1)}, Decision.SEND_AGAIN),
        ({**SILENT, "accepted_at": now()}, Decision.SEND_AGAIN),
        ({**SILENT, "source": MessageSource.PHONE}, Decision.SEND_AGAIN),
        ({**FAILED, "handled_at": now()}, Decision.TRY_AGAIN),
        ({**IN_DOUBT, "handled_at": now()}, Decision.SEND_AGAIN),
        ({"status": MessageStatus.QUEUED}, Decision.TRY_AGAIN),
        ({"status": MessageStatus.SENDING}, Decision.SEND_AGAIN),
        ({"status": MessageStatus.DELIVERED}, Decision.SET_ASIDE),
    ],
)
def test_decision_that_does_not_fit_changes_nothing(
    scope: TenantScope, conversation: Conversation, columns: dict[str, object], decision: Decision
) -> None:
    message = make_ours(scope, conversation, **columns)

    decided = decide(scope, decision, message)

    assert decided == Decided(done=0, left=1)
    assert [(found.status, found.handled_at) for found in rows()] == [(columns["status"], columns.get("handled_at"))]
    assert log() == []


def test_second_click_does_nothing(scope: TenantScope, conversation: Conversation) -> None:
    message = make_ours(scope, conversation, **IN_DOUBT)

    decided = [decide(scope, Decision.SEND_AGAIN, message) for _ in range(2)]

    assert decided == [Decided(done=1, left=0), Decided(done=0, left=1)]
    assert len(rows()) == 2


@pytest.mark.commits
@pytest.mark.parametrize(
    ("columns", "decision", "messages"),
    [(IN_DOUBT, Decision.SEND_AGAIN, 2), (SILENT, Decision.SEND_AGAIN, 2), (FAILED, Decision.TRY_AGAIN, 1)],
)
def test_two_people_at_once_send_it_once(
    app: Flask,
    scope: TenantScope,
    conversation: Conversation,
    columns: dict[str, object],
    decision: Decision,
    messages: int,
) -> None:
    message = make_ours(scope, conversation, **columns)
    starting = threading.Barrier(6)

    def press() -> int:
        with app.app_context():
            starting.wait()
            return decide(scope, decision, message).done

    with ThreadPoolExecutor(6) as people:
        done = [future.result() for future in [people.submit(press) for _ in range(6)]]

    assert sorted(done) == [0, 0, 0, 0, 0, 1]
    assert len(rows()) == messages


@pytest.mark.commits
def test_two_people_with_the_same_two_units_do_not_block_each_other(app: Flask, scope: TenantScope) -> None:
    units = [make_connected_unit(scope, slug) for slug in ("centro", "praia")]
    chats = [make_conversation(scope, unit) for unit in units]
    there = [make_ours(scope, chat, **FAILED) for _ in range(20) for chat in chats]
    starting = threading.Barrier(2)

    def press(messages: list[Message]) -> int:
        with app.app_context():
            starting.wait()
            return decide(scope, Decision.TRY_AGAIN, *messages).done

    with ThreadPoolExecutor(2) as people:
        futures = [people.submit(press, messages) for messages in (there, there[::-1])]
        done = [future.result() for future in futures]

    assert sorted(done) == [0, 40]


def test_what_somebody_handled_meanwhile_is_counted_apart(scope: TenantScope, conversation: Conversation) -> None:
    messages = [make_ours(scope, conversation, **FAILED) for _ in range(3)]
    decide(scope, Decision.SET_ASIDE, messages[0])

    assert decide(scope, Decision.TRY_AGAIN, *messages) == Decided(done=2, left=1)


def test_too_many_at_once_are_refused(scope: TenantScope) -> None:
    ids = [UUID(int=number) for number in range(MOST_AT_ONCE + 1)]

    with acting_for(scope), pytest.raises(Invalid):
        undelivered.decide(scope, Decision.SET_ASIDE, ids)


def test_rivals_messages_are_not_there(scope: TenantScope, conversation: Conversation) -> None:
    message, rival = make_ours(scope, conversation, **FAILED), make_tenant("rival")

    assert decide(rival, Decision.TRY_AGAIN, message) == Decided(done=0, left=1)
    assert row(message).status == "failed"


def test_agent_decides_only_in_their_units(scope: TenantScope, conversation: Conversation) -> None:
    elsewhere = make_ours(scope, make_conversation(scope, make_connected_unit(scope, "praia")), **FAILED)
    here = make_ours(scope, conversation, **FAILED)
    agent = replace(scope, unit_ids=frozenset({conversation.unit_id}))

    assert decide(agent, Decision.TRY_AGAIN, here, elsewhere) == Decided(done=1, left=1)
    assert (row(here).status, row(elsewhere).status) == ("queued", "failed")


def test_one_decision_is_one_line_of_the_log(
    scope: TenantScope, by_ana: TenantScope, conversation: Conversation
) -> None:
    message = make_ours(scope, conversation, **IN_DOUBT)

    decide(by_ana, Decision.SEND_AGAIN, message)

    (event,) = log()
    assert (event.action, event.subject_type, event.subject_id) == ("message.sent_again", "message", message.id)
    assert (event.user_id, event.address) == (by_ana.user_id, "192.0.2.1")


def test_many_decisions_are_one_line_of_the_log_with_their_ids(
    scope: TenantScope, by_ana: TenantScope, conversation: Conversation
) -> None:
    messages = [make_ours(scope, conversation, **FAILED) for _ in range(3)]

    decide(by_ana, Decision.TRY_AGAIN, *messages)

    (event,) = log()
    assert (event.action, event.subject_type, event.subject_id) == ("message.tried_again", "messages", None)
    assert event.after == {"count": 3, "ids": [str(message.id) for message in messages]}


def test_nothing_is_kept_when_one_of_many_fails(
    scope: TenantScope, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = [make_ours(scope, conversation, **FAILED) for _ in range(2)]

    def stumble(*args: object) -> None:
        raise RuntimeError("the lane is not there")

    monkeypatch.setattr(undelivered.lanes, "wake", stumble)
    with pytest.raises(RuntimeError):
        decide(scope, Decision.TRY_AGAIN, *messages)

    assert [found.status for found in rows()] == ["failed", "failed"]
