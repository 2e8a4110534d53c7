"""Lists of conversations, newest first, by keyset: some of them, what waits in them, and whether anything changed."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Date,
    DateTime,
    Select,
    Text,
    Uuid,
    bindparam,
    cast,
    false,
    func,
    literal,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.sql.selectable import LateralFromClause

from portal.clock import now
from portal.db import among, db
from portal.models import Contact, Conversation, Direction, Message, Tenant, Unit
from portal.queries import consent
from portal.queries.contact_search import matches
from portal.queries.conversations import ConversationRow, Position, is_unread, sum_of_unread, with_contact
from portal.tenancy import Form, TenantScope

# More than stand beside a thread on a tall screen: each row is drawn anew with every news.
LIST_PAGE = 30
# Whoever has more that waits is told "99+", so that no look counts for long.
MOST_COUNTED = 100


class Work(StrEnum):
    """How far the work in a conversation is: all open ones, those that nobody answers, one's own, and what is done."""

    OPEN = "open"
    WAITING = "waiting"
    MINE = "mine"
    RESOLVED = "resolved"


@dataclass(frozen=True)
class Filter:
    """Some of the conversations: each part that is given narrows the others."""

    work: Work | None = None
    unit_id: UUID | None = None
    # Only those with a wish in doubt.
    is_doubted: bool = False
    is_unread: bool | None = None
    # With a message at this instant or after it.
    since: datetime | None = None


@dataclass(frozen=True)
class Counts:
    """Messages that nobody has looked at; open conversations that nobody answers, and that the person answers.

    Of either kind of conversation no more than MOST_COUNTED.
    """

    unread: int
    waiting: int
    mine: int


def list_conversations(
    scope: TenantScope, wanted: Filter, *, before: Position | None = None, limit: int = LIST_PAGE
) -> list[ConversationRow]:
    """The newest conversations of the filter, over all units that the scope sees; those before a place in the list."""
    place = (before.at, before.id) if before else None
    statement = with_contact(scope).where(*_conditions(scope, wanted, place))
    return _rows(statement, limit)


def search_people(scope: TenantScope, text: str, *, unit_id: UUID | None = None, limit: int) -> list[ConversationRow]:
    """The newest conversations with whoever bears that name or number."""
    # Step by step: else PostgreSQL may go through all conversations in their order, and look at one name after another.
    bearers = _fenced(scope.select(Contact, Contact.id).where(matches(scope, text)), "bearers")
    theirs = _fenced(
        scope.select(Conversation, Conversation.id, Conversation.last_message_at)
        .join(bearers, bearers.c.id == Conversation.contact_id)
        .where(*_conditions(scope, Filter(unit_id=unit_id), None)),
        "theirs",
    )
    newest = select(theirs.c.id).order_by(theirs.c.last_message_at.desc(), theirs.c.id.desc()).limit(limit)
    return _rows(with_contact(scope).where(Conversation.id.in_(newest)), limit)


def list_last_sent(scope: TenantScope, conversation_ids: Collection[UUID]) -> dict[UUID, Message]:
    """Conversation id -> its newest message where that one is ours: no row, only what says how far it came."""
    newest = _newest_message(scope, Conversation.id)
    statement = (
        scope.select(Conversation, Conversation.id, *(newest.c[name] for name in _STATE))
        .join(newest, true())
        .where(among(Conversation.id, conversation_ids), newest.c.direction == Direction.OUTBOUND)
    )
    return {id_: Message(**dict(zip(_STATE, told, strict=True))) for id_, *told in db.session.execute(statement)}


def count_work(scope: TenantScope, *, unit_id: UUID | None = None) -> Counts:
    """What waits, at one look: unread messages over every unit the scope sees, conversations of one unit or of all."""
    return Counts(*map(int, db.session.execute(scope.select(Tenant, *_counts(scope, unit_id))).one()))


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
    unit_id: Any = bindparam("unit_id", type_=Uuid())
    place = tuple_(bindparam("before_at", type_=DateTime(timezone=True)), bindparam("before_id", type_=Uuid()))
    filled = replace(wanted, unit_id=unit_id) if of_unit else wanted
    return Form(lambda scope: _mark(scope, filled, place if is_older else None))


