"""Finding people by any part of a name or a number, however it is written."""

import re
import unicodedata
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import aliased

from portal.models import Contact
from portal.tenancy import TenantScope

LONGEST_SEARCH = 120
FEWEST_DIGITS = 3
_TELEPHONE = re.compile(r"[\d\s().+/-]+")
# Accents may stand apart from their letters.
_MARKS = "[\u0300-\u036f]*"
# Of a Brazilian mobile: the digits of country and area, before the ninth digit, which many people leave out.
_BEFORE_NINTH = 4


def matches(scope: TenantScope, text: str) -> ColumnElement[bool]:
    """Whether a contact, or one that was merged into it, bears all of these words or this part of a number."""
    merged = aliased(Contact)
    led_here = select(merged.merged_into_id).where(
        merged.tenant_id == scope.tenant_id, merged.merged_into_id.is_not(None), _fits(merged, text)
    )
    return or_(_fits(Contact, text), Contact.id.in_(led_here))


def has_words(name: Any, text: str) -> ColumnElement[bool]:
    """Whether a name has all of these words in it, in capitals or not, with accents or without."""
    # One regular expression is four times as fast as a name whose accents are translated away.
    return and_(*(name.regexp_match(_pattern(word), flags="i") for word in text[:LONGEST_SEARCH].split()))


def _fits(contact: Any, text: str) -> ColumnElement[bool]:
    text = text[:LONGEST_SEARCH]
    is_named = has_words(contact.name, text)
    digits = re.sub(r"\D", "", text).lstrip("0") if _TELEPHONE.fullmatch(text) else ""
    if len(digits) < FEWEST_DIGITS:
        return is_named
    return or_(contact.phone.contains(digits), *(contact.phone.like(one) for one in _with_ninth(digits)), is_named)


def _pattern(word: str) -> str:
    """A regular expression for the word in capitals or not, with accents or without."""
    plain = unicodedata.normalize("NFD", word.lower())
    return "".join(_letter(letter) for letter in plain if not unicodedata.combining(letter))


def _letter(letter: str) -> str:
    variants = _VARIANTS.get(letter)
    if variants:
        return f"[{letter}{variants}]{_MARKS}"
    # What is no ASCII has no meaning of its own, and some of it may not be escaped.
    return letter if letter.isalnum() or not letter.isascii() else "\\" + letter


def _with_ninth(digits: str) -> list[str]:
    """Numbers that these digits are a part of once the ninth digit stands where it belongs."""
    splits = range(1, min(_BEFORE_NINTH, len(digits) - 1) + 1)
    return ["_" * (_BEFORE_NINTH - at) + f"{digits[:at]}9{digits[at:]}%" for at in splits]


def _accented() -> dict[str, str]:
    found: dict[str, str] = {}
    for letter in filter(str.isalpha, map(chr, range(0xC0, 0x180))):
        base = unicodedata.normalize("NFD", letter)[0].lower()
        if base.isascii():
            found[base] = found.get(base, "") + letter
    return found


# Letter -> the accented forms of it, small and capital.
_VARIANTS = _accented()
