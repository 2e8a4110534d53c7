"""Units that need somebody: not connected though they were, in doubt, or limited by WhatsApp.

The database finds and counts them, since a company may have more units than any page reads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, func, or_

from portal.clock import now
from portal.db import db
from portal.models import Connection, ConnectionStatus, Lane, StatusReason
from portal.queries import checked_states, home
from portal.queries.home import UnitRow
from portal.tenancy import TenantScope


class Trouble(StrEnum):
    """Why a unit needs somebody. One that is in doubt may be limited as well."""

    DOWN = "down"
    DOUBTED = "doubted"
    LIMITED = "limited"


# With one of these a unit needs somebody though it never was connected: what was tried did not work, and will not.
REFUSALS = (
    StatusReason.CONNECTION_ERROR,
    StatusReason.NUMBER_BANNED,
    StatusReason.WRONG_NUMBER,
    StatusReason.NUMBER_IN_USE,
    StatusReason.INSTANCE_GONE,
    StatusReason.EVOLUTION_UNREACHABLE,
    StatusReason.EVOLUTION_KEY_REFUSED,
    StatusReason.EVOLUTION_NOT_LICENSED,
    StatusReason.EVOLUTION_FULL,
)


@dataclass(frozen=True)
class UnitCounts:
    """How many units there are, were ever linked and are connected; how many are in each trouble, and in any."""

    units: int
    linked: int
    connected: int
    by_trouble: Mapping[Trouble, int]
    troubled: int


@dataclass(frozen=True)
class Troubles:
    """How many units are in which trouble, and the first of each by name."""

    counts: UnitCounts
    rows: Mapping[Trouble, Sequence[UnitRow]]


def find_troubles(scope: TenantScope, *, limit: int) -> Troubles:
    """Of the units that are not archived; at most so many rows of each trouble."""
    conditions = _conditions(anybody_heard=checked_states.is_anybody_heard())
    counts = _count(scope, conditions)
    rows = {
        trouble: home.list_units(scope, condition, limit=limit) if counts.by_trouble[trouble] else []
        for trouble, condition in conditions.items()
    }
    return Troubles(counts, rows)


def is_in_trouble(*, anybody_heard: bool) -> ColumnElement[bool]:
    """Whether a unit is in any trouble; for statements that have its connection and its lane."""
    return or_(*_conditions(anybody_heard=anybody_heard).values())


def _conditions(*, anybody_heard: bool) -> dict[Trouble, ColumnElement[bool]]:
    is_connected = Connection.status == ConnectionStatus.CONNECTED
    is_unlinked = Connection.status.not_in((ConnectionStatus.CONNECTED, ConnectionStatus.NOT_CONFIGURED))
    is_refused = Connection.status_reason.in_(REFUSALS) & checked_states.is_left_alone()
    return {
        Trouble.DOWN: is_unlinked & (Connection.connected_at.is_not(None) | is_refused),
        Trouble.DOUBTED: checked_states.is_in_doubt(anybody_heard=anybody_heard),
        Trouble.LIMITED: is_connected & or_(Lane.cold_paused_until > now(), Lane.next_cold_at > now()),
    }


def _count(scope: TenantScope, conditions: Mapping[Trouble, ColumnElement[bool]]) -> UnitCounts:
    counts = (
        func.count(),
        func.count(Connection.connected_at),
        func.count().filter(Connection.status == ConnectionStatus.CONNECTED),
        func.count().filter(or_(*conditions.values())),
        *(func.count().filter(condition) for condition in conditions.values()),
    )
    units, linked, connected, troubled, *each = db.session.execute(home.living(scope, *counts)).one()
    return UnitCounts(units, linked, connected, dict(zip(conditions, each, strict=True)), troubled)
