"""What the portal put right by itself, kept so that people see it."""

from datetime import datetime
from uuid import UUID

from portal.db import db
from portal.models import Repair, RepairKind
from portal.tenancy import TenantScope


def note(
    scope: TenantScope,
    unit_id: UUID,
    kind: RepairKind,
    *,
    before: str | None = None,
    after: str | None = None,
    began_at: datetime | None = None,
    ended_at: datetime | None = None,
) -> Repair:
    """Keep one thing that was put right: what was found and what it is now, as codes; of a hole, its time."""
    repair = scope.add(
        Repair(unit_id=unit_id, kind=kind, before=before, after=after, began_at=began_at, ended_at=ended_at)
    )
    db.session.flush()
    return repair
