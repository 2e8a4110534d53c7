"""Lists of conversations, newest first, by keyset: some of them, and what waits in them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    Uuid,
    bindparam,
    false,
    func,
    literal,
    select,
    true,
    tuple_,
)
from sqlalchemy.sql.selectable import LateralFromClause

from portal.db import among_told, db
from portal.models import CHANGES, Contact, Conversation, Direction, Message, Tenant
from portal.owners import owned_by
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
    """Messages that nobody has looked at; conversations that wait for somebody.

    Open ones that nobody answers, and that the person answers, each no more than MOST_COUNTED; and those in which a
    person should decide.
    """

    unread: int
    waiting: int
    mine: int
    doubted: int


def list_conversations(
    scope: TenantScope, wanted: Filter, *, before: Position | None = None, limit: int = LIST_PAGE
) -> list[ConversationRow]:
    """The newest conversations of the filter, over all units that the scope sees; those before a place in the list."""
    place = (before.at, before.id) if before else None
    statement = with_contact(scope).where(*conditions(scope, wanted, place))
    return _rows(statement, limit)


def search_people(scope: TenantScope, text: str, *, unit_id: UUID | None = None, limit: int) -> list[ConversationRow]:
    """The newest conversations with whoever bears that name or number."""
    # Step by step: else PostgreSQL may go through all conversations in their order, and look at one name after another.
    bearers = _fenced(scope.select(Contact, Contact.id).where(matches(scope, text)), "bearers")
    theirs = _fenced(
        scope.select(Conversation, Conversation.id, Conversation.last_message_at)
        .join(bearers, bearers.c.id == Conversation.contact_id)
        .where(*conditions(scope, Filter(unit_id=unit_id), None)),
        "theirs",
    )
    newest = select(theirs.c.id).order_by(theirs.c.last_message_at.desc(), theirs.c.id.desc()).limit(limit)
    return _rows(with_contact(scope).where(Conversation.id.in_(newest)), limit)


def list_last_sent(scope: TenantScope, conversation_ids: Collection[UUID]) -> dict[UUID, Message]:
    """Conversation id -> its newest message where that one is ours: no row, only what says how far it came."""
    found = scope.execute(_LAST_SENT, conversations=list(conversation_ids))
    return {id_: Message(**dict(zip(STATE, told, strict=True))) for id_, *told in found}


def count_work(scope: TenantScope, *, unit_id: UUID | None = None) -> Counts:
    """What waits, at one look: unread messages over every unit the scope sees, conversations of one unit or of all."""
    unit = {"unit_id": unit_id} if unit_id else {}
    return Counts(*map(int, scope.execute(_COUNTS_OF_UNIT if unit else _COUNTS, **unit).one()))


UNIT: Any = bindparam("unit_id", type_=Uuid())
NEWEST_FIRST = (Conversation.last_message_at.desc(), Conversation.id.desc())
# Of the newest message of a row, what says how far it came.
STATE = ("status", "source", "accepted_at", "error_code")


def _rows(statement: Select[Any], limit: int) -> list[ConversationRow]:
    return [ConversationRow(*row) for row in db.session.execute(statement.order_by(*NEWEST_FIRST).limit(limit))]


def _fenced(statement: Select[Any], name: str) -> CTE:
    return statement.cte(name).prefix_with("MATERIALIZED")


def conditions(scope: TenantScope, wanted: Filter, before: Any) -> list[ColumnElement[bool]]:
    """`before`: the time and the id of a place in the list, as values or as the parameters of a form."""
    found: list[ColumnElement[bool]] = [Conversation.last_message_at.is_not(None)]
    if wanted.work is not None:
        found.extend(_in_work(scope, wanted.work))
    if wanted.unit_id is not None:
        found.append(owned_by(Conversation.unit_id, wanted.unit_id))
    if wanted.is_doubted:
        found.append(consent.is_doubted())
    if wanted.is_unread is not None:
        found.append(is_unread() if wanted.is_unread else Conversation.unread == 0)
    if wanted.since is not None:
        found.append(Conversation.last_message_at >= wanted.since)
    if before is not None:
        found.append(tuple_(Conversation.last_message_at, Conversation.id) < before)
    return found


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


def newest_message(scope: TenantScope, conversation_id: Any) -> LateralFromClause:
    columns = (Message.direction, *(getattr(Message, name) for name in STATE))
    return (
        scope.select(Message, *columns)
        .where(Message.conversation_id == conversation_id, Message.kind.not_in(CHANGES))
        .order_by(Message.occurred_at.desc(), Message.id.desc())
        .limit(1)
        .correlate_except(Message)
        .lateral()
    )


def work_counts(scope: TenantScope, unit_id: UUID | None) -> tuple[ColumnElement[Any], ...]:
    """The parts of Counts, in their order."""
    return (
        _scalar(sum_of_unread(scope)),
        *(_scalar(_number_in(scope, work, unit_id)) for work in (Work.WAITING, Work.MINE)),
        _scalar(consent.number_doubted(scope, unit_id)),
    )


def _number_in(scope: TenantScope, work: Work, unit_id: UUID | None) -> Select[Any]:
    of_unit = [] if unit_id is None else [owned_by(Conversation.unit_id, unit_id)]
    found = scope.select(Conversation, Conversation.id).where(*_in_work(scope, work), *of_unit)
    # In the order of the indexes: for the first hundred of a unit in no order PostgreSQL may read the table.
    return select(func.count()).select_from(found.order_by(*NEWEST_FIRST).limit(MOST_COUNTED).subquery())


def _scalar(statement: Select[Any]) -> ColumnElement[Any]:
    return statement.scalar_subquery()


def _last_sent(scope: TenantScope) -> Select[Any]:
    newest = newest_message(scope, Conversation.id)
    return (
        scope.select(Conversation, Conversation.id, *(newest.c[name] for name in STATE))
        .join(newest, true())
        .where(
            among_told(Conversation.id, "conversations"),
            newest.c.direction == Direction.OUTBOUND,
        )
    )


_COUNTS = Form(lambda scope: scope.select(Tenant, *work_counts(scope, None)))
_COUNTS_OF_UNIT = Form(lambda scope: scope.select(Tenant, *work_counts(scope, UNIT)))
_LAST_SENT = Form(_last_sent)
