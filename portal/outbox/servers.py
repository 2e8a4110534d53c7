"""The Evolution servers as the workers use them: a client for each, its breaker, and what an operator asked to check.

The breaker is a row, so that every process and every page sees it: while a server is paused nothing is sent through
it, and from `paused_until` on one process probes it without sending anything.
"""

import random
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from portal import evolution_versions, queue
from portal.clock import now
from portal.db import atomic, db, on_commit
from portal.evolution.client import CALL_TIMEOUT_S, EvolutionClient
from portal.evolution.errors import EvolutionError
from portal.extensions import parts
from portal.models import EvolutionServer
from portal.secrets import Unreadable
from portal.tenancy import across_tenants

log = structlog.get_logger(__name__)

DEFAULT = "default"
VERSION_GOOD_FOR = timedelta(days=1)
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 60.0
# Longer than such a call takes: what a process that died had begun is begun again by another.
LEASE = timedelta(seconds=30)
UNREADABLE_KEY = "evolution_key_unreadable"
OWNED = "Evolution servers belong to the operator"


@dataclass(frozen=True)
class Server:
    """One server as it now is. `keeps_ids`: it honours the message id that we propose."""

    id: UUID
    client: EvolutionClient
    is_paused: bool
    keeps_ids: bool


_clients: dict[tuple[str, str, float], EvolutionClient] = {}


def sync_default() -> None:
    """Let the default server's row say what the environment says."""
    config = parts.config
    row = {"name": DEFAULT, "url": config.evolution_api_url, "is_default": True}
    with across_tenants(OWNED), atomic():
        server = db.session.scalar(select(EvolutionServer).where(EvolutionServer.is_default).with_for_update())
        if server is None:
            key = parts.vault.encrypt(config.evolution_api_key)
            db.session.execute(
                insert(EvolutionServer).values(id=uuid7(), api_key_encrypted=key, **row).on_conflict_do_nothing()
            )
        elif (server.url, _key_of(server)) != (config.evolution_api_url, config.evolution_api_key):
            server.url = config.evolution_api_url
            server.api_key_encrypted = parts.vault.encrypt(config.evolution_api_key)
            server.version = server.version_read_at = None


def default_server_id() -> UUID:
    with across_tenants(OWNED):
        return db.session.scalars(select(EvolutionServer.id).where(EvolutionServer.is_default)).one()


def list_servers() -> list[Server]:
    """Every server whose key can be read."""
    with across_tenants(OWNED):
        rows = list(db.session.scalars(select(EvolutionServer)))
        return [_server(row, key) for row in rows if (key := _key_of(row)) is not None]


def client_for(server_id: UUID, *, call_timeout_s: float = CALL_TIMEOUT_S) -> EvolutionClient:
    """The client of that server. Raises Unreadable when its key was written with an encryption key that is gone."""
    with across_tenants(OWNED):
        server = db.session.scalars(select(EvolutionServer).where(EvolutionServer.id == server_id)).one()
        return _client(server.url, parts.vault.decrypt(server.api_key_encrypted), call_timeout_s)


def pause(server_id: UUID, reason: str) -> None:
    """Send nothing through this server until a probe has found it well again."""
    with across_tenants(OWNED), atomic():
        this = update(EvolutionServer).where(EvolutionServer.id == server_id, EvolutionServer.pause_reason.is_(None))
        until = now() + timedelta(seconds=_pause_s(0))
        values = {"pause_reason": reason, "paused_at": now(), "paused_until": until, "pause_count": 1}
        is_news = db.session.scalar(this.values(values).returning(EvolutionServer.id))
    if is_news:
        log.warning("Evolution server paused", server_id=str(server_id), reason=reason)


def claim_probes() -> list[UUID]:
    """The paused servers that this process, and no other, now probes."""
    due = update(EvolutionServer).where(
        EvolutionServer.pause_reason.is_not(None), EvolutionServer.paused_until <= func.now()
    )
    with across_tenants(OWNED), atomic():
        return list(db.session.scalars(due.values(paused_until=now() + LEASE).returning(EvolutionServer.id)))


def probe(server_id: UUID) -> None:
    """Ask a paused server something cheap that needs the key: it goes on when it answers, or is paused for longer."""
    error = _try_key(server_id)
    with across_tenants(OWNED), atomic():
        server = _lock(server_id)
        if error is None:
            _resume(server)
        else:
            server.pause_reason = error
            server.paused_until = now() + timedelta(seconds=_pause_s(server.pause_count))
            server.pause_count += 1


