"""A number that was linked: whose it is, and whether it may be this unit's."""

from uuid import UUID

import structlog
from sqlalchemy import func, select

from portal import phone
from portal.db import db
from portal.models import Connection, ConnectionAction, ConnectionStatus, StatusReason, Unit
from portal.services.connections import note_wish, set_status
from portal.tenancy import TenantScope, beside

log = structlog.get_logger(__name__)


def show_open(connection: Connection, *, owner: str | None, profile_name: str | None) -> bool:
    """Evolution says that the number is linked: show it as connected, and whose it is.

    False for a number that is refused: it is shown as disconnected with the reason, and a worker unlinks it again.
    `owner`: its canonical digits. The connection must be locked.
    """
    if owner is not None and connection.phone not in (None, owner):
        # What another number heard before is no hole in this one's messages.
        connection.compared_until = None
    connection.phone = owner or connection.phone
    connection.profile_name = profile_name or connection.profile_name
    refusal = _refusal(connection)
    if refusal is None:
        set_status(connection, ConnectionStatus.CONNECTED, StatusReason.SCAN_COMPLETED)
        return True
    masked = phone.masked(connection.phone or "")
    log.warning("number refused", unit_id=str(connection.unit_id), reason=refusal, phone=masked)
    set_status(connection, ConnectionStatus.DISCONNECTED, refusal)
    if connection.action not in (ConnectionAction.DISCONNECT, ConnectionAction.DELETE):
        note_wish(connection, ConnectionAction.DISCONNECT)
    return False


def _refusal(connection: Connection) -> StatusReason | None:
    """Why this number may not be this unit's."""
    number = connection.phone
    if number is None:
        return None
    scope = TenantScope(connection.tenant_id)
    expected = scope.select(Unit, Unit.expected_number).where(Unit.id == connection.unit_id)
    if db.session.scalar(expected) not in (None, number):
        return StatusReason.WRONG_NUMBER
    # One that is shown as connected was found to be nobody else's when it came.
    is_new = connection.status != ConnectionStatus.CONNECTED
    return StatusReason.NUMBER_IN_USE if is_new and _is_in_use(connection.unit_id, number) else None


def _is_in_use(unit_id: UUID, number: str) -> bool:
    """Whether another unit, of whatever tenant, has this number now. Two that come at once do not miss each other."""
    db.session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"number {number}", 0))))
    linked = select(Connection.unit_id).where(
        Connection.phone == number,
        Connection.unit_id != unit_id,
        Connection.status.in_((ConnectionStatus.CONNECTED, ConnectionStatus.CONNECTING)),
    )
    with beside("a number belongs to one unit of all tenants") as session:
        return session.scalar(linked.limit(1)) is not None
