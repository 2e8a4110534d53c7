"""A look at all metrics: what is read from counters and from rows, and what they say together."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert, update

from portal.clock import now
from portal.counters import DATABASE_MS, INBOUND_S
from portal.db import atomic, db
from portal.models import (
    CAMPAIGN_PRIORITY,
    Connection,
    ConnectionLoss,
    Direction,
    EventState,
    EvolutionServer,
    Lane,
    Level,
    MessageStatus,
    MetricTotal,
    Relay,
    Repair,
    RepairKind,
    Tenant,
    Unit,
    Verdict,
    WebhookEvent,
)
from portal.monitor import metrics
from portal.monitor.metrics import METRICS, Look, Reading, judge
from portal.queue import QUEUES
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.factories import make_connected_unit, make_conversation, make_message, make_parked_event, make_tenant
from tests.monitor.watching import start_workers

OK, WARNING, CRITICAL = Level.OK, Level.WARNING, Level.CRITICAL
SINCE = timedelta(minutes=10)
LONG_AGO = now() - timedelta(days=1)


@pytest.fixture(autouse=True)
def _workers(database: None) -> None:
    """All have lived for long, but where a test takes one away."""
    start_workers(at=LONG_AGO)


def count(**counts: int) -> None:
    with across_tenants("a test counts"), atomic():
        db.session.execute(insert(MetricTotal), [{"name": name, "count": number} for name, number in counts.items()])


def look(before: Mapping[str, int] | None = None) -> Look:
    return metrics.look(now() - SINCE, before or {})


def reading(metric: str, before: Mapping[str, int] | None = None) -> Reading:
    return next(one for one in look(before).readings if one.metric == metric)


def test_portal_in_which_nothing_happened_is_well() -> None:
    seen = look()

    assert [one.metric for one in seen.readings] == list(METRICS)
    assert {one.level for one in seen.readings} == {OK}
    assert (seen.verdict, seen.reasons, seen.totals) == (Verdict.GO, (), {})
    rates = {one.metric: one.detail for one in seen.readings if one.value == metrics.NOTHING}
    assert rates == {
        "processing_errors": "nothing was processed",
        "outbound_success": "nothing was sent",
        "database": "nothing was asked of the database",
        "inbound_flow": "nothing came in, nothing waits, no unit was ever heard",
    }


@pytest.mark.parametrize(
    ("metric", "counts", "value", "level"),
    [
        ("http_5xx", {"http_5xx": 6, "http_requests": 60}, "6", WARNING),
        ("http_denied", {"http_denied": 51}, "51", CRITICAL),
        ("http_429", {"http_429": 5}, "5", OK),
        ("unknown_instances", {"unknown_instances": 6}, "6", CRITICAL),
        ("secrets_in_logs", {"secrets_in_logs": 1}, "1", CRITICAL),
        ("retries", {"sends_retried": 11}, "11", WARNING),
        ("processing_errors", {"events_applied": 9, "events_failed": 1}, "10 %", OK),
        ("processing_errors", {"events_applied": 8, "events_failed": 1}, "11.1 %", CRITICAL),
        ("outbound_success", {"sends_ok": 91, "sends_failed": 9}, "91 %", OK),
        ("outbound_success", {"sends_ok": 90, "sends_failed": 9, "sends_unconfirmed": 1}, "90 %", WARNING),
        ("outbound_success", {"sends_ok": 49, "sends_failed": 51}, "49 %", CRITICAL),
        # Just over a border: what is shown must not lie on its other side.
        ("outbound_success", {"sends_ok": 9004, "sends_failed": 996}, "90.04 %", OK),
        ("outbound_success", {"sends_ok": 90_004, "sends_failed": 9_996}, "90.004 %", OK),
        ("processing_errors", {"events_applied": 89_996, "events_failed": 10_004}, "10.004 %", CRITICAL),
        # Taken, and refused by WhatsApp afterwards: that is no success.
        ("outbound_success", {"sends_ok": 100, "sends_refused": 51}, "49 %", CRITICAL),
        # The recipient's own doing, and what goes on being tried.
        ("outbound_success", {"sends_ok": 1, "sends_not_possible": 99, "sends_retried": 5}, "100 %", OK),
        ("outbound_success", {"sends_not_possible": 3}, metrics.NOTHING, OK),
        ("database", {DATABASE_MS.bucket(50): 100}, "49.2 ms", OK),
        ("database", {DATABASE_MS.bucket(50): 90, DATABASE_MS.bucket(75): 10}, "62.5 ms", WARNING),
        ("database", {DATABASE_MS.bucket(None): 100}, "5000 ms", CRITICAL),
        ("database", {DATABASE_MS.bucket(1): 100, "db_connection_errors": 1}, "0.95 ms, 1 errors", CRITICAL),
        ("database", {"db_connection_errors": 2}, "–, 2 errors", CRITICAL),
        ("inbound_flow", {INBOUND_S.bucket(1): 100}, "0.975 s", OK),
        ("inbound_flow", {INBOUND_S.bucket(7.5): 100}, "7.38 s", WARNING),
        ("inbound_flow", {INBOUND_S.bucket(60): 100}, "58.5 s", CRITICAL),
    ],
)
def test_counters_are_read_and_judged(metric: str, counts: dict[str, int], value: str, level: Level) -> None:
    count(**counts)

    seen = reading(metric)

    assert (seen.value, seen.level) == (value, level)


def test_only_what_came_since_the_look_before_counts() -> None:
    count(http_5xx=100, http_requests=1_000, sends_ok=50, sends_failed=50)

    seen = look({"http_5xx": 97, "http_requests": 990, "sends_ok": 40, "sends_failed": 50})

    by_metric = {one.metric: one for one in seen.readings}
    assert by_metric["http_5xx"].detail == "3 of 10 responses were 5xx"
    assert by_metric["outbound_success"].value == "100 %"
    assert seen.totals == {"http_5xx": 100, "http_requests": 1_000, "sends_ok": 50, "sends_failed": 50}


def test_counters_that_began_anew_count_as_nothing() -> None:
    count(http_5xx=3)

    assert reading("http_5xx", {"http_5xx": 90}).value == "0"


@pytest.mark.parametrize(
    ("levels", "verdict", "overall"),
    [
        ([], Verdict.GO, OK),
        ([WARNING], Verdict.MONITOR, WARNING),
        ([WARNING] * 2, Verdict.MONITOR, WARNING),
        ([WARNING] * 3, Verdict.NO_GO, CRITICAL),
        ([CRITICAL], Verdict.NO_GO, CRITICAL),
        ([CRITICAL, WARNING], Verdict.NO_GO, CRITICAL),
    ],
    ids=["all ok", "one warning", "two warnings", "three warnings", "one critical", "both"],
)
def test_verdict(levels: list[Level], verdict: Verdict, overall: Level) -> None:
    levels = [*levels, *[OK] * (12 - len(levels))]

    seen = judge(Reading(metric, level, "", "") for metric, level in zip(METRICS, levels, strict=False))

    assert (seen.metric, seen.value, seen.level) == ("overall", verdict.value, overall)


def test_reasons_name_the_metrics_and_their_values() -> None:
    count(http_5xx=6, unknown_instances=9, sends_ok=3, sends_failed=97)

    seen = look()

    assert seen.verdict == Verdict.NO_GO
    assert seen.reasons == ("http_5xx 6", "unknown_instances 9", "outbound_success 3 %")
    assert seen.readings[-1].detail == "2 critical, 1 at a warning, 9 OK"


class Rows:
    """A company with a unit, and what happened to it so long ago."""

    def __init__(self, slug: str = "acme") -> None:
        self.scope: TenantScope = make_tenant(slug)
        self.unit: Unit = make_connected_unit(self.scope)

    def lose(self, *ages: timedelta) -> None:
        with acting_for(self.scope), atomic():
            for age in ages:
                self.scope.add(ConnectionLoss(unit_id=self.unit.id, created_at=now() - age))

    def keep_event(self, age_s: float, **columns: object) -> None:
        make_parked_event(self.scope, self.unit)
        with across_tenants("a test lets an event wait"), atomic():
            newest = update(WebhookEvent).where(WebhookEvent.state == EventState.PARKED)
            told = {"state": EventState.NEW, "error": None, "received_at": now() - timedelta(seconds=age_s), **columns}
            db.session.execute(newest.values(told).execution_options(synchronize_session=False))


@pytest.mark.parametrize(("units", "level"), [(1, WARNING), (2, WARNING), (3, CRITICAL)])
def test_units_that_lost_their_connection_twice_count(units: int, level: Level) -> None:
    for number in range(units):
        Rows(f"company-{number}").lose(timedelta(minutes=1), timedelta(minutes=9))
    Rows("calm").lose(timedelta(minutes=1), timedelta(minutes=11))

    seen = reading("connection_drops")

    assert (seen.value, seen.level) == (str(units), level)


@pytest.mark.parametrize(("age_s", "level"), [(4, OK), (6, WARNING), (31, CRITICAL)])
def test_event_that_waits_is_slow_before_it_is_applied(age_s: float, level: Level) -> None:
    Rows().keep_event(age_s)
    count(**{INBOUND_S.bucket(1): 100})

    seen = reading("inbound_flow")

    assert (round(float(seen.value.removesuffix(" s"))), seen.level) == (age_s, level)
    assert f"the oldest waits for {age_s} s" in seen.detail


def test_event_that_failed_or_was_looked_up_or_is_nobodys_does_not_wait() -> None:
    rows = Rows()
    with acting_for(rows.scope), atomic():
        repair = rows.scope.add(Repair(unit_id=rows.unit.id, kind=RepairKind.HOLE))
        db.session.flush()
        repair_id = repair.id
    rows.keep_event(100, error="NotUnderstood", attempts=1)
    rows.keep_event(200, repair_id=repair_id)
    rows.keep_event(300, tenant_id=None, unit_id=None)

    assert reading("inbound_flow").value == metrics.NOTHING


def test_last_event_of_any_unit_is_told() -> None:
    rows = Rows()
    with acting_for(rows.scope), atomic():
        heard = rows.scope.update(Connection).values(last_event_at=now() - timedelta(seconds=90))
        db.session.execute(heard)

    assert reading("inbound_flow").detail == "nothing came in, nothing waits, the last event is 90 s old"


def stop_workers(*queues: str) -> None:
    with across_tenants("a test stops workers"), atomic():
        db.session.execute(delete(Relay).where(Relay.queue.in_(queues)))


def test_idle_portal_without_a_worker_of_the_inbox_is_deaf() -> None:
    stop_workers("inbox")

    seen = reading("inbound_flow")

    assert (seen.value, seen.level) == (f"{metrics.NOTHING}, no worker", CRITICAL)
    assert seen.detail.endswith("nothing waits, no unit was ever heard; no worker of the inbox lives")
    assert reading("outbound_success").level == OK


def test_worker_that_is_silent_is_as_good_as_none() -> None:
    stop_workers(*QUEUES)
    start_workers(at=LONG_AGO, heard_at=now() - timedelta(seconds=20))

    assert reading("inbound_flow").level == CRITICAL


def test_while_workers_begin_none_is_missed() -> None:
    stop_workers(*QUEUES)
    start_workers("background", at=now() - timedelta(seconds=1))

    assert look().verdict == Verdict.GO


class Waiting(Rows):
    """A company with a message that could have left so many minutes ago."""

    def __init__(self, minutes: float = 6, **columns: object) -> None:
        super().__init__()
        at = now() - timedelta(minutes=minutes)
        conversation = make_conversation(self.scope, self.unit)
        queued = {"direction": Direction.OUTBOUND, "status": MessageStatus.QUEUED, "created_at": at, **columns}
        make_message(self.scope, conversation, **queued)
        self.change_lane(has_work=True, next_send_at=at)

    def change_lane(self, **columns: object) -> None:
        with acting_for(self.scope), atomic():
            db.session.execute(self.scope.update(Lane).values(columns))

    def pause_server(self, minutes: float) -> None:
        paused = {"pause_reason": "unreachable", "paused_at": now() - timedelta(minutes=minutes)}
        with across_tenants("a test pauses a server"), atomic():
            db.session.execute(update(EvolutionServer).values(paused))


def test_what_waits_without_a_worker_of_the_outbox_is_no_success() -> None:
    Waiting()
    stop_workers("outbox")

    seen = reading("outbound_success")

    assert (seen.value, seen.level) == (f"{metrics.NOTHING}, 1 units wait", CRITICAL)
    told = "messages of 1 units could have left for 5 minutes, but no worker of the outbox lives"
    assert seen.detail == f"nothing was sent; {told}"


@pytest.mark.parametrize(("paused_for", "level"), [(6, CRITICAL), (4, OK)])
def test_what_waits_for_a_paused_server_is_no_success(paused_for: float, level: Level) -> None:
    Waiting().pause_server(paused_for)
    count(sends_ok=100)

    seen = reading("outbound_success")

    assert seen.level == level
    assert ("their server is paused" in seen.detail) == (level == CRITICAL)


def test_what_waits_with_a_worker_and_a_server_is_on_its_way() -> None:
    Waiting()

    assert reading("outbound_success").level == OK


CALM: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "it came just now": ({"minutes": 4}, {}),
    "it is not its time": ({}, {"next_send_at": now() + timedelta(hours=1)}),
    "the unit is away": ({}, {"is_open": False}),
    "it is too old": ({"expires_at": now() - timedelta(minutes=1)}, {}),
    "new chats are limited": ({"is_cold": True}, {"next_cold_at": now() + timedelta(hours=1)}),
    "the campaign's day is over": (
        {"priority": CAMPAIGN_PRIORITY},
        {"campaign_until": now() - timedelta(minutes=1)},
    ),
    "the campaign's turn is later": ({"priority": CAMPAIGN_PRIORITY}, {"campaign_at": now() + timedelta(hours=1)}),
}


@pytest.mark.parametrize(("message", "lane"), CALM.values(), ids=CALM)
def test_what_may_not_leave_is_not_held(message: dict[str, Any], lane: dict[str, object]) -> None:
    waiting = Waiting(**message)
    waiting.change_lane(has_work=True, **lane)
    waiting.pause_server(10)
    stop_workers("outbox")

    assert reading("outbound_success").level == OK


def test_suspended_company_has_nothing_to_send() -> None:
    Waiting()
    with across_tenants("a test suspends a company"), atomic():
        db.session.execute(update(Tenant).values(suspended_at=now()))
    stop_workers("outbox")

    assert reading("outbound_success").level == OK
