"""How far a unit's shown state can be believed: when it was checked, what was heard, and how often it was lost."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, false, func, or_, select

from portal.clock import now
from portal.db import db
from portal.models import Connection, ConnectionAction, ConnectionStatus, Unit
from portal.queries.units import get_connection
from portal.tenancy import TenantScope, across_tenants

# A unit is checked twice a minute: this is several times in vain.
STALE_AFTER = timedelta(minutes=3)
SHORTEST_SILENCE = timedelta(minutes=15)
# So many times its usual gap is no chance any more.
UNUSUAL = 10
OTHERS_HEARD_WITHIN = timedelta(minutes=5)
FLAPPING_WITHIN = timedelta(hours=1)
FLAPPING_AFTER = 4


@dataclass(frozen=True)
class CheckedState:
    """What the state of one unit rests on. `silent_for_s`: nothing was heard for unusually long, while others hear."""

    checked_at: datetime | None
    check_error: str | None
    last_event_at: datetime | None
    last_receipt_at: datetime | None
    usual_gap_s: float | None
    silent_for_s: float | None
    losses: int
    losses_since: datetime | None
    is_flapping: bool
    is_stale: bool


def find(scope: TenantScope, unit_id: UUID) -> CheckedState:
    """The unit's checked state as it is now. Raises NotFound."""
    connection = get_connection(scope, unit_id)
    return _checked_state(connection, anybody_heard=_is_quiet(connection) and is_anybody_heard())


def list_for(scope: TenantScope, units: Iterable[Unit]) -> dict[UUID, CheckedState]:
    """The checked states of these units, by their ids."""
    ids = [unit.id for unit in units]
    statement = scope.select(Connection).where(Connection.unit_id.in_(ids))
    found = list(db.session.scalars(statement.execution_options(populate_existing=True)))
    anybody_heard = any(map(_is_quiet, found)) and is_anybody_heard()
    return {connection.unit_id: _checked_state(connection, anybody_heard=anybody_heard) for connection in found}


def is_anybody_heard() -> bool:
    """Whether any unit of any tenant heard something just now: then a silent one is silent by itself."""
    newest = select(Connection.last_event_at).where(Connection.last_event_at > now() - OTHERS_HEARD_WITHIN).limit(1)
    with across_tenants("whether anybody hears anything, and nothing else of them"):
        return db.session.scalar(newest) is not None


def silent_since(connection: Connection) -> datetime | None:
    """When a connected unit last heard something, if that is unusually long ago for it."""
    if connection.status != ConnectionStatus.CONNECTED:
        return None
    # What was heard before the number was linked again says nothing about this link.
    heard_at = max((at for at in (connection.last_event_at, connection.connected_at) if at), default=None)
    usual = timedelta(seconds=UNUSUAL * (connection.usual_gap_s or 0.0))
    if heard_at is None or now() - heard_at <= max(SHORTEST_SILENCE, usual):
        return None
    return heard_at


def is_in_doubt(*, anybody_heard: bool) -> ColumnElement[bool]:
    """Whether a unit is shown as connected while its checked state says otherwise; for statements about many units."""
    made_at, present = Connection.instance_made_at, now()
    is_stale = (
        Connection.check_at.is_not(None)
        & made_at.is_not(None)
        & (func.greatest(Connection.checked_at, made_at) < present - STALE_AFTER)
    )
    is_flapping = (Connection.losses_since > present - FLAPPING_WITHIN) & (Connection.losses >= FLAPPING_AFTER)
    usual_s = UNUSUAL * func.coalesce(Connection.usual_gap_s, 0.0)
    longest_s = func.greatest(SHORTEST_SILENCE.total_seconds(), usual_s)
    heard_at = func.greatest(Connection.last_event_at, Connection.connected_at)
    is_silent = heard_at < present - func.make_interval(0, 0, 0, 0, 0, 0, longest_s) if anybody_heard else false()
    is_connected = (Connection.status == ConnectionStatus.CONNECTED) & is_left_alone()
    return is_connected & or_(is_stale, is_flapping, is_silent)


def is_left_alone() -> ColumnElement[bool]:
    """Whether nobody asked for anything to be done with a unit's connection; a check is the portal's own question."""
    return Connection.action.is_(None) | (Connection.action == ConnectionAction.CHECK)


def _checked_state(connection: Connection, *, anybody_heard: bool) -> CheckedState:
    silent = silent_since(connection) if anybody_heard else None
    recent = connection.losses_since is not None and connection.losses_since > now() - FLAPPING_WITHIN
    return CheckedState(
        checked_at=connection.checked_at,
        check_error=connection.check_error,
        last_event_at=connection.last_event_at,
        last_receipt_at=connection.last_receipt_at,
        usual_gap_s=connection.usual_gap_s,
        silent_for_s=None if silent is None else (now() - silent).total_seconds(),
        losses=connection.losses if recent else 0,
        losses_since=connection.losses_since if recent else None,
        is_flapping=recent and connection.losses >= FLAPPING_AFTER,
        is_stale=_is_stale(connection),
    )


def _is_quiet(connection: Connection) -> bool:
    return silent_since(connection) is not None


def _is_stale(connection: Connection) -> bool:
    """Whether Evolution did not say for long how the unit is, though it is asked."""
    made_at = connection.instance_made_at
    if connection.status == ConnectionStatus.NOT_CONFIGURED or connection.check_at is None or made_at is None:
        return False
    return max(connection.checked_at or made_at, made_at) < now() - STALE_AFTER
