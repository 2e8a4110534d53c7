"""What people asked of a connection, carried out at Evolution: connect, disconnect, restart, delete, check.

Every call here can be repeated: a worker that dies in the middle leaves the wish on the row, and the next one
starts again. A connect that finds its own name taken adopts the instance that the first try made.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import bindparam, func, or_, select

from portal.clock import now
from portal.db import among_told, atomic, db
from portal.evolution import errors
from portal.evolution.client import EvolutionClient
from portal.evolution.errors import EvolutionError, EvolutionRejected, EvolutionUnavailable, EvolutionUnknown
from portal.evolution.types import ChatFilter, QrCode, Webhook
from portal.extensions import parts
from portal.models import Connection, ConnectionAction, ConnectionStatus, StatusReason, Unit
from portal.outbox import intents, leftovers, servers
from portal.outbox.leftovers import Leftover
from portal.outbox.reconcile import correct
from portal.services.connections import REFUSALS, lock_connection, set_status
from portal.services.servers import place
from portal.tenancy import TenantScope, across_tenants, tenant_transaction

log = structlog.get_logger(__name__)

MOST_ATTEMPTS = 5
RETRY_S = 2.0
CHECK_AFTER_RESTART_S = 5.0
# Evolution is away: that says nothing new about the number.
AWAY = {
    errors.UNREACHABLE: StatusReason.EVOLUTION_UNREACHABLE,
    errors.KEY_REFUSED: StatusReason.EVOLUTION_KEY_REFUSED,
    errors.NOT_LICENSED: StatusReason.EVOLUTION_NOT_LICENSED,
}
REASONS = AWAY | {errors.INSTANCE_UNKNOWN: StatusReason.INSTANCE_GONE}


@dataclass(frozen=True)
class ClaimedAction:
    """One wish that this process now carries out; `requested_at` tells it from a later wish."""

    tenant_id: UUID
    unit_id: UUID
    action: ConnectionAction
    requested_at: datetime
    attempts: int
    instance_name: str
    left_behind: Leftover | None
    webhook_secret: str
    pairing_number: str | None
    server_id: UUID
    chats: ChatFilter


# Built once: it is asked ten times a second.
_WAITING = (
    select(Connection)
    .where(
        Connection.action.is_not(None),
        Connection.action_relay_id.is_(None),
        Connection.action_requested_at <= func.now(),
        or_(Connection.evolution_server_id.is_(None), ~among_told(Connection.evolution_server_id, "busy_servers")),
    )
    .order_by(Connection.action_requested_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .execution_options(populate_existing=True)
)


def claim_actions(owner_id: UUID, *, limit: int, busy_servers: Collection[UUID] = ()) -> list[ClaimedAction]:
    """Take up to `limit` wishes that nobody is at, none for servers that are busy enough."""
    told = {"most": limit, "busy_servers": list(busy_servers)}
    with across_tenants("connections of every tenant share the workers"), atomic():
        taken = [_take(connection, owner_id) for connection in db.session.scalars(_WAITING, told)]
        return [wish for wish in taken if wish is not None]


def carry_out(wish: ClaimedAction) -> None:
    """Do it and note the result on the row; a wish that a person replaced meanwhile leaves no trace."""
    client = servers.client_for(wish.server_id)
    try:
        _ACTIONS[wish.action](wish, client)
    except EvolutionUnknown as e:
        # Perhaps done: asking again is safe, since the second try finds what the first one left.
        _try_again(wish, e)
    except EvolutionError as e:
        log.warning("connection action failed", unit_id=str(wish.unit_id), action=wish.action, code=e.code)
        _finish_broken(wish, e)


def _connect(wish: ClaimedAction, client: EvolutionClient) -> None:
    webhook = _webhook(wish)
    try:
        qr = client.create_instance(
            wish.instance_name, webhook=webhook, chats=wish.chats, pairing_number=wish.pairing_number
        )
    except EvolutionRejected as e:
        if e.code != errors.NAME_IN_USE:
            raise
        client.set_webhook(wish.instance_name, webhook)
        qr = client.connect(wish.instance_name, pairing_number=wish.pairing_number)
    with tenant_transaction(TenantScope(wish.tenant_id)) as scope:
        connection = _still_wanted(scope, wish)
        if connection is not None:
            _clear(connection)
            _show_first_code(connection, qr)
    servers.read_version(wish.server_id)
    if wish.left_behind is not None:
        leftovers.remove(wish.left_behind)


def _disconnect(wish: ClaimedAction, client: EvolutionClient) -> None:
    try:
        client.log_out(wish.instance_name)
    except EvolutionUnavailable as e:
        if e.code in (errors.UNREACHABLE, errors.KEY_REFUSED, errors.NOT_LICENSED):
            raise
        # A dead socket cannot be logged out (2.3.7): removing the instance unlinks the phone as well.
        _remove_quietly(client, wish.instance_name)
    except EvolutionRejected:
        log.info("instance was logged out already", unit_id=str(wish.unit_id))
    _finish(wish, ConnectionStatus.DISCONNECTED, StatusReason.LOGGED_OUT)


def _restart(wish: ClaimedAction, client: EvolutionClient) -> None:
    client.restart(wish.instance_name)
    with tenant_transaction(TenantScope(wish.tenant_id)) as scope:
        connection = _still_wanted(scope, wish)
        if connection is not None:
            set_status(connection, ConnectionStatus.CONNECTING, StatusReason.RESTARTING)
            # The webhook normally brings `open`; when it does not, the answer to this will.
            _ask_later(connection, ConnectionAction.CHECK, CHECK_AFTER_RESTART_S)


def _delete(wish: ClaimedAction, client: EvolutionClient) -> None:
    try:
        client.delete_instance(wish.instance_name)
    except EvolutionUnavailable as e:
        if e.code != errors.INSTANCE_UNKNOWN:
            raise
    with tenant_transaction(TenantScope(wish.tenant_id)) as scope:
        connection = _still_wanted(scope, wish)
        if connection is not None:
            _clear(connection)
            set_status(connection, ConnectionStatus.NOT_CONFIGURED, None)
            connection.checked_at = connection.webhook_checked_at = None
            connection.instance_name = connection.webhook_secret_hash = connection.webhook_secret_encrypted = None
            connection.phone = connection.profile_name = connection.connected_at = None


def _check(wish: ClaimedAction, client: EvolutionClient) -> None:
    """Believe Evolution's state in memory, not the last webhook (contract §12)."""
    state = client.connection_state(wish.instance_name)
    instance = client.fetch_instance(wish.instance_name) if state == "open" else None
    with tenant_transaction(TenantScope(wish.tenant_id)) as scope:
        connection = _still_wanted(scope, wish)
        if connection is None:
            return
        _clear(connection)
        if state is None:
            _ask_later(connection, ConnectionAction.CHECK, CHECK_AFTER_RESTART_S)
        else:
            correct(connection, state, instance)


