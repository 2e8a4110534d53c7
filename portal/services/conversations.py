"""Conversations: reply, write to a number, mark as read."""

from collections.abc import Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import Select, Uuid, bindparam, func
from uuid_utils.compat import uuid7

from portal import phone as phones
from portal.clock import now
from portal.db import atomic, db, told_table
from portal.errors import Conflict, Invalid, NotFound
from portal.models import (
    CHANGES,
    Connection,
    Contact,
    Conversation,
    Direction,
    Lane,
    Message,
    MessageKind,
    MessageSource,
    MessageStatus,
    Unit,
)
from portal.queries.conversations import find_current, find_sent
from portal.services import conversation_work, delivery, drafts, lanes, media, references, suppression
from portal.services.drafts import Draft
from portal.services.media import Upload
from portal.tenancy import Form, TenantScope

# A contact at a unit.
Chat = tuple[UUID, UUID]
LONGEST_PREVIEW = 200
LONGEST_CLIENT_MESSAGE_ID = 120


@dataclass(frozen=True)
class Queued:
    """A message on its way: whether an earlier call had made it, and whether the unit's absence holds it."""

    message: Message
    is_repeat: bool
    is_held: bool


@dataclass(frozen=True)
class _SendingState:
    """Whether the unit is away, and how long a message waits for it."""

    is_held: bool
    message_lifetime: timedelta


def reply(
    scope: TenantScope,
    conversation_id: UUID,
    *,
    text: str,
    upload: Upload | None = None,
    client_message_id: str | None = None,
    answers_to: UUID | None = None,
) -> Queued:
    """Queue a reply: a text, or a file with or without a text below it. `answers_to`: the message that it quotes.

    The same `client_message_id` in one conversation returns the first message, and stores no second file.
    Raises Invalid for an empty or endless text, for a file that is not sent and for a message that cannot be quoted,
    Conflict when the unit never had a number, and when the first message was only a test and this one is not, or the
    other way round.
    """
    draft, client_message_id = drafts.check(text, upload), _checked_client_message_id(client_message_id)
    with atomic():
        delivery.lock_unit(scope, find_current(scope, conversation_id).unit_id)
        # Once more: the inbox may have joined it to another one before it let the unit go.
        conversation = find_current(scope, conversation_id)
        draft = _with_quote(scope, conversation, draft, answers_to)
        return _queue_message(
            scope, conversation, draft, source=MessageSource.PERSON, client_message_id=client_message_id
        )


def send_to_phone(
    scope: TenantScope,
    unit_id: UUID,
    *,
    phone: str,
    text: str,
    upload: Upload | None = None,
    client_message_id: str | None = None,
    answers_to: UUID | None = None,
    source: MessageSource = MessageSource.PERSON,
    is_test: bool = False,
) -> Queued:
    """Queue a message to a number, opening its conversation when there is none. Repeats and refuses as `reply` does.

    `is_test`: it reaches nobody, whoever sends it; what a test token sends never does.
    """
    number, draft = checked_phone(phone), drafts.check(text, upload)
    client_message_id = _checked_client_message_id(client_message_id)
    with atomic():
        if client_message_id is not None:
            # Whoever asks again and again waits for nobody, and holds up nobody.
            first = find_sent(scope, unit_id, phone=number, client_message_id=client_message_id)
            if first is not None:
                return _repeat_of(scope, first, is_test=is_test or scope.is_test)
        # The inbox relay holds it while it writes the same conversation and lane, in another order.
        if not delivery.lock_unit(scope, unit_id):
            raise NotFound("no such unit")
        conversation = _hold_conversation_with(scope, unit_id, number)
        draft = _with_quote(scope, conversation, draft, answers_to)
        return _queue_message(
            scope,
            conversation,
            draft,
            source=source,
            client_message_id=client_message_id,
            is_test=is_test,
            is_locked=True,
        )


def queue_automatic(scope: TenantScope, conversation: Conversation, *, text: str, client_message_id: str) -> bool:
    """Queue an answer of the portal's own, once for each `client_message_id`. The unit must be locked.

    False when it was queued before, or when the unit never had a number to send it from.
    """
    try:
        queued = _queue_message(
            scope,
            conversation,
            drafts.check(text, None),
            source=MessageSource.AUTOMATIC,
            client_message_id=client_message_id,
        )
    except Conflict:
        return False
    return not queued.is_repeat


def queue_about(scope: TenantScope, conversation: Conversation, draft: Draft) -> Message:
    """Queue a reaction to another message, or a change of one. The unit must be locked."""
    return _queue_message(scope, conversation, draft, source=MessageSource.PERSON, client_message_id=None).message


def mark_read(scope: TenantScope, conversation_id: UUID) -> None:
    """Somebody looked: the conversation has nothing unread."""
    with atomic():
        unread = scope.update(Conversation).where(Conversation.id == conversation_id, Conversation.unread > 0)
        if not db.session.execute(unread.values(unread=0).returning(Conversation.id)).first():
            return
        # What the inbox relay holds at this moment is passed over, or each would wait for the other.
        is_unread = (Message.direction == Direction.INBOUND) & Message.read_at.is_(None)
        free = scope.select(Message, Message.id).where(Message.conversation_id == conversation_id, is_unread)
        seen = scope.update(Message).where(Message.id.in_(free.with_for_update(skip_locked=True)))
        db.session.execute(seen.values(read_at=now()).execution_options(synchronize_session=False))


