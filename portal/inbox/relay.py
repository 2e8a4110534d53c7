"""The inbox relay: applies stored events, one unit after the other, each unit's in the order they were stored."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, func, or_, select

from portal import counters
from portal.clock import now
from portal.counters import INBOUND_S, Counted
from portal.db import among, attempt, db, on_commit
from portal.inbox import process
from portal.models import Connection, EventState, Unit, WebhookEvent
from portal.services import delivery
from portal.services.connections import lock_connection
from portal.tenancy import TenantScope, across_tenants, tenant_transaction

log = structlog.get_logger(__name__)

BATCH = 500
LARGEST_BATCH = 8 * 1024 * 1024
LOOK_AHEAD = 1_000
MOST_ATTEMPTS = 5
# A night without messages is one gap, not the usual one.
LONGEST_USUAL_GAP_S = 3_600.0
GAP_WEIGHT = 0.05


@dataclass(frozen=True)
class _Waiting:
    tenant_id: UUID
    unit_id: UUID


def drain() -> int:
    """Apply one batch of every unit that has new events; returns how many were applied or parked."""
    return sum(_drain_unit(waiting) for waiting in _units_with_events())


def _units_with_events() -> list[_Waiting]:
    oldest = (
        select(WebhookEvent.tenant_id, WebhookEvent.unit_id)
        .where(_is_due())
        .order_by(WebhookEvent.id)
        .limit(LOOK_AHEAD)
        .subquery()
    )
    with across_tenants("events of every tenant wait in one table"):
        return [_Waiting(*row) for row in db.session.execute(select(oldest).distinct())]


def _drain_unit(waiting: _Waiting) -> int:
    with tenant_transaction(TenantScope(waiting.tenant_id)) as scope:
        if not delivery.lock_unit(scope, waiting.unit_id, skip_locked=True):
            return 0
        unit = scope.get(Unit, waiting.unit_id)
        # Before the messages and the lane, as everybody who holds several of them does.
        connection = lock_connection(scope, waiting.unit_id)
        events = _next_events(scope, waiting.unit_id)
        failed_before = {event.id for event in events if event.error is not None}
        applied = events
        if not _apply(scope, unit, connection, events):
            applied = [event for event in events if _apply_alone(scope, unit, connection, event)]
        _note_heard(connection, events)
        failed = {event.id for event in events} - {event.id for event in applied}
        _count(applied, failed=len(failed - failed_before))
        return len(events)


def _next_events(scope: TenantScope, unit_id: UUID) -> list[WebhookEvent]:
    """The unit's oldest events, as many as fit into memory: one body may have 16 MiB."""
    due = (WebhookEvent.unit_id == unit_id) & _is_due()
    sizes = scope.select(WebhookEvent, WebhookEvent.id, func.octet_length(WebhookEvent.body)).where(due)
    ids, size = list[int](), 0
    for event_id, its_size in db.session.execute(sizes.order_by(WebhookEvent.id).limit(BATCH)):
        size += its_size
        if ids and size > LARGEST_BATCH:
            break
        ids.append(event_id)
    # Fresh, since an attempt that failed in this session left its own marks on them.
    chosen = scope.select(WebhookEvent).where(among(WebhookEvent.id, ids)).order_by(WebhookEvent.id)
    return list(db.session.scalars(chosen.execution_options(populate_existing=True)))


def _is_due() -> ColumnElement[bool]:
    is_time = or_(WebhookEvent.retry_at.is_(None), WebhookEvent.retry_at <= func.now())
    return (WebhookEvent.state == EventState.NEW) & WebhookEvent.unit_id.is_not(None) & is_time


def _apply(scope: TenantScope, unit: Unit, connection: Connection, events: list[WebhookEvent]) -> bool:
    """The usual way: one savepoint for the batch. False when one of them fails, with nothing applied."""
    try:
        with attempt():
            process.apply(scope, unit, connection, events)
            _note_done(scope, events)
    except Exception:
        # What was read after a statement that is now undone is not so.
        db.session.expire_all()
        return False
    return True


def _note_done(scope: TenantScope, events: list[WebhookEvent]) -> None:
    this = scope.update(WebhookEvent).where(among(WebhookEvent.id, [event.id for event in events]))
    db.session.execute(this.values(state=EventState.DONE).execution_options(synchronize_session=False))


def _apply_alone(scope: TenantScope, unit: Unit, connection: Connection, event: WebhookEvent) -> bool:
    try:
        with attempt():
            process.apply(scope, unit, connection, [event])
            event.state = EventState.DONE
    except Exception as e:
        _put_off(event, e)
        return False
    return True


def _put_off(event: WebhookEvent, error: Exception) -> None:
    """Try again a little later; after some tries it is parked, for an operator to look at and replay."""
    event.attempts += 1
    event.error = type(error).__name__
    event.retry_at = now() + timedelta(seconds=2**event.attempts)
    if event.attempts >= MOST_ATTEMPTS:
        event.state = EventState.PARKED
    log.warning("event not applied", event_id=event.id, name=event.event, attempts=event.attempts, error=event.error)


def _count(applied: list[WebhookEvent], *, failed: int) -> None:
    """Count them once all this is on disk, and how long those took that were delivered and never failed before.

    An event that fails again and again has failed once: `failed` are those of which this was the first time.
    """
    stored_at = [event.received_at for event in applied if event.error is None and event.repair_id is None]

    def count() -> None:
        counters.count(Counted.EVENTS_APPLIED, len(applied))
        counters.count(Counted.EVENTS_FAILED, failed)
        at = now()
        for moment in stored_at:
            counters.observe(INBOUND_S, max(0.0, (at - moment).total_seconds()))

    on_commit(count)


def _note_heard(connection: Connection, events: list[WebhookEvent]) -> None:
    """When the unit was heard last, and how long that usually takes. What was looked up was not heard."""
    heard = sorted(event.received_at for event in events if event.repair_id is None)
    for at in heard:
        last = connection.last_event_at
        if last is not None and at > last:
            gap_s = min((at - last).total_seconds(), LONGEST_USUAL_GAP_S)
            usual_s = connection.usual_gap_s
            connection.usual_gap_s = gap_s if usual_s is None else usual_s + (gap_s - usual_s) * GAP_WEIGHT
        # An event that is tried again was heard long before the newest one.
        connection.last_event_at = max(last or at, at)