_ACTIONS = {
    ConnectionAction.CONNECT: _connect,
    ConnectionAction.DISCONNECT: _disconnect,
    ConnectionAction.RESTART: _restart,
    ConnectionAction.DELETE: _delete,
    ConnectionAction.CHECK: _check,
}


def _take(connection: Connection, owner_id: UUID) -> ClaimedAction | None:
    """The wish as this process carries it out; None, and the end of it, when no server has room for the unit."""
    is_connect = connection.action == ConnectionAction.CONNECT
    if is_connect and connection.evolution_server_id is None:
        connection.evolution_server_id = place()
        if connection.evolution_server_id is None:
            _clear(connection)
            set_status(connection, ConnectionStatus.DISCONNECTED, StatusReason.EVOLUTION_FULL)
            return None
    connection.action_relay_id = owner_id
    connection.action_attempts += 1
    if is_connect:
        connection.instance_made_at = connection.instance_made_at or now()
    secret = connection.webhook_secret_encrypted
    return ClaimedAction(
        tenant_id=connection.tenant_id,
        unit_id=connection.unit_id,
        action=ConnectionAction(connection.action or ""),
        requested_at=connection.action_requested_at or now(),
        attempts=connection.action_attempts,
        instance_name=connection.instance_name or "",
        left_behind=leftovers.of(connection),
        webhook_secret=parts.vault.decrypt(secret) if secret else "",
        pairing_number=connection.pairing_number,
        # Without one nothing was made anywhere, and any server says so.
        server_id=connection.evolution_server_id or servers.default_server_id(),
        chats=intents.chat_filter(db.session.scalars(select(Unit).where(Unit.id == connection.unit_id)).one()),
    )