def _mark(scope: TenantScope, wanted: Filter, before: Any) -> Select[Any]:
    # By the clock of each unit: from midnight on what was shown with its time is shown as of yesterday.
    today = cast(func.timezone(Unit.time_zone, bindparam("now", type_=DateTime(timezone=True))), Date).label("today")
    page = (
        scope.select(Conversation, *_SHOWN, today)
        .join(Contact, (Contact.tenant_id == Conversation.tenant_id) & (Contact.id == Conversation.contact_id))
        .join(Unit, (Unit.tenant_id == Conversation.tenant_id) & (Unit.id == Conversation.unit_id))
        .where(*_conditions(scope, wanted, before))
        .order_by(*_NEWEST_FIRST)
        .limit(LIST_PAGE)
        .subquery("page")
    )
    newest = _newest_message(scope, page.c.id)
    line = cast(func.row(*page.c, *(newest.c[name] for name in _STATE)), Text)
    between = aggregate_order_by(literal("\n"), page.c.last_message_at.desc(), page.c.id.desc())
    is_ours = page.c.last_message_direction == Direction.OUTBOUND
    lines = select(func.string_agg(line, between)).select_from(page).outerjoin(newest, is_ours)
    counts = func.row(*_counts(scope, wanted.unit_id), _scalar(consent.number_doubted(scope, wanted.unit_id)))
    seen = func.concat(lines.scalar_subquery(), cast(counts, Text))
    return scope.select(Tenant, func.md5(seen))


_NEWEST_FIRST = (Conversation.last_message_at.desc(), Conversation.id.desc())
# What a row of the list is drawn from, and of its newest message what says how far that came.
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
_STATE = ("status", "source", "accepted_at", "error_code")


def _rows(statement: Select[Any], limit: int) -> list[ConversationRow]:
    return [ConversationRow(*row) for row in db.session.execute(statement.order_by(*_NEWEST_FIRST).limit(limit))]


def _fenced(statement: Select[Any], name: str) -> CTE:
    return statement.cte(name).prefix_with("MATERIALIZED")


def _conditions(scope: TenantScope, wanted: Filter, before: Any) -> list[ColumnElement[bool]]:
    """`before`: the time and the id of a place in the list, as values or as the parameters of a form."""
    conditions: list[ColumnElement[bool]] = [Conversation.last_message_at.is_not(None)]
    if wanted.work is not None:
        conditions.extend(_in_work(scope, wanted.work))
    if wanted.unit_id is not None:
        conditions.append(Conversation.unit_id == wanted.unit_id)
    if wanted.is_doubted:
        conditions.append(consent.is_doubted())
    if wanted.is_unread is not None:
        conditions.append(is_unread() if wanted.is_unread else Conversation.unread == 0)
    if wanted.since is not None:
        conditions.append(Conversation.last_message_at >= wanted.since)
    if before is not None:
        conditions.append(tuple_(Conversation.last_message_at, Conversation.id) < before)
    return conditions


def _in_work(scope: TenantScope, work: Work) -> list[ColumnElement[bool]]:
    """The state is written out: PostgreSQL takes a partial index only for what it can read in the statement."""
    if work == Work.RESOLVED:
        return [Conversation.status == literal("closed", literal_execute=True)]
    is_open = Conversation.status == literal("open", literal_execute=True)
    if work == Work.WAITING:
        return [is_open, Conversation.assigned_to_id.is_(None)]
    if work == Work.MINE:
        return [is_open, false() if scope.user_id is None else Conversation.assigned_to_id == scope.user_id]
    return [is_open]


def _newest_message(scope: TenantScope, conversation_id: Any) -> LateralFromClause:
    columns = (Message.direction, *(getattr(Message, name) for name in _STATE))
    return (
        scope.select(Message, *columns)
        .where(Message.conversation_id == conversation_id)
        .order_by(Message.occurred_at.desc(), Message.id.desc())
        .limit(1)
        .correlate_except(Message)
        .lateral()
    )


def _counts(scope: TenantScope, unit_id: UUID | None) -> tuple[ColumnElement[Any], ...]:
    """The parts of Counts, in their order."""
    return (
        _scalar(sum_of_unread(scope)),
        *(_scalar(_number_in(scope, work, unit_id)) for work in (Work.WAITING, Work.MINE)),
    )


def _number_in(scope: TenantScope, work: Work, unit_id: UUID | None) -> Select[Any]:
    of_unit = [] if unit_id is None else [Conversation.unit_id == unit_id]
    found = scope.select(Conversation, Conversation.id).where(*_in_work(scope, work), *of_unit)
    # In the order of the indexes: for the first hundred of a unit in no order PostgreSQL may read the table.
    return select(func.count()).select_from(found.order_by(*_NEWEST_FIRST).limit(MOST_COUNTED).subquery())


def _scalar(statement: Select[Any]) -> ColumnElement[Any]:
    return statement.scalar_subquery()
