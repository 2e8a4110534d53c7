"""What the news of an instance makes of its connection, told in any order, late or twice."""

from datetime import timedelta

from portal.clock import now
from portal.db import db
from portal.inbox.facts import ConnectionChanged, InstanceRemoved, QrCodeIssued
from portal.models import Connection, ConnectionAction, ConnectionStatus, ScanLink, StatusReason
from portal.services.connections import REFUSALS, set_status
from portal.services.linking import show_open
from portal.tenancy import TenantScope

SYNCHRONISING_FOR = timedelta(seconds=60)
BANNED = (402, 403, 406)
LOGGED_OUT = 401
QR_LIMIT = 428
# These log out as well, and are told in any order: what led to it is the better answer.
CAUSES = (StatusReason.NUMBER_BANNED, StatusReason.QR_EXPIRED, *REFUSALS)
EFFECTS = (StatusReason.LOGGED_OUT, StatusReason.CONNECTION_LOST)
ENDINGS = ("close", "refused")


def apply(
    connection: Connection, fact: QrCodeIssued | ConnectionChanged | InstanceRemoved, told_at: str | None
) -> None:
    """Move the connection, unless the news is older than what is known. It must be locked."""
    if isinstance(fact, InstanceRemoved):
        # It is told before it is done, and sometimes of an instance that stays.
        connection.check_at = now()
        return
    if told_at and connection.state_told_at and told_at < connection.state_told_at:
        _heed_old_news(connection, fact)
        return
    connection.state_told_at = told_at or connection.state_told_at
    _move(connection, fact)


def _heed_old_news(connection: Connection, fact: QrCodeIssued | ConnectionChanged) -> None:
    """Old news moves nothing, but it may say why the connection ended."""
    if connection.status == ConnectionStatus.CONNECTED:
        # Or Evolution's clock was set back: only Evolution knows which.
        _ask_for_check(connection)
    elif connection.status_reason in EFFECTS and isinstance(fact, ConnectionChanged) and fact.state in ENDINGS:
        reason = _ending(connection, fact)
        connection.status_reason = reason if reason in CAUSES else connection.status_reason


def _ask_for_check(connection: Connection) -> None:
    if connection.action is None:
        connection.action, connection.action_requested_at = ConnectionAction.CHECK, now()
        connection.action_attempts, connection.action_relay_id = 0, None


def _move(connection: Connection, fact: QrCodeIssued | ConnectionChanged) -> None:
    if isinstance(fact, QrCodeIssued):
        _show_code(connection, fact)
    elif fact.state == "open":
        _opened(connection, fact)
    elif fact.state == "connecting":
        _connecting(connection)
    elif fact.state in ENDINGS:
        _closed(connection, fact)


def _show_code(connection: Connection, fact: QrCodeIssued) -> None:
    if connection.status == ConnectionStatus.CONNECTED:
        # The phone was unlinked and Evolution already asks for the next one.
        connection.phone = connection.profile_name = None
    connection.qr_code, connection.pairing_code = fact.code, fact.pairing_code
    connection.qr_updated_at = now()
    connection.qr_count += 1
    _fulfil_connect(connection)
    set_status(connection, ConnectionStatus.QR, StatusReason.WAITING_SCAN)


def _opened(connection: Connection, fact: ConnectionChanged) -> None:
    if connection.qr_count:
        connection.synchronising_until = now() + SYNCHRONISING_FOR
        connection.qr_count = 0
    _fulfil_connect(connection)
    if not show_open(connection, owner=fact.owner, profile_name=fact.profile_name):
        return
    scope = TenantScope(connection.tenant_id)
    links = scope.update(ScanLink).where(ScanLink.unit_id == connection.unit_id, ScanLink.ended_at.is_(None))
    db.session.execute(links.values(ended_at=now(), ended_by_connecting=True))


def _fulfil_connect(connection: Connection) -> None:
    """What was asked for is here, seconds before Evolution's answer to the call."""
    if connection.action == ConnectionAction.CONNECT:
        connection.action = connection.action_relay_id = connection.action_requested_at = None


def _connecting(connection: Connection) -> None:
    # While a code is shown this says either that it was scanned or that new codes are fetched: `open` or the
    # next code tells which, and the code stays in view until then.
    if connection.status == ConnectionStatus.CONNECTED:
        set_status(connection, ConnectionStatus.CONNECTING, StatusReason.CONNECTION_LOST)


def _closed(connection: Connection, fact: ConnectionChanged) -> None:
    set_status(connection, ConnectionStatus.DISCONNECTED, _ending(connection, fact))


def _ending(connection: Connection, fact: ConnectionChanged) -> StatusReason:
    if fact.reason in BANNED:
        return StatusReason.NUMBER_BANNED
    if fact.state == "refused" or fact.reason == QR_LIMIT:
        return StatusReason.QR_EXPIRED
    if connection.status_reason in CAUSES:
        return connection.status_reason
    return StatusReason.LOGGED_OUT if fact.reason == LOGGED_OUT else StatusReason.CONNECTION_LOST
