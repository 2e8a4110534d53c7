"""What the portal shows of a connection, compared with what Evolution says; what differs is put right and noted.

Evolution's state in memory is believed, not the last webhook (contract §12). When Evolution does not answer, no
state is made up: the row only says that it was not checked.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from portal import phone
from portal.clock import now
from portal.db import atomic, db
from portal.evolution import errors
from portal.evolution.client import EvolutionClient
from portal.evolution.errors import EvolutionError, EvolutionUnavailable
from portal.evolution.types import ChatFilter, Instance
from portal.extensions import parts
from portal.models import Connection, ConnectionStatus, Repair, RepairKind, StatusReason, Unit
from portal.outbox import adoption, intents, rounds, servers
from portal.outbox.rounds import Round
from portal.queries import checked_states
from portal.secrets import Unreadable
from portal.services import delivery, repairs
from portal.services.connections import COMPARE_SOON, RECONNECTING, lock_connection, set_status
from portal.services.linking import show_open
from portal.tenancy import TenantScope, across_tenants, tenant_transaction

log = structlog.get_logger(__name__)

# A state that a lost webhook left stale is right again within a minute.
CHECKS = Round(
    due_at=Connection.check_at,
    whose=Connection.status != ConnectionStatus.NOT_CONFIGURED,
    period_s=30.0,
    most_per_server=10,
)
WEBHOOK_GOOD_FOR = timedelta(minutes=2)
COMPARED_LATELY = timedelta(minutes=5)
DEAD_AFTER = timedelta(minutes=3)
RESTARTS_APART = timedelta(minutes=10)
RESTARTED = "restarted"
NOT_LOADED = "instance_not_loaded"
# The server itself: whoever else is there need not be asked now.
SERVER_AWAY = (errors.UNREACHABLE, errors.KEY_REFUSED, errors.NOT_LICENSED, errors.TIMED_OUT)
# Reasons that say less than that the instance is gone.
VAGUE = (StatusReason.CONNECTION_LOST, StatusReason.CONNECTION_ERROR)
LINKED = (ConnectionStatus.CONNECTED, ConnectionStatus.CONNECTING)


@dataclass(frozen=True)
class Check:
    """One unit to be compared with Evolution, as its row was when that was decided.

    `accepted_secret_hash`: of the webhook's secret of before, while what comes with it is still taken.
    """

    tenant_id: UUID
    unit_id: UUID
    server_id: UUID
    instance_name: str
    status: ConnectionStatus
    reason: StatusReason | None
    status_at: datetime | None
    webhook_secret_encrypted: str
    accepted_secret_hash: str | None
    chats: ChatFilter
    is_webhook_due: bool
    is_silent: bool


@dataclass(frozen=True)
class _Answer:
    """`state`: nothing for an instance that Evolution does not know. `instance`: only asked for when it matters."""

    state: str | None
    instance: Instance | None = None


class _NotLoadedError(Exception):
    """Evolution has the instance and has not loaded it: nobody knows its state."""


def claim(*, busy_servers: Collection[UUID] = ()) -> list[Check]:
    """The units that this process, and no other, now checks: a few of each server."""
    with across_tenants("units of every tenant are checked"), atomic():
        due = rounds.take(CHECKS, busy_servers=busy_servers)
        for connection, _unit, _since in due:
            adoption.complete(connection)
        anybody_heard = bool(due) and checked_states.is_anybody_heard()
        return [_check(connection, unit, anybody_heard=anybody_heard) for connection, unit, _ in due]


def carry_out(check: Check) -> bool:
    """Ask Evolution and put right what differs. False when the server does not answer at all."""
    asked_at = now()
    try:
        client = servers.client_for(check.server_id)
        answer = _ask(client, check)
    except _NotLoadedError:
        _note(check, {"check_error": NOT_LOADED})
        return True
    except (EvolutionError, Unreadable) as e:
        code = e.code if isinstance(e, EvolutionError) else servers.UNREADABLE_KEY
        log.info("connection not checked", unit_id=str(check.unit_id), code=code)
        _note(check, {"check_error": code})
        return code not in SERVER_AWAY
    _settle(check, answer, asked_at)
    _see_to_instance(client, check, answer)
    return True


def correct(connection: Connection, state: str, instance: Instance | None) -> None:
    """Let the locked connection say what Evolution says of its state."""
    if state == "open" and instance is not None:
        owner = phone.from_jid(instance.owner_jid)
        show_open(connection, owner=owner, profile_name=instance.profile_name)
    elif state == "connecting" and connection.status == ConnectionStatus.CONNECTED:
        set_status(connection, ConnectionStatus.CONNECTING, StatusReason.CONNECTION_LOST)
    elif state == "close" and connection.status in LINKED:
        set_status(connection, ConnectionStatus.DISCONNECTED, StatusReason.CONNECTION_LOST)
    elif state == "close" and connection.status == ConnectionStatus.QR:
        set_status(connection, ConnectionStatus.DISCONNECTED, StatusReason.QR_EXPIRED)


def _check(connection: Connection, unit: Unit, *, anybody_heard: bool) -> Check:
    checked_at, compared_until = connection.webhook_checked_at, connection.compared_until
    is_compared = compared_until is not None and compared_until > now() - COMPARED_LATELY
    is_silent = anybody_heard and not is_compared and checked_states.silent_since(connection) is not None
    accepted_until = connection.previous_accepted_until
    is_accepted = accepted_until is not None and accepted_until > now()
    return Check(
        tenant_id=connection.tenant_id,
        unit_id=connection.unit_id,
        server_id=connection.evolution_server_id or servers.default_server_id(),
        instance_name=connection.instance_name or "",
        status=connection.status,
        reason=connection.status_reason,
        status_at=connection.status_at,
        webhook_secret_encrypted=connection.webhook_secret_encrypted or "",
        accepted_secret_hash=connection.previous_webhook_secret_hash if is_accepted else None,
        chats=intents.chat_filter(unit),
        is_webhook_due=checked_at is None or checked_at < now() - WEBHOOK_GOOD_FOR,
        is_silent=is_silent,
    )


def _ask(client: EvolutionClient, check: Check) -> _Answer:
    try:
        state = client.connection_state(check.instance_name)
        if state is None:
            raise _NotLoadedError
        is_enough = agrees(check.status, state) and not check.is_webhook_due
        return _Answer(state, None if is_enough else client.fetch_instance(check.instance_name))
    except EvolutionUnavailable as e:
        if e.code != errors.INSTANCE_UNKNOWN:
            raise
        return _Answer(None)


def agrees(status: ConnectionStatus, state: str) -> bool:
    """Whether a state that is shown can be what Evolution says. One that reconnects may be shown as disconnected."""
    if state == "open":
        return status == ConnectionStatus.CONNECTED
    if state == "connecting":
        return status != ConnectionStatus.CONNECTED
    return status == ConnectionStatus.DISCONNECTED


def _settle(check: Check, answer: _Answer, asked_at: datetime) -> None:
    """Note the answer, and put the row right unless it changed after the question."""
    if answer.state is not None and answer.instance is None:
        sooner = {"compare_at": now()} if check.is_silent else {}
        _note(check, {"checked_at": now(), "check_error": None, **sooner})
        return
    with tenant_transaction(TenantScope(check.tenant_id)) as scope:
        connection = _lock(scope, check)
        if not _is_older(connection, check, asked_at):
            return
        before = connection.status
        _show(connection, answer)
        connection.checked_at, connection.check_error = now(), None
        if connection.status != before:
            repairs.note(scope, check.unit_id, RepairKind.STATE, before=before, after=connection.status)
            log.warning("state corrected", unit_id=str(check.unit_id), before=before, after=connection.status)


def _lock(scope: TenantScope, check: Check) -> Connection:
    delivery.lock_unit(scope, check.unit_id)
    return lock_connection(scope, check.unit_id)


def _is_older(connection: Connection, check: Check, asked_at: datetime) -> bool:
    """Whether the row is older than the question: else whoever changed it knew more."""
    is_same = connection.instance_name == check.instance_name and connection.action is None
    return is_same and (connection.status_at is None or connection.status_at < asked_at)


def _show(connection: Connection, answer: _Answer) -> None:
    if answer.state is not None:
        correct(connection, answer.state, answer.instance)
    elif connection.status != ConnectionStatus.DISCONNECTED or connection.status_reason in VAGUE:
        set_status(connection, ConnectionStatus.DISCONNECTED, StatusReason.INSTANCE_GONE)


def _see_to_instance(client: EvolutionClient, check: Check, answer: _Answer) -> None:
    """Put right at Evolution what is not as the unit needs it; what fails is tried again at the next check."""
    try:
        if answer.instance is not None:
            _see_to_webhook(client, check)
            _see_to_settings(client, check, answer.instance.settings)
            _note(check, {"webhook_checked_at": now()})
        if answer.state == "connecting" and _is_dead(check):
            _restart(client, check)
    except (EvolutionError, Unreadable) as e:
        code = e.code if isinstance(e, EvolutionError) else servers.UNREADABLE_KEY
        log.warning("instance not put right", unit_id=str(check.unit_id), code=code)


def _see_to_webhook(client: EvolutionClient, check: Check) -> None:
    version = servers.version_of(check.server_id)
    wanted = intents.webhook(check.instance_name, parts.vault.decrypt(check.webhook_secret_encrypted), version)
    found = client.find_webhook(check.instance_name)
    faults = intents.webhook_faults(found, wanted, version)
    if faults:
        client.set_webhook(check.instance_name, wanted)
    if faults and not intents.is_of_before(found, wanted, faults, check.accepted_secret_hash):
        # What was posted elsewhere meanwhile is at Evolution.
        _note_repair(check, RepairKind.WEBHOOK, faults, {"compare_at": now() + COMPARE_SOON})


def _see_to_settings(client: EvolutionClient, check: Check, found: Mapping[str, Any] | None) -> None:
    faults = intents.settings_faults(found, check.chats)
    if faults:
        client.set_settings(check.instance_name, found=found, chats=check.chats)
        _note_repair(check, RepairKind.SETTINGS, faults, {})


def _is_dead(check: Check) -> bool:
    """Whether a linked number has been reconnecting for so long that it will not get there by itself."""
    is_reconnecting = check.status == ConnectionStatus.CONNECTING and check.reason in RECONNECTING
    return is_reconnecting and check.status_at is not None and check.status_at < now() - DEAD_AFTER


def _restart(client: EvolutionClient, check: Check) -> None:
    """Close and reopen the socket, unless that was tried just before. Noted first: a worker may die in the call."""
    with tenant_transaction(TenantScope(check.tenant_id)) as scope:
        connection = _lock(scope, check)
        lately = scope.select(Repair, Repair.id).where(
            Repair.unit_id == check.unit_id, Repair.after == RESTARTED, Repair.created_at > now() - RESTARTS_APART
        )
        is_same = (connection.status_at, connection.action) == (check.status_at, None)
        if not is_same or db.session.scalar(lately.limit(1)) is not None:
            return
        repairs.note(scope, check.unit_id, RepairKind.STATE, before=connection.status, after=RESTARTED)
    log.warning("dead connection restarted", unit_id=str(check.unit_id))
    client.restart(check.instance_name)


def _note_repair(check: Check, kind: RepairKind, faults: list[str], columns: dict[str, Any]) -> None:
    with tenant_transaction(TenantScope(check.tenant_id)) as scope:
        repairs.note(scope, check.unit_id, kind, before=", ".join(faults))
        if columns:
            rounds.note(scope, check, columns)
    log.warning("instance put right", unit_id=str(check.unit_id), kind=kind, faults=faults)


def _note(check: Check, columns: dict[str, Any]) -> None:
    with tenant_transaction(TenantScope(check.tenant_id)) as scope:
        rounds.note(scope, check, columns)
