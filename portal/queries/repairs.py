"""What the portal put right at a unit, newest first."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import tuple_

from portal.db import db
from portal.models import Repair, RepairKind
from portal.tenancy import TenantScope

PAGE = 50


def list_repairs(scope: TenantScope, unit_id: UUID, *, before: UUID | None = None, limit: int = PAGE) -> list[Repair]:
    """The newest repairs of the unit; those older than the one with the id `before`."""
    statement = scope.select(Repair).where(Repair.unit_id == unit_id)
    if before is not None:
        place = scope.select(Repair, Repair.created_at, Repair.id).where(Repair.id == before)
        statement = statement.where(tuple_(Repair.created_at, Repair.id) < place.scalar_subquery())
    newest_first = statement.order_by(Repair.created_at.desc(), Repair.id.desc()).limit(limit)
    return list(db.session.scalars(newest_first.execution_options(populate_existing=True)))


def find_webhook_repair(scope: TenantScope, unit_id: UUID, *, since: datetime) -> Repair | None:
    """The unit's newest repair of its webhook since then."""
    statement = (
        scope.select(Repair)
        .where(Repair.unit_id == unit_id, Repair.kind == RepairKind.WEBHOOK, Repair.created_at >= since)
        .order_by(Repair.created_at.desc())
        .limit(1)
    )
    repair: Repair | None = db.session.scalar(statement)
    return repair
