"""What people ask of a unit's connection. Pages only note the wish; a worker carries it out at Evolution."""

from datetime import timedelta
from uuid import UUID, uuid4

from flask_babel import gettext as _
from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy import bindparam, func, select

from portal import phone, queue
from portal.clock import now
from portal.db import atomic, db, on_commit
from portal.errors import Conflict, Invalid, NotFound
from portal.extensions import parts
from portal.models import (
    ColdReason,
    Connection,
    ConnectionAction,
    ConnectionLoss,
    ConnectionStatus,
    ScanLink,
    StatusReason,
    Tenant,
    Unit,
)
from portal.secrets import fingerprint, new_secret
from portal.services import audit, lanes, servers
from portal.tenancy import Form, TenantScope, across_tenants

# Evolution retries a webhook for up to 24 minutes (contract §10.2) with the name and secret it began with.
PREVIOUS_INSTANCE_ACCEPTED_FOR = timedelta(minutes=30)
SCAN_LINK_LIFETIME = timedelta(hours=2)
# Evolution renews a code after 45 s (contract §12); older than this it was not renewed.
QR_CODE_LIFETIME = timedelta(seconds=60)
# Enough for what is on its way to come by itself, and for Evolution to store what it takes over late.
COMPARE_SOON = timedelta(seconds=25)
# The phone is still linked: a new pairing would throw the link away.
RECONNECTING = (StatusReason.CONNECTION_LOST, StatusReason.RESTARTING)
# The portal unlinks such a number again, and what it hears of that is no reason of its own.
REFUSALS = (StatusReason.WRONG_NUMBER, StatusReason.NUMBER_IN_USE)
# A link that ends for one of these, or because somebody asked for it, was not lost.
NOT_LOST = (StatusReason.INITIALIZING, StatusReason.RESTARTING, *REFUSALS)
AUDITED = {
    ConnectionAction.CONNECT: "connection.connect",
    ConnectionAction.DISCONNECT: "connection.disconnect",
    ConnectionAction.RESTART: "connection.restart",
    ConnectionAction.DELETE: "connection.delete",
}
ENDING_ACTIONS = (ConnectionAction.DISCONNECT, ConnectionAction.RESTART, ConnectionAction.DELETE)
LOSSES_COUNT_FOR = timedelta(hours=1)
# Evolution's own news of a change normally comes first.
CHECK_AFTER_CHANGE = timedelta(seconds=30)


def request_connect(
    scope: TenantScope, unit_id: UUID, *, pairing_number: str = "", is_again: bool = False
) -> Connection:
    """Ask for a QR code, and for a pairing code as well when a number is given; `is_again`: for that of the last time.

    A second call while a code is on its way changes nothing, and a test token's never does. Raises Invalid for an
    impossible number and Conflict when the unit is connected already.
    """
    number = _checked_pairing_number(pairing_number)
    with atomic():
        connection = lock_connection(scope, unit_id)
        if is_again:
            number = connection.pairing_number
        if connection.status == ConnectionStatus.CONNECTED:
            raise Conflict(_("This unit is connected already. Disconnect it first to link another number."))
        if is_reconnecting(connection):
            raise Conflict(_("The number is reconnecting by itself. Wait a moment, or disconnect it first."))
        if not (scope.is_test or _is_under_way(connection, number)):
            _begin_instance(connection, number)
            _request(scope, connection, ConnectionAction.CONNECT)
    return connection


def request_disconnect(scope: TenantScope, unit_id: UUID) -> None:
    """Unlink the number; the unit stays configured. Raises Conflict when nothing is linked."""
    with atomic():
        connection = lock_connection(scope, unit_id)
        if connection.status in (ConnectionStatus.NOT_CONFIGURED, ConnectionStatus.DISCONNECTED):
            raise Conflict(_("This unit is not connected."))
        _request(scope, connection, ConnectionAction.DISCONNECT)


def request_restart(scope: TenantScope, unit_id: UUID) -> None:
    """Let Evolution close and reopen the connection; the number stays linked. Raises Conflict when none is."""
    with atomic():
        connection = lock_connection(scope, unit_id)
        if connection.status not in (ConnectionStatus.CONNECTED, ConnectionStatus.CONNECTING):
            raise Conflict(_("Only a linked number can be restarted. Connect the unit first."))
        _request(scope, connection, ConnectionAction.RESTART)


def request_delete(scope: TenantScope, unit_id: UUID) -> None:
    """Remove the connection at Evolution altogether. Raises Conflict when there is none."""
    with atomic():
        connection = lock_connection(scope, unit_id)
        if connection.instance_name is None:
            raise Conflict(_("This unit has no connection to delete."))
        _request(scope, connection, ConnectionAction.DELETE)