def find_or_add_contact(scope: TenantScope, *, phone: str, name: str | None = None) -> UUID:
    """The id of the one contact with that canonical number, or of the one whom a person merged it into."""
    row = {"id": uuid7(), "phone": phone, "name": name}
    inserted = db.session.scalar(scope.insert(Contact, [row]).on_conflict_do_nothing().returning(Contact.id))
    if inserted is not None:
        suppression.remember(scope, [scope.get(Contact, inserted)])
    person = func.coalesce(Contact.merged_into_id, Contact.id)
    contact_id: UUID = db.session.scalars(scope.select(Contact, person).where(Contact.phone == phone)).one()
    return contact_id


def _hold_conversation_with(scope: TenantScope, unit_id: UUID, phone: str) -> Conversation:
    """Their conversation at the unit, in one look where there is one, held until the transaction ends."""
    found: Conversation | None = scope.execute(_WITH_NUMBER, unit=unit_id, phone=phone).scalar_one_or_none()
    if found is not None:
        return found
    return open_conversation(scope, unit_id, find_or_add_contact(scope, phone=phone))


def open_conversation(scope: TenantScope, unit_id: UUID, contact_id: UUID) -> Conversation:
    """The contact's conversation at the unit, as of `open_conversations`."""
    return open_conversations(scope, {(unit_id, contact_id)})[unit_id, contact_id]


def open_conversations(scope: TenantScope, chats: Set[Chat]) -> dict[Chat, Conversation]:
    """The conversations of one chat or more, made where there was none, held until the transaction ends."""
    found = _lock_conversations(scope, chats)
    missing = chats - found.keys()
    if missing:
        rows = [
            {"id": uuid7(), "unit_id": unit_id, "contact_id": contact_id} for unit_id, contact_id in sorted(missing)
        ]
        scope.insert_missing(Conversation, rows)
        found |= _lock_conversations(scope, missing)
    return found


def _lock_conversations(scope: TenantScope, chats: Set[Chat]) -> dict[Chat, Conversation]:
    units, contacts = zip(*chats, strict=True)
    locked = scope.execute(_OF_CHATS, told_unit_id=list(units), told_contact_id=list(contacts)).scalars()
    return {(conversation.unit_id, conversation.contact_id): conversation for conversation in locked}


def note_last_message(
    scope: TenantScope, conversation_id: UUID, *, kind: MessageKind, body: str, at: datetime, direction: Direction
) -> None:
    """Carry one message on its conversation, as `carry` does, and let what waits for a person who wrote go."""
    conversation = _lock_conversation(scope, conversation_id)
    is_inbound = direction == Direction.INBOUND
    carry(conversation, kind=kind, body=body, at=at, direction=direction, is_unread=is_inbound)
    if is_inbound:
        lanes.warm_up(scope, [conversation])


def _lock_conversation(scope: TenantScope, conversation_id: UUID) -> Conversation:
    conversation: Conversation = scope.execute(_BY_ID, conversation=conversation_id).scalar_one()
    return conversation


def carry(
    conversation: Conversation, *, kind: MessageKind, body: str, at: datetime, direction: Direction, is_unread: bool
) -> None:
    """Note a message on its locked conversation; an older one that arrives late changes only the count.

    What a customer writes is unread, opens the conversation again, and makes the chat a warm one.
    """
    if is_unread:
        conversation.unread += 1
        conversation.status = "open"
    if direction == Direction.INBOUND:
        conversation.last_inbound_at = max(conversation.last_inbound_at or at, at)
    if conversation.last_message_at is None or conversation.last_message_at <= at:
        conversation.last_message_at, conversation.last_message_kind = at, kind
        conversation.last_message_preview = body[:LONGEST_PREVIEW]
        conversation.last_message_direction = direction


def _with_quote(scope: TenantScope, conversation: Conversation, draft: Draft, answers_to: UUID | None) -> Draft:
    if answers_to is None:
        return draft
    return replace(draft, refers_to=references.checked_answer(scope, conversation.id, answers_to))


