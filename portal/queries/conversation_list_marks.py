"""A mark of all that a page of the list of conversations shows, and what it counts."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    DateTime,
    Select,
    Subquery,
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    func,
    literal,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from portal.clock import now
from portal.models import Contact, Conversation, Direction, Tenant, Unit
from portal.queries.conversation_lists import (
    LIST_PAGE,
    NEWEST_FIRST,
    STATE,
    UNIT,
    Counts,
    Filter,
    conditions,
    newest_message,
    work_counts,
)
from portal.queries.conversations import Position
from portal.tenancy import Form, TenantScope


@dataclass(frozen=True)
class ListMark:
    """`lines`: a hash of all rows; None where there are none."""

    lines: str | None
    counts: Counts


def find_mark(scope: TenantScope, wanted: Filter, *, before: Position | None = None) -> ListMark:
    """A mark of all that this page of the list and its counts show: as long as it is the same, nothing changed.

    Most looks of a day ask for nothing else, so it is one statement, and no row of a list leaves the database.
    """
    form = _mark_form(replace(wanted, unit_id=None), wanted.unit_id is not None, before is not None)
    place = {"before_at": before.at, "before_id": before.id} if before else {}
    unit = {"unit_id": wanted.unit_id} if wanted.unit_id else {}
    lines, *counts = scope.execute(form, now=now(), **place, **unit).one()
    return ListMark(lines, Counts(*map(int, counts)))


@lru_cache(maxsize=64)
def _mark_form(wanted: Filter, of_unit: bool, is_older: bool) -> Form:
    """There are few kinds of pages, however many units and places in the list."""
    place = tuple_(bindparam("before_at", type_=DateTime(timezone=True)), bindparam("before_id", type_=Uuid()))
    filled = replace(wanted, unit_id=UNIT) if of_unit else wanted
    return Form(lambda scope: _mark(scope, filled, place if is_older else None))


def _mark(scope: TenantScope, wanted: Filter, before: Any) -> Select[Any]:
    page = _page(scope, wanted, before)
    # Each found by its own key: of joined tables PostgreSQL weighs every order, each time anew.
    contact = scope.select(Contact, _line(Contact.name, Contact.phone, Contact.opted_out_at))
    unit = scope.select(Unit, _line(Unit.name, _TODAY)).where(Unit.id == page.c.unit_id)
    newest = newest_message(scope, page.c.id)
    state = select(_line(*(newest.c[name] for name in STATE))).select_from(newest).scalar_subquery()
    line = _line(
        *page.c,
        contact.where(Contact.id == page.c.contact_id).scalar_subquery(),
        unit.scalar_subquery(),
        case((page.c.last_message_direction == Direction.OUTBOUND, state)),
    )
    between = aggregate_order_by(literal("\n"), page.c.last_message_at.desc(), page.c.id.desc())
    lines = select(func.md5(func.string_agg(line, between))).select_from(page)
    return scope.select(Tenant, lines.scalar_subquery(), *work_counts(scope, wanted.unit_id))


def _page(scope: TenantScope, wanted: Filter, before: Any) -> Subquery:
    page = scope.select(Conversation, *_SHOWN)
    if wanted.is_doubted:
        page = page.join(
            Contact, (Contact.tenant_id == Conversation.tenant_id) & (Contact.id == Conversation.contact_id)
        )
    return page.where(*conditions(scope, wanted, before)).order_by(*NEWEST_FIRST).limit(LIST_PAGE).subquery("page")


def _line(*columns: Any) -> ColumnElement[str]:
    return cast(func.row(*columns), Text)


# By the clock of each unit: from midnight on what was shown with its time is shown as of yesterday.
_TODAY = cast(func.timezone(Unit.time_zone, bindparam("now", type_=DateTime(timezone=True))), Date)
# What a row of the list is drawn from, besides its contact, its unit and its newest message.
_SHOWN = (
    Conversation.id,
    Conversation.contact_id,
    Conversation.unit_id,
    Conversation.unread,
    Conversation.assigned_to_id,
    Conversation.last_message_at,
    Conversation.last_message_preview,
    Conversation.last_message_direction,
    Conversation.last_message_kind,
    Conversation.doubted_at,
)
