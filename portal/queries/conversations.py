"""A conversation and the messages in it, newest first, by keyset. Lists of them are in conversation_lists.py."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, Integer, Select, Uuid, bindparam, func, literal, tuple_

from portal.db import db
from portal.errors import NotFound
from portal.models import Contact, Conversation, ConversationAlias, Message, MessageStatus, Unit
from portal.tenancy import Form, TenantScope

PAGE = 50
LONGEST_OPEN_THREAD = 500
# Of what is older than a message that was looked for.
SHOWN_BEFORE = 10


@dataclass(frozen=True)
class ConversationRow:
    """A conversation, the contact in it, and the unit it belongs to."""

    conversation: Conversation
    contact: Contact
    unit: Unit

    @property
    def is_doubted(self) -> bool:
        """Whether a person should decide what was meant by a message. Whoever opted out since leaves no doubt."""
        return self.conversation.doubted_at is not None and self.contact.opted_out_at is None


@dataclass(frozen=True)
class Position:
    """Where the last page ended: the next one holds what is older."""

    at: datetime
    id: UUID

    def __str__(self) -> str:
        return f"{self.at.isoformat()}~{self.id}"

    @classmethod
    def parse(cls, text: str) -> "Position":
        """Raises ValueError."""
        at, _, id_ = text.partition("~")
        position = cls(datetime.fromisoformat(at), UUID(id_))
        if position.at.tzinfo is None:
            raise ValueError(text)
        return position


@dataclass(frozen=True)
class Place:
    """A part of a thread: all from one message on, or the page of those before one."""

    since: Position | None = None
    before: Position | None = None


def get_conversation(scope: TenantScope, conversation_id: UUID) -> ConversationRow:
    """The conversation, or the one that it was joined to: its id may be another. Raises NotFound."""
    row = _find_row(scope, conversation_id) or _find_row(scope, find_current(scope, conversation_id).id)
    if row is None:
        raise NotFound("no such conversation")
    return row


def _find_row(scope: TenantScope, conversation_id: UUID) -> ConversationRow | None:
    row = scope.execute(_ROW, conversation=conversation_id).one_or_none()
    return ConversationRow(*row) if row else None


def find_current(scope: TenantScope, conversation_id: UUID) -> Conversation:
    """As `get_conversation`, the conversation alone."""
    this = scope.select(Conversation).where(Conversation.id == conversation_id)
    found: Conversation | None = db.session.scalar(this)
    if found is not None:
        return found
    alias = scope.select(ConversationAlias, ConversationAlias.conversation_id)
    joined_to = db.session.scalar(alias.where(ConversationAlias.id == conversation_id))
    return scope.get(Conversation, joined_to or conversation_id)


def list_messages(
    scope: TenantScope, conversation_id: UUID, *, before: Position | None = None, limit: int = PAGE
) -> list[Message]:
    """The newest messages of a conversation, newest first."""
    values = {"conversation": conversation_id, "most": limit}
    if before is None:
        return list(scope.execute(_NEWEST, **values).scalars())
    return list(scope.execute(_BEFORE, **values, at=before.at, id=before.id).scalars())


def list_messages_since(
    scope: TenantScope, conversation_id: UUID, since: Position, *, limit: int = LONGEST_OPEN_THREAD
) -> list[Message]:
    """What an open thread shows: the messages from that one on, newest first."""
    values = {"conversation": conversation_id, "most": limit, "at": since.at, "id": since.id}
    return list(scope.execute(_SINCE, **values).scalars())


def has_older(scope: TenantScope, conversation_id: UUID, place: Position) -> bool:
    """Whether the conversation has a message before that place."""
    return bool(list_messages(scope, conversation_id, before=place, limit=1))


def get_message(scope: TenantScope, message_id: UUID) -> Message:
    """The message as it is now. Raises NotFound."""
    return scope.get(Message, message_id)


def find_sent(scope: TenantScope, unit_id: UUID, *, phone: str, client_message_id: str) -> Message | None:
    """What the unit was asked to send to that canonical number under that id, whoever holds the unit meanwhile."""
    found = scope.execute(_SENT, unit=unit_id, phone=phone, client_message_id=client_message_id)
    message: Message | None = found.scalar()
    return message


def find_contact_number(scope: TenantScope, conversation_id: UUID) -> str | None:
    """The canonical number of the conversation's contact; None for one known by LID only."""
    row = db.session.execute(with_contact(scope).where(Conversation.id == conversation_id)).one()
    number: str | None = row[1].phone
    return number


