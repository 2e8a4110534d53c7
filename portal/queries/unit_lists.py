"""The list of a company's units: searched and filtered, by name, by keyset; and those that a filter offers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, tuple_

from portal.models import Connection, Unit
from portal.queries import checked_states, contact_search, home, unit_troubles, units
from portal.queries.units import UnitRow
from portal.tenancy import Form, TenantScope

PAGE = 50
# More are not offered side by side: they are looked for in the list.
MOST_OFFERED = 50
BY_NAME = (Unit.name, Unit.id)


@dataclass(frozen=True)
class Filter:
    """Some of the units: whose name has these words, or that need somebody."""

    search: str = ""
    is_troubled: bool = False


@dataclass(frozen=True)
class Offered:
    """Units to choose among. Where these are not all there are, they are looked for in the list instead."""

    units: Sequence[Unit]
    is_whole: bool


def list_units(scope: TenantScope, wanted: Filter = Filter(), *, after: str = "") -> list[UnitRow]:
    """By name, at most PAGE of those behind the unit with the short name `after`; none that is archived."""
    # Found by themselves: to put the whole rows of very many units in order takes several times as long.
    first = _chosen(scope, wanted).order_by(*BY_NAME).limit(PAGE)
    if after:
        place = scope.select(Unit, *BY_NAME).where(Unit.slug == after)
        first = first.where(tuple_(*BY_NAME) > place.correlate(None).scalar_subquery())
    found = units.living(scope, Unit, Connection).where(Unit.id.in_(first)).order_by(*BY_NAME)
    return units.with_counts(scope, found)


def list_offered(scope: TenantScope) -> Offered:
    """By name; none that is archived."""
    found = list(scope.execute(_OFFERED).scalars())
    return Offered(found[:MOST_OFFERED], is_whole=len(found) <= MOST_OFFERED)


def _chosen(scope: TenantScope, wanted: Filter) -> Select[Any]:
    statement = scope.select(Unit, Unit.id).where(Unit.archived_at.is_(None))
    if wanted.is_troubled:
        is_troubled = unit_troubles.is_in_trouble(anybody_heard=checked_states.is_anybody_heard())
        statement = home.living(scope, Unit.id).where(is_troubled)
    if wanted.search:
        statement = statement.where(contact_search.has_words(Unit.name, wanted.search))
    return statement


_OFFERED = Form(
    lambda scope: scope.select(Unit).where(Unit.archived_at.is_(None)).order_by(*BY_NAME).limit(MOST_OFFERED + 1)
)
