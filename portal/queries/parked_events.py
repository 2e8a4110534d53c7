"""Webhook events that could not be applied, over every tenant; and what came in that nobody here was meant by."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, desc, func, literal, or_, select

from portal.clock import now
from portal.db import db
from portal.errors import NotFound
from portal.models import Connection, EventState, Tenant, Unit, WebhookCount, WebhookEvent
from portal.queries.undelivered import MOST_COUNTED
from portal.tenancy import TenantScope, across_tenants

PAGE = 50
MOST_INSTANCES = 100
WHY = "an operator looks after what no tenant's people can put right"
# Written out: PostgreSQL takes a partial index only for what it can read in the statement.
IS_PARKED: ColumnElement[bool] = WebhookEvent.state == literal(EventState.PARKED.value, literal_execute=True)
IS_UNKNOWN: ColumnElement[bool] = WebhookEvent.unit_id.is_(None)


@dataclass(frozen=True)
class Filter:
    """Some of the parked events: of a name, a kind of error, a unit, an instance; up to an id, or by their ids.

    Without `is_unknown` they are those of units, with it those of instances that were nobody's.
    """

    event: str | None = None
    error: str | None = None
    unit_id: UUID | None = None
    instance: str | None = None
    up_to: int | None = None
    ids: Collection[int] | None = None
    is_unknown: bool = False


@dataclass(frozen=True)
class ParkedRow:
    """An event without its body, of which only the size in bytes is told; no tenant and unit when it is nobody's."""

    id: int
    event: str
    instance_name: str
    error: str | None
    attempts: int
    received_at: datetime
    size: int
    tenant: Tenant | None
    unit: Unit | None

    @property
    def unit_path(self) -> str | None:
        """`tenant/unit`, by their short names."""
        return f"{self.tenant.slug}/{self.unit.slug}" if self.tenant and self.unit else None


@dataclass(frozen=True)
class UnknownInstance:
    """An instance that was nobody's when it told something, and whether it is some unit's now."""

    name: str
    count: int
    newest: datetime
    is_known_now: bool


@dataclass(frozen=True)
class Choices:
    """What the parked events can be filtered by: names, kinds of error, and units as `tenant/unit` -> words."""

    events: list[str]
    errors: list[str]
    units: dict[str, str]