def request_move(scope: TenantScope, unit_id: UUID, server_id: UUID) -> None:
    """Serve the unit from another server. A number that was linked has to be linked anew: its code appears at once.

    What waits to be sent stays queued until then. Raises NotFound, and Conflict when the unit is there already or
    that server takes no unit more.
    """
    with across_tenants("an operator moves units between servers, which are no tenant's"), atomic():
        connection = lock_connection(scope, unit_id)
        if connection.evolution_server_id == server_id:
            raise Conflict(_("The unit is on this server already."))
        server = servers.take_room(server_id)
        audit.record(
            scope,
            "connection.move",
            ("unit", unit_id),
            before={"server": servers.find_name(connection.evolution_server_id), "status": connection.status},
            after={"server": server.name},
        )
        if connection.instance_name is not None:
            _begin_instance(connection, None)
            note_wish(connection, ConnectionAction.CONNECT)
        connection.evolution_server_id = server.id


def create_scan_link(scope: TenantScope, unit_id: UUID) -> str:
    """A fresh link's token; the unit's earlier links end."""
    with atomic():
        unit = scope.get(Unit, unit_id)
        _end_links(scope, unit.id)
        link = scope.add(ScanLink(unit_id=unit.id, expires_at=now() + SCAN_LINK_LIFETIME))
        db.session.flush()
        audit.record(scope, "scan_link.created", ("unit", unit.id), after={"expires_at": link.expires_at.isoformat()})
    return scan_token(link.id)


def end_scan_link(scope: TenantScope, unit_id: UUID) -> None:
    """Revoke the unit's scan link."""
    with atomic():
        unit = scope.get(Unit, unit_id)
        _end_links(scope, unit.id)
        audit.record(scope, "scan_link.revoked", ("unit", unit.id))


def open_scan_link(token: str, *, address: str | None = None) -> tuple[TenantScope, ScanLink]:
    """The scope of that one unit, and the link. Raises NotFound for a forged, expired or revoked one."""
    try:
        link_id = UUID(_signer().loads(token))
    except (BadSignature, ValueError, TypeError) as e:
        raise NotFound("no such scan link") from e
    with across_tenants("the link alone names the unit"):
        works = (ScanLink.id == link_id) & (ScanLink.expires_at > now()) & Tenant.suspended_at.is_(None)
        link = db.session.scalar(select(ScanLink).join(Tenant, Tenant.id == ScanLink.tenant_id).where(works))
    if link is None or (link.ended_at is not None and not link.ended_by_connecting):
        raise NotFound("no such scan link")
    return TenantScope(tenant_id=link.tenant_id, unit_ids=frozenset({link.unit_id}), address=address), link


def scan_token(link_id: UUID) -> str:
    return _signer().dumps(str(link_id))


def is_reconnecting(connection: Connection) -> bool:
    """Whether the number is linked and comes back by itself: a new code would throw that away."""
    return connection.status == ConnectionStatus.CONNECTING and connection.status_reason in RECONNECTING


def lock_connection(scope: TenantScope, unit_id: UUID) -> Connection:
    """The unit's connection, held until the transaction ends. Raises NotFound."""
    connection: Connection | None = scope.execute(_HOLD, unit=unit_id).scalar()
    if connection is None:
        raise NotFound("no such unit")
    return connection


def set_status(connection: Connection, status: ConnectionStatus, reason: StatusReason | None) -> None:
    """Move the connection, stamp the times, and open or close the unit's lane with it."""
    was_connected = connection.status == ConnectionStatus.CONNECTED
    if (status, reason) != (connection.status, connection.status_reason):
        connection.status_at = now()
        _plan_checks(connection, status)
    if was_connected and status != ConnectionStatus.CONNECTED:
        _count_loss(connection, status, reason)
    connection.status, connection.status_reason = status, reason
    if status == ConnectionStatus.CONNECTED:
        connection.connected_at = connection.connected_at if was_connected else now()
        connection.disconnected_at = None
    elif was_connected:
        connection.disconnected_at = now()
    if status != ConnectionStatus.QR:
        connection.qr_code = connection.pairing_code = None
    lanes.set_open(connection, status == ConnectionStatus.CONNECTED)
    if reason == StatusReason.NUMBER_BANNED:
        lanes.limit_new_chats(TenantScope(connection.tenant_id), connection.unit_id, ColdReason.NUMBER_BANNED)


def note_wish(connection: Connection, action: ConnectionAction) -> None:
    """Let a worker do this, in place of whatever was asked before. The connection must be locked."""
    connection.action, connection.action_requested_at = action, func.now()
    connection.action_attempts, connection.action_relay_id = 0, None
    on_commit(queue.wake_outbox)


