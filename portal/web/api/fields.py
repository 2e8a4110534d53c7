"""Fields that the schemas share: names as JSON writes them, text that can be stored, times with their zone."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from flask_babel import lazy_gettext
from marshmallow import EXCLUDE, Schema, fields

from portal.queries.conversations import Position

NO_OBJECT = lazy_gettext("Give this as an object.")
TEST = {"description": "Of a test token: it reaches nobody."}


def one_of(values: type[StrEnum], *others: None) -> dict[str, Any]:
    """How an answer's field is described that has one of these values; None where it may have no value."""
    return {"enum": [*values, *others]}


class CamelSchema(Schema):
    """`clientMessageId` outside, `client_message_id` inside. What it does not name is ignored."""

    class Meta:
        unknown = EXCLUDE

    error_messages = {"type": NO_OBJECT}

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        first, *others = (field_obj.data_key or field_name).split("_")
        field_obj.data_key = first + "".join(word.title() for word in others)


class Answer(CamelSchema):
    """What a call answers: every field is always there."""

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        super().on_bind_field(field_name, field_obj)
        field_obj.required = True


class Query(CamelSchema):
    """What stands behind the question mark: each may be left out, and none has the value nothing."""

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        super().on_bind_field(field_name, field_obj)
        field_obj.allow_none = False


class PlainText(fields.String):
    """Text that can be stored and sent: no NUL, and no half of a surrogate pair, which JSON allows."""

    default_error_messages = {
        "required": lazy_gettext("This field is missing."),
        "null": lazy_gettext("This field is missing."),
        "invalid": lazy_gettext("Give this as text."),
        "broken": lazy_gettext("This text holds half a character. Do not cut inside an emoji."),
    }

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, *args, **kwargs).replace("\x00", "")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise self.make_error("broken")
        return text


class Base64(fields.Field[bytes]):
    """Bytes in bare base64."""

    default_error_messages = {
        "required": lazy_gettext("This field is missing."),
        "null": lazy_gettext("This field is missing."),
        "base64": lazy_gettext("Give this in base64, in one line and without a data: address."),
    }

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> bytes:
        try:
            return base64.b64decode(value, validate=True)
        except (TypeError, ValueError) as e:
            raise self.make_error("base64") from e


class Choice(fields.Enum[Any]):
    """One of the values of a StrEnum, or nothing."""

    def __init__(self, choices: type[StrEnum], **options: Any) -> None:
        super().__init__(choices, by_value=fields.String, load_default=None, **options)


class Flag(fields.Boolean):
    """`true` or `false`, or nothing."""

    truthy = {"true"}
    falsy = {"false"}
    default_error_messages = {"invalid": lazy_gettext("Give true or false.")}

    def __init__(self, **options: Any) -> None:
        super().__init__(load_default=None, **options)


class Since(fields.AwareDateTime):
    """An instant with its zone, or nothing."""

    default_error_messages = dict.fromkeys(
        ("invalid", "invalid_awareness"),
        lazy_gettext("Give an instant in ISO 8601 with its zone, such as 2030-01-31T15:00:00Z."),
    )

    def __init__(self, *, metadata: Mapping[str, Any]) -> None:
        super().__init__(load_default=None, metadata={"example": "2026-01-31T15:00:00Z", **metadata})


class Instant(fields.DateTime):
    """An instant in ISO 8601, in UTC."""

    def _serialize(self, value: datetime | None, *args: Any, **kwargs: Any) -> str | None:
        return None if value is None else value.astimezone(UTC).isoformat()


class Cursor(fields.Field[Position]):
    """What `next` said, opaque and safe in an address."""

    default_error_messages = {"cursor": lazy_gettext("Give the value of next as it came.")}

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return Position.parse(base64.urlsafe_b64decode(str(value).encode("ascii")).decode())
        except ValueError as e:
            raise self.make_error("cursor") from e

    def _serialize(self, value: Position | None, *args: Any, **kwargs: Any) -> str | None:
        return None if value is None else base64.urlsafe_b64encode(str(value).encode()).decode()
