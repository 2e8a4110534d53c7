"""One unit with what lists show beside its name, and what else is asked about units."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, bindparam, func, literal, or_, select

from portal.clock import now
from portal.db import db, first_id_at
from portal.errors import Conflict, NotFound
from portal.models import Connection, Lane, Message, MessageStatus, ScanLink, Tenant, Unit
from portal.owners import owned_by_any
from portal.tenancy import Form, TenantScope, across_tenants


class Clocked(Protocol):
    """A unit, or several of one time zone, and for how many hours a message of theirs may wait at most."""

    @property
    def time_zone(self) -> str: ...

    @property
    def message_lifetime_h(self) -> int: ...


@dataclass(frozen=True)
class UnitRow:
    """A unit, its connection, and its messages: waiting now, and sent or failed today (by the unit's clock).

    What was put back into the queue after more time than a message may wait counts for the day on which it was written.
    """

    unit: Unit
    connection: Connection
    queued: int
    sent: int
    failed: int


def living(scope: TenantScope, *columns: Any) -> Select[Any]:
    """Of the units that are not archived, with their connections."""
    return (
        scope.select(Unit, *columns)
        .select_from(Unit)
        .join(Connection, (Connection.tenant_id == Unit.tenant_id) & (Connection.unit_id == Unit.id))
        .where(Unit.archived_at.is_(None))
    )


def with_counts(scope: TenantScope, found: Select[Any]) -> list[UnitRow]:
    """The units and connections that this finds, with their counts."""
    rows = db.session.execute(found).all()
    units = [unit for unit, _connection in rows]
    queued = _count_waiting(scope, units)
    today = _count_today(scope, units)
    return [UnitRow(unit, connection, queued.get(unit.id, 0), *today.get(unit.id, (0, 0))) for unit, connection in rows]


def list_names(scope: TenantScope) -> list[Unit]:
    """Every unit that is not archived, by name, without what their list counts."""
    return list(scope.execute(_LIVING).scalars())


def get_unit_row(scope: TenantScope, slug: str) -> UnitRow:
    """The unit with that slug, as the list shows it. Raises NotFound."""
    rows = with_counts(scope, living(scope, Unit, Connection).where(Unit.slug == slug))
    if not rows:
        raise NotFound("no such unit")
    return rows[0]


def get_unit(scope: TenantScope, slug: str) -> Unit:
    """The unit with that slug. Raises NotFound."""
    # PostgreSQL refuses a NUL in any text, and an address may hold one.
    slug = slug.replace("\x00", "")
    unit: Unit | None = scope.execute(_BY_SLUG, slug=slug).scalar_one_or_none()
    if unit is None:
        raise NotFound("no such unit")
    return unit


def get_unit_by_id(scope: TenantScope, id_or_slug: str) -> Unit:
    """The unit with that uuid or slug. Raises NotFound."""
    try:
        unit_id = UUID(id_or_slug)
    except ValueError:
        return get_unit(scope, id_or_slug)
    unit = scope.get(Unit, unit_id)
    if unit.archived_at is not None:
        raise NotFound("no such unit")
    return unit


def get_unit_id(scope: TenantScope, id_or_slug: str) -> UUID:
    """As `get_unit_by_id`, its id alone."""
    named: UUID | str
    try:
        form, named = _ID_BY_ID, UUID(id_or_slug)
    except ValueError:
        form, named = _ID_BY_SLUG, id_or_slug.replace("\x00", "")
    unit_id: UUID | None = scope.execute(form, named=named).scalar_one_or_none()
    if unit_id is None:
        raise NotFound("no such unit")
    return unit_id


def find_by_path(path: str) -> tuple[Tenant, Unit]:
    """The tenant and the unit that `tenant/unit` names, or the unit's short name alone where it is the only one.

    Raises NotFound, and Conflict where several tenants have a unit of that name.
    """
    tenant_slug, _slash, unit_slug = path.replace("\x00", "").rpartition("/")
    named = select(Tenant, Unit).join(Unit, Unit.tenant_id == Tenant.id)
    named = named.where(Unit.slug == unit_slug, Unit.archived_at.is_(None)).limit(2)
    if tenant_slug:
        named = named.where(Tenant.slug == tenant_slug)
    with across_tenants("an operator names a unit of any tenant"):
        found = db.session.execute(named).all()
    if not found:
        raise NotFound(f"There is no unit {path}. Name it as TENANT/UNIT, by their short names.")
    if len(found) > 1:
        raise Conflict(f"Several tenants have a unit {unit_slug}. Name it as TENANT/UNIT.")
    tenant, unit = found[0]
    return tenant, unit


def find_only_unit(scope: TenantScope) -> Unit | None:
    """The one unit the scope sees; None when there are several, or none."""
    living = scope.select(Unit).where(Unit.archived_at.is_(None)).limit(2)
    units = list(db.session.scalars(living))
    return units[0] if len(units) == 1 else None


def get_connection(scope: TenantScope, unit_id: UUID) -> Connection:
    """The unit's connection as it is now. Raises NotFound."""
    statement = scope.select(Connection).where(Connection.unit_id == unit_id)
    connection: Connection | None = db.session.scalar(statement.execution_options(populate_existing=True))
    if connection is None:
        raise NotFound("no such unit")
    return connection


def get_lane(scope: TenantScope, unit_id: UUID) -> Lane:
    lane: Lane = db.session.scalars(scope.select(Lane).where(Lane.unit_id == unit_id)).one()
    return lane


def find_scan_link(scope: TenantScope, unit_id: UUID) -> ScanLink | None:
    """The unit's link that still works."""
    statement = scope.select(ScanLink).where(
        ScanLink.unit_id == unit_id, ScanLink.ended_at.is_(None), ScanLink.expires_at > now()
    )
    link: ScanLink | None = db.session.scalar(statement)
    return link


def is_waiting() -> ColumnElement[bool]:
    """Whether a message is on its way: one state after the other, since each has an index of its own."""
    states = (MessageStatus.QUEUED, MessageStatus.SENDING)
    return or_(*(Message.status == literal(state.value, literal_execute=True) for state in states))


def first_id_of_today(clocks: Iterable[Clocked]) -> UUID:
    """The lowest id of a message that may leave or fail today: the ids begin with the time at which it was written."""
    return first_id_at(min(midnight_of(clock) - timedelta(hours=clock.message_lifetime_h) for clock in clocks))


def midnight_of(clock: Clocked) -> datetime:
    local = now().astimezone(ZoneInfo(clock.time_zone))
    return local.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)


