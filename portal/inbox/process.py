"""What one fact does to the rows. Each function may see its fact twice, late or early, and ends the same."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import case, or_
from uuid_utils.compat import uuid7

from portal import phone
from portal.clock import now
from portal.db import db
from portal.inbox.events import (
    Address,
    ConnectionChanged,
    Fact,
    MessageSeen,
    QrCodeIssued,
    ReceiptSeen,
    parse,
)
from portal.models import (
    Connection,
    ConnectionAction,
    ConnectionStatus,
    Contact,
    Direction,
    Message,
    MessageSource,
    MessageStatus,
    ScanLink,
    StatusReason,
    WebhookEvent,
)
from portal.services import delivery
from portal.services.connections import lock_connection, set_status
from portal.services.conversations import find_or_add_contact, find_or_open_conversation, note_last_message
from portal.tenancy import TenantScope

# An echo names no send: the same text to the same person within this time of it is taken for it. Evolution may
# hold a send for 90 s (contract §5.5).
ECHO_WINDOW = timedelta(minutes=3)
SYNCHRONISING_FOR = timedelta(seconds=60)
BANNED = (402, 403, 406)
LOGGED_OUT = 401
QR_LIMIT = 428


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
        connection = _tellable(scope, unit_id, instance_name, told_at)
        if connection is not None:
            _apply_state(connection, fact)


def _tellable(scope: TenantScope, unit_id: UUID, instance_name: str, told_at: str | None) -> Connection | None:
    """The connection, unless the news is about an instance that was replaced, or older than what is known."""
    connection = lock_connection(scope, unit_id)
    if connection.instance_name != instance_name:
        return None
    if told_at and connection.state_told_at and told_at < connection.state_told_at:
        _ask_for_check(connection)
        return None
    connection.state_told_at = told_at or connection.state_told_at
    return connection


def _ask_for_check(connection: Connection) -> None:
    """Old news, or Evolution's clock was set back: only Evolution knows which."""
    if connection.action is None and connection.status == ConnectionStatus.CONNECTED:
        connection.action, connection.action_requested_at = ConnectionAction.CHECK, now()
        connection.action_attempts, connection.action_relay_id = 0, None


def _apply_state(connection: Connection, fact: QrCodeIssued | ConnectionChanged) -> None:
    if isinstance(fact, QrCodeIssued):
        _show_code(connection, fact)
    elif fact.state == "open":
        _opened(connection, fact)
    elif fact.state == "connecting":
        _connecting(connection)
    else:
        _closed(connection, fact)


def _show_code(connection: Connection, fact: QrCodeIssued) -> None:
    if connection.status == ConnectionStatus.CONNECTED:
        # The phone was unlinked and Evolution already asks for the next one.
        connection.phone = connection.profile_name = None
    connection.qr_code, connection.pairing_code = fact.code, fact.pairing_code
    connection.qr_updated_at = now()
    connection.qr_count += 1
    _fulfil_connect(connection)
    set_status(connection, ConnectionStatus.QR, StatusReason.WAITING_SCAN)


def _opened(connection: Connection, fact: ConnectionChanged) -> None:
    if connection.qr_count:
        connection.synchronising_until = now() + SYNCHRONISING_FOR
        connection.qr_count = 0
    _fulfil_connect(connection)
    connection.phone = fact.owner or connection.phone
    connection.profile_name = fact.profile_name or connection.profile_name
    set_status(connection, ConnectionStatus.CONNECTED, StatusReason.SCAN_COMPLETED)
    scope = TenantScope(connection.tenant_id)
    links = scope.update(ScanLink).where(ScanLink.unit_id == connection.unit_id, ScanLink.ended_at.is_(None))
    db.session.execute(links.values(ended_at=now(), ended_by_connecting=True))


def _fulfil_connect(connection: Connection) -> None:
    """What was asked for is here, seconds before Evolution's answer to the call."""
    if connection.action == ConnectionAction.CONNECT:
        connection.action = connection.action_relay_id = connection.action_requested_at = None


def _connecting(connection: Connection) -> None:
    # While a code is shown this says either that it was scanned or that new codes are fetched: `open` or the
    # next code tells which, and the code stays in view until then.
    if connection.status == ConnectionStatus.CONNECTED:
        set_status(connection, ConnectionStatus.CONNECTING, StatusReason.CONNECTION_LOST)


def _closed(connection: Connection, fact: ConnectionChanged) -> None:
    reason = StatusReason.CONNECTION_LOST
    if fact.reason in BANNED:
        reason = StatusReason.NUMBER_BANNED
    elif fact.state == "refused" or fact.reason == QR_LIMIT:
        reason = StatusReason.QR_EXPIRED
    elif fact.reason == LOGGED_OUT:
        # The QR limit logs out as well: what led to it is the better answer.
        was_limit = connection.status_reason == StatusReason.QR_EXPIRED
        reason = StatusReason.QR_EXPIRED if was_limit else StatusReason.LOGGED_OUT
    set_status(connection, ConnectionStatus.DISCONNECTED, reason)


def _apply_message(scope: TenantScope, unit_id: UUID, seen: MessageSeen) -> None:
    contact_id = _contact_of(scope, seen.chat, name=seen.sender_name)
    conversation_id = find_or_open_conversation(scope, unit_id, contact_id)
    if seen.from_me:
        _apply_own(scope, unit_id, conversation_id, seen)
    elif _insert(scope, unit_id, conversation_id, seen, MessageStatus.RECEIVED) is not None:
        note_last_message(scope, conversation_id, body=seen.body, at=seen.at, direction=Direction.INBOUND, unread=1)


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
    message = message or _find_echoed(scope, conversation_id, seen)
    if message is None:
        message = _insert(scope, unit_id, conversation_id, seen, MessageStatus.SENT)
        if message is None:
            return
        note_last_message(scope, conversation_id, body=seen.body, at=seen.at, direction=Direction.OUTBOUND)
    delivery.confirm_sent(scope, message, external_id=seen.external_id, at=seen.at)
    if seen.receipt in delivery.RUNGS:
        delivery.climb(scope, message, seen.receipt, now())


def _find_echoed(scope: TenantScope, conversation_id: UUID, seen: MessageSeen) -> Message | None:
    """The send in doubt that this is the echo of: by our own id where Evolution kept it, else by text and time."""
    same_text = (
        (Message.body == seen.body)
        & (Message.sending_at >= seen.at - ECHO_WINDOW)
        & (Message.sending_at <= seen.at + ECHO_WINDOW)
    )
    own_id = Message.proposed_id == seen.external_id
    statement = (
        scope.select(Message)
        .where(
            Message.conversation_id == conversation_id,
            Message.status.in_((MessageStatus.SENDING, MessageStatus.UNCONFIRMED)),
            Message.external_id.is_(None),
            own_id | same_text,
        )
        .order_by(case((own_id, 0), else_=1), Message.sending_at)
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
