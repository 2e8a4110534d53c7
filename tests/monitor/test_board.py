"""The board: each item turns green by what rows show since the release, and by nothing else."""

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import update

from portal.clock import now
from portal.db import atomic, db
from portal.models import AlertNotice, Direction, EventState, EvidenceItem, Message, MessageStatus, Relay, Unit
from portal.monitor import watch
from portal.monitor.board import TO_GET, BoardItem, make_board
from portal.queries.alerts import open_alerts
from portal.queue import QUEUES
from portal.services.alerts import acknowledge, raise_test
from portal.services.audit import Actor
from portal.services.releases import record_evidence, register
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.factories import make_connected_unit, make_conversation, make_message, make_parked_event, make_tenant
from tests.monitor.watching import pass_time, start_workers, the_release, use_settings

NOBODY = Actor(None)


@pytest.fixture(autouse=True)
def scope(database: None) -> TenantScope:
    return make_tenant()


@pytest.fixture
def unit(scope: TenantScope) -> Unit:
    return make_connected_unit(scope)


def board_item(item: EvidenceItem) -> BoardItem:
    watch.record_evidence()
    return {one.item: one for one in make_board(the_release()).items}[item]


def is_shown(item: EvidenceItem) -> bool:
    return board_item(item).is_ok is True


def begin() -> None:
    register("v1")
    pass_time(2)


def test_board_begins_with_seven_items_that_were_not_shown() -> None:
    register("v1")

    board = make_board(the_release())

    assert [one.item for one in board.items] == list(EvidenceItem)
    assert {(one.is_ok, one.at) for one in board.items} == {(None, None)}
    assert TO_GET.keys() == set(EvidenceItem)
    assert (len(board.checkpoints), board.last_looked) == (4, None)
    assert board.next_checkpoint == board.checkpoints[0]


def test_what_commands_record_stands_on_the_board_with_what_they_said() -> None:
    register("v1")
    record = {"stage": "full", "checks": [{"name": "redis", "ok": False, "detail": "away"}]}
    record_evidence(EvidenceItem.GATE, is_ok=False, detail="26/27 checks passed", record=record)

    gate = board_item(EvidenceItem.GATE)

    assert (gate.is_ok, gate.detail, gate.record) == (False, "26/27 checks passed", record)


def test_workers_that_began_after_the_release_are_shown() -> None:
    begin()
    start_workers(*QUEUES)

    worker = board_item(EvidenceItem.WORKER)

    assert worker.is_ok
    assert all(queue in worker.detail for queue in QUEUES)


@pytest.mark.parametrize("case", ["one queue has none", "they began before", "they are dead"])
def test_other_workers_show_nothing(case: str) -> None:
    begin()
    start_workers(*(QUEUES[1:] if case == "one queue has none" else QUEUES))
    changes = {
        "they began before": {"started_at": now() - timedelta(minutes=3)},
        "they are dead": {"heartbeat_at": now() - timedelta(minutes=1)},
    }
    with across_tenants("a test changes workers"), atomic():
        db.session.execute(update(Relay).values(changes.get(case, {"queue": Relay.queue})))

    assert not is_shown(EvidenceItem.WORKER)


def test_event_that_came_after_the_release_and_was_applied_is_shown(scope: TenantScope, unit: Unit) -> None:
    begin()
    make_parked_event(scope, unit, state=EventState.DONE)

    webhook = board_item(EvidenceItem.WEBHOOK)

    assert webhook.is_ok
    assert "messages.upsert" in webhook.detail
    assert "acme" not in webhook.detail


EVENTS_THAT_SHOW_NOTHING: dict[str, dict[str, object]] = {
    "not applied": {"state": EventState.NEW},
    "parked": {"state": EventState.PARKED},
    "before the release": {"state": EventState.DONE, "received_at": now() - timedelta(days=1)},
    "of no unit": {"state": EventState.DONE, "unit_id": None, "tenant_id": None},
}


@pytest.mark.parametrize("columns", EVENTS_THAT_SHOW_NOTHING.values(), ids=EVENTS_THAT_SHOW_NOTHING)
def test_other_events_show_nothing(scope: TenantScope, unit: Unit, columns: dict[str, object]) -> None:
    begin()
    make_parked_event(scope, unit, **columns)

    assert not is_shown(EvidenceItem.WEBHOOK)


