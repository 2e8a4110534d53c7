"""What the calls about messages and conversations take."""

from typing import Any

from flask_babel import lazy_gettext
from marshmallow import ValidationError, fields, validates_schema

from portal.models import Direction, MessageStatus
from portal.services.conversations import LONGEST_CLIENT_MESSAGE_ID
from portal.services.drafts import LONGEST_TEXT
from portal.web.api.fields import Base64, CamelSchema, Choice, Flag, PlainText, Since
from portal.web.api.schemas import PHONE, SENDING_UNIT, UNIT, PageQuery

TEXT = {
    "description": "The text; with a file, the caption, which may be left out.",
    "maxLength": LONGEST_TEXT,
    "example": "Good morning! Your order has left.",
}
FILE = {
    "description": "The file in base64, in one line and without a `data:` address; 16 MiB at most.",
    "minLength": 1,
}
CLIENT_MESSAGE_ID = {
    "description": "Your own id of the message: sent again to the same person, it returns the first message.",
    "minLength": 1,
    "maxLength": LONGEST_CLIENT_MESSAGE_ID,
    "example": "order-1042-shipped",
}

ANSWERS_TO = {"description": "The `id` of the message of that conversation which this one answers: it is quoted above."}


class MediaBody(CamelSchema):
    file_name = PlainText(required=True, metadata={"description": "With its ending.", "example": "bill.pdf"})
    content = Base64(required=True, metadata=FILE)


class SendBody(CamelSchema):
    phone = PlainText(required=True, metadata=PHONE)
    message = PlainText(load_default=None, metadata=TEXT)
    media = fields.Nested(MediaBody, load_default=None, allow_none=True)
    client_message_id = PlainText(load_default=None, allow_none=True, metadata=CLIENT_MESSAGE_ID)
    answers_to = fields.UUID(
        load_default=None,
        allow_none=True,
        error_messages={"invalid_uuid": lazy_gettext("Give the id of a message.")},
        metadata=ANSWERS_TO,
    )

    @validates_schema
    def needs_text_or_file(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data["message"] is None and data["media"] is None:
            raise ValidationError(lazy_gettext("This field is missing."), "message")


class SendFromUnitBody(SendBody):
    unit_id = PlainText(load_default=None, allow_none=True, metadata=SENDING_UNIT)


class MessagesQuery(PageQuery):
    status = Choice(
        MessageStatus,
        error_messages={"unknown": lazy_gettext("Give a status that a message can have.")},
        metadata={"example": "failed"},
    )
    direction = Choice(Direction, error_messages={"unknown": lazy_gettext("Give inbound or outbound.")})
    unit_id = PlainText(load_default=None, metadata=UNIT)
    since = Since(metadata={"description": "Only messages that were made then or later."})
    client_message_id = PlainText(
        load_default=None, metadata={"description": "Only the message that was sent with this clientMessageId."}
    )


class ConversationsQuery(PageQuery):
    since = Since(metadata={"description": "Only those with a message then or later."})
    unread = Flag(metadata={"description": "Only those with something unread, or only those with nothing."})