def midnight() -> ColumnElement[datetime]:
    """By the clock of the statement's unit."""
    return func.date_trunc("day", func.now(), Unit.time_zone)


def _count_waiting(scope: TenantScope, units: list[Unit]) -> dict[UUID, int]:
    of_these = owned_by_any(Message.unit_id, [unit.id for unit in units])
    statement = scope.select(Message, Message.unit_id, func.count()).where(of_these, is_waiting())
    return {row[0]: row[1] for row in db.session.execute(statement.group_by(Message.unit_id))}


def _count_today(scope: TenantScope, units: list[Unit]) -> dict[UUID, tuple[int, int]]:
    """Sent, and failed."""
    if not units:
        return {}
    has_failed = (Message.status == MessageStatus.FAILED) & (Message.failed_at >= midnight())
    counts = (func.count().filter(Message.sent_at >= midnight()), func.count().filter(has_failed))
    statement = (
        scope.along_ids(Message, Message.unit_id, *counts)
        .join(Unit, (Unit.tenant_id == Message.tenant_id) & (Unit.id == Message.unit_id))
        .where(
            Message.id >= first_id_of_today(units),
            owned_by_any(Message.unit_id, [unit.id for unit in units]),
            ~Message.is_test,
        )
        .group_by(Message.unit_id)
    )
    return {row[0]: (row[1], row[2]) for row in db.session.execute(statement)}


def _id(scope: TenantScope, is_named: ColumnElement[bool]) -> Select[Any]:
    return scope.select(Unit, Unit.id).where(is_named, Unit.archived_at.is_(None))


_LIVING = Form(lambda scope: scope.select(Unit).where(Unit.archived_at.is_(None)).order_by(Unit.name))
_BY_SLUG = Form(lambda scope: scope.select(Unit).where(Unit.slug == bindparam("slug"), Unit.archived_at.is_(None)))
_ID_BY_ID = Form(lambda scope: _id(scope, Unit.id == bindparam("named")))
_ID_BY_SLUG = Form(lambda scope: _id(scope, Unit.slug == bindparam("named")))