def send_smoke(scope: TenantScope, unit: Unit, **columns: object) -> Message:
    """A message of the smoke test that arrived, but for what is different."""
    row: dict[str, object] = {
        "direction": Direction.OUTBOUND,
        "status": MessageStatus.DELIVERED,
        "client_message_id": f"smoke-{uuid4()}",
        "sent_at": now(),
        "delivered_at": now() + timedelta(seconds=2),
    }
    return make_message(scope, make_conversation(scope, unit), **{**row, **columns})  # type: ignore[arg-type]


def test_smoke_message_with_its_receipt_is_shown(scope: TenantScope, unit: Unit) -> None:
    begin()
    send_smoke(scope, unit)

    smoke = board_item(EvidenceItem.SMOKE)

    assert smoke.is_ok
    assert "2.0 s later" in smoke.detail


def test_smoke_message_that_was_only_told_as_read_is_shown(scope: TenantScope, unit: Unit) -> None:
    begin()
    send_smoke(scope, unit, delivered_at=None, read_at=now(), status=MessageStatus.READ)

    assert is_shown(EvidenceItem.SMOKE)


MESSAGES_THAT_SHOW_NOTHING: dict[str, dict[str, object]] = {
    "without a receipt": {"status": MessageStatus.SENT, "delivered_at": None},
    "of somebody else": {"client_message_id": "order-1"},
    "with a name that only looks like it": {"client_message_id": "smokeX1"},
    "of a test token": {"is_test": True},
    "before the release": {"sent_at": now() - timedelta(days=1)},
}


@pytest.mark.parametrize("columns", MESSAGES_THAT_SHOW_NOTHING.values(), ids=MESSAGES_THAT_SHOW_NOTHING)
def test_other_messages_show_nothing(scope: TenantScope, unit: Unit, columns: dict[str, object]) -> None:
    begin()
    send_smoke(scope, unit, **columns)

    assert not is_shown(EvidenceItem.SMOKE)


def test_message_of_an_earlier_release_shows_nothing(scope: TenantScope, unit: Unit) -> None:
    message = send_smoke(scope, unit)
    begin()
    with acting_for(scope), atomic():
        long_ago = {"sent_at": now() - timedelta(minutes=10), "delivered_at": now()}
        db.session.execute(scope.update(Message).where(Message.id == message.id).values(long_ago))

    assert not is_shown(EvidenceItem.SMOKE)


def test_alert_that_only_the_page_shows_counts_once_it_is_acknowledged() -> None:
    begin()
    alert = raise_test(NOBODY)
    before = is_shown(EvidenceItem.ALERT)
    acknowledge(alert.id, NOBODY)

    shown = board_item(EvidenceItem.ALERT)

    assert (before, shown.is_ok, shown.detail) == (False, True, "alert test, shown on the page, acknowledged")


def test_alert_with_a_channel_counts_once_it_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    use_settings(monkeypatch, alert_webhook_url="http://hooks.test/a", alert_mail_to="")
    begin()
    alert = raise_test(NOBODY)
    notice_id = open_alerts()[0].notices[0].id
    acknowledge(alert.id, NOBODY)
    before = is_shown(EvidenceItem.ALERT)
    with across_tenants("a test tells"), atomic():
        db.session.execute(update(AlertNotice).where(AlertNotice.id == notice_id).values(told_at=now()))

    assert not before
    assert board_item(EvidenceItem.ALERT).detail == "alert test, told by webhook, acknowledged"


def test_alert_of_the_week_before_counts() -> None:
    alert = raise_test(NOBODY)
    acknowledge(alert.id, NOBODY)
    pass_time(60 * 24 * 6)
    begin()

    assert is_shown(EvidenceItem.ALERT)


def test_what_was_shown_is_noted_once() -> None:
    begin()
    start_workers(*QUEUES)
    at = board_item(EvidenceItem.WORKER).at
    start_workers(*QUEUES)

    assert board_item(EvidenceItem.WORKER).at == at


def test_without_a_release_nothing_is_noted() -> None:
    start_workers(*QUEUES)

    watch.record_evidence()
    register("v1")

    assert not is_shown(EvidenceItem.WORKER)
