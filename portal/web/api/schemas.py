"""What the calls take and what they answer. The OpenAPI description is made from these."""

from dataclasses import dataclass
from datetime import UTC
from typing import Any

from flask_babel import lazy_gettext
from marshmallow import ValidationError, fields, validate, validates_schema

from portal import phone
from portal.models import Media, Message, MessageStatus
from portal.permissions import Role
from portal.queries.conversations import PAGE
from portal.services.operators import VisibleUnit
from portal.web.access import current_account
from portal.web.api.fields import Base64, CamelSchema, Cursor, Instant, PlainText
from portal.web.reasons import error_words

LARGEST_PAGE = 100
PROVIDERS = ("evolution",)
ERROR_WORDS = {"type": "string", "nullable": True, "description": "What went wrong and what to do, for people."}
INSTANT = {"type": "string", "format": "date-time", "nullable": True}
DETAILS = "What the kind carries beside its text: a place, cards, options, votes, who wrote it in a group."
LAST_ERROR = {"type": "object", "nullable": True, "description": "A code, and what Evolution said."}


class ErrorBody(CamelSchema):
    code = fields.String(required=True)
    message = fields.String(required=True)
    details = fields.Dict(keys=fields.String(), values=fields.String())


class ErrorAnswer(CamelSchema):
    error = fields.Nested(ErrorBody, required=True)


class LoginBody(CamelSchema):
    email = PlainText(required=True)
    password = PlainText(required=True)


class RefreshBody(CamelSchema):
    refresh_token = PlainText(required=True)


class UserAnswer(CamelSchema):
    id = fields.UUID()
    email = fields.String()
    role = fields.String()
    tenant = fields.String(attribute="tenant_slug", allow_none=True)


class TokensAnswer(CamelSchema):
    access_token = fields.String(attribute="tokens.access")
    refresh_token = fields.String(attribute="tokens.refresh")
    expires_in = fields.Integer(attribute="tokens.expires_in_s", metadata={"description": "Seconds."})
    user = fields.Nested(UserAnswer)


class UnitAnswer(CamelSchema):
    id = fields.UUID(attribute="unit.id")
    name = fields.String(attribute="unit.name")
    slug = fields.String(attribute="unit.slug")
    tenant = fields.String(attribute="tenant_slug")
    status = fields.String(attribute="connection.status")
    reason = fields.String(attribute="connection.status_reason", allow_none=True)
    phone = fields.Function(lambda visible: _shown_phone(visible), metadata={"type": "string", "nullable": True})
    profile_name = fields.String(attribute="connection.profile_name", allow_none=True)
    connected_at = Instant(attribute="connection.connected_at", allow_none=True)
    time_zone = fields.String(attribute="unit.time_zone")


class ConnectBody(CamelSchema):
    provider = PlainText(
        load_default="evolution", validate=validate.OneOf(PROVIDERS, error=lazy_gettext("Use evolution."))
    )
    credentials = fields.Dict(metadata={"description": "Evolution needs none."})
    pairing_number = PlainText(
        load_default="", metadata={"description": "The phone's number, for a pairing code beside the QR code."}
    )


class ConnectionState(CamelSchema):
    id = fields.UUID()
    status = fields.String()
    reason = fields.String(allow_none=True)
    qr_code = fields.String(allow_none=True, metadata={"description": "A PNG as data: address."})
    pairing_code = fields.String(allow_none=True)


class ConnectAnswer(CamelSchema):
    success = fields.Boolean(dump_default=True)
    connection = fields.Nested(ConnectionState)


class WarningAnswer(CamelSchema):
    code = fields.String(metadata={"description": "silent, unstable, not_checked or webhook_repaired."})
    message = fields.Function(
        lambda warning: f"{warning.title}. {warning.sentence} {warning.step}", metadata={"type": "string"}
    )


class StatusAnswer(CamelSchema):
    id = fields.UUID()
    status = fields.String()
    reason = fields.String(allow_none=True)
    phone = fields.String(allow_none=True)
    qr_code = fields.String(allow_none=True)
    provider = fields.String()
    connected_at = Instant(allow_none=True)
    disconnected_at = Instant(allow_none=True)
    qr_updated_at = Instant(allow_none=True)
    last_update = Instant()
    checked_at = Instant(allow_none=True, metadata={"description": "When Evolution last told the state."})
    last_event_at = Instant(allow_none=True)
    last_receipt_at = Instant(allow_none=True)
    silent_for_seconds = fields.Integer(
        allow_none=True, metadata={"description": "Connected, and unusually long without any event."}
    )
    warnings = fields.List(fields.Nested(WarningAnswer))


class QrCodeAnswer(CamelSchema):
    qr_code = fields.String(allow_none=True, metadata={"description": "A PNG as data: address."})
    pairing_code = fields.String(allow_none=True)
    qr_updated_at = Instant(allow_none=True)
    status = fields.String()
    reason = fields.String(allow_none=True)


class DoneAnswer(CamelSchema):
    success = fields.Boolean(dump_default=True)


