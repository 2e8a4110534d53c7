"""Single values as any version of Evolution writes them (contract §11.3), and outside text made harmless.

Nothing here raises: what is not what it should be reads as nothing.
"""

import base64
import binascii
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from portal import accents
from portal.clock import now

Fields = Mapping[str, Any]

LONGEST_NAME = 100
LONGEST_BODY = 65_536
LONGEST_URL = 2_000
LARGEST_NUMBER = 2**53
# What can make text lie about its own direction or break a log line, and halves of characters, which no column takes.
_UNSAFE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ud800-\udfff]",
)
# Those of them that a column can hold: a text of ours may have been written with them.
UNSAFE_IN_COLUMNS = "".join(character for character in map(chr, range(1, 0x2070)) if _UNSAFE.match(character))
# A name that only repeats the address, or Evolution's word for oneself, says nothing.
_NO_NAME = re.compile(r"[+\d\s().-]*|Você|You")
_ID = re.compile(r"[\x21-\x7e]{1,80}")
_EMPTY: Fields = MappingProxyType({})


def fields(value: object) -> Fields:
    """The value where it is an object; else one without fields."""
    return value if isinstance(value, Mapping) else _EMPTY


def items(value: object) -> Sequence[Any]:
    """The value where it is a list; else one without items."""
    return value if isinstance(value, list) else ()


def is_true(value: object) -> bool:
    """Whether a flag is set; every other value leaves it unset."""
    return value is True or value == "true"


def clean_text(text: str) -> str:
    """The text without what lies or harms and with no accent apart, not longer than a message can be."""
    return accents.joined(_UNSAFE.sub("", text))[:LONGEST_BODY]


def text(value: object, longest: int = LONGEST_BODY) -> str:
    """The value where it is text, made harmless; else nothing."""
    return clean_text(value)[:longest] if isinstance(value, str) else ""


def line(value: object, longest: int = LONGEST_NAME) -> str:
    """Text that is to stand in one line."""
    return " ".join(text(value).split())[:longest].rstrip()


def clean_name(name: object) -> str | None:
    """A name somebody chose for themselves, made harmless; None when it says nothing."""
    chosen = line(name)
    return None if _NO_NAME.fullmatch(chosen) else chosen


def identifier(value: object) -> str | None:
    """WhatsApp's id of a message or a call."""
    return value if isinstance(value, str) and _ID.fullmatch(value) else None


def number(value: object) -> int | None:
    """A whole number told as a number, as decimal text or as a `{low, high}` pair, of which `low` can be negative."""
    if isinstance(value, Mapping):
        low, high = number(value.get("low")), number(value.get("high"))
        return None if low is None or high is None else _within_reach(high * 2**32 + (low & 0xFFFFFFFF))
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,20}(\.[0-9]{1,9})?", value):
        value = float(value) if "." in value else int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return _within_reach(int(value))


def _within_reach(value: int) -> int | None:
    return value if abs(value) <= LARGEST_NUMBER else None


def moment(seconds: object) -> datetime | None:
    """An instant told in seconds; never in the future, for clocks of phones are wrong."""
    return _instant(number(seconds), 1)


def moment_of_ms(milliseconds: object) -> datetime | None:
    """An instant told in milliseconds; never in the future."""
    return _instant(number(milliseconds), 1_000)


def moment_of_iso(value: object) -> datetime | None:
    """An instant told as ISO text; never in the future."""
    try:
        told = datetime.fromisoformat(value) if isinstance(value, str) else None
        return None if told is None else min(now(), told if told.tzinfo else told.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None


def _instant(value: int | None, per_second: int) -> datetime | None:
    """Nothing for a zero, which is how a missing time is written."""
    if value is None or value <= 0:
        return None
    return datetime.fromtimestamp(min(value / per_second, now().timestamp()), tz=UTC)


def octets(value: object, longest: int) -> bytes | None:
    """Bytes told as base64, as an index map `{"0": 255, …}`, as a list, or as `{"type": "Buffer", "data": […]}`."""
    if isinstance(value, str):
        return _from_base64(value) if len(value) <= longest * 4 // 3 + 4 else None
    if isinstance(value, Mapping):
        told = value.get("data") if value.get("type") == "Buffer" else [value.get(str(i)) for i in range(len(value))]
    else:
        told = value
    if not isinstance(told, list) or len(told) > longest:
        return None
    return bytes(told) if all(type(byte) is int and 0 <= byte <= 255 for byte in told) else None


def _from_base64(value: str) -> bytes | None:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None


def web_address(value: object) -> str | None:
    """A link that may be shown as one: http or https, and nothing hidden in it."""
    address = value if isinstance(value, str) else ""
    if len(address) > LONGEST_URL or clean_text(address) != address or re.search(r"\s", address):
        return None
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    return address if parts.scheme in ("http", "https") and parts.hostname else None
