"""The inbox relay: applies stored events, those of some units together, each unit's in the order they were stored."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Select, Uuid, any_, bindparam, func, literal, or_, select, true

from portal import counters
from portal.clock import now
from portal.counters import INBOUND_S, Counted
from portal.db import DATABASE_AWAY, among_told, attempt, db, is_held_up, on_commit, told_table, wait_at_most
from portal.inbox import process
from portal.inbox.process import Held
from portal.models import Connection, EventState, Unit, WebhookEvent
from portal.tenancy import Form, TenantScope, across_tenants, tenant_transaction

log = structlog.get_logger(__name__)

# The shortest time from one round to the next: what comes within it is applied together.
ROUND_S = 0.05
TRANSACTIONS_AT_ONCE = 3
# Units of a company of which few events wait share a transaction: most of what one event costs is not its own.
UNITS_TOGETHER = 16
# Units that wait for a lock hold up whoever writes to their people, so they let go and come back.
LONGEST_WAIT = "500ms"
FEW_EVENTS = 10
BATCH = 500
LARGEST_BATCH = 2 * 1024 * 1024
LOOK_AHEAD = 1_000
MOST_ATTEMPTS = 5
# A night without messages is one gap, not the usual one.
LONGEST_USUAL_GAP_S = 3_600.0
GAP_WEIGHT = 0.05

AppContext = Callable[[], AbstractContextManager[object]]
_Apply = Callable[[TenantScope, Mapping[UUID, Held], Sequence[WebhookEvent]], Sequence[WebhookEvent]]
_one_is_large = threading.Lock()


@dataclass(frozen=True)
class _Waiting:
    """Units of one company whose events are applied in one transaction."""

    tenant_id: UUID
    unit_ids: tuple[UUID, ...]

    def apart(self) -> list["_Waiting"]:
        return [_Waiting(self.tenant_id, (unit_id,)) for unit_id in self.unit_ids]


class InboxRelay:
    """Round after round of one process. Nobody waits for what comes first, and under load some come together."""

    def __init__(self, app_context: AppContext) -> None:
        self._app_context = app_context
        self._looked_at = float("-inf")

    def drain(self) -> float | None:
        """Apply a batch of every unit that has new events; 0.0 when there may be more, None when there was nothing."""
        time.sleep(max(0.0, self._looked_at + ROUND_S - time.monotonic()))
        self._looked_at = time.monotonic()
        return 0.0 if drain(self._app_context) else None


def drain(app_context: AppContext | None = None) -> int:
    """Apply one batch of every unit that has new events; returns how many were applied or parked.

    Given contexts to work in, some transactions at once: most of the time of each is the database's.
    """
    waiting = _units_with_events()
    if app_context is None or len(waiting) < 2:
        return sum(map(_drain_units, waiting))
    shared = iter(waiting)
    with ThreadPoolExecutor(TRANSACTIONS_AT_ONCE, thread_name_prefix="units") as pool:
        drained = [pool.submit(_drain_next, app_context, shared) for _ in range(TRANSACTIONS_AT_ONCE)]
    return sum(one.result() for one in drained)


def _drain_next(app_context: AppContext, shared: Iterator[_Waiting]) -> int:
    """One after the other, of those that no other thread took; no further one when the database is away."""
    with app_context():
        return sum(map(_drain_units, shared))


def _units_with_events() -> list[_Waiting]:
    oldest = (
        select(WebhookEvent.tenant_id, WebhookEvent.unit_id)
        .where(_is_due())
        .order_by(WebhookEvent.id)
        .limit(LOOK_AHEAD)
        .subquery()
    )
    counted = select(oldest.c.tenant_id, oldest.c.unit_id, func.count()).group_by(*oldest.c)
    with across_tenants("events of every tenant wait in one table"):
        return _in_groups(db.session.execute(counted))


def _in_groups(counted: Iterable[Any]) -> list[_Waiting]:
    """Those that take longest last."""
    with_many, with_few = list[_Waiting](), defaultdict[UUID, list[UUID]](list)
    for tenant_id, unit_id, number in counted:
        if number > FEW_EVENTS:
            with_many.append(_Waiting(tenant_id, (unit_id,)))
        else:
            with_few[tenant_id].append(unit_id)
    groups = list[_Waiting]()
    for tenant_id, unit_ids in with_few.items():
        starts = range(0, len(unit_ids), UNITS_TOGETHER)
        groups += [_Waiting(tenant_id, tuple(unit_ids[start : start + UNITS_TOGETHER])) for start in starts]
    return groups + with_many


def _drain_units(waiting: _Waiting) -> int:
    try:
        return _drain(waiting, _apply_together)
    except Exception as e:
        must_wait = is_held_up(e)
    if len(waiting.unit_ids) > 1:
        # The others need not wait for the one that holds them up.
        return sum(map(_drain_units, waiting.apart()))
    if must_wait:
        # Say an import that writes the same people: nothing is wrong with the events, whose turn comes again.
        return 0
    # Which of its events it is that cannot be applied shows when each is applied for itself.
    try:
        return _drain(waiting, _apply_each)
    except DATABASE_AWAY as e:
        if is_held_up(e):
            return 0
        raise
    except Exception:
        log.exception("unit not drained", unit_id=str(waiting.unit_ids[0]))
        return 0


def _drain(waiting: _Waiting, apply: _Apply) -> int:
    with tenant_transaction(TenantScope(waiting.tenant_id)) as scope:
        wait_at_most(LONGEST_WAIT)
        held = _hold(scope, waiting.unit_ids)
        if not held:
            return 0
        room = {"most": BATCH, "largest": LARGEST_BATCH}
        events = list(scope.execute(_NEXT_EVENTS, told_unit_id=list(held), **room).scalars())
        failed_before = {event.id for event in events if event.error is not None}
        _note_heard(held, events)
        with _large_in_turn(events):
            applied = apply(scope, held, events)
        failed = {event.id for event in events} - {event.id for event in applied}
        _count(applied, failed=len(failed - failed_before))
        return len(events)


def _hold(scope: TenantScope, unit_ids: Sequence[UUID]) -> dict[UUID, Held]:
    """Those of these units that nobody else is at, until the transaction ends.

    Before the messages and the lane, as everybody who holds several of them does. Whoever waited for one would hold up
    the others.
    """
    rows = scope.execute(_UNITS_UNLESS_HELD, units=list(unit_ids)).all()
    return {unit.id: Held(unit, connection) for unit, connection in rows}


def _large_in_turn(events: Sequence[WebhookEvent]) -> AbstractContextManager[object]:
    """Several times its size is needed to understand a body, and one may have 16 MiB."""
    return _one_is_large if sum(len(event.body) for event in events) > LARGEST_BATCH else nullcontext()


def _is_due() -> ColumnElement[bool]:
    # Written out, or a plan for all values could not use the index of new events.
    is_new = WebhookEvent.state == literal(EventState.NEW.value, literal_execute=True)
    is_time = or_(WebhookEvent.retry_at.is_(None), WebhookEvent.retry_at <= func.now())
    return is_new & WebhookEvent.unit_id.is_not(None) & is_time


def _next_events(scope: TenantScope) -> Select[Any]:
    """The units' oldest events, as many as fit into memory, and one at least."""
    told = told_table({"unit_id": Uuid()})
    size = func.octet_length(WebhookEvent.body).label("size")
    due = scope.select(WebhookEvent, WebhookEvent.id, size).where(WebhookEvent.unit_id == told.c.unit_id, _is_due())
    # Of each unit by itself, in the order of the index: all that waits of one may be a hundred thousand.
    of_each = due.order_by(WebhookEvent.id).limit(bindparam("most")).lateral()
    both = select(of_each.c.id, of_each.c.size).select_from(told).join(of_each, true())
    oldest = both.order_by(of_each.c.id).limit(bindparam("most")).subquery()
    so_far = func.sum(oldest.c.size).over(order_by=oldest.c.id)
    fits = or_(so_far <= bindparam("largest"), so_far == oldest.c.size).label("fits")
    measured = select(oldest.c.id, fits).subquery()
    # An array of ids is looked up by the key, whatever PostgreSQL knows of a table that has just grown.
    ids = func.array(select(measured.c.id).where(measured.c.fits).scalar_subquery())
    chosen = scope.select(WebhookEvent).where(WebhookEvent.id == any_(ids))
    # Fresh, since an attempt that failed in this session left its own marks on them.
    return chosen.order_by(WebhookEvent.id).execution_options(populate_existing=True)


