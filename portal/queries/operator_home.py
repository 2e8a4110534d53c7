"""What the operators' home asks for over all companies: units and days as numbers, and servers in trouble."""

from dataclasses import dataclass
from datetime import UTC
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, or_, select

from portal.clock import now
from portal.db import db, first_id_at
from portal.models import Connection, ConnectionStatus, Direction, EvolutionServer, Message, MessageStatus, Tenant, Unit
from portal.queries.home import is_counted
from portal.queries.tenants import ZONE
from portal.tenancy import across_tenants

WHY = "an operator looks after every company, and sees of each no more than numbers"


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


def count_units() -> dict[UUID, UnitCount]:
    """Company -> its units that are not archived; companies without any are left out."""
    is_connected = Connection.status == ConnectionStatus.CONNECTED
    was_connected = Connection.connected_at.is_not(None) & (Connection.status != ConnectionStatus.NOT_CONFIGURED)
    statement = (
        select(
            Unit.tenant_id,
            func.count(),
            func.count().filter(is_connected),
            func.count().filter(was_connected & ~is_connected),
        )
        .join(Connection, (Connection.tenant_id == Unit.tenant_id) & (Connection.unit_id == Unit.id))
        .join(Tenant, Tenant.id == Unit.tenant_id)
        .where(Unit.archived_at.is_(None))
        .group_by(Unit.tenant_id)
    )
    with across_tenants(WHY):
        return {tenant_id: UnitCount(*counts) for tenant_id, *counts in db.session.execute(statement)}


def count_today() -> dict[UUID, Day]:
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
