"""What was counted, and what only rows tell of how the portal does: of all tenants together, and without names."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, exists, func, or_, select, true

from portal.clock import now
from portal.counters import Counted
from portal.db import db
from portal.models import (
    CAMPAIGN_PRIORITY,
    Alert,
    Connection,
    ConnectionLoss,
    ConnectionStatus,
    EventState,
    EvolutionServer,
    Lane,
    Level,
    Message,
    MessageStatus,
    MetricMinute,
    MetricTotal,
    Relay,
    Tenant,
    Unit,
    WebhookEvent,
)
from portal.queries.health import OLDEST_HEARTBEAT
from portal.queue import QUEUES
from portal.tenancy import across_tenants

WHY = "metrics count the rows of all tenants together"
OFTEN = 2
# Each look at the running portal is counted, in the minute or shorter time in which it happened.
LIVE_LOOKS = "live_looks"
# How far back the newest look is looked for.
OLDEST_LOOK = timedelta(hours=1)
# Never tried, and not found among Evolution's stored messages: what was delivered just now. Whatever failed once
# keeps its error until it is applied, also when an operator lets it be tried again days later.
IS_LIVE = WebhookEvent.error.is_(None) & WebhookEvent.repair_id.is_(None)
# Kept for whoever looks into one unit, and no part of the whole: all units' refusals are counted together as well.
IS_OF_UNIT = MetricTotal.name.startswith(f"{Counted.WEBHOOKS_REFUSED}_", autoescape=True)


@dataclass(frozen=True)
class Inflow:
    """How fresh what comes in is: since when the oldest event waits, and when any unit was heard last."""

    oldest_waiting_at: datetime | None
    last_heard_at: datetime | None


@dataclass(frozen=True)
class Outflow:
    """How many units have a message that could have left for long; and of those, whose server is paused for as long."""

    waiting_units: int
    at_paused_servers: int


@dataclass(frozen=True)
class Gauges:
    """What is the case now: how much waits, and how many there are of what."""

    waiting_events: int
    waiting_sends: int
    open_lanes: int
    # Queue -> processes that showed a moment ago that they live.
    workers: dict[str, int]
    units: dict[ConnectionStatus, int]
    open_alerts: dict[Level, int]
    look_age_s: float


def read_totals() -> dict[str, int]:
    """Name -> how often it was counted ever."""
    with across_tenants(WHY):
        return dict(db.session.execute(select(MetricTotal.name, MetricTotal.count).where(~IS_OF_UNIT)).all())


def read_totals_at(at: datetime) -> dict[str, int]:
    """What `read_totals` would have said then, to the minute that had begun: from the counts of each minute since."""
    since = (
        select(MetricMinute.name, func.sum(MetricMinute.count).label("count"))
        .where(MetricMinute.minute >= at)
        .group_by(MetricMinute.name)
        .subquery()
    )
    before = MetricTotal.count - func.coalesce(since.c.count, 0)
    statement = select(MetricTotal.name, before).outerjoin(since, since.c.name == MetricTotal.name).where(~IS_OF_UNIT)
    with across_tenants(WHY):
        return {name: int(count) for name, count in db.session.execute(statement)}


def minutes(
    prefixes: Sequence[str], since: datetime, *, until: datetime, step: timedelta = timedelta(minutes=1)
) -> dict[str, dict[datetime, int]]:
    """Name -> beginning of each step between the two -> how often it was counted in it.

    Of all names that begin with one of these; steps in which it was not counted are left out.
    """
    wanted = or_(*(MetricMinute.name.startswith(prefix, autoescape=True) for prefix in prefixes))
    begin = func.date_bin(step, MetricMinute.minute, since.replace(second=0, microsecond=0))
    statement = (
        select(MetricMinute.name, begin, func.sum(MetricMinute.count))
        .where(MetricMinute.minute >= since, MetricMinute.minute < until, wanted)
        .group_by(MetricMinute.name, begin)
        .order_by(begin)
    )
    found: dict[str, dict[datetime, int]] = {}
    with across_tenants(WHY):
        for name, at, count in db.session.execute(statement):
            found.setdefault(name, {})[at] = int(count)
    return found


def count_units_that_dropped(since: datetime) -> int:
    """How many units lost their connection twice or more since then."""
    often = (
        select(ConnectionLoss.unit_id)
        .where(ConnectionLoss.created_at >= since)
        .group_by(ConnectionLoss.unit_id)
        .having(func.count() >= OFTEN)
        .subquery()
    )
    with across_tenants(WHY):
        return db.session.scalar(select(func.count()).select_from(often)) or 0


def list_losses(since: datetime, until: datetime) -> list[datetime]:
    """When any unit lost its connection, between the two."""
    at = ConnectionLoss.created_at
    with across_tenants(WHY):
        return list(db.session.scalars(select(at).where(at >= since, at < until)))


def read_inflow() -> Inflow:
    """Of events that were delivered and not tried yet, and of all units."""
    # Each unit's first, by its index: all that wait may be a million.
    first = (
        select(WebhookEvent.received_at)
        .where(WebhookEvent.unit_id == Unit.id, WebhookEvent.state == EventState.NEW, IS_LIVE)
        .order_by(WebhookEvent.id)
        .limit(1)
        .lateral()
    )
    oldest = select(func.min(first.c.received_at)).select_from(Unit).join(first, true())
    with across_tenants(WHY):
        waiting_at = db.session.scalar(oldest)
        heard_at = db.session.scalar(select(func.max(Connection.last_event_at)))
    return Inflow(waiting_at, heard_at)


def read_outflow(waited: timedelta) -> Outflow:
    """Of lanes that are open, and due for so long already that their oldest message should have left."""
    at = now()
    before = at - waited
    # What the outbox takes too: a campaign's message at its hours only, to a new chat only where nothing limits those.
    is_in_turn = (func.coalesce(Lane.campaign_at, before) <= before) & (func.coalesce(Lane.campaign_until, at) >= at)
    may_leave = exists().where(
        Message.tenant_id == Lane.tenant_id,
        Message.unit_id == Lane.unit_id,
        Message.status == MessageStatus.QUEUED,
        Message.created_at <= before,
        func.coalesce(Message.expires_at, at) >= at,
        or_(Message.priority < CAMPAIGN_PRIORITY, is_in_turn),
        or_(Message.is_cold.is_(False), func.coalesce(Lane.next_cold_at, before) <= before),
    )
    is_paused = EvolutionServer.pause_reason.is_not(None) & (EvolutionServer.paused_at <= before)
    held = (
        select(func.count(), func.count().filter(is_paused))
        .select_from(Lane)
        .join(EvolutionServer, EvolutionServer.id == Lane.evolution_server_id)
        .join(Tenant, Tenant.id == Lane.tenant_id)
        .where(Lane.has_work, Lane.is_open, Lane.next_send_at <= before, Tenant.suspended_at.is_(None), may_leave)
    )
    with across_tenants(WHY):
        return Outflow(*db.session.execute(held).one())


def queues_without_worker() -> set[str]:
    """Those of which no process shows that it lives; none while one has just begun, since the others come with it."""
    is_new = func.bool_or(Relay.started_at > func.now() - OLDEST_HEARTBEAT)
    alive = select(Relay.queue, is_new).where(_is_alive()).group_by(Relay.queue)
    with across_tenants(WHY):
        found: dict[str, bool] = dict(db.session.execute(alive).all())
    return set() if any(found.values()) else set(QUEUES) - found.keys()


def look_age_s() -> float:
    """How long ago a worker looked at the running portal last, for alerts; an hour when it is longer, or never was."""
    newest = select(func.max(MetricMinute.minute)).where(
        MetricMinute.name == LIVE_LOOKS, MetricMinute.minute >= now() - OLDEST_LOOK
    )
    with across_tenants(WHY):
        age = age_s(db.session.scalar(newest))
    return OLDEST_LOOK.total_seconds() if age is None else age


def read_gauges() -> Gauges:
    """Count what is there now."""
    its_connection = (Connection.tenant_id == Unit.tenant_id) & (Connection.unit_id == Unit.id)
    units = select(Connection.status, func.count()).join(Unit, its_connection).where(Unit.archived_at.is_(None))
    workers = select(Relay.queue, func.count()).where(_is_alive()).group_by(Relay.queue)
    alerts = select(Alert.level, func.count()).where(Alert.recovered_at.is_(None)).group_by(Alert.level)
    with across_tenants(WHY):
        alive = dict(db.session.execute(workers).all())
        by_status = dict(db.session.execute(units.group_by(Connection.status)).all())
        by_level = dict(db.session.execute(alerts).all())
        return Gauges(
            waiting_events=_count(_is_waiting()),
            waiting_sends=_count(Message.status == MessageStatus.QUEUED),
            open_lanes=_count(Lane.is_open.is_(True)),
            workers={queue: alive.get(queue, 0) for queue in QUEUES},
            units={status: by_status.get(status, 0) for status in ConnectionStatus},
            open_alerts={level: by_level.get(level, 0) for level in (Level.WARNING, Level.CRITICAL)},
            look_age_s=look_age_s(),
        )


def age_s(at: datetime | None) -> float | None:
    """How many seconds ago that was."""
    return None if at is None else max(0.0, (now() - at) / timedelta(seconds=1))


def _is_alive() -> ColumnElement[bool]:
    return Relay.heartbeat_at > func.now() - OLDEST_HEARTBEAT


def _is_waiting() -> ColumnElement[bool]:
    return (WebhookEvent.state == EventState.NEW) & WebhookEvent.unit_id.is_not(None)


def _count(which: ColumnElement[bool]) -> int:
    return db.session.scalar(select(func.count()).where(which)) or 0
