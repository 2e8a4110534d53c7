"""What one fact does to the rows. Each function may see its fact twice, late or early, and ends the same."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import case, extract, func, or_
from uuid_utils.compat import uuid7

from portal import phone
from portal.clock import now
from portal.db import db
from portal.inbox import states
from portal.inbox.events import UNSAFE_IN_COLUMNS, Address, Fact, MessageSeen, ReceiptSeen, parse
from portal.models import Contact, Direction, Message, MessageSource, MessageStatus, WebhookEvent
from portal.services import delivery
from portal.services.connections import lock_connection
from portal.services.conversations import find_or_add_contact, find_or_open_conversation, note_last_message
from portal.tenancy import TenantScope

# An echo names no send: the same text to the same person within this time of it is taken for it. Evolution may
# hold a send for 90 s (contract §5.5).
ECHO_WINDOW = timedelta(minutes=3)


def apply(scope: TenantScope, event: WebhookEvent) -> None:
    """Understand one stored event of a locked unit. Raises NotUnderstood."""
    facts, told_at = parse(event.event, event.body)
    unit_id = event.unit_id
    assert unit_id is not None
    for fact in facts:
        _apply_fact(scope, unit_id, fact, event.instance_name, told_at)


def _apply_fact(scope: TenantScope, unit_id: UUID, fact: Fact, instance_name: str, told_at: str | None) -> None:
    if isinstance(fact, ReceiptSeen):
        delivery.apply_receipt(scope, unit_id, fact.external_id, fact.receipt, now())
    elif isinstance(fact, MessageSeen):
        _apply_message(scope, unit_id, fact)
    else:
        connection = lock_connection(scope, unit_id)
        # News of an instance that was replaced says nothing about this one.
        if connection.instance_name == instance_name:
            states.apply(connection, fact, told_at)


def _apply_message(scope: TenantScope, unit_id: UUID, seen: MessageSeen) -> None:
    contact_id = _contact_of(scope, seen.chat, name=seen.sender_name)
    conversation_id = find_or_open_conversation(scope, unit_id, contact_id)
    if seen.from_me:
        _apply_own(scope, unit_id, conversation_id, seen)
    elif _insert(scope, unit_id, conversation_id, seen, MessageStatus.RECEIVED) is not None:
        _note_last(scope, conversation_id, seen, Direction.INBOUND)


def _note_last(scope: TenantScope, conversation_id: UUID, seen: MessageSeen, direction: Direction) -> None:
    note_last_message(scope, conversation_id, kind=seen.kind, body=seen.body, at=seen.at, direction=direction)


def _contact_of(scope: TenantScope, chat: Address, *, name: str | None) -> UUID:
    """The one contact behind both addresses. Where each is known as a person of its own, the number decides."""
    number = phone.canonical("+" + chat.number) if chat.number else None
    known = _known_contacts(scope, number, chat.lid)
    by_number = next((c for c in known if number and c.phone == number), None)
    by_lid = next((c for c in known if chat.lid and c.lid == chat.lid), None)
    contact = by_number or (by_lid if number is None or (by_lid and by_lid.phone is None) else None)
    if contact is None:
        contact = _new_contact(scope, number, None if by_lid else chat.lid)
    contact.phone = contact.phone or number
    contact.whatsapp_number = chat.number or contact.whatsapp_number
    if by_lid is None:
        contact.lid = contact.lid or chat.lid
    contact.name = contact.name or name
    db.session.flush()
    return contact.id


def _known_contacts(scope: TenantScope, number: str | None, lid: str | None) -> list[Contact]:
    wanted = [Contact.phone == number] if number else []
    wanted += [Contact.lid == lid] if lid else []
    return list(db.session.scalars(scope.select(Contact).where(or_(*wanted)).with_for_update()))


def _new_contact(scope: TenantScope, number: str | None, lid: str | None) -> Contact:
    if number:
        # Another unit's relay may be adding the same person at this moment.
        return scope.get(Contact, find_or_add_contact(scope, phone=number))
    db.session.execute(scope.insert(Contact, [{"id": uuid7(), "lid": lid}]).on_conflict_do_nothing())
    contact: Contact = db.session.scalars(scope.select(Contact).where(Contact.lid == lid)).one()
    return contact


def _apply_own(scope: TenantScope, unit_id: UUID, conversation_id: UUID, seen: MessageSeen) -> None:
    """A message of ours: the echo of a send, or what the owner wrote on the phone."""
    message = delivery.find_by_external_id(scope, unit_id, seen.external_id)
    message = message or _find_echoed(scope, unit_id, conversation_id, seen)
    if message is None:
        message = _insert(scope, unit_id, conversation_id, seen, MessageStatus.SENT)
        if message is None:
            return
        _note_last(scope, conversation_id, seen, Direction.OUTBOUND)
    delivery.confirm_sent(scope, message, external_id=seen.external_id, at=seen.at)
    if seen.receipt in delivery.RUNGS:
        delivery.climb(scope, message, seen.receipt, now())


def _find_echoed(scope: TenantScope, unit_id: UUID, conversation_id: UUID, seen: MessageSeen) -> Message | None:
    """The send in doubt that this is the echo of: by our own id where Evolution keeps it, else by content and time.

    Of several equal ones the nearest in time. A person may have settled the doubt before (`handled_at`).
    """
    since, until = seen.at - ECHO_WINDOW, seen.at + ECHO_WINDOW
    same_body = func.translate(Message.body, UNSAFE_IN_COLUMNS, "") == seen.body
    same_text = (
        ~Message.is_id_kept
        & (Message.conversation_id == conversation_id)
        & (Message.kind == seen.kind)
        & (same_body | (Message.media_id.is_not(None) & (Message.body == "")))
        & Message.sending_at.between(since, until)
    )
    own_id = Message.proposed_id == seen.external_id
    in_doubt = Message.status.in_((MessageStatus.SENDING, MessageStatus.UNCONFIRMED))
    noted_as_arrived = (
        (Message.status == MessageStatus.SENT) & Message.accepted_at.is_(None) & Message.sent_at.between(since, until)
    )
    statement = (
        scope.select(Message)
        .where(
            Message.unit_id == unit_id,
            Message.external_id.is_(None),
            in_doubt | noted_as_arrived,
            own_id | same_text,
        )
        .order_by(
            case((own_id, 0), else_=1),
            func.abs(extract("epoch", Message.sending_at - seen.at)),
            Message.sending_at,
        )
        .limit(1)
        .with_for_update()
    )
    message: Message | None = db.session.scalar(statement)
    return message


def _insert(
    scope: TenantScope, unit_id: UUID, conversation_id: UUID, seen: MessageSeen, status: MessageStatus
) -> Message | None:
    """The new row, or None when the message was there already."""
    is_inbound = status == MessageStatus.RECEIVED
    row = {
        "id": uuid7(),
        "unit_id": unit_id,
        "conversation_id": conversation_id,
        "external_id": seen.external_id,
        "direction": Direction.INBOUND if is_inbound else Direction.OUTBOUND,
        "kind": seen.kind,
        "body": seen.body,
        "status": status,
        "source": None if is_inbound else MessageSource.PHONE,
        "occurred_at": seen.at,
        "sent_at": None if is_inbound else seen.at,
    }
    inserted = scope.insert(Message, [row]).on_conflict_do_nothing().returning(Message.id)
    message_id = db.session.scalar(inserted)
    return None if message_id is None else scope.get(Message, message_id)
