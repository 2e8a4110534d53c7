"""The tenant itself, as its own people see it, and what operators see of it: numbers, never texts."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import Date, case, cast, desc, func

from portal.clock import now
from portal.db import db, first_id_at
from portal.models import CHANGES, Connection, Direction, EvolutionServer, Message, Tenant, Unit, User
from portal.permissions import Role
from portal.tenancy import TenantScope, across_tenants

DAYS = 14
# Days are those of the portal's own clock: units may be in several zones.
ZONE = "America/Sao_Paulo"


@dataclass(frozen=True)
class ServedUnit:
    """A unit, its connection, and the name of the server that it is on."""

    unit: Unit
    connection: Connection
    server: str | None


@dataclass(frozen=True)
class People:
    """How many may sign in, by what they do; how many have yet to choose a password; how many may not any more."""

    admins: int
    agents: int
    invited: int
    disabled: int


@dataclass(frozen=True)
class Day:
    """How many messages went out and came in on one day."""

    day: date
    outbound: int
    inbound: int


@dataclass(frozen=True)
class Overview:
    """A company in numbers, with its units that are not archived."""

    units: list[ServedUnit]
    people: People
    days: list[Day]


def get_own_tenant(scope: TenantScope) -> Tenant:
    tenant: Tenant = db.session.scalars(scope.select(Tenant)).one()
    return tenant


def get_overview(tenant_id: UUID) -> Overview:
    """For an operator."""
    scope = TenantScope(tenant_id)
    with across_tenants("an operator looks at one company, and at the servers, which are no tenant's"):
        return Overview(_list_units(scope), _count_people(scope), _count_messages(scope))


def _list_units(scope: TenantScope) -> list[ServedUnit]:
    same_unit = (Connection.tenant_id == Unit.tenant_id) & (Connection.unit_id == Unit.id)
    its_server = EvolutionServer.id == Connection.evolution_server_id
    units = (
        scope.select(Unit, Unit, Connection, EvolutionServer.name)
        .join(Connection, same_unit)
        .outerjoin(EvolutionServer, its_server)
        .where(Unit.archived_at.is_(None))
        .order_by(Unit.name, Unit.id)
    )
    return [ServedUnit(*row) for row in db.session.execute(units)]


def _count_people(scope: TenantScope) -> People:
    state = case(
        (User.disabled_at.is_not(None), "disabled"), (User.password_hash.is_(None), "invited"), else_=User.role
    )
    rows = db.session.execute(scope.select(User, state.label("state"), func.count()).group_by("state"))
    counts = Counter({str(name): number for name, number in rows})
    return People(counts[Role.TENANT_ADMIN], counts[Role.AGENT], counts["invited"], counts["disabled"])


def _count_messages(scope: TenantScope) -> list[Day]:
    """Of the last days, newest first; what came in later, as history, was not written then."""
    since = now() - timedelta(days=DAYS)
    day = cast(func.timezone(ZONE, Message.occurred_at), Date).label("day")
    is_outbound = Message.direction == Direction.OUTBOUND
    counts = scope.select(
        Message, day, func.count().filter(is_outbound), func.count().filter(Message.direction == Direction.INBOUND)
    ).where(Message.id >= first_id_at(since), Message.occurred_at >= since, Message.kind.not_in(CHANGES))
    return [Day(*row) for row in db.session.execute(counts.group_by("day").order_by(desc("day")))]
