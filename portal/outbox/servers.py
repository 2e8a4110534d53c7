"""The Evolution servers and one client for each."""

from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from portal.clock import now
from portal.db import atomic, db
from portal.evolution.client import EvolutionClient
from portal.evolution.errors import EvolutionError
from portal.extensions import parts
from portal.models import EvolutionServer
from portal.secrets import Unreadable
from portal.tenancy import across_tenants

log = structlog.get_logger(__name__)

DEFAULT = "default"
VERSION_GOOD_FOR = timedelta(days=1)


_clients: dict[tuple[str, str], EvolutionClient] = {}


def sync_default() -> None:
    """Let the default server's row say what the environment says."""
    config = parts.config
    row = {"name": DEFAULT, "url": config.evolution_api_url, "is_default": True}
    with across_tenants("Evolution servers belong to the operator"), atomic():
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


def _key_of(server: EvolutionServer) -> str | None:
    """The key at rest; None when it was written with an encryption key that is gone."""
    try:
        return parts.vault.decrypt(server.api_key_encrypted)
    except Unreadable:
        return None


def default_server_id() -> UUID:
    with across_tenants("Evolution servers belong to the operator"):
        return db.session.scalars(select(EvolutionServer.id).where(EvolutionServer.is_default)).one()


def client_for(server_id: UUID) -> EvolutionClient:
    """The client of that server; one per address and key, since it holds the threads' connections."""
    with across_tenants("Evolution servers belong to the operator"):
        server = db.session.scalars(select(EvolutionServer).where(EvolutionServer.id == server_id)).one()
        key = (server.url, parts.vault.decrypt(server.api_key_encrypted))
    return _clients.setdefault(key, EvolutionClient(*key, send_timeout_s=parts.config.evolution_timeout_s))


def read_version(server_id: UUID) -> None:
    """Learn the server's version when it is not known or a day old; a failure is no reason to stop."""
    with across_tenants("Evolution servers belong to the operator"):
        server = db.session.scalars(select(EvolutionServer).where(EvolutionServer.id == server_id)).one()
        is_fresh = server.version_read_at is not None and now() - server.version_read_at < VERSION_GOOD_FOR
    if is_fresh:
        return
    try:
        version = client_for(server_id).version()
    except EvolutionError as e:
        log.warning("version of the Evolution server not read", server_id=str(server_id), code=e.code)
        return
    with across_tenants("Evolution servers belong to the operator"), atomic():
        this = update(EvolutionServer).where(EvolutionServer.id == server_id)
        db.session.execute(this.values(version=version, version_read_at=now()))