def _webhook(wish: ClaimedAction) -> Webhook:
    return intents.webhook(wish.instance_name, wish.webhook_secret, servers.version_of(wish.server_id))


def _still_wanted(scope: TenantScope, wish: ClaimedAction) -> Connection | None:
    connection = lock_connection(scope, wish.unit_id)
    is_same = connection.action == wish.action and connection.action_requested_at == wish.requested_at
    return connection if is_same and connection.instance_name == wish.instance_name else None


def _clear(connection: Connection) -> None:
    connection.action = connection.action_relay_id = connection.action_requested_at = None


def _ask_later(connection: Connection, action: ConnectionAction, seconds: float) -> None:
    connection.action, connection.action_relay_id = action, None
    connection.action_requested_at = now() + timedelta(seconds=seconds)


def _show_first_code(connection: Connection, qr: QrCode | None) -> None:
    # The webhook is normally first, and fresher than this answer, which may repeat an old code (contract §12).
    if qr is None or connection.qr_code is not None or connection.status != ConnectionStatus.CONNECTING:
        return
    connection.qr_code, connection.pairing_code = qr.code, qr.pairing_code
    connection.qr_updated_at, connection.qr_count = now(), 1
    set_status(connection, ConnectionStatus.QR, StatusReason.WAITING_SCAN)


def _try_again(wish: ClaimedAction, error: EvolutionError) -> None:
    if wish.attempts >= MOST_ATTEMPTS:
        _finish_broken(wish, error)
        return
    with tenant_transaction(TenantScope(wish.tenant_id)) as scope:
        connection = _still_wanted(scope, wish)
        if connection is not None:
            _ask_later(connection, wish.action, RETRY_S * wish.attempts)


def _finish_broken(wish: ClaimedAction, error: EvolutionError) -> None:
    if wish.action == ConnectionAction.CHECK and error.code in AWAY:
        _try_again_check(wish)
        return
    _finish(wish, ConnectionStatus.DISCONNECTED, REASONS.get(error.code, StatusReason.CONNECTION_ERROR))


def _try_again_check(wish: ClaimedAction) -> None:
    with tenant_transaction(TenantScope(wish.tenant_id)) as scope:
        connection = _still_wanted(scope, wish)
        if connection is not None:
            _ask_later(connection, ConnectionAction.CHECK, CHECK_AFTER_RESTART_S)


def _finish(wish: ClaimedAction, status: ConnectionStatus, reason: StatusReason | None) -> None:
    with tenant_transaction(TenantScope(wish.tenant_id)) as scope:
        connection = _still_wanted(scope, wish)
        if connection is not None:
            # While the wish stands on the row: what was asked for counts as no loss.
            kept = connection.status_reason if connection.status_reason in REFUSALS else reason
            set_status(connection, status, kept)
            _clear(connection)


def _remove_quietly(client: EvolutionClient, instance_name: str) -> None:
    try:
        client.delete_instance(instance_name)
    except EvolutionError as e:
        log.info("old instance not removed", code=e.code)
