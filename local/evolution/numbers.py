"""How a number becomes a JID, and who is on the simulated WhatsApp."""

import hashlib
import re
from dataclasses import dataclass

PERSON = "@s.whatsapp.net"
LID = "@lid"
GROUP = "@g.us"
BROADCAST = "@broadcast"
ABSENT_ENDING = "0008"


def jid_for(number: str) -> str:
    """Turn what a caller wrote into the JID that is asked for.

    Source: Evolution 2.3.6, createJid.
    """
    number = re.sub(r":\d+", "", number, count=1)
    if number.endswith((GROUP, PERSON, LID, BROADCAST)):
        return number
    text = re.split(r"[:@]", re.sub(r"[\s+()]", "", number))[0]
    if "-" in text and len(text) >= 24:
        return re.sub(r"[^\d-]", "", text) + GROUP
    digits = re.sub(r"\D", "", text)
    return digits + GROUP if len(digits) >= 18 else _without_extra_digit(digits) + PERSON


def _without_extra_digit(digits: str) -> str:
    if digits.startswith(("52", "54")) and len(digits) == 13:
        return digits[:2] + digits[3:]
    if digits.startswith("55") and len(digits) == 13 and int(digits[2:4]) >= 31 and digits[-8] >= "7":
        return digits[:4] + digits[5:]
    return digits


def digits_of(jid: str) -> str:
    """Take the digits of a JID, without device and server."""
    return re.split(r"[:@]", jid)[0]


@dataclass(frozen=True)
class Lookup:
    """Hold what WhatsApp says about one number."""

    jid: str
    exists: bool
    number: str

    def to_json(self) -> dict[str, object]:
        """Write it as the API answers it."""
        return {"jid": self.jid, "exists": self.exists, "number": self.number}


def look_up(number: str, *, can_check_lids: bool) -> Lookup:
    """Ask the simulated WhatsApp for a number of a person."""
    jid = jid_for(number)
    if jid.endswith(LID):
        return Lookup(jid, exists=can_check_lids, number=number)
    registered = registered_jid(jid)
    # Only a number given as bare digits is recognised with or without its extra digit.
    is_tolerant = number.startswith(("52", "54", "55"))
    if not is_on_whatsapp(registered) or (jid != registered and not is_tolerant):
        return Lookup(jid, exists=False, number=number)
    return Lookup(registered, exists=True, number=number)


def registered_jid(jid: str) -> str:
    """Give the form under which WhatsApp knows a person: Brazilian mobiles have nine digits only below area 31."""
    digits = _without_extra_digit(digits_of(jid))
    is_old_mobile = digits.startswith("55") and len(digits) == 12 and digits[-8] >= "7"
    if is_old_mobile and int(digits[2:4]) < 31:
        digits = f"{digits[:4]}9{digits[4:]}"
    return digits + PERSON


def chat_of(number: str) -> str:
    """Give the phone JID of a person, however the number was written."""
    return registered_jid(jid_for(number))


def is_on_whatsapp(jid: str) -> bool:
    """Tell whether a person's JID exists: plausible length, no missing country code, not ending in 0008."""
    digits = digits_of(jid)
    is_brazilian_without_country = bool(re.fullmatch(r"[1-9][1-9]9\d{8}", digits))
    return 10 <= len(digits) <= 15 and not is_brazilian_without_country and not digits.endswith(ABSENT_ENDING)


def lid_of(phone_jid: str) -> str:
    """Give the anonymous id of a person, the same for ever."""
    digest = hashlib.sha256(digits_of(phone_jid).encode()).hexdigest()
    return f"271{int(digest, 16) % 10**12:012d}{LID}"
