"""A mark of all that an open thread shows: as long as it is the same, nothing changed that anybody could see there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    DateTime,
    FromClause,
    Integer,
    Select,
    Text,
    Uuid,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import aliased

from portal.clock import now
from portal.errors import NotFound
from portal.models import (
    Campaign,
    CampaignRecipient,
    Connection,
    Contact,
    Conversation,
    ConversationEvent,
    Lane,
    Media,
    Message,
    MessageStatus,
    Repair,
    Unit,
    User,
)
from portal.queries import conversation_events
from portal.queries.conversations import LONGEST_OPEN_THREAD, PAGE, Position
from portal.tenancy import Form, TenantScope


@dataclass(frozen=True)
class ThreadMark:
    """`time_zone`: its days and hours are those of the unit, so a mark holds for one day there."""

    mark: str
    unread: int
    time_zone: str


def find_mark(scope: TenantScope, conversation_id: UUID, since: Position | None) -> ThreadMark | None:
    """The mark of the thread from there on, as `list_messages_since` reads it; None: no such conversation here.

    Most looks of a day ask for nothing else, so it is one statement, and no row leaves the database. Of messages and of
    whatever belongs to them it takes whole rows, not the columns that are shown today: one that is shown tomorrow is
    in it already. Of what changes by itself, such as when a connection was checked, it takes what is shown.
    """
    values = {"conversation": conversation_id, "now": now()}
    if since is None:
        found = scope.execute(_OF_NEWEST, **values)
    else:
        found = scope.execute(_OF_ALL_SINCE, **values, since_at=since.at, since_id=since.id)
    row = found.one_or_none()
    return ThreadMark(*row) if row else None


def get_mark(scope: TenantScope, conversation_id: UUID, since: Position | None) -> ThreadMark:
    """As `find_mark`. Raises NotFound."""
    found = find_mark(scope, conversation_id, since)
    if found is None:
        raise NotFound("no such conversation")
    return found


_CONVERSATION = bindparam("conversation", type_=Uuid())
_NOW = bindparam("now", type_=DateTime(timezone=True))
_SINCE = tuple_(bindparam("since_at", type_=DateTime(timezone=True)), bindparam("since_id", type_=Uuid()))


def _mark(scope: TenantScope, page: CTE) -> Select[Any]:
    parts = (
        _shown(page),
        _without_receipt(page),
        *_related(scope, page),
        _files(scope, page),
        _gaps(scope, page),
        _campaigns(scope, page),
        _events(scope),
    )
    everything = func.concat_ws(_BREAK, _whole(Unit), _text(func.row(*_OF_CONVERSATION)), *_around(scope), *parts)
    return (
        scope.select(Conversation, func.md5(everything), Conversation.unread, Unit.time_zone)
        .select_from(Conversation)
        .join(Unit, (Unit.tenant_id == Conversation.tenant_id) & (Unit.id == Conversation.unit_id))
        .where(Conversation.id == _CONVERSATION)
    )


_OF_CONVERSATION = (
    Conversation.doubted_at,
    Conversation.doubted_message_id,
    Conversation.last_inbound_at.is_(None),
)
_OF_CONNECTION = (Connection.status, Connection.status_reason, Connection.action, Connection.connected_at)
_OF_LANE = (
    Lane.cold_paused_until,
    Lane.next_cold_at,
    Lane.cold_reason,
    Lane.cold_paused_until > _NOW,
    Lane.next_cold_at > _NOW,
)
# Written out, as they stand in it time and again: each value that is told with a statement is prepared by itself.
_BREAK, _NOTHING, _ZERO = literal_column("E'\\n'", Text()), literal_column("''", Text()), literal_column("0", Integer())
# All but the files themselves.
_OF_FILE = [column for column in Media.__table__.c if column.name not in ("content", "thumbnail")]


def _around(scope: TenantScope) -> Sequence[ColumnElement[Any]]:
    """The contact, its unit's connection and lane, and the message in doubt.

    Each is found by its own key: of joined tables PostgreSQL weighs every order, each time anew.
    """
    lines = (
        scope.select(Contact, _whole(Contact)).where(Contact.id == Conversation.contact_id),
        scope.select(Connection, _text(func.row(*_OF_CONNECTION))).where(Connection.unit_id == Conversation.unit_id),
        scope.select(Lane, _text(func.row(*_OF_LANE))).where(Lane.unit_id == Conversation.unit_id),
        scope.select(Message, _whole(Message)).where(Message.id == Conversation.doubted_message_id),
    )
    return [func.coalesce(line.correlate(Conversation).scalar_subquery(), _NOTHING) for line in lines]


def _page(scope: TenantScope, shown: ColumnElement[bool], most: int) -> CTE:
    """The newest of the messages that are shown, each as one line of text with what leads to others."""
    columns = (
        Message.unit_id,
        Message.conversation_id,
        Message.id,
        Message.occurred_at,
        Message.external_id,
        Message.refers_to,
        Message.media_id,
        Message.repair_id,
        Message.status,
        Message.sent_at,
        _whole(Message).label("line"),
    )
    statement = scope.select(Message, *columns).where(Message.conversation_id == _CONVERSATION, shown)
    return statement.order_by(Message.occurred_at.desc(), Message.id.desc()).limit(most).cte("page")


def _shown(page: CTE) -> ColumnElement[Any]:
    return _joined(select(page.c.line, page.c.id).subquery("shown"))


def _without_receipt(page: CTE) -> ColumnElement[Any]:
    """For how many of them a receipt should have come by now: it is missed by the passing of time alone."""
    waited = _NOW - func.make_interval(*[_ZERO] * 5, Unit.receipt_wait_min)
    late = select(func.count()).where(page.c.status == MessageStatus.SENT, page.c.sent_at < waited)
    return late.correlate(Unit).scalar_subquery()


def _related(scope: TenantScope, page: CTE) -> Sequence[ColumnElement[Any]]:
    """What refers to them, what they refer to, and what was sent in their place."""
    return [
        _joined(
            scope.select(Message, _whole(Message).label("line"), Message.id)
            .select_from(Message)
            .join(page, (page.c.unit_id == Message.unit_id) & condition)
            .where(Message.conversation_id == page.c.conversation_id)
            .subquery(name)
        )
        for name, condition in {
            "referring": Message.refers_to == page.c.external_id,
            "referred": Message.external_id == page.c.refers_to,
            "resent": Message.resend_of_id == page.c.id,
        }.items()
    ]


def _files(scope: TenantScope, page: CTE) -> ColumnElement[Any]:
    line = func.row(*_OF_FILE, Media.thumbnail.is_not(None))
    files = scope.select(Media, _text(line).label("line"), page.c.id).select_from(Media)
    return _joined(files.join(page, page.c.media_id == Media.id).subquery("files"))


def _gaps(scope: TenantScope, page: CTE) -> ColumnElement[Any]:
    """With how many messages were fetched into this conversation."""
    fetched = (
        scope.select(Message, func.count())
        .where(Message.conversation_id == _CONVERSATION, Message.repair_id == Repair.id)
        .correlate(Repair)
        .scalar_subquery()
    )
    line = _text(func.row(Repair.id, Repair.began_at, Repair.ended_at, fetched)).label("line")
    gaps = scope.select(Repair, line, Repair.id).where(Repair.id.in_(select(page.c.repair_id)))
    return _joined(gaps.subquery("gaps"))


def _campaigns(scope: TenantScope, page: CTE) -> ColumnElement[Any]:
    line = _text(func.row(CampaignRecipient.message_id, Campaign.id, Campaign.name)).label("line")
    of_campaign = (CampaignRecipient.tenant_id == Campaign.tenant_id) & (CampaignRecipient.campaign_id == Campaign.id)
    named = scope.select(Campaign, line, page.c.id).select_from(Campaign).join(CampaignRecipient, of_campaign)
    return _joined(named.join(page, page.c.id == CampaignRecipient.message_id).subquery("campaigns"))


def _events(scope: TenantScope) -> ColumnElement[Any]:
    """All of the conversation, though a thread shows those between its messages only."""
    by, to = aliased(User), aliased(User)
    line = func.concat(_whole(ConversationEvent), _text(func.row(by.email, to.email)))
    events = (
        scope.select(ConversationEvent, line.label("line"), ConversationEvent.id)
        .select_from(ConversationEvent)
        .outerjoin(by, (by.tenant_id == ConversationEvent.tenant_id) & (by.id == ConversationEvent.created_by_id))
        .outerjoin(to, (to.tenant_id == ConversationEvent.tenant_id) & (to.id == ConversationEvent.assigned_to_id))
        .where(ConversationEvent.conversation_id == _CONVERSATION)
        .order_by(ConversationEvent.created_at.desc(), ConversationEvent.id.desc())
        .limit(conversation_events.MOST)
    )
    return _joined(events.subquery("events"))


def _joined(lines: FromClause) -> ColumnElement[Any]:
    """A hash of the lines in an order that is the same each time."""
    each = func.md5(func.string_agg(lines.c.line, aggregate_order_by(_BREAK, lines.c.id, lines.c.line)))
    # Nothing is not left out: else one part could stand for another.
    return select(func.coalesce(each, _NOTHING)).select_from(lines).scalar_subquery()


def _whole(model: Any) -> ColumnElement[Any]:
    """All columns of the row as text."""
    return _text(model.__table__.table_valued())


def _text(value: Any) -> ColumnElement[Any]:
    return cast(value, Text)


_OF_NEWEST = Form(lambda scope: _mark(scope, _page(scope, true(), PAGE)))
_OF_ALL_SINCE = Form(
    lambda scope: _mark(scope, _page(scope, tuple_(Message.occurred_at, Message.id) >= _SINCE, LONGEST_OPEN_THREAD))
)
