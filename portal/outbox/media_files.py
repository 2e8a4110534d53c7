"""Customers' files that somebody wants to see: Evolution is asked for them, one by one, and they are kept.

A wish is put off before Evolution is asked, so that what a worker had begun when it died is begun again.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog

from portal.clock import now
from portal.db import atomic, db
from portal.evolution.errors import EvolutionError, EvolutionRejected, EvolutionUnavailable
from portal.models import Media, MediaState
from portal.outbox import servers, statements
from portal.services import media
from portal.tenancy import TenantScope, across_tenants, tenant_transaction

log = structlog.get_logger(__name__)

# Longer than a fetch takes, its turn included.
LEASE_S = 300
MOST_ATTEMPTS = 3
# Seconds from one attempt to the next.
PAUSES_S = (10, 60)
# The unit or the server is away, which spends no attempt.
AWAY_S = 30
MOST_TOGETHER = 50
FILES_PER_SERVER = 2
WORKER_LOST = "worker_lost"


@dataclass(frozen=True)
class Wanted:
    """A file to fetch: whose it is, where its message is stored, and the how-manieth attempt this is."""

    tenant_id: UUID
    unit_id: UUID
    media_id: UUID
    server_id: UUID
    instance_name: str
    external_id: str
    attempt: int


def claim(*, busy_servers: Collection[UUID] = ()) -> list[Wanted]:
    """The files that this process, and no other, now fetches: a few of each server."""
    values = {
        "busy": list(busy_servers),
        "most": MOST_TOGETHER,
        "files_each": FILES_PER_SERVER,
        "attempts": MOST_ATTEMPTS,
        "lease_s": LEASE_S,
    }
    with across_tenants("files of every tenant are fetched"), atomic():
        db.session.execute(statements.GIVE_UP_FILES, {"attempts": MOST_ATTEMPTS, "code": WORKER_LOST})
        return [Wanted(**dict(row)) for row in db.session.execute(statements.CLAIM_FILES, values).mappings()]


def fetch(wanted: Wanted) -> None:
    """Ask Evolution for the file and keep it, or note why it could not be had."""
    client = servers.client_for(wanted.server_id)
    try:
        content = client.fetch_media(wanted.instance_name, wanted.external_id, at_most=media.LARGEST_FETCHED)
    except EvolutionError as e:
        log.info("file not fetched", unit_id=str(wanted.unit_id), code=e.code, attempt=wanted.attempt)
        _note(wanted, _after(wanted, e))
        return
    scope = TenantScope(wanted.tenant_id)
    with tenant_transaction(scope):
        media.store_fetched(scope, wanted.media_id, content)


def _after(wanted: Wanted, error: EvolutionError) -> dict[str, Any]:
    """What the row says after a failure: again later, or never."""
    if isinstance(error, EvolutionUnavailable):
        return {"fetch_at": now() + timedelta(seconds=AWAY_S), "fetch_attempts": wanted.attempt - 1}
    if isinstance(error, EvolutionRejected) or wanted.attempt >= MOST_ATTEMPTS:
        return {"state": MediaState.UNAVAILABLE, "fetch_at": None, "fetch_error": error.code}
    return {"fetch_at": now() + timedelta(seconds=PAUSES_S[wanted.attempt - 1])}


def _note(wanted: Wanted, values: dict[str, Any]) -> None:
    scope = TenantScope(wanted.tenant_id)
    with tenant_transaction(scope):
        this = scope.update(Media).where(Media.id == wanted.media_id, Media.state != MediaState.STORED)
        db.session.execute(this.values(values).execution_options(synchronize_session=False))
