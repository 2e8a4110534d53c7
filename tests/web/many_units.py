"""Companies with more units than any page shows, written in bulk."""

from typing import Any
from uuid import uuid4

from sqlalchemy import insert

from portal.clock import now
from portal.db import atomic, db
from portal.models import Connection, ConnectionStatus, Lane, StatusReason, Unit
from portal.tenancy import TenantScope, across_tenants

CONNECTED: dict[str, Any] = {"status": ConnectionStatus.CONNECTED, "status_reason": StatusReason.SCAN_COMPLETED}
LOST: dict[str, Any] = {"status": ConnectionStatus.DISCONNECTED, "status_reason": StatusReason.CONNECTION_LOST}


def add_units(scope: TenantScope, number: int, *, first: int = 0, **connection: Any) -> list[str]:
    """So many units, `loja-000` and on, all with such a connection, else connected; their short names."""
    columns = {"connected_at": now(), **(connection or CONNECTED)}
    slugs = [f"loja-{one:03}" for one in range(first, first + number)]
    ids = {slug: uuid4() for slug in slugs}
    own = {"tenant_id": scope.tenant_id}
    units = [{**own, "id": ids[slug], "slug": slug, "name": slug.title()} for slug in slugs]
    with across_tenants("a test makes many units"), atomic():
        db.session.execute(insert(Unit), units)
        db.session.execute(insert(Connection), [{**own, "unit_id": ids[slug], **columns} for slug in slugs])
        db.session.execute(insert(Lane), [{**own, "unit_id": ids[slug]} for slug in slugs])
    return slugs