def _apply_together(
    scope: TenantScope, held: Mapping[UUID, Held], events: Sequence[WebhookEvent]
) -> Sequence[WebhookEvent]:
    """The usual way: all, or none when one of them fails."""
    process.apply(scope, held, events)
    scope.execute(_NOTE_DONE, ids=[event.id for event in events])
    return events


def _apply_each(
    scope: TenantScope, held: Mapping[UUID, Held], events: Sequence[WebhookEvent]
) -> Sequence[WebhookEvent]:
    return [event for event in events if _apply_alone(scope, held, event)]


def _apply_alone(scope: TenantScope, held: Mapping[UUID, Held], event: WebhookEvent) -> bool:
    try:
        with attempt():
            process.apply(scope, held, [event])
            event.state = EventState.DONE
    except Exception as e:
        if is_held_up(e):
            raise
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


def _note_heard(held: Mapping[UUID, Held], events: Sequence[WebhookEvent]) -> None:
    """When each unit was heard last, and how long that usually takes. What was looked up was not heard."""
    for event in sorted(events, key=lambda event: event.received_at):
        if event.repair_id is not None or event.unit_id is None:
            continue
        connection, at = held[event.unit_id].connection, event.received_at
        last = connection.last_event_at
        if last is not None and at > last:
            gap_s = min((at - last).total_seconds(), LONGEST_USUAL_GAP_S)
            usual_s = connection.usual_gap_s
            connection.usual_gap_s = gap_s if usual_s is None else usual_s + (gap_s - usual_s) * GAP_WEIGHT
        # An event that is tried again was heard long before the newest one.
        connection.last_event_at = max(last or at, at)


_UNITS_UNLESS_HELD = Form(
    lambda scope: (
        scope.select(Unit, Unit, Connection)
        .join(Connection, Connection.unit_id == Unit.id)
        .where(among_told(Unit.id, "units"))
        .order_by(Unit.id)
        .with_for_update(key_share=True, skip_locked=True)
        .execution_options(populate_existing=True)
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
