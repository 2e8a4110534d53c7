"""The inbox relay: applies stored events, one unit after the other, each unit's in the order they were stored."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, func, or_, select

from portal.clock import now
from portal.db import db
from portal.inbox import process
from portal.models import Connection, EventState, WebhookEvent
from portal.services import delivery
from portal.tenancy import TenantScope, across_tenants, tenant_transaction

log = structlog.get_logger(__name__)

BATCH = 200
LOOK_AHEAD = 1_000
MOST_ATTEMPTS = 5


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
        events = _next_events(scope, waiting.unit_id)
        if not _apply_together(scope, events):
            for event in events:
                _apply_alone(scope, event)
        _note_heard(scope, waiting.unit_id, events)
        return len(events)


def _next_events(scope: TenantScope, unit_id: UUID) -> list[WebhookEvent]:
    statement = scope.select(WebhookEvent).where(WebhookEvent.unit_id == unit_id, _is_due())
    return list(db.session.scalars(statement.order_by(WebhookEvent.id).limit(BATCH)))


def _is_due() -> ColumnElement[bool]:
    is_time = or_(WebhookEvent.retry_at.is_(None), WebhookEvent.retry_at <= func.now())
    return (WebhookEvent.state == EventState.NEW) & WebhookEvent.unit_id.is_not(None) & is_time


def _apply_together(scope: TenantScope, events: list[WebhookEvent]) -> bool:
    """The usual way: one savepoint for the batch. False when one of them fails, with nothing applied."""
    try:
        with db.session.begin_nested():
            for event in events:
                process.apply(scope, event)
                event.state = EventState.DONE
    except Exception:
        return False
    return True


def _apply_alone(scope: TenantScope, event: WebhookEvent) -> None:
    try:
        with db.session.begin_nested():
            process.apply(scope, event)
            event.state = EventState.DONE
    except Exception as e:
        _put_off(event, e)


def _put_off(event: WebhookEvent, error: Exception) -> None:
    """Try again a little later; after some tries it is parked, for an operator to look at and replay."""
    event.attempts += 1
    event.error = type(error).__name__
    event.retry_at = now() + timedelta(seconds=2**event.attempts)
    if event.attempts >= MOST_ATTEMPTS:
        event.state = EventState.PARKED
    log.warning("event not applied", event_id=event.id, name=event.event, attempts=event.attempts, error=event.error)


def _note_heard(scope: TenantScope, unit_id: UUID, events: list[WebhookEvent]) -> None:
    if events:
        heard_at = max(event.received_at for event in events)
        this = scope.update(Connection).where(Connection.unit_id == unit_id)
        # An event that is tried again was heard long before the newest one.
        newest = func.greatest(Connection.last_event_at, heard_at)
        db.session.execute(this.values(last_event_at=newest).execution_options(synchronize_session=False))
