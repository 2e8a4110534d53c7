"""What the calls about contacts take and what they answer."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import lazy_gettext
from marshmallow import fields

from portal import phone
from portal.queries.contact_search import LONGEST_SEARCH
from portal.queries.contacts import ContactRow
from portal.web.api.fields import Answer, Cursor, Instant, PlainText, Since
from portal.web.api.schemas import PHONE, PageQuery


class Number(PlainText):
    """A telephone number in its canonical form, however it was written."""

    default_error_messages = {
        "number": lazy_gettext(
            "This is not a telephone number. Write it with country and area code, such as +55 11 99999-0001."
        ),
    }

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        try:
            return phone.canonical(super()._deserialize(value, *args, **kwargs))
        except phone.NotAPhone as e:
            raise self.make_error("number") from e


class ContactsQuery(PageQuery):
    phone = Number(load_default=None, metadata=PHONE)
    tag = PlainText(load_default=None, metadata={"description": "Only those who bear this tag.", "example": "VIP"})
    search = PlainText(
        load_default="", metadata={"description": f"A part of the name or of the number, {LONGEST_SEARCH} characters."}
    )
    since = Since(metadata={"description": "Only those who were added then or later."})


@dataclass(frozen=True)
class ShownContact:
    """A person with their tags, and when they last opted in, if ever."""

    row: ContactRow
    opted_in_at: datetime | None

    @property
    def is_opted_out(self) -> bool:
        return self.row.contact.opted_out_at is not None


class ContactAnswer(Answer):
    id = fields.UUID(attribute="row.contact.id")
    phone = fields.String(attribute="row.contact.phone", allow_none=True)
    name = fields.String(attribute="row.contact.name", allow_none=True)
    tags = fields.List(fields.String(), attribute="row.tags")
    attributes = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        attribute="row.contact.attributes",
        metadata={"description": "What the company knows of them besides: the variables of its campaigns."},
    )
    opted_out = fields.Boolean(attribute="is_opted_out", metadata={"description": "They get no campaigns."})
    opted_out_at = Instant(attribute="row.contact.opted_out_at", allow_none=True)
    opted_in_at = Instant(allow_none=True, metadata={"description": "When they last asked for messages, if ever."})
    on_whatsapp = fields.Boolean(
        attribute="row.contact.is_on_whatsapp", allow_none=True, metadata={"description": "null: it was not asked."}
    )
    last_message_at = Instant(attribute="row.last_message_at", allow_none=True)
    created_at = Instant(attribute="row.contact.created_at")


class ContactPage(Answer):
    items = fields.List(fields.Nested(ContactAnswer))
    next = Cursor(allow_none=True)
