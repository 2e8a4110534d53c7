"""A mark of all that a page of the list of conversations shows, and of what it counts."""

from dataclasses import replace
from functools import lru_cache
from typing import Any

from sqlalchemy import Date, DateTime, Select, Text, Uuid, bindparam, cast, func, literal, select, tuple_
from sqlalchemy.dialects.postgresql import aggregate_order_by

from portal.clock import now
from portal.models import Contact, Conversation, Direction, Tenant, Unit
from portal.queries.conversation_lists import (
    LIST_PAGE,
    NEWEST_FIRST,
    STATE,
    UNIT,
    Filter,
    conditions,
    newest_message,
    work_counts,
)
from portal.queries.conversations import Position
from portal.tenancy import Form, TenantScope


def find_mark(scope: TenantScope, wanted: Filter, *, before: Position | None = None) -> str:
    """A mark of all that this page of the list and its counts show: as long as it is the same, nothing changed.

    Most looks of a day ask for nothing else, so it is one statement, and no row leaves the database.
    """
    form = _mark_form(replace(wanted, unit_id=None), wanted.unit_id is not None, before is not None)
    place = {"before_at": before.at, "before_id": before.id} if before else {}
    unit = {"unit_id": wanted.unit_id} if wanted.unit_id else {}
    return str(scope.execute(form, now=now(), **place, **unit).scalar_one())


@lru_cache(maxsize=64)
def _mark_form(wanted: Filter, of_unit: bool, is_older: bool) -> Form:
    """There are few kinds of pages, however many units and places in the list."""
    place = tuple_(bindparam("before_at", type_=DateTime(timezone=True)), bindparam("before_id", type_=Uuid()))
    filled = replace(wanted, unit_id=UNIT) if of_unit else wanted
    return Form(lambda scope: _mark(scope, filled, place if is_older else None))


def _mark(scope: TenantScope, wanted: Filter, before: Any) -> Select[Any]:
    # By the clock of each unit: from midnight on what was shown with its time is shown as of yesterday.
    today = cast(func.timezone(Unit.time_zone, bindparam("now", type_=DateTime(timezone=True))), Date).label("today")
    page = (
        scope.select(Conversation, *_SHOWN, today)
        .join(Contact, (Contact.tenant_id == Conversation.tenant_id) & (Contact.id == Conversation.contact_id))
        .join(Unit, (Unit.tenant_id == Conversation.tenant_id) & (Unit.id == Conversation.unit_id))
        .where(*conditions(scope, wanted, before))
        .order_by(*NEWEST_FIRST)
        .limit(LIST_PAGE)
        .subquery("page")
    )
    newest = newest_message(scope, page.c.id)
    line = cast(func.row(*page.c, *(newest.c[name] for name in STATE)), Text)
    between = aggregate_order_by(literal("\n"), page.c.last_message_at.desc(), page.c.id.desc())
    is_ours = page.c.last_message_direction == Direction.OUTBOUND
    lines = select(func.string_agg(line, between)).select_from(page).outerjoin(newest, is_ours)
    seen = func.concat(lines.scalar_subquery(), cast(func.row(*work_counts(scope, wanted.unit_id)), Text))
    return scope.select(Tenant, func.md5(seen))


# What a row of the list is drawn from, besides its newest message.
_SHOWN = (
    Conversation.id,
    Conversation.unread,
    Conversation.assigned_to_id,
    Conversation.last_message_at,
    Conversation.last_message_preview,
    Conversation.last_message_direction,
    Conversation.last_message_kind,
    Conversation.doubted_at,
    Contact.name,
    Contact.phone,
    Contact.opted_out_at,
    Unit.name.label("unit_name"),
)
