"""Units whose turn it is for something that comes round: taken, put off to the next time, and read."""

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from portal.clock import now
from portal.db import db
from portal.models import Connection, Unit
from portal.tenancy import TenantScope

MOST_TOGETHER = 400


@dataclass(frozen=True)
class Round:
    """Something that comes round: the column that says when, for whom, after how long, how many units of a server."""

    due_at: InstrumentedAttribute[datetime | None]
    whose: ColumnElement[bool]
    period_s: float
    most_per_server: int


class Turn(Protocol):
    """One unit whose turn it is, with the instance it then had."""

    @property
    def unit_id(self) -> UUID: ...
    @property
    def instance_name(self) -> str: ...


def take(what: Round, *, busy_servers: Collection[UUID]) -> list[tuple[Connection, Unit, datetime]]:
    """Who is due now, of each server a few, and since when. A unit of which somebody asked something is left alone.

    Across tenants, in a transaction.
    """
    is_due = and_(
        what.due_at <= func.now(),
        what.whose,
        Connection.action.is_(None),
        Connection.instance_made_at.is_not(None),
        Connection.instance_name.is_not(None),
        or_(Connection.evolution_server_id.is_(None), Connection.evolution_server_id.not_in(busy_servers)),
        Unit.archived_at.is_(None),
    )
    with_unit = (Unit.tenant_id == Connection.tenant_id) & (Unit.id == Connection.unit_id)
    place = func.row_number().over(partition_by=Connection.evolution_server_id, order_by=what.due_at).label("place")
    first = select(Connection.id, place).join(Unit, with_unit).where(is_due).subquery()
    due = (
        select(Connection, Unit)
        .join(Unit, with_unit)
        .join(first, first.c.id == Connection.id)
        # Once more: of a row that another process had until now only this is looked at again.
        .where(is_due, first.c.place <= what.most_per_server)
        .order_by(what.due_at)
        .limit(MOST_TOGETHER)
        .with_for_update(of=Connection, skip_locked=True)
        .execution_options(populate_existing=True)
    )
    found = []
    for connection, unit in db.session.execute(due):
        found.append((connection, unit, getattr(connection, what.due_at.key)))
        setattr(connection, what.due_at.key, _next(what.period_s))
    return found


def note(scope: TenantScope, turn: Turn, columns: Mapping[str, Any]) -> None:
    """Write to the unit's connection, if it is still about the instance whose turn it was."""
    this = scope.update(Connection).where(
        Connection.unit_id == turn.unit_id, Connection.instance_name == turn.instance_name
    )
    db.session.execute(this.values(columns).execution_options(synchronize_session=False))


def _next(period_s: float) -> datetime:
    """Never quite regular, so that what began together does not stay together."""
    return now() + timedelta(seconds=period_s * random.uniform(0.9, 1.1))
