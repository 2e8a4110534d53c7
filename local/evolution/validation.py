"""Check bodies and complain in the very words of Evolution's schema library."""

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """Describe one property: its type and what else is asked of it."""

    name: str
    kind: str | None = "string"
    is_required: bool = False
    says: str | None = None
    pattern: str | None = None
    min_items: int = 0
    is_unique: bool = False
    choices: tuple[str, ...] = ()
    item_says: str | None = None
    item_pattern: str | None = None
    fields: tuple["Field", ...] = ()
    not_empty_when_only: tuple[str, ...] = ()


def violations(body: Mapping[str, object], fields: tuple[Field, ...], path: str = "") -> list[str]:
    """List what is wrong with a body, properties first and missing ones after, each in schema order."""
    found = [text for field in fields if field.name in body for text in _violations_of(field, body[field.name], path)]
    found += [_missing(field, path) for field in fields if field.is_required and field.name not in body]
    return found + [_empty(field) for field in fields if _is_forbidden_empty(field, body)]


def _missing(field: Field, path: str) -> str:
    return f'{path or "instance"} requires property "{field.name}"'


def _empty(field: Field) -> str:
    return f'The "{field.name}" cannot be empty'


def _is_forbidden_empty(field: Field, body: Mapping[str, object]) -> bool:
    # The rule only holds for a body with no other properties than those it names.
    names = field.not_empty_when_only
    return bool(names) and body.get(field.name) == "" and set(body) <= set(names)


def _violations_of(field: Field, value: object, path: str) -> list[str]:
    place = f"{path}.{field.name}" if path else field.name
    if field.kind and not _is_kind(value, field.kind):
        return [field.says or f"{place} is not of a type(s) {field.kind}"]
    if isinstance(value, str):
        return _string_violations(field, value, place)
    if isinstance(value, list):
        return _list_violations(field, value, place)
    return violations(value, field.fields, place) if isinstance(value, dict) else []


def _string_violations(field: Field, value: str, place: str) -> list[str]:
    if field.choices and value not in field.choices:
        return [f"{place} is not one of enum values: {','.join(field.choices)}"]
    if field.pattern is None or re.match(field.pattern, value):
        return []
    shown = field.pattern.replace("\\", "\\\\")
    return [f'{place} does not match pattern "{shown}"']


def _list_violations(field: Field, value: list[object], place: str) -> list[str]:
    found = [text for index, item in enumerate(value) for text in _item_violations(field, item, f"{place}[{index}]")]
    if len(value) < field.min_items:
        found.append(f"{place} does not meet minimum length of {field.min_items}")
    if field.is_unique and len({repr(item) for item in value}) < len(value):
        found.append(f"{place} contains duplicate item")
    return found


def _item_violations(field: Field, item: object, place: str) -> list[str]:
    if field.choices:
        return [] if item in field.choices else [f"{place} is not one of enum values: {','.join(field.choices)}"]
    if not field.item_says:
        return []
    is_right = isinstance(item, str) and re.match(field.item_pattern or "", item)
    return [] if is_right else [field.item_says]


def _is_kind(value: object, kind: str) -> bool:
    if kind in ("integer", "boolean"):
        is_integer = isinstance(value, int | float) and not isinstance(value, bool) and float(value).is_integer()
        return is_integer if kind == "integer" else isinstance(value, bool)
    return isinstance(value, {"string": str, "object": dict, "array": list}[kind])


SETTING_SWITCHES = ("rejectCall", "groupsIgnore", "alwaysOnline", "readMessages", "readStatus", "syncFullHistory")

CREATE = (
    Field("instanceName", not_empty_when_only=("instanceName",)),
    Field("token"),
    Field("number", pattern=r"^\d+[\.@\w-]+"),
    Field("qrcode", "boolean"),
    *(Field(name, "boolean") for name in SETTING_SWITCHES),
    Field("msgCall"),
    Field("wavoipToken"),
)

SETTINGS = (
    Field("rejectCall", "boolean", is_required=True),
    Field("msgCall"),
    *(Field(name, "boolean", is_required=True) for name in SETTING_SWITCHES[1:]),
    Field("wavoipToken"),
)


def webhook_fields(event_names: tuple[str, ...]) -> tuple[Field, ...]:
    """Describe the body that sets a webhook; versions know different events."""
    parts = (
        Field("enabled", "boolean", is_required=True),
        Field("url", is_required=True, not_empty_when_only=("enabled", "url")),
        Field("headers", "object"),
        Field("byEvents", "boolean"),
        Field("base64", "boolean"),
        Field("events", "array", choices=event_names),
    )
    return (Field("webhook", "object", is_required=True, fields=parts),)


SEND_OPTIONS = (
    Field("delay", "integer", says="Enter a value in milliseconds"),
    Field("quoted", None, fields=(Field("key", "object", fields=(Field("id", is_required=True),)),)),
    Field(
        "mentioned",
        "array",
        min_items=1,
        is_unique=True,
        item_says='"mentioned" must be an array of numeric strings',
        item_pattern=r"^\d+",
    ),
)

SEND_TEXT = (
    Field("number", is_required=True, says="Invalid format"),
    Field("text", is_required=True),
    Field("linkPreview", "boolean"),
    *SEND_OPTIONS,
)

SEND_MEDIA = (
    Field("number", is_required=True, says="Invalid format"),
    Field("mediatype", is_required=True, choices=("image", "document", "video", "audio")),
    Field("mimetype"),
    Field("media"),
    Field("fileName"),
    Field("caption"),
    *SEND_OPTIONS,
)

SEND_REACTION = (
    Field(
        "key",
        "object",
        is_required=True,
        fields=(
            Field("id", is_required=True, not_empty_when_only=("id", "remoteJid")),
            Field("remoteJid", is_required=True, not_empty_when_only=("id", "remoteJid")),
            Field("fromMe", "boolean", is_required=True),
        ),
    ),
    Field("reaction", is_required=True),
)

CHANGED_KEY = (
    Field("id", is_required=True),
    Field("remoteJid", is_required=True),
    Field("fromMe", "boolean", is_required=True),
)
UPDATE_MESSAGE = (
    Field("number", is_required=True),
    Field("key", "object", is_required=True, fields=CHANGED_KEY),
    Field("text", is_required=True),
)
DELETE_MESSAGE = (*CHANGED_KEY, Field("participant"))

WHATSAPP_NUMBERS = (
    Field(
        "numbers",
        "array",
        min_items=1,
        is_unique=True,
        item_says='"numbers" must be an array of numeric strings',
    ),
)
