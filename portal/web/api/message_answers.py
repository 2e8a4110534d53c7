"""What the calls about messages and conversations answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from flask import g
from marshmallow import fields

from portal.models import ContactKind, Direction, Media, MediaState, Message, MessageKind, MessageStatus
from portal.queries import media
from portal.web.api.fields import TEST, Answer, Cursor, Instant, one_of
from portal.web.reasons import error_words

ERROR_WORDS = {"type": "string", "nullable": True, "description": "What went wrong and what to do, for people."}
INSTANT = {"type": "string", "format": "date-time", "nullable": True}
LAST_ERROR = {
    "type": "object",
    "nullable": True,
    "description": "A code, and what Evolution said.",
    "properties": {"code": {"type": "string"}, "message": {"type": "string", "nullable": True}},
    "required": ["code", "message"],
}
DETAILS = "What the kind carries beside its text: a place, cards, options, votes, who wrote it in a group."


class SendAnswer(Answer):
    success = fields.Boolean(metadata={"description": "False once it is known that it did not leave."})
    message_id = fields.UUID(attribute="message.id")
    status = fields.String(attribute="message.status", metadata=one_of(MessageStatus))
    phone = fields.String(metadata={"description": "The number in its canonical form.", "example": "5511988880001"})
    unit_id = fields.UUID(attribute="message.unit_id")
    conversation_id = fields.UUID(attribute="message.conversation_id")
    client_message_id = fields.String(attribute="message.client_message_id", allow_none=True)
    external_id = fields.String(attribute="message.external_id", allow_none=True)
    attempts = fields.Function(lambda sending: count_attempts(sending.message), metadata={"type": "integer"})
    last_error = fields.Function(lambda sending: _last_error(sending.message), metadata=LAST_ERROR)
    held = fields.Boolean(metadata={"description": "The unit is away: it is sent when the unit is back."})
    deduplicated = fields.Boolean(
        attribute="is_repeat", metadata={"description": "An earlier call with this clientMessageId had made it."}
    )
    test = fields.Boolean(attribute="message.is_test", metadata=TEST)


class MediaAnswer(Answer):
    file_name = fields.String()
    mime_type = fields.String()
    size = fields.Integer(allow_none=True, metadata={"description": "Bytes, as told by the sender until it is stored."})
    state = fields.String(metadata={**one_of(MediaState), "description": "`remote` is not fetched yet."})


@dataclass(frozen=True)
class MessageWithMedia:
    """What MessageAnswer shows: the message, and the file that it carries."""

    message: Message
    media: Media | None


class MessageAnswer(Answer):
    id = fields.UUID()
    unit_id = fields.UUID()
    conversation_id = fields.UUID()
    client_message_id = fields.String(allow_none=True)
    external_id = fields.String(allow_none=True)
    status = fields.String(metadata=one_of(MessageStatus))
    attempts = fields.Function(lambda shown: count_attempts(shown.message), metadata={"type": "integer"})
    last_error = fields.Function(lambda shown: _last_error(shown.message), metadata=LAST_ERROR)
    error_code = fields.String(allow_none=True)
    error = fields.Function(lambda shown: error_words(shown.message), metadata=ERROR_WORDS)
    last_tried_at = fields.Function(lambda shown: _last_tried_at(shown.message), metadata=INSTANT)
    direction = fields.String(metadata=one_of(Direction))
    kind = fields.String(metadata=one_of(MessageKind))
    body = fields.String()
    details = fields.Dict(allow_none=True, metadata={"description": DETAILS})
    refers_to = fields.String(allow_none=True, metadata={"description": "externalId of what it answers or reacts to."})
    media = fields.Nested(MediaAnswer, allow_none=True)
    edited_at = Instant(allow_none=True)
    original_body = fields.String(allow_none=True, metadata={"description": "What an edited message said first."})
    deleted_at = Instant(allow_none=True)
    occurred_at = Instant()
    created_at = Instant()
    sending_at = Instant(allow_none=True)
    sent_at = Instant(allow_none=True)
    accepted_at = Instant(allow_none=True)
    delivered_at = Instant(allow_none=True)
    read_at = Instant(allow_none=True)
    failed_at = Instant(allow_none=True)
    last_retry_at = Instant(allow_none=True)
    test = fields.Boolean(attribute="is_test", metadata=TEST)

    def get_attribute(self, obj: MessageWithMedia, attr: str, default: Any) -> Any:
        return obj.media if attr == "media" else getattr(obj.message, attr)


class ConversationAnswer(Answer):
    id = fields.UUID(attribute="conversation.id")
    chat_kind = fields.String(attribute="contact.kind", metadata=one_of(ContactKind))
    unit_id = fields.UUID(attribute="conversation.unit_id")
    phone = fields.String(attribute="contact.phone", allow_none=True)
    name = fields.String(attribute="contact.name", allow_none=True)
    status = fields.String(attribute="conversation.status", metadata={"enum": ["open", "closed"]})
    unread = fields.Integer(attribute="conversation.unread")
    last_message_at = Instant(attribute="conversation.last_message_at", allow_none=True)
    last_message_preview = fields.String(attribute="conversation.last_message_preview", allow_none=True)
    last_message_direction = fields.String(
        attribute="conversation.last_message_direction", allow_none=True, metadata=one_of(Direction, None)
    )
    last_message_kind = fields.String(
        attribute="conversation.last_message_kind", allow_none=True, metadata=one_of(MessageKind, None)
    )


class ConversationPage(Answer):
    items = fields.List(fields.Nested(ConversationAnswer))
    next = Cursor(allow_none=True)


class MessagePage(Answer):
    items = fields.List(fields.Nested(MessageAnswer))
    next = Cursor(allow_none=True)


def with_media(messages: Sequence[Message]) -> list[MessageWithMedia]:
    """The messages as MessageAnswer shows them."""
    files = media.list_media(g.scope, messages)
    return [MessageWithMedia(message, files.get(message.id)) for message in messages]


def count_attempts(message: Message) -> int:
    """How often it was tried: `retry_count` holds the failed times, and not the one that is under way or went well."""
    is_counted = message.status == MessageStatus.FAILED and message.sent_at is None
    is_tried = message.sending_at is not None and message.status != MessageStatus.QUEUED
    return message.retry_count + int(is_tried and not is_counted)


def _last_tried_at(message: Message) -> str | None:
    tries = [at for at in (message.sending_at, message.last_retry_at) if at is not None]
    return max(tries).astimezone(UTC).isoformat() if tries else None


def _last_error(message: Message) -> Any:
    if message.error_code is None:
        return None
    return {"code": message.error_code, "message": message.error_details}