def _plan_checks(connection: Connection, status: ConnectionStatus) -> None:
    """A link that is new is checked at once, and its messages are compared as soon as they may have come."""
    if status == ConnectionStatus.NOT_CONFIGURED:
        connection.check_at = connection.compare_at = connection.compared_until = connection.check_error = None
    elif status != ConnectionStatus.CONNECTED:
        connection.check_at = now() + CHECK_AFTER_CHANGE
    elif connection.status != ConnectionStatus.CONNECTED:
        connection.check_at, connection.compare_at = now(), now() + COMPARE_SOON
        # The history of a first pairing was not missed.
        connection.compared_until = connection.compared_until or now()


def _count_loss(connection: Connection, status: ConnectionStatus, reason: StatusReason | None) -> None:
    is_asked = connection.action in ENDING_ACTIONS or status == ConnectionStatus.NOT_CONFIGURED
    if is_asked or reason in NOT_LOST:
        return
    if connection.losses_since is None or connection.losses_since < now() - LOSSES_COUNT_FOR:
        connection.losses, connection.losses_since = 0, now()
    connection.losses += 1
    db.session.add(ConnectionLoss(tenant_id=connection.tenant_id, unit_id=connection.unit_id, reason=reason))


def _checked_pairing_number(number: str) -> str | None:
    if not number.strip():
        return None
    try:
        return phone.canonical(number)
    except phone.NotAPhone as e:
        message = _("This is not a telephone number. Write it with country and area code, such as +55 11 99999-0001.")
        raise Invalid({"pairing_number": message}) from e


def _is_under_way(connection: Connection, number: str | None) -> bool:
    if connection.pairing_number != number:
        return False
    if connection.action == ConnectionAction.CONNECT:
        return True
    began_at = connection.qr_updated_at or connection.instance_made_at
    is_fresh = began_at is not None and now() - began_at < QR_CODE_LIFETIME
    return is_fresh and connection.status_reason in (StatusReason.INITIALIZING, StatusReason.WAITING_SCAN)


def _begin_instance(connection: Connection, pairing_number: str | None) -> None:
    # A new name for every pairing: 2.3.1 to 2.3.6 stay deaf after a logout, and a name that is being deleted
    # still answers for a while (contract §12, §16).
    if connection.instance_made_at is not None and not _must_wait_to_go(connection):
        connection.previous_instance_name = connection.instance_name
        connection.previous_evolution_server_id = connection.evolution_server_id
        connection.previous_webhook_secret_hash = connection.webhook_secret_hash
        connection.previous_accepted_until = now() + PREVIOUS_INSTANCE_ACCEPTED_FOR
    secret = new_secret()
    connection.instance_name = f"unit_{uuid4()}"
    connection.instance_made_at = None
    connection.webhook_secret_hash = fingerprint(secret)
    connection.webhook_secret_encrypted = parts.vault.encrypt(secret)
    connection.pairing_number = pairing_number
    connection.state_told_at = connection.qr_updated_at = None
    connection.qr_count = 0
    set_status(connection, ConnectionStatus.CONNECTING, StatusReason.INITIALIZING)


def _must_wait_to_go(connection: Connection) -> bool:
    """Whether a linked instance is still to be removed on the server that the unit left; an unlinked one can stay."""
    made_at, linked_at = connection.instance_made_at, connection.connected_at
    was_linked = made_at is not None and linked_at is not None and linked_at >= made_at
    is_elsewhere = connection.previous_evolution_server_id not in (None, connection.evolution_server_id)
    return is_elsewhere and not was_linked


def _request(scope: TenantScope, connection: Connection, action: ConnectionAction) -> None:
    """Note the wish; a test token's is only checked, and nothing follows from it."""
    if scope.is_test:
        return
    note_wish(connection, action)
    audit.record(scope, AUDITED[action], ("unit", connection.unit_id), before={"status": connection.status})


def _end_links(scope: TenantScope, unit_id: UUID) -> None:
    living = scope.update(ScanLink).where(ScanLink.unit_id == unit_id, ScanLink.ended_at.is_(None))
    db.session.execute(living.values(ended_at=now()))


def _signer() -> URLSafeSerializer:
    # The last one signs; what an older one signed is still read.
    keys = [*reversed(parts.config.secret_key_fallbacks), parts.config.secret_key]
    return URLSafeSerializer(keys, salt="scan-link")


_HOLD = Form(
    lambda scope: (
        scope.select(Connection)
        .where(Connection.unit_id == bindparam("unit"))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
)