def _queue_message(
    scope: TenantScope,
    conversation: Conversation,
    draft: Draft,
    *,
    source: MessageSource,
    client_message_id: str | None,
    is_test: bool = False,
    is_locked: bool = False,
) -> Queued:
    """`is_locked`: the conversation is held already, and as it is now."""
    state, written_at = _sending_state(scope, conversation.unit_id), now()
    is_test, is_change = is_test or scope.is_test, draft.about in CHANGES
    row = {
        **_waiting_row(conversation, draft, written_at),
        "source": source,
        "sent_by_id": scope.user_id,
        "client_message_id": client_message_id,
        "is_test": is_test,
        # A test uses up none of the new chats that WhatsApp lets a number begin, and a change begins none.
        "is_cold": conversation.last_inbound_at is None and not is_test and not is_change,
        "expires_at": written_at + state.message_lifetime,
    }
    message: Message | None = scope.execute(_INSERT, **row).scalar_one_or_none()
    if message is None:
        return _repeat_of(scope, _first_message(scope, conversation.id, client_message_id), is_test=is_test)
    if draft.file is not None:
        # After the message: a repeated call has ended above, and leaves no second file.
        message.media_id = media.store(scope, draft.file)
    if not is_change:
        locked = conversation if is_locked else _lock_conversation(scope, conversation.id)
        carry(
            locked,
            kind=draft.kind,
            body=draft.preview,
            at=written_at,
            direction=Direction.OUTBOUND,
            is_unread=False,
        )
    if source == MessageSource.PERSON and not is_test and draft.about is None:
        conversation_work.take_up(scope, conversation)
    lanes.wake(scope, conversation.unit_id)
    return Queued(message, is_repeat=False, is_held=state.is_held)


def _waiting_row(conversation: Conversation, draft: Draft, written_at: datetime) -> dict[str, object]:
    """What a message that waits to be sent has of its conversation and of what was written."""
    return {
        "id": uuid7(),
        "unit_id": conversation.unit_id,
        "conversation_id": conversation.id,
        "direction": Direction.OUTBOUND,
        "kind": draft.kind,
        "body": draft.text,
        "refers_to": draft.refers_to,
        "status": MessageStatus.QUEUED,
        "occurred_at": written_at,
        "proposed_id": new_message_id(),
    }


def new_message_id() -> str:
    """A WhatsApp message id of our own, `3EB0` and 18 hex digits, which Evolution honours from 2.4 on."""
    return "3EB0" + uuid7().hex[-18:].upper()


def _sending_state(scope: TenantScope, unit_id: UUID) -> _SendingState:
    """Raises Conflict when the unit was never connected: nothing would ever be sent."""
    connected_at, is_open, lifetime_h = scope.execute(_SENDING_STATE, unit=unit_id).one()
    if connected_at is None:
        raise Conflict(_("This unit was never connected to WhatsApp. Connect it first."), code="never_connected")
    return _SendingState(is_held=not is_open, message_lifetime=timedelta(hours=lifetime_h))


def _repeat_of(scope: TenantScope, first: Message, *, is_test: bool) -> Queued:
    _check_same_kind(first, is_test=is_test)
    return Queued(first, is_repeat=True, is_held=_sending_state(scope, first.unit_id).is_held)


def _first_message(scope: TenantScope, conversation_id: UUID, client_message_id: str | None) -> Message:
    statement = scope.select(Message).where(
        Message.conversation_id == conversation_id, Message.client_message_id == client_message_id
    )
    message: Message = db.session.scalars(statement).one()
    return message


def _check_same_kind(first: Message, *, is_test: bool) -> None:
    """Raises Conflict: whoever sends for real must not take an earlier test for it."""
    if first.is_test != is_test:
        sentence = _("This clientMessageId belongs to a test message to this person. Use another one.")
        if not first.is_test:
            sentence = _("This clientMessageId belongs to a real message to this person. Use another one.")
        raise Conflict(sentence, code="client_message_id_used")


def checked_phone(text: str) -> str:
    """The canonical number. Raises Invalid for `phone`."""
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


# Built once: a person's reply and a send by the API ask them each time.
_BY_ID = Form(
    lambda scope: (
        scope.select(Conversation)
        .where(Conversation.id == bindparam("conversation"))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
)
_WITH_NUMBER = Form(
    lambda scope: (
        scope.select(Conversation)
        .join(
            Contact,
            (Contact.tenant_id == Conversation.tenant_id)
            & (func.coalesce(Contact.merged_into_id, Contact.id) == Conversation.contact_id),
        )
        .where(Conversation.unit_id == bindparam("unit"), Contact.phone == bindparam("phone"))
        .with_for_update(of=Conversation)
        .execution_options(populate_existing=True)
    )
)
_INSERT = Form(lambda scope: scope.insert_one(Message).on_conflict_do_nothing().returning(Message))
_SENDING_STATE = Form(
    lambda scope: (
        scope.select(Connection, Connection.connected_at, Lane.is_open, Unit.message_lifetime_h)
        .select_from(Connection)
        .join(Lane, Lane.unit_id == Connection.unit_id)
        .join(Unit, Unit.id == Connection.unit_id)
        .where(Connection.unit_id == bindparam("unit"))
    )
)


def _of_chats(scope: TenantScope) -> Select[Any]:
    """These and no others: whoever holds another chat of the same people need not be waited for."""
    told = told_table({"unit_id": Uuid(), "contact_id": Uuid()})
    theirs = (Conversation.unit_id == told.c.unit_id) & (Conversation.contact_id == told.c.contact_id)
    held = scope.select(Conversation).join(told, theirs).order_by(Conversation.id).with_for_update(of=Conversation)
    return held.execution_options(populate_existing=True)


_OF_CHATS = Form(_of_chats)
