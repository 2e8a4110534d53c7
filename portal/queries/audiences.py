"""Whom a campaign would reach: people with an address who have not asked for no more messages."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from portal.db import db
from portal.models import Contact, ContactKind
from portal.tenancy import TenantScope


@dataclass(frozen=True)
class Reach:
    """How many contacts were chosen, and what becomes of them: the last three add up to the first."""

    total: int
    reachable: int
    opted_out: int
    without_number: int


def is_reachable() -> ColumnElement[bool]:
    """A person of their own whom WhatsApp can address and who has not opted out."""
    is_somebody = (Contact.kind == ContactKind.PERSON) & Contact.merged_into_id.is_(None)
    return and_(is_somebody, has_number(), Contact.opted_out_at.is_(None))


def has_number() -> ColumnElement[bool]:
    """WhatsApp knows some people only by a LID, to which replies go, but no campaign."""
    return or_(Contact.phone.is_not(None), Contact.whatsapp_number.is_not(None))


def reachable(scope: TenantScope) -> Select[Any]:
    """The contacts that a campaign may be planned for."""
    return scope.select(Contact).where(is_reachable())


def count_reach(statement: Select[Any]) -> Reach:
    """Count whom a campaign to these contacts would reach: those that a scope's select finds, up to its limit.

    Who opted out is counted there and nowhere else, with a number or without.
    """
    opted_out = Contact.opted_out_at.is_not(None)
    told = statement.with_only_columns(
        is_reachable().label("is_reachable"),
        opted_out.label("is_opted_out"),
        (~opted_out & ~has_number()).label("is_without_number"),
    )
    chosen = told.order_by(None).subquery()
    # Over what was chosen, and not over all contacts that are in it: so that a limit also limits the reading.
    counted = select(
        func.count(),
        func.count().filter(chosen.c.is_reachable),
        func.count().filter(chosen.c.is_opted_out),
        func.count().filter(chosen.c.is_without_number),
    )
    return Reach(*db.session.execute(counted.execution_options(**statement.get_execution_options())).one())
