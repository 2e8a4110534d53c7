"""Which deliveries this process posts now: what is due, shared out fairly among the endpoints."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from portal.db import atomic, db
from portal.models import WebhookTopic
from portal.tenancy import across_tenants
from portal.webhooks import statements

# Longer than an attempt takes with all that belongs to it. Whoever does not answer within it is taken for dead.
LEASE_S = 60
# Of one endpoint so many are posted at a time, by all workers together.
EACH = 4
# After so many failures in a row an endpoint is taken for dead: one delivery at a time finds out whether it is.
UNWELL = 3


@dataclass(frozen=True)
class Claimed:
    """A delivery to post: what happened, where it is told, and which attempt this is."""

    id: UUID
    position: int
    tenant_id: UUID
    endpoint_id: UUID
    message_id: UUID
    topic: WebhookTopic
    status: str
    happened_at: datetime
    attempt: int
    is_probe: bool
    # Addresses may hold secrets too.
    url: str = field(repr=False)
    secret_encrypted: str = field(repr=False)
    previous_secret_encrypted: str | None = field(repr=False)
    previous_until: datetime | None


def claim(*, most: int, most_probes: int) -> list[Claimed]:
    """At most so many deliveries, some of them to endpoints that are taken for dead; nobody else posts these now."""
    limits = {"lease_s": LEASE_S, "unwell": UNWELL}
    well = {**limits, "is_probe": False, "each": EACH, "most": most}
    dead = {**limits, "is_probe": True, "each": 1, "most": min(most, most_probes)}
    with across_tenants("programs of every tenant are told what happened"), atomic():
        endpoints = [id_ for asked in (well, dead) for id_ in db.session.scalars(statements.LOCK_DUE_ENDPOINTS, asked)]
        if not endpoints:
            return []
        values = {**limits, "each": EACH, "most": most, "endpoints": endpoints}
        rows = db.session.execute(statements.TAKE_DUE, values).mappings().all()
    taken = [Claimed(**{**row, "topic": WebhookTopic(row["topic"])}) for row in rows]
    return sorted(taken, key=lambda one: one.position)