class MediaBody(CamelSchema):
    file_name = PlainText(required=True)
    content = Base64(
        required=True,
        metadata={"type": "string", "format": "byte", "description": "The file in base64, 16 MiB at most."},
    )


class SendBody(CamelSchema):
    phone = PlainText(required=True)
    message = PlainText(
        load_default=None, metadata={"description": "The text; with a file, the caption, which may be left out."}
    )
    media = fields.Nested(MediaBody, load_default=None, allow_none=True)
    client_message_id = PlainText(load_default=None, allow_none=True)

    @validates_schema
    def needs_text_or_file(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data["message"] is None and data["media"] is None:
            raise ValidationError(lazy_gettext("This field is missing."), "message")


class SendFromUnitBody(SendBody):
    unit_id = PlainText(load_default=None, allow_none=True, metadata={"description": "May be left out with one unit."})


class LastError(CamelSchema):
    code = fields.String()
    message = fields.String(allow_none=True)


class SendAnswer(CamelSchema):
    success = fields.Boolean()
    message_id = fields.UUID(attribute="message.id")
    status = fields.String(attribute="message.status")
    phone = fields.String()
    unit_id = fields.UUID(attribute="message.unit_id")
    conversation_id = fields.UUID(attribute="message.conversation_id")
    client_message_id = fields.String(attribute="message.client_message_id", allow_none=True)
    external_id = fields.String(attribute="message.external_id", allow_none=True)
    attempts = fields.Function(lambda sending: count_attempts(sending.message), metadata={"type": "integer"})
    last_error = fields.Function(lambda sending: _last_error(sending.message), metadata=LAST_ERROR)
    held = fields.Boolean(metadata={"description": "The unit is away: it is sent when the unit is back."})
    deduplicated = fields.Boolean(attribute="is_repeat")


class MediaAnswer(CamelSchema):
    file_name = fields.String()
    mime_type = fields.String()
    size = fields.Integer(allow_none=True, metadata={"description": "Bytes, as told by the sender until it is stored."})
    state = fields.String(metadata={"description": "stored, remote (not fetched yet) or unavailable."})


@dataclass(frozen=True)
class MessageWithMedia:
    """What MessageAnswer shows: the message, and the file that it carries."""

    message: Message
    media: Media | None


class MessageAnswer(CamelSchema):
    id = fields.UUID()
    unit_id = fields.UUID()
    conversation_id = fields.UUID()
    client_message_id = fields.String(allow_none=True)
    external_id = fields.String(allow_none=True)
    status = fields.String()
    attempts = fields.Function(lambda shown: count_attempts(shown.message), metadata={"type": "integer"})
    last_error = fields.Function(lambda shown: _last_error(shown.message), metadata=LAST_ERROR)
    error_code = fields.String(allow_none=True)
    error = fields.Function(lambda shown: error_words(shown.message), metadata=ERROR_WORDS)
    last_tried_at = fields.Function(lambda shown: _last_tried_at(shown.message), metadata=INSTANT)
    direction = fields.String()
    kind = fields.String()
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

    def get_attribute(self, obj: MessageWithMedia, attr: str, default: Any) -> Any:
        return obj.media if attr == "media" else getattr(obj.message, attr)


class ConversationAnswer(CamelSchema):
    id = fields.UUID(attribute="conversation.id")
    chat_kind = fields.String(
        attribute="contact.kind", metadata={"description": "person, group, stories or broadcast."}
    )
    unit_id = fields.UUID(attribute="conversation.unit_id")
    phone = fields.String(attribute="contact.phone", allow_none=True)
    name = fields.String(attribute="contact.name", allow_none=True)
    status = fields.String(attribute="conversation.status")
    unread = fields.Integer(attribute="conversation.unread")
    last_message_at = Instant(attribute="conversation.last_message_at")
    last_message_preview = fields.String(attribute="conversation.last_message_preview", allow_none=True)
    last_message_direction = fields.String(attribute="conversation.last_message_direction", allow_none=True)
    last_message_kind = fields.String(attribute="conversation.last_message_kind", allow_none=True)


class PageQuery(CamelSchema):
    cursor = Cursor(load_default=None)
    limit = fields.Integer(
        load_default=PAGE,
        validate=validate.Range(1, LARGEST_PAGE, error=lazy_gettext("Give a number from 1 to 100.")),
        error_messages={"invalid": lazy_gettext("Give a number from 1 to 100.")},
    )


class ConversationPage(CamelSchema):
    items = fields.List(fields.Nested(ConversationAnswer))
    next = Cursor(allow_none=True)


class MessagePage(CamelSchema):
    items = fields.List(fields.Nested(MessageAnswer))
    next = Cursor(allow_none=True)


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
    return LastError().dump({"code": message.error_code, "message": message.error_details})


def _shown_phone(visible: VisibleUnit) -> str | None:
    """An operator runs the unit without learning its number."""
    return shown_phone(visible.connection.phone)


def shown_phone(number: str | None) -> str | None:
    is_operator = current_account().role is Role.SUPER_ADMIN
    return phone.masked(number) if number and is_operator else number
