"""What puts a unit right that does not get there by itself: each notes a wish in rows, and a worker carries it out."""

from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import func, literal

from portal import queue
from portal.db import atomic, db, on_commit
from portal.errors import Conflict
from portal.models import Connection, ConnectionStatus, EventState, WebhookEvent
from portal.queries.undelivered import Filter, list_ids
from portal.services import audit, delivery, lanes, undelivered
from portal.services.connections import lock_connection
from portal.services.undelivered import MOST_AT_ONCE, Decision
from portal.tenancy import TenantScope


def check_now(scope: TenantScope, unit_id: UUID) -> None:
    """Let a worker compare the unit with Evolution now, its webhook and settings as well, and put right what differs.

    Raises Conflict where there is nothing to compare with.
    """
    with atomic():
        connection = _lock_made(scope, unit_id)
        connection.check_at, connection.webhook_checked_at = func.now(), None
        audit.record(scope, "connection.checked", ("unit", unit_id), before={"status": connection.status})
        on_commit(queue.wake_outbox)


def fetch_missed(scope: TenantScope, unit_id: UUID) -> None:
    """Let a worker compare Evolution's stored messages with ours now, and fetch what is missing.

    Raises Conflict while the unit is not connected.
    """
    with atomic():
        connection = _lock_made(scope, unit_id)
        if connection.status != ConnectionStatus.CONNECTED:
            raise Conflict(_("This unit is not connected."))
        connection.compare_at = func.now()
        audit.record(scope, "connection.compared", ("unit", unit_id))
        on_commit(queue.wake_outbox)


def replay_parked(scope: TenantScope, unit_id: UUID) -> int:
    """Give the unit's events that could not be applied back to the inbox; how many they are."""
    is_parked = WebhookEvent.state == literal(EventState.PARKED.value, literal_execute=True)
    parked = scope.update(WebhookEvent).where(WebhookEvent.unit_id == unit_id, is_parked)
    as_new = parked.values(state=EventState.NEW, attempts=0, retry_at=None).returning(WebhookEvent.id)
    with atomic():
        number = len(db.session.scalars(as_new.execution_options(synchronize_session=False)).all())
        if number:
            audit.record(scope, "webhook_events.replayed", ("unit", unit_id), after={"count": number})
            on_commit(queue.wake_inbox)
    return number


def wake_lane(scope: TenantScope, unit_id: UUID) -> None:
    """Let the workers look at the unit's lane again: what waits may leave, and a running campaign has its turn."""
    with atomic():
        delivery.lock_unit(scope, unit_id)
        lanes.wake(scope, unit_id)
        lanes.expect_campaign(scope, unit_id)
        audit.record(scope, "unit.lane_woken", ("unit", unit_id))


def requeue(scope: TenantScope, unit_id: UUID, wanted: Filter) -> None:
    """Let the unit's failed messages of this filter leave after all, as many as may at once, the oldest first."""
    with atomic():
        # Whoever pauses or cancels a campaign locks the unit, too: what is chosen here stays free until it is queued.
        delivery.lock_unit(scope, unit_id)
        ids = list_ids(scope, wanted, limit=MOST_AT_ONCE)
        if ids:
            undelivered.decide(scope, Decision.TRY_AGAIN, ids)


def note(scope: TenantScope, unit_id: UUID, fix: str) -> None:
    """Write down that the portal was told to put right what a worker does for all units at once."""
    with atomic():
        audit.record(scope, "unit.fix_applied", ("unit", unit_id), after={"fix": fix})


def _lock_made(scope: TenantScope, unit_id: UUID) -> Connection:
    connection = lock_connection(scope, unit_id)
    if connection.instance_name is None or connection.instance_made_at is None:
        raise Conflict(_("This unit has no connection that could be checked."))
    return connection
