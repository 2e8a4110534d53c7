"""Conversations: reply, write to a number, mark as read."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask_babel import gettext as _
from uuid_utils.compat import uuid7

from portal import phone as phones
from portal import queue
from portal.clock import now
from portal.db import atomic, db, on_commit
from portal.errors import Conflict, Invalid
from portal.models import (
    Connection,
    Contact,
    Conversation,
    Direction,
    Lane,
    Message,
    MessageSource,
    MessageStatus,
    Unit,
)
from portal.services import delivery
from portal.tenancy import TenantScope

LONGEST_TEXT = 10_000
LONGEST_PREVIEW = 200
LONGEST_CLIENT_MESSAGE_ID = 120


@dataclass(frozen=True)
class Queued:
    """A message on its way: whether an earlier call had made it, and whether the unit's absence holds it."""

    message: Message
    is_repeat: bool
    is_held: bool


def reply(scope: TenantScope, conversation_id: UUID, *, text: str, client_message_id: str | None = None) -> Queued:
    """Queue a reply. The same `client_message_id` in one conversation returns the first message.

    Raises Invalid for an empty or endless text, Conflict when the unit never had a number.
    """
    text, client_message_id = _checked_text(text), _checked_client_message_id(client_message_id)
    with atomic():
        conversation = scope.get(Conversation, conversation_id)
        delivery.lock_unit(scope, conversation.unit_id)
        return _queue_message(
            scope, conversation, text, source=MessageSource.PERSON, client_message_id=client_message_id
        )


def send_to_phone(
    scope: TenantScope,
    unit_id: UUID,
    *,
    phone: str,
    text: str,
    client_message_id: str | None = None,
    source: MessageSource = MessageSource.PERSON,
) -> Queued:
    """Queue a message to a number, opening its conversation when there is none.

    The same `client_message_id` in one conversation returns the first message. Raises as `reply` does.
    """
    number, text = _checked_phone(phone), _checked_text(text)
    client_message_id = _checked_client_message_id(client_message_id)
    with atomic():
        unit = scope.get(Unit, unit_id)
        # The inbox relay holds it while it writes the same conversation and lane, in another order.
        delivery.lock_unit(scope, unit.id)
        contact_id = find_or_add_contact(scope, phone=number)
        conversation_id = find_or_open_conversation(scope, unit.id, contact_id)
        conversation = scope.get(Conversation, conversation_id)
        return _queue_message(scope, conversation, text, source=source, client_message_id=client_message_id)


def mark_read(scope: TenantScope, conversation_id: UUID) -> None:
    """Somebody looked: the conversation has nothing unread."""
    with atomic():
        unread = scope.update(Conversation).where(Conversation.id == conversation_id, Conversation.unread > 0)
        db.session.execute(unread.values(unread=0))


def find_or_add_contact(scope: TenantScope, *, phone: str, name: str | None = None) -> UUID:
    """The id of the one contact with that canonical number."""
    row = {"id": uuid7(), "phone": phone, "name": name}
    db.session.execute(scope.insert(Contact, [row]).on_conflict_do_nothing())
    contact_id: UUID = db.session.scalars(scope.select(Contact, Contact.id).where(Contact.phone == phone)).one()
    return contact_id


def find_or_open_conversation(scope: TenantScope, unit_id: UUID, contact_id: UUID) -> UUID:
    row = {"id": uuid7(), "unit_id": unit_id, "contact_id": contact_id}
    db.session.execute(scope.insert(Conversation, [row]).on_conflict_do_nothing())
    found = scope.select(Conversation, Conversation.id).where(
        Conversation.unit_id == unit_id, Conversation.contact_id == contact_id
    )
    conversation_id: UUID = db.session.scalars(found).one()
    return conversation_id


def note_last_message(
    scope: TenantScope, conversation_id: UUID, *, body: str, at: datetime, direction: Direction, unread: int = 0
) -> None:
    """Carry the newest message on the conversation; an older one that arrives late changes only the count."""
    is_newest = Conversation.last_message_at.is_(None) | (Conversation.last_message_at <= at)
    this = scope.update(Conversation).where(Conversation.id == conversation_id)
    if unread:
        db.session.execute(this.values(unread=Conversation.unread + unread, status="open"))
    db.session.execute(
        this.where(is_newest).values(
            last_message_at=at, last_message_preview=body[:LONGEST_PREVIEW], last_message_direction=direction
        )
    )


def _queue_message(
    scope: TenantScope, conversation: Conversation, text: str, *, source: MessageSource, client_message_id: str | None
) -> Queued:
    is_held, written_at = _is_held(scope, conversation.unit_id), now()
    row = {
        "id": uuid7(),
        "unit_id": conversation.unit_id,
        "conversation_id": conversation.id,
        "direction": Direction.OUTBOUND,
        "body": text,
        "status": MessageStatus.QUEUED,
        "source": source,
        "sent_by_id": scope.user_id,
        "occurred_at": written_at,
        "proposed_id": new_message_id(),
        "client_message_id": client_message_id,
    }
    inserted = db.session.scalar(scope.insert(Message, [row]).on_conflict_do_nothing().returning(Message.id))
    if inserted is None:
        return Queued(_first_message(scope, conversation.id, client_message_id), is_repeat=True, is_held=is_held)
    note_last_message(scope, conversation.id, body=text, at=written_at, direction=Direction.OUTBOUND)
    db.session.execute(scope.update(Lane).where(Lane.unit_id == conversation.unit_id).values(has_work=True))
    on_commit(queue.wake_outbox)
    return Queued(scope.get(Message, inserted), is_repeat=False, is_held=is_held)


def new_message_id() -> str:
    """A WhatsApp message id of our own, `3EB0` and 18 hex digits, which Evolution honours from 2.4 on."""
    return "3EB0" + uuid7().hex[-18:].upper()


def _is_held(scope: TenantScope, unit_id: UUID) -> bool:
    """Whether the unit is away. Raises Conflict when it was never there: nothing would ever be sent."""
    state = scope.select(Connection, Connection.connected_at, Lane.is_open).join(
        Lane, Lane.unit_id == Connection.unit_id
    )
    connected_at, is_open = db.session.execute(state.where(Connection.unit_id == unit_id)).one()
    if connected_at is None:
        raise Conflict(_("This unit was never connected to WhatsApp. Connect it first."), code="never_connected")
    return not is_open


def _first_message(scope: TenantScope, conversation_id: UUID, client_message_id: str | None) -> Message:
    statement = scope.select(Message).where(
        Message.conversation_id == conversation_id, Message.client_message_id == client_message_id
    )
    message: Message = db.session.scalars(statement).one()
    return message


def _checked_text(text: str) -> str:
    text = text.replace("\x00", "").replace("\r\n", "\n")
    if not text.strip():
        raise Invalid({"text": _("Write a message first.")})
    if len(text) > LONGEST_TEXT:
        message = _(
            "The message is too long: %(length)s of at most %(longest)s characters.",
            length=len(text),
            longest=LONGEST_TEXT,
        )
        raise Invalid({"text": message})
    return text


def _checked_phone(text: str) -> str:
    try:
        return phones.canonical(text)
    except phones.NotAPhone as e:
        message = _("This is not a telephone number. Write it with country and area code, such as +55 11 99999-0001.")
        raise Invalid({"phone": message}) from e


def _checked_client_message_id(value: str | None) -> str | None:
    if value is not None and not 1 <= len(value) <= LONGEST_CLIENT_MESSAGE_ID:
        message = _("Use 1 to %(longest)s characters.", longest=LONGEST_CLIENT_MESSAGE_ID)
        raise Invalid({"clientMessageId": message})
    return value
