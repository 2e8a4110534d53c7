"""Telephone numbers: one canonical form for one person, whatever way it was typed or reported."""

import re
from enum import StrEnum
from typing import NamedTuple

import phonenumbers

BRAZIL = "55"
_BRAZILIAN_WITHOUT_COUNTRY = re.compile(r"[1-9]\d(9\d{8}|[2-9]\d{7})")
# Eight digits that begin with 2 to 5 are a landline, unless the ninth digit stands before them.
_BRAZILIAN_MOBILE = re.compile(r"55([1-9]\d)(?:9([1-9]\d{7})|([6-9]\d{7}))")
_BRAZILIAN_LANDLINE = re.compile(r"55[1-9]\d[2-5]\d{7}")
# A Brazilian mobile as its neighbours dial it. With 91, 92, 95 or 98 before seven digits it could be one in Asia.
_WITHOUT_AREA = re.compile(r"9\d{8}")
# Before the plus, programs put marks of direction or a bracket, and people a word.
_WITH_PLUS = re.compile(r"[^\w+＋]*[+＋]|\D*[+＋]\d")
PERSON_SUFFIX = "@s.whatsapp.net"
LID_SUFFIX = "@lid"


_NO_DIGITS = re.compile(r"\D+")
# Mexico and Argentina: a digit after the country code that some write and WhatsApp leaves out.
_WITH_EXTRA_DIGIT = re.compile(r"(52)1(\d{10})|(54)9(\d{10})")
# Country code and number, as on Niue. The library takes less, which could only be dialled within a city.
SHORTEST = 7
# E.164 has no longer ones.
_NAMED = re.compile(rf"[0-9]{{{SHORTEST},15}}")


class NotAPhone(ValueError):
    """The text is no telephone number that WhatsApp could know."""


class Change(StrEnum):
    """What was done to a number as it was typed, beyond leaving out what is no digit."""

    COUNTRY_CODE = "country_code"
    NINTH_DIGIT = "ninth_digit"
    EXTRA_DIGIT = "extra_digit"


class Reading(NamedTuple):
    """A number as it was understood: its canonical form, and what that took."""

    number: str
    changes: tuple[Change, ...] = ()
    is_landline: bool = False


def canonical(text: str) -> str:
    """Digits with country code; Brazilian mobiles always with their ninth digit. Raises NotAPhone."""
    return read(text).number


def read(text: str) -> Reading:
    """Understand a number as somebody typed it.

    A number without country code counts as Brazilian when it can be one. `is_landline` is known of Brazilian ones.
    Raises NotAPhone. Source: contract §6 (Brazil, Mexico and Argentina come with and without a digit).
    """
    digits = _NO_DIGITS.sub("", text) if text.isascii() else phonenumbers.normalize_digits_only(text)
    changes: tuple[Change, ...] = ()
    has_country = _WITH_PLUS.match(text) is not None
    if not has_country and _WITHOUT_AREA.fullmatch(digits):
        raise NotAPhone(text)
    if not has_country and _BRAZILIAN_WITHOUT_COUNTRY.fullmatch(digits):
        digits, changes = BRAZIL + digits, (Change.COUNTRY_CODE,)
    if mobile := _BRAZILIAN_MOBILE.fullmatch(digits):
        if mobile[2]:
            return Reading(digits, changes)
        return Reading(f"{BRAZIL}{mobile[1]}9{mobile[3]}", (*changes, Change.NINTH_DIGIT))
    if _BRAZILIAN_LANDLINE.fullmatch(digits):
        return Reading(digits, changes, is_landline=True)
    if extra := _WITH_EXTRA_DIGIT.fullmatch(digits):
        digits, changes = "".join(part for part in extra.groups() if part), (Change.EXTRA_DIGIT,)
    if not _is_possible(digits, is_local_enough=has_country):
        raise NotAPhone(text)
    return Reading(digits, changes)


def of_whatsapp(digits: str) -> str:
    """The canonical form of a number that WhatsApp named: there is somebody, whatever is known of such numbers.

    Countries open new ranges before any library has heard of them. Raises NotAPhone for too few or too many digits.
    """
    try:
        return canonical("+" + digits)
    except NotAPhone:
        if _NAMED.fullmatch(digits):
            return digits
        raise


def from_jid(jid: str | None) -> str | None:
    """The canonical number of a person's address; None for a LID, a group and whatever is no number."""
    if not jid or not jid.endswith(PERSON_SUFFIX):
        return None
    try:
        return of_whatsapp(without_device(jid).removesuffix(PERSON_SUFFIX))
    except NotAPhone:
        return None


def without_device(jid: str) -> str:
    """`5511…:17@s.whatsapp.net` names one device of a person; the person is the part without `:17`."""
    return re.sub(r":\d+(?=@|$)", "", jid)


def display(phone: str) -> str:
    """The number as people write it: `+55 11 99999-0001`."""
    if phone.startswith(BRAZIL) and len(phone) in (12, 13):
        return f"+55 {phone[2:4]} {phone[4:-4]}-{phone[-4:]}"
    try:
        parsed = phonenumbers.parse("+" + phone)
    except phonenumbers.NumberParseException:
        return "+" + phone
    grouped = str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL))
    # The library leaves out a zero where it takes it for the one that is dialled within the country.
    return grouped if _NO_DIGITS.sub("", grouped) == phone else "+" + phone


def masked(phone: str) -> str:
    return "****" + phone[-4:]


def _is_possible(digits: str, *, is_local_enough: bool) -> bool:
    if digits.startswith(BRAZIL) or len(digits) < SHORTEST:
        # The two Brazilian shapes were matched before: what is left has a wrong length or area code.
        return False
    try:
        parsed = phonenumbers.parse("+" + digits)
    except phonenumbers.NumberParseException:
        return False
    # Without a plus the country was guessed: what could only be dialled within a city there is more likely no number.
    if is_local_enough:
        return phonenumbers.is_possible_number(parsed)
    return bool(phonenumbers.is_possible_number_with_reason(parsed) == phonenumbers.ValidationResult.IS_POSSIBLE)
