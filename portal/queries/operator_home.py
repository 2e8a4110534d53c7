"""What the operators' home asks for over all companies: units and days as numbers, and who is in trouble."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import CTE, Select, case, func, or_, select, tuple_

from portal.clock import now
from portal.db import among, db, first_id_at
from portal.models import Connection, ConnectionStatus, Direction, EvolutionServer, Message, MessageStatus, Tenant, Unit
from portal.queries.home import is_counted
from portal.queries.tenants import ZONE
from portal.tenancy import across_tenants

PAGE = 50
WHY = "an operator looks after every company, and sees of each no more than numbers"


# The turns in which companies are listed.
IN_TROUBLE, WELL, ERASED = range(3)


@dataclass(frozen=True)
class UnitCount:
    """How many units a company has, how many are connected, and how many are not though they were."""

    units: int
    connected: int
    down: int


@dataclass(frozen=True)
class Day:
    """How many messages of a company came in, left, failed and fell in doubt today."""

    received: int
    sent: int
    failed: int
    unconfirmed: int


@dataclass(frozen=True)
class CompanyRow:
    """A company, with its units that are not archived."""

    tenant: Tenant
    units: UnitCount


@dataclass(frozen=True)
class CompaniesDown:
    """How many companies that may send have units that lost their connection, and the first of them by name."""

    number: int
    rows: Sequence[CompanyRow]


def list_companies(*, after: str = "") -> list[CompanyRow]:
    """At most PAGE of those behind the company with the short name `after`.

    First come those with units that lost their connection, last those that were erased; each by name.
    """
    turns = _turns()
    in_order = tuple_(turns.c.turn, turns.c.name, turns.c.id)
    statement = _rows(turns).order_by(turns.c.turn, turns.c.name, turns.c.id).limit(PAGE)
    if after:
        place = select(turns.c.turn, turns.c.name, turns.c.id).where(turns.c.slug == after)
        statement = statement.where(in_order > place.scalar_subquery())
    with across_tenants(WHY):
        return [CompanyRow(tenant, UnitCount(*counts)) for tenant, *counts in db.session.execute(statement)]


def find_companies_down(*, limit: int) -> CompaniesDown:
    """At most so many rows of them."""
    turns = _turns()
    statement = _rows(turns, func.count().over()).where(turns.c.turn == IN_TROUBLE).order_by(turns.c.name, turns.c.id)
    with across_tenants(WHY):
        found = db.session.execute(statement.limit(limit)).all()
    rows = [CompanyRow(tenant, UnitCount(*counts)) for tenant, *counts, _number in found]
    return CompaniesDown(found[0][-1] if found else 0, rows)


def count_today(tenant_ids: Iterable[UUID]) -> dict[UUID, Day]:
    """Company -> its day by the portal's own clock, of the messages that were written in it."""
    midnight = now().astimezone(ZoneInfo(ZONE)).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
    is_inbound = Message.direction == Direction.INBOUND
    statement = (
        select(
            Message.tenant_id,
            func.count().filter(is_inbound),
            func.count().filter(~is_inbound, Message.sent_at.is_not(None), Message.status != MessageStatus.FAILED),
            func.count().filter(Message.status == MessageStatus.FAILED),
            func.count().filter(Message.status == MessageStatus.UNCONFIRMED),
        )
        # What was missed and is stored today was written before.
        .where(
            among(Message.tenant_id, tenant_ids),
            Message.id >= first_id_at(midnight),
            Message.occurred_at >= midnight,
            ~Message.is_test,
            ~Message.is_history,
            is_counted(),
        )
        .group_by(Message.tenant_id)
    )
    with across_tenants(WHY):
        return {tenant_id: Day(*counts) for tenant_id, *counts in db.session.execute(statement)}


def list_servers_in_trouble() -> list[EvolutionServer]:
    """Those that are paused, and those whose last check failed, by name."""
    in_trouble = or_(EvolutionServer.pause_reason.is_not(None), EvolutionServer.check_error.is_not(None))
    with across_tenants(WHY):
        return list(db.session.scalars(select(EvolutionServer).where(in_trouble).order_by(EvolutionServer.name)))


def _rows(turns: CTE, *more: Any) -> Select[*tuple[Any, ...]]:
    columns = (Tenant, turns.c.units, turns.c.connected, turns.c.down, *more)
    return select(*columns).join(turns, turns.c.id == Tenant.id)


def _turns() -> CTE:
    """Each company's place in the list, with its units counted. Of a suspended one nothing leaves anyhow."""
    counts = _counted_units().subquery()
    number = {name: func.coalesce(counts.c[name], 0).label(name) for name in ("units", "connected", "down")}
    is_in_trouble = Tenant.suspended_at.is_(None) & (counts.c.down > 0)
    turn = case((Tenant.erased_at.is_not(None), ERASED), (is_in_trouble, IN_TROUBLE), else_=WELL)
    found = select(Tenant.id, Tenant.name, Tenant.slug, turn.label("turn"), *number.values())
    return found.outerjoin(counts, counts.c.tenant_id == Tenant.id).cte("turns")


def _counted_units() -> Select[*tuple[Any, ...]]:
    is_connected = Connection.status == ConnectionStatus.CONNECTED
    was_connected = Connection.connected_at.is_not(None) & (Connection.status != ConnectionStatus.NOT_CONFIGURED)
    return (
        select(
            Unit.tenant_id,
            func.count().label("units"),
            func.count().filter(is_connected).label("connected"),
            func.count().filter(was_connected & ~is_connected).label("down"),
        )
        .join(Connection, (Connection.tenant_id == Unit.tenant_id) & (Connection.unit_id == Unit.id))
        .where(Unit.archived_at.is_(None))
        .group_by(Unit.tenant_id)
    )
