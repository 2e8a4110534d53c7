"""The inbox relay: applies stored events, some units at once, each unit's in the order they were stored."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Select, any_, bindparam, func, literal, or_, select

from portal import counters
from portal.clock import now
from portal.counters import INBOUND_S, Counted
from portal.db import DATABASE_AWAY, among_told, attempt, db, on_commit
from portal.inbox import process
from portal.models import Connection, EventState, Unit, WebhookEvent
from portal.services.connections import lock_connection
from portal.tenancy import Form, TenantScope, across_tenants, tenant_transaction

log = structlog.get_logger(__name__)

UNITS_AT_ONCE = 3
BATCH = 500
LARGEST_BATCH = 2 * 1024 * 1024
LOOK_AHEAD = 1_000
MOST_ATTEMPTS = 5
# A night without messages is one gap, not the usual one.
LONGEST_USUAL_GAP_S = 3_600.0
GAP_WEIGHT = 0.05


AppContext = Callable[[], AbstractContextManager[object]]
_Apply = Callable[[TenantScope, Unit, Connection, Sequence[WebhookEvent]], Sequence[WebhookEvent]]
_one_is_large = threading.Lock()


@dataclass(frozen=True)
class _Waiting:
    tenant_id: UUID
    unit_id: UUID


def drain(app_context: AppContext | None = None) -> int:
    """Apply one batch of every unit that has new events; returns how many were applied or parked.

    Given contexts to work in, some units at once: most of a unit's time is the database's.
    """
    waiting = _units_with_events()
    if app_context is None or len(waiting) < 2:
        return sum(map(_drain_unit, waiting))
    shared = iter(waiting)
    with ThreadPoolExecutor(UNITS_AT_ONCE, thread_name_prefix="units") as pool:
        drained = [pool.submit(_drain_next, app_context, shared) for _ in range(UNITS_AT_ONCE)]
    return sum(one.result() for one in drained)


def _drain_next(app_context: AppContext, shared: Iterator[_Waiting]) -> int:
    """One unit after the other, of those that no other thread took; no further one when the database is away."""
    with app_context():
        return sum(map(_drain_unit, shared))


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
    with suppress(Exception):
        return _drain(waiting, _apply_together)
    # Which of them it is that cannot be applied shows when each is applied for itself.
    try:
        return _drain(waiting, _apply_each)
    except DATABASE_AWAY:
        raise
    except Exception:
        # The other units need not wait for this one.
        log.exception("unit not drained", unit_id=str(waiting.unit_id))
        return 0


def _drain(waiting: _Waiting, apply: _Apply) -> int:
    with tenant_transaction(TenantScope(waiting.tenant_id)) as scope:
        unit: Unit | None = scope.execute(_UNIT_UNLESS_HELD, unit=waiting.unit_id).scalar()
        if unit is None:
            return 0
        # Before the messages and the lane, as everybody who holds several of them does.
        connection = lock_connection(scope, waiting.unit_id)
        room = {"most": BATCH, "largest": LARGEST_BATCH}
        events = list(scope.execute(_NEXT_EVENTS, unit=waiting.unit_id, **room).scalars())
        failed_before = {event.id for event in events if event.error is not None}
        _note_heard(connection, events)
        with _large_in_turn(events):
            applied = apply(scope, unit, connection, events)
        failed = {event.id for event in events} - {event.id for event in applied}
        _count(applied, failed=len(failed - failed_before))
        return len(events)


def _large_in_turn(events: Sequence[WebhookEvent]) -> AbstractContextManager[object]:
    """Several times its size is needed to understand a body, and one may have 16 MiB."""
    return _one_is_large if sum(len(event.body) for event in events) > LARGEST_BATCH else nullcontext()


def _is_due() -> ColumnElement[bool]:
    # Written out, or a plan for all values could not use the index of new events.
    is_new = WebhookEvent.state == literal(EventState.NEW.value, literal_execute=True)
    is_time = or_(WebhookEvent.retry_at.is_(None), WebhookEvent.retry_at <= func.now())
    return is_new & WebhookEvent.unit_id.is_not(None) & is_time


def _next_events(scope: TenantScope) -> Select[Any]:
    """The unit's oldest events, as many as fit into memory, and one at least."""
    size = func.octet_length(WebhookEvent.body)
    so_far = func.sum(size).over(order_by=WebhookEvent.id)
    fits = or_(so_far <= bindparam("largest"), so_far == size).label("fits")
    due = scope.select(WebhookEvent, WebhookEvent.id, fits).where(WebhookEvent.unit_id == bindparam("unit"), _is_due())
    oldest = due.order_by(WebhookEvent.id).limit(bindparam("most")).subquery()
    # An array of ids is looked up by the key, whatever PostgreSQL knows of a table that has just grown.
    ids = func.array(select(oldest.c.id).where(oldest.c.fits).scalar_subquery())
    chosen = scope.select(WebhookEvent).where(WebhookEvent.id == any_(ids))
    # Fresh, since an attempt that failed in this session left its own marks on them.
    return chosen.order_by(WebhookEvent.id).execution_options(populate_existing=True)


def _apply_together(
    scope: TenantScope, unit: Unit, connection: Connection, events: Sequence[WebhookEvent]
) -> Sequence[WebhookEvent]:
    """The usual way: all, or none when one of them fails."""
    process.apply(scope, unit, connection, events)
    scope.execute(_NOTE_DONE, ids=[event.id for event in events])
    return events


def _apply_each(
    scope: TenantScope, unit: Unit, connection: Connection, events: Sequence[WebhookEvent]
) -> Sequence[WebhookEvent]:
    return [event for event in events if _apply_alone(scope, unit, connection, event)]


def _apply_alone(scope: TenantScope, unit: Unit, connection: Connection, event: WebhookEvent) -> bool:
    try:
        with attempt():
            process.apply(scope, unit, connection, [event])
            event.state = EventState.DONE
    except Exception as e:
        # What was read after a statement that is now undone is not so.
        db.session.expire_all()
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


def _count(applied: Sequence[WebhookEvent], *, failed: int) -> None:
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


_UNIT_UNLESS_HELD = Form(
    lambda scope: (
        scope.select(Unit).where(Unit.id == bindparam("unit")).with_for_update(key_share=True, skip_locked=True)
    )
)
_NEXT_EVENTS = Form(_next_events)
_NOTE_DONE = Form(
    lambda scope: (
        scope.update(WebhookEvent)
        .where(among_told(WebhookEvent.id, "ids"))
        .values(state=EventState.DONE)
        .execution_options(synchronize_session=False)
    )
)
