"""The relay: batches, what fails in them, and when a unit was last heard."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from portal.clock import now
from portal.db import atomic, db
from portal.inbox import relay
from portal.models import Connection, EventState, Message, Repair, RepairKind, Unit, WebhookEvent
from portal.services import repairs
from portal.tenancy import TenantScope, across_tenants, acting_for, apart
from tests.inbox.conftest import Evolution
from tests.inbox.payloads import message

Rows = Callable[..., list[Any]]
BROKEN = {"key": None}


def make_due() -> None:
    with across_tenants("a test lets time pass"), atomic():
        waiting = update(WebhookEvent).where(WebhookEvent.retry_at.is_not(None))
        db.session.execute(waiting.values(retry_at=now() - timedelta(hours=1)))


def bodies(rows: Rows) -> list[str]:
    return [m.body for m in rows(Message)]


@pytest.mark.usefixtures("unit")
def test_a_failing_event_does_not_hold_up_the_others(evolution: Evolution, rows: Rows) -> None:
    evolution.tell(
        ("messages.upsert", message("3A01", "antes")),
        ("messages.upsert", BROKEN),
        ("messages.upsert", message("3A02", "depois")),
    )

    assert bodies(rows) == ["antes", "depois"]
    assert [event.state for event in evolution.events()] == [EventState.DONE, EventState.NEW, EventState.DONE]


@pytest.mark.usefixtures("unit")
def test_a_failing_event_waits_longer_each_time_and_is_parked_with_its_error(evolution: Evolution, rows: Rows) -> None:
    evolution.post("messages.upsert", BROKEN)
    waits = []
    for _ in range(relay.MOST_ATTEMPTS):
        before = now()
        relay.drain()
        waits.append(round((evolution.events()[0].retry_at - before).total_seconds()))
        make_due()

    parked = evolution.events()[0]
    assert waits == sorted(set(waits))
    assert (parked.state, parked.attempts, parked.error) == (EventState.PARKED, 5, "NotUnderstood")
    assert relay.drain() == 0


@pytest.mark.usefixtures("unit")
def test_a_failed_event_is_not_tried_before_its_time(evolution: Evolution, rows: Rows) -> None:
    evolution.tell(("messages.upsert", BROKEN))

    assert relay.drain() == 0
    assert evolution.events()[0].attempts == 1


@pytest.mark.usefixtures("unit")
def test_a_failure_that_passes_leaves_nothing_undone(
    evolution: Evolution, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("portal.services.conversations.open_conversations", _fail)
        evolution.tell(("messages.upsert", message("3A01", "Bom dia")))
    left = evolution.events()[0].state, bodies(rows)
    make_due()
    relay.drain()

    assert left == (EventState.NEW, [])
    assert bodies(rows) == ["Bom dia"]
    assert evolution.events()[0].state == EventState.DONE


def _fail(*args: object) -> None:
    raise RuntimeError("the database hiccups")


@pytest.mark.usefixtures("unit")
@pytest.mark.parametrize(
    "data",
    [
        None,
        "text",
        {},
        [None],
        {"key": {}},
        {"key": {"remoteJid": "5511999990002@s.whatsapp.net"}},
        message("3A" + "0" * 200),
        message("3A\x00"),
    ],
    ids=range(8),
)
def test_what_no_event_looks_like_is_put_off_and_not_more(evolution: Evolution, rows: Rows, data: object) -> None:
    evolution.tell(("messages.upsert", data), ("messages.upsert", message("3A77", "Bom dia")))

    assert [event.attempts for event in evolution.events()] == [1, 0]
    assert bodies(rows) == ["Bom dia"]


@pytest.mark.usefixtures("unit")
def test_more_than_a_batch_is_applied_in_several(
    evolution: Evolution, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "BATCH", 2)
    for number in range(5):
        evolution.post("messages.upsert", message(f"3A0{number}", str(number)))

    applied = [relay.drain() for _ in range(4)]

    assert applied == [2, 2, 1, 0]
    assert bodies(rows) == ["0", "1", "2", "3", "4"]


def test_the_last_event_is_the_newest_one_heard(
    unit: Unit, evolution: Evolution, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    evolution.tell(("messages.upsert", BROKEN))
    evolution.tell(("messages.upsert", message("3A01")))
    newest = evolution.events()[1].received_at
    with across_tenants("a test lets the first event be older"), atomic():
        first = update(WebhookEvent).where(WebhookEvent.attempts == 1)
        db.session.execute(first.values(received_at=newest - timedelta(hours=1)))
    make_due()

    relay.drain()

    assert rows(Connection)[0].last_event_at == newest


@pytest.mark.commits
def test_a_unit_that_another_relay_is_at_is_left_to_it(scope: TenantScope, unit: Unit, evolution: Evolution) -> None:
    evolution.post("messages.upsert", message("3A01"))
    with apart(scope) as elsewhere:
        elsewhere.execute(scope.select(Unit, Unit.id).where(Unit.id == unit.id).with_for_update(key_share=True))

        assert relay.drain() == 0

    assert evolution.events()[0].state == EventState.NEW


def test_an_event_of_no_unit_is_left_to_the_operator(evolution: Evolution, scope: TenantScope) -> None:
    evolution.post("messages.upsert", message("3A01"), instance="unit_of_nobody")

    assert relay.drain() == 0
    assert json.loads(evolution.events()[0].body)["instance"] == "unit_of_nobody"


@pytest.mark.usefixtures("unit")
def test_large_bodies_are_applied_a_few_at_a_time(
    evolution: Evolution, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "LARGEST_BATCH", 3_000)
    for number in range(3):
        evolution.post("messages.upsert", message(f"3A0{number}", "x" * 2_000))

    # One that is larger than that all by itself still has its turn.
    evolution.post("messages.upsert", message("3A09", "x" * 4_000))

    assert [relay.drain() for _ in range(5)] == [1, 1, 1, 1, 0]
    assert len(rows(Message)) == 4


@pytest.mark.usefixtures("unit")
def test_the_usual_gap_between_events_is_learnt_and_a_night_is_one_gap(
    evolution: Evolution, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    began_at, gaps = now(), []
    for place, seconds in enumerate((0, 60, 120, 120 + 12 * 3_600)):
        evolution.post("messages.upsert", message(f"3A0{place}"))
        with across_tenants("a test sets the clock"), atomic():
            newest = update(WebhookEvent).where(WebhookEvent.state == EventState.NEW)
            db.session.execute(newest.values(received_at=began_at + timedelta(seconds=seconds)))
        relay.drain()
        gaps.append(rows(Connection)[0].usual_gap_s)

    assert gaps[0] is None
    assert gaps[1:3] == [60, 60]
    assert gaps[3] == pytest.approx(60 + (relay.LONGEST_USUAL_GAP_S - 60) * relay.GAP_WEIGHT)


@pytest.mark.usefixtures("unit")
def test_what_was_looked_up_was_not_heard(evolution: Evolution, rows: Rows, scope: TenantScope, unit: Unit) -> None:
    with acting_for(scope), atomic():
        hole = repairs.note(scope, unit.id, RepairKind.HOLE, began_at=now(), ended_at=now())
    evolution.post("messages.upsert", message("3A01"))
    with across_tenants("a test says that it was looked up"), atomic():
        db.session.execute(update(WebhookEvent).values(repair_id=hole.id))
    relay.drain()

    assert (rows(Connection)[0].last_event_at, rows(Message)[0].repair_id, rows(Repair)[0].found) == (None, hole.id, 1)