def sum_of_unread(scope: TenantScope) -> Select[Any]:
    """Messages that nobody has looked at, over every unit the scope sees; for statements that ask for more."""
    return scope.select(Conversation, func.coalesce(func.sum(Conversation.unread), 0)).where(is_unread())


def is_unread() -> ColumnElement[bool]:
    """Written out: PostgreSQL takes a partial index only for what it can read in the statement."""
    return Conversation.unread > literal(0, literal_execute=True)


def find_place(scope: TenantScope, conversation_id: UUID, message_id: UUID) -> Place | None:
    """Where a thread is opened so that this message stands in it; None when the conversation has no such message."""
    of_conversation = scope.select(Message).where(Message.conversation_id == conversation_id)
    message: Message | None = db.session.scalar(of_conversation.where(Message.id == message_id))
    if message is None:
        return None
    here = Position(message.occurred_at, message.id)
    first = list_messages(scope, conversation_id, before=here, limit=SHOWN_BEFORE)
    since = Position(first[-1].occurred_at, first[-1].id) if first else here
    in_thread = tuple_(Message.occurred_at, Message.id) >= (since.at, since.id)
    from_there = of_conversation.with_only_columns(Message.occurred_at, Message.id).where(in_thread)
    later = db.session.execute(
        from_there.order_by(Message.occurred_at, Message.id).limit(LONGEST_OPEN_THREAD + 1)
    ).all()
    if len(later) <= LONGEST_OPEN_THREAD:
        return Place(since=since)
    return Place(before=Position(*later[PAGE]))


def is_final(message: Message) -> bool:
    """Whether waiting longer cannot tell more about the sending itself."""
    return message.status not in (MessageStatus.QUEUED, MessageStatus.SENDING)


def with_contact(scope: TenantScope) -> Select[Any]:
    """Conversations as a ConversationRow takes them."""
    return (
        scope.select(Conversation, Conversation, Contact, Unit)
        .join(Contact, (Contact.tenant_id == Conversation.tenant_id) & (Contact.id == Conversation.contact_id))
        .join(Unit, (Unit.tenant_id == Conversation.tenant_id) & (Unit.id == Conversation.unit_id))
    )


def _messages(scope: TenantScope, *where: ColumnElement[bool]) -> Select[Any]:
    newest_first = scope.select(Message).order_by(Message.occurred_at.desc(), Message.id.desc())
    some = newest_first.where(Message.conversation_id == _CONVERSATION, *where).limit(
        bindparam("most", type_=Integer())
    )
    return some.execution_options(populate_existing=True)


def _sent(scope: TenantScope) -> Select[Any]:
    of_conversation = (Conversation.tenant_id == Message.tenant_id) & (Conversation.id == Message.conversation_id)
    person = func.coalesce(Contact.merged_into_id, Contact.id)
    of_contact = (Contact.tenant_id == Conversation.tenant_id) & (person == Conversation.contact_id)
    return (
        scope.select(Message)
        .join(Conversation, of_conversation)
        .join(Contact, of_contact)
        .where(
            Contact.phone == bindparam("phone"),
            Conversation.unit_id == bindparam("unit"),
            Message.client_message_id == bindparam("client_message_id"),
        )
    )


_CONVERSATION = bindparam("conversation", type_=Uuid())
_PLACE = tuple_(bindparam("at", type_=DateTime(timezone=True)), bindparam("id", type_=Uuid()))
_ROW = Form(lambda scope: with_contact(scope).where(Conversation.id == _CONVERSATION))
_NEWEST = Form(_messages)
_BEFORE = Form(lambda scope: _messages(scope, tuple_(Message.occurred_at, Message.id) < _PLACE))
_SINCE = Form(lambda scope: _messages(scope, tuple_(Message.occurred_at, Message.id) >= _PLACE))
_SENT = Form(_sent)
