"""Telephone numbers: one canonical form for one person, whatever way it was typed or reported."""

import re

import phonenumbers

BRAZIL = "55"
_BRAZILIAN_WITHOUT_COUNTRY = re.compile(r"[1-9]\d(9\d{8}|[2-9]\d{7})")
# Eight digits that begin with 2 to 5 are a landline, unless the ninth digit stands before them.
_BRAZILIAN_MOBILE = re.compile(r"55([1-9]\d)(?:9([1-9]\d{7})|([6-9]\d{7}))")
_BRAZILIAN_LANDLINE = re.compile(r"55[1-9]\d[2-5]\d{7}")
PERSON_SUFFIX = "@s.whatsapp.net"
LID_SUFFIX = "@lid"


class NotAPhone(ValueError):
    """The text is no telephone number that WhatsApp could know."""


def canonical(text: str) -> str:
    """Digits with country code; Brazilian mobiles always with their ninth digit.

    A number without country code counts as Brazilian when it can be one.
    Raises NotAPhone. Source: contract §6 (Brazil, Mexico and Argentina come with and without a digit).
    """
    digits = phonenumbers.normalize_digits_only(text)
    if not text.strip().startswith("+") and _BRAZILIAN_WITHOUT_COUNTRY.fullmatch(digits):
        digits = BRAZIL + digits
    if mobile := _BRAZILIAN_MOBILE.fullmatch(digits):
        return f"{BRAZIL}{mobile[1]}9{mobile[2] or mobile[3]}"
    if _BRAZILIAN_LANDLINE.fullmatch(digits):
        return digits
    if len(digits) == 13 and digits[:3] in ("521", "549"):
        digits = digits[:2] + digits[3:]
    if not _is_possible(digits):
        raise NotAPhone(text)
    return digits


def from_jid(jid: str | None) -> str | None:
    """The canonical number of a person's address; None for a LID, a group and whatever is no number."""
    if not jid or not jid.endswith(PERSON_SUFFIX):
        return None
    try:
        return canonical("+" + without_device(jid).removesuffix(PERSON_SUFFIX))
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
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def masked(phone: str) -> str:
    return "****" + phone[-4:]


def _is_possible(digits: str) -> bool:
    if digits.startswith(BRAZIL):
        # The two Brazilian shapes were matched before: what is left has a wrong length or area code.
        return False
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse("+" + digits))
    except phonenumbers.NumberParseException:
        return False
