"""The rows that webhooks lead to, as plain values: without ids of rows and without times of our own."""

from collections.abc import Callable
from typing import Any

from portal.models import (
    Connection,
    Contact,
    Conversation,
    Direction,
    EarlyReceipt,
    Media,
    Message,
    MessageChange,
)
from tests.inbox.payloads import SENT_AT

Rows = Callable[..., list[Any]]
Picture = dict[str, list[dict[str, Any]]]


def picture(rows: Rows) -> Picture:
    """Everything that may not depend on the order in which it was told; only what says something is shown."""
    contacts = {contact.id: contact for contact in rows(Contact)}
    chats = {c.id: _address(contacts[c.contact_id]) for c in rows(Conversation)}
    messages = {message.id: message for message in rows(Message)}
    of_media = {message.media_id: message.external_id for message in messages.values() if message.media_id}
    return {
        "contacts": _sorted(_contact(contact) for contact in contacts.values()),
        "conversations": _sorted(_conversation(c, chats[c.id]) for c in rows(Conversation)),
        "messages": _sorted(_message(m, chats[m.conversation_id]) for m in messages.values()),
        "files": _sorted(_file(media, of_media[media.id]) for media in rows(Media)),
        "early": _sorted({"id": early.external_id, "receipt": early.receipt} for early in rows(EarlyReceipt)),
        "changes": _sorted(map(_change, rows(MessageChange))),
    }


def connection(rows: Rows) -> dict[str, Any]:
    """What a unit shows of its number."""
    (row,) = rows(Connection)
    return _told(
        status=str(row.status),
        reason=str(row.status_reason),
        phone=row.phone,
        name=row.profile_name,
        code=row.qr_code,
        pairing_code=row.pairing_code,
    )


def _sorted(rows: Any) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: sorted((name, str(value)) for name, value in row.items()))


def _told(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None and value is not False}


def _address(contact: Contact) -> str:
    return contact.chat_jid or contact.phone or f"{contact.lid}@lid"


def _contact(contact: Contact) -> dict[str, Any]:
    form = contact.whatsapp_number if contact.whatsapp_number != contact.phone else None
    kind = None if contact.kind == "person" else str(contact.kind)
    return _told(kind=kind, phone=contact.phone, lid=contact.lid, jid=contact.chat_jid, name=contact.name, form=form)


def _conversation(conversation: Conversation, chat: str) -> dict[str, Any]:
    return _told(
        chat=chat,
        unread=conversation.unread,
        preview=conversation.last_message_preview,
        kind=conversation.last_message_kind and str(conversation.last_message_kind),
        by_us=conversation.last_message_direction == Direction.OUTBOUND,
    )


def _message(message: Message, chat: str) -> dict[str, Any]:
    by_us = message.direction == Direction.OUTBOUND
    return _told(
        id=message.external_id,
        chat=chat,
        at=int(message.occurred_at.timestamp()) - SENT_AT,
        by_us=by_us,
        status=None if message.status in ("received", "sent") else str(message.status),
        kind=str(message.kind),
        text=message.body,
        details=message.details,
        refers_to=message.refers_to,
        said_first=message.original_body,
        edited=message.edited_at is not None,
        deleted=message.deleted_at is not None,
        seen=message.read_at is not None and not by_us,
    )


def _file(media: Media, external_id: str | None) -> dict[str, Any]:
    return _told(
        of=external_id,
        name=media.file_name,
        type=media.mime_type,
        size=media.size,
        seconds=media.duration_s,
        state=None if media.state == "remote" else str(media.state),
    )


def _change(change: MessageChange) -> dict[str, Any]:
    told_as = change.told_as if change.changed_at is not None else None
    return _told(id=change.external_id, change=str(change.kind), text=change.body, told_as=told_as)