def list_parked(wanted: Filter, *, before: int | None = None, limit: int = PAGE) -> list[ParkedRow]:
    """The newest parked events of the filter; those stored before the one with the id `before`."""
    statement = _with_owner(wanted).order_by(WebhookEvent.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(WebhookEvent.id < before)
    with across_tenants(WHY):
        return [ParkedRow(*row) for row in db.session.execute(statement)]


def get_parked(event_id: int) -> tuple[ParkedRow, str]:
    """A parked event, a unit's or nobody's, and its body. Raises NotFound."""
    with across_tenants(WHY):
        one = _select_with_owner(WebhookEvent.body).where(IS_PARKED, WebhookEvent.id == event_id)
        found = db.session.execute(one).one_or_none()
    if found is None:
        raise NotFound("no such parked event")
    *row, body = found
    return ParkedRow(*row), body


def count_parked(wanted: Filter) -> int:
    """How many parked events the filter has."""
    with across_tenants(WHY):
        return db.session.scalar(select(func.count()).select_from(WebhookEvent).where(*conditions(wanted))) or 0


def count_unknown(wanted: Filter) -> int:
    """How many parked events of the filter are nobody's."""
    with across_tenants(WHY):
        rows = select(func.count()).select_from(WebhookEvent).where(*conditions(wanted), IS_UNKNOWN)
        return db.session.scalar(rows) or 0


def newest_id(wanted: Filter) -> int | None:
    """The id of the filter's newest event: what is parked later was not seen by whoever decided."""
    with across_tenants(WHY):
        return db.session.scalar(select(func.max(WebhookEvent.id)).where(*conditions(wanted)))


def list_choices() -> Choices:
    """What the parked events of units are of."""
    of_units = (IS_PARKED, WebhookEvent.unit_id.is_not(None))
    units = (
        select(Tenant.slug, Unit.slug, Tenant.name, Unit.name)
        .join(Tenant, Tenant.id == Unit.tenant_id)
        .where(Unit.id.in_(select(WebhookEvent.unit_id).where(*of_units)))
        .order_by(Tenant.name, Unit.name)
    )
    with across_tenants(WHY):
        names, errors = (
            sorted(value for value in db.session.scalars(select(column).where(*of_units).distinct()) if value)
            for column in (WebhookEvent.event, WebhookEvent.error)
        )
        named = {f"{row[0]}/{row[1]}": f"{row[2]} · {row[3]}" for row in db.session.execute(units)}
    return Choices(names, errors, named)


def find_unit_id(path: str) -> UUID | None:
    """The id of the unit that `tenant/unit` names."""
    tenant_slug, _slash, unit_slug = path.replace("\x00", "").partition("/")
    named = (
        select(Unit.id)
        .join(Tenant, Tenant.id == Unit.tenant_id)
        .where(Tenant.slug == tenant_slug, Unit.slug == unit_slug)
    )
    with across_tenants(WHY):
        return db.session.scalar(named)


def count_of_unit(scope: TenantScope, unit_id: UUID) -> int:
    """How many events of the unit could not be applied yet, counted up to MOST_COUNTED."""
    statement = scope.select(WebhookEvent, WebhookEvent.id).where(IS_PARKED, WebhookEvent.unit_id == unit_id)
    return len(db.session.scalars(statement.limit(MOST_COUNTED)).all())


def list_unknown_instances() -> list[UnknownInstance]:
    """The instances that were nobody's, the one that was heard last first."""
    newest = func.max(WebhookEvent.received_at)
    name = WebhookEvent.instance_name
    is_known_now = select(Connection.id).where(is_instance_of(Connection, name)).exists()
    grouped = select(name, func.count(), newest).where(IS_PARKED, IS_UNKNOWN).group_by(name)
    rows = grouped.add_columns(is_known_now).order_by(desc(newest), name).limit(MOST_INSTANCES)
    with across_tenants(WHY):
        return [UnknownInstance(*row) for row in db.session.execute(rows)]


def list_counts(*, days: int) -> list[WebhookCount]:
    """What was not taken for what it said, by day, newest first; today is by UTC."""
    first: date = now().date() - timedelta(days=days - 1)
    statement = (
        select(WebhookCount)
        .where(WebhookCount.day >= first)
        .order_by(WebhookCount.day.desc(), WebhookCount.outcome, WebhookCount.count.desc(), WebhookCount.event)
    )
    return list(db.session.scalars(statement.execution_options(populate_existing=True)))


def is_instance_of(connection: Any, name: Any) -> ColumnElement[bool]:
    """Whether the connection has an instance of that name, or had it until just now."""
    was = (connection.previous_instance_name == name) & (connection.previous_accepted_until > func.now())
    return or_(connection.instance_name == name, was)


def conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    """The filter as conditions on parked webhook events."""
    found = [IS_PARKED]
    if wanted.ids is None:
        found.append(IS_UNKNOWN if wanted.is_unknown else WebhookEvent.unit_id.is_not(None))
    else:
        found.append(WebhookEvent.id.in_(wanted.ids))
    if wanted.up_to is not None:
        found.append(WebhookEvent.id <= wanted.up_to)
    columns = (
        (WebhookEvent.event, wanted.event),
        (WebhookEvent.error, wanted.error),
        (WebhookEvent.unit_id, wanted.unit_id),
        (WebhookEvent.instance_name, wanted.instance),
    )
    return found + [column == value for column, value in columns if value is not None]


def _with_owner(wanted: Filter) -> Select[Any]:
    return _select_with_owner().where(*conditions(wanted))


def _select_with_owner(*more: Any) -> Select[Any]:
    event = WebhookEvent
    return (
        select(
            event.id,
            event.event,
            event.instance_name,
            event.error,
            event.attempts,
            event.received_at,
            func.octet_length(event.body),
            Tenant,
            Unit,
            *more,
        )
        .outerjoin(Tenant, Tenant.id == event.tenant_id)
        .outerjoin(Unit, (Unit.tenant_id == event.tenant_id) & (Unit.id == event.unit_id))
    )