def claim_checks() -> list[UUID]:
    """The servers that an operator wants checked."""
    asked = update(EvolutionServer).where(EvolutionServer.check_requested_at <= func.now())
    with across_tenants(OWNED), atomic():
        return list(db.session.scalars(asked.values(check_requested_at=now() + LEASE).returning(EvolutionServer.id)))


def check(server_id: UUID) -> None:
    """Note whether the server answers and takes the key, and its version, for the operator who asked."""
    error = _try_key(server_id)
    if error is None:
        read_version(server_id, is_asked=True)
    with across_tenants(OWNED), atomic():
        server = _lock(server_id)
        server.check_requested_at, server.checked_at, server.check_error = None, now(), error
        if error is None and server.pause_reason is not None:
            _resume(server)


def read_version(server_id: UUID, *, is_asked: bool = False) -> None:
    """Learn the server's version when it is asked for, not known or a day old; a failure is no reason to stop."""
    with across_tenants(OWNED):
        server = db.session.scalars(select(EvolutionServer).where(EvolutionServer.id == server_id)).one()
        is_fresh = server.version_read_at is not None and now() - server.version_read_at < VERSION_GOOD_FOR
    if is_fresh and not is_asked:
        return
    try:
        version = client_for(server_id).version()
    except EvolutionError as e:
        log.warning("version of the Evolution server not read", server_id=str(server_id), code=e.code)
        return
    with across_tenants(OWNED), atomic():
        this = update(EvolutionServer).where(EvolutionServer.id == server_id)
        db.session.execute(this.values(version=version, version_read_at=now()))
    known = evolution_versions.range_of(version)
    if known.support is not evolution_versions.Support.FULL:
        limits = [limit.value for limit in known.limits]
        log.warning(
            "version of the Evolution server has limits", version=version, support=known.support.value, limits=limits
        )


def version_of(server_id: UUID) -> evolution_versions.Numbers:
    """The server's version as it was last read; nothing when it never was."""
    known = select(EvolutionServer.version).where(EvolutionServer.id == server_id)
    with across_tenants(OWNED):
        return evolution_versions.numbers(db.session.scalar(known))


def _server(row: EvolutionServer, key: str) -> Server:
    return Server(
        id=row.id,
        client=_client(row.url, key),
        is_paused=row.pause_reason is not None,
        keeps_ids=evolution_versions.keeps_ids(evolution_versions.numbers(row.version)),
    )


def _client(url: str, key: str, call_timeout_s: float = CALL_TIMEOUT_S) -> EvolutionClient:
    """One per address, key and patience, since it holds the threads' connections."""
    client = _clients.get((url, key, call_timeout_s))
    if client is None:
        send_timeout_s = parts.config.evolution_timeout_s
        fresh = EvolutionClient(url, key, send_timeout_s=send_timeout_s, call_timeout_s=call_timeout_s)
        client = _clients.setdefault((url, key, call_timeout_s), fresh)
    return client


def _key_of(server: EvolutionServer) -> str | None:
    """The key at rest; None when it was written with an encryption key that is gone."""
    try:
        return parts.vault.decrypt(server.api_key_encrypted)
    except Unreadable:
        return None


def _try_key(server_id: UUID) -> str | None:
    """Why the server cannot be used now, or None."""
    try:
        client_for(server_id).verify_key()
    except EvolutionError as e:
        # Whatever it answers is no reason to send through it: only a good answer is.
        return e.code
    except Unreadable:
        return UNREADABLE_KEY
    return None


def _lock(server_id: UUID) -> EvolutionServer:
    statement = select(EvolutionServer).where(EvolutionServer.id == server_id).with_for_update()
    return db.session.scalars(statement.execution_options(populate_existing=True)).one()


def _resume(server: EvolutionServer) -> None:
    log.info("Evolution server answers again", server_id=str(server.id), reason=server.pause_reason)
    server.pause_reason = server.paused_at = server.paused_until = None
    server.pause_count = 0
    on_commit(queue.wake_outbox)


def _pause_s(failures: int) -> float:
    return float(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(failures, 10)) * random.uniform(0.8, 1.2))
