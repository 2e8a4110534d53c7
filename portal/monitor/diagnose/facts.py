"""What the portal's own rows say of a unit, read in one go before Evolution is asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from portal.clock import now
from portal.extensions import parts
from portal.models import Campaign, Connection, EvolutionServer, Unit
from portal.queries import campaigns, checked_states, diagnosis, health, parked_events, sending, undelivered, units
from portal.queries.campaigns import Counts
from portal.queries.checked_states import CheckedState
from portal.queries.diagnosis import NextMessage, Waiting
from portal.queries.sending import Gates
from portal.queries.undelivered import Bucket, Filter, Group
from portal.secrets import Unreadable, matches
from portal.services.connections import PREVIOUS_INSTANCE_ACCEPTED_FOR
from portal.tenancy import TenantScope

REFUSED_LATELY = timedelta(minutes=15)
# What went wrong longer ago than this is no incident any more: it waits on the page of undelivered messages.
LATELY = timedelta(hours=24)


@dataclass(frozen=True)
class Facts:
    """The rows as they were at that moment; detached, so that they outlive the connection to the database."""

    at: datetime
    unit: Unit
    connection: Connection
    # The one that it is on, or would come to; None until a worker has noted any.
    server: EvolutionServer | None
    gates: Gates
    checked: CheckedState
    # Queue -> seconds since a worker of it was heard.
    worker_ages_s: Mapping[str, float]
    living_relays: frozenset[UUID]
    # None: it was written with an encryption key that is gone.
    secret: str | None
    is_secret_known: bool
    refused: int
    backlog: Waiting
    parked: int
    next_message: NextMessage | None
    abandoned: Waiting
    undelivered: tuple[Group, ...]
    # Of those that failed lately: without the messages of campaigns that are paused or cancelled.
    failed_and_free: tuple[Group, ...]
    campaigns: tuple[Campaign, ...]
    counts: Mapping[UUID, Counts]

    @property
    def has_instance(self) -> bool:
        """Whether Evolution was told to make one."""
        return self.connection.instance_name is not None and self.connection.instance_made_at is not None

    def lacks_worker(self, *queues: str) -> tuple[str, ...]:
        """Those of the queues whose worker is not heard."""
        most = health.OLDEST_HEARTBEAT.total_seconds()
        return tuple(queue for queue in queues if self.worker_ages_s.get(queue, most) >= most)


def read(scope: TenantScope, unit_id: UUID) -> Facts:
    """Read it all now. The scope must be bound. Raises NotFound."""
    unit, connection, at = scope.get(Unit, unit_id), units.get_connection(scope, unit_id), now()
    living = diagnosis.list_living_relays()
    theirs = diagnosis.list_campaigns(scope, unit_id)
    secret = _secret(connection)
    return Facts(
        at=at,
        unit=unit,
        connection=connection,
        server=diagnosis.find_server(connection.evolution_server_id),
        gates=sending.get_gates(scope, unit_id),
        checked=checked_states.find(scope, unit_id),
        worker_ages_s=health.worker_ages_s(),
        living_relays=frozenset(living),
        secret=secret,
        is_secret_known=secret is not None and matches(secret, connection.webhook_secret_hash),
        refused=diagnosis.count_refused(unit_id, since=_refusals_count_from(connection, at)),
        backlog=diagnosis.find_backlog(scope, unit_id),
        parked=parked_events.count_of_unit(scope, unit_id),
        next_message=diagnosis.find_next_message(scope, unit_id),
        abandoned=diagnosis.find_abandoned(scope, unit_id, living),
        undelivered=tuple(_undelivered(scope, unit_id, at)),
        failed_and_free=tuple(undelivered.list_groups(scope, [failed_and_free(unit_id, since=at - LATELY)])),
        campaigns=tuple(theirs),
        counts=campaigns.count_recipients(scope, [campaign.id for campaign in theirs]),
    )


def failed_and_free(unit_id: UUID, *, since: datetime) -> Filter:
    """What failed, and nobody and nothing has stopped."""
    return Filter(Bucket.FAILED, unit_id, since=since, is_free=True)


def _secret(connection: Connection) -> str | None:
    try:
        return parts.vault.decrypt(connection.webhook_secret_encrypted or "")
    except Unreadable:
        return None


def _refusals_count_from(connection: Connection, at: datetime) -> datetime:
    """What was refused before the secret was renewed tells nothing about the one that is there now."""
    until = connection.previous_accepted_until
    renewed_at = until - PREVIOUS_INSTANCE_ACCEPTED_FOR if until is not None else at - REFUSED_LATELY
    return max(renewed_at, at - REFUSED_LATELY)


def _undelivered(scope: TenantScope, unit_id: UUID, at: datetime) -> list[Group]:
    groups = undelivered.list_groups(scope)
    return [group for group in groups if group.unit.id == unit_id and group.newest > at - LATELY]
