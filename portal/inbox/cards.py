"""Contact cards (vCards) as a name and the numbers in it."""

import re
from typing import Any

from portal.inbox.decoding import Fields, fields, items, line, text
from portal.phone import NotAPhone, canonical

MOST_CARDS = 50
MOST_PHONES = 20
LONGEST_CARD = 16_384
# A long line goes on after a line break and a blank.
_FOLD = re.compile(r"\r?\n[ \t]")
_PHONE = re.compile(r"(?:item\d{1,3}\.)?TEL(?P<options>[;:][^\n]*)", re.IGNORECASE)
_NAME = re.compile(r"FN(?:;[^:\n]*)?:(?P<name>[^\n]*)", re.IGNORECASE)
# WhatsApp's own word for the number, in the form that it knows.
_KNOWN_NUMBER = re.compile(r"waid=(?P<digits>\d{1,20})", re.IGNORECASE)


def of(content: Fields) -> tuple[str, list[dict[str, Any]]]:
    """One line for each card, `Name · +number`, and the cards; of one card or of several."""
    told = items(content.get("contacts"))[:MOST_CARDS] if "contacts" in content else [content]
    cards = [card for card in map(_card, map(fields, told)) if card["name"] or card["phones"]]
    return "\n".join(map(_line, cards)) or line(content.get("displayName")), cards


def _line(card: dict[str, Any]) -> str:
    numbers = ", ".join(f"+{digits}" for digits in card["phones"])
    return " · ".join(filter(None, (card["name"], numbers)))


def _card(contact: Fields) -> dict[str, Any]:
    lines = _FOLD.sub("", text(contact.get("vcard"), LONGEST_CARD)).splitlines()
    named = next((found["name"] for told in lines if (found := _NAME.fullmatch(told))), "")
    numbers = [_number(found["options"]) for told in lines if (found := _PHONE.fullmatch(told))]
    # Each once, in their order.
    phones = list(dict.fromkeys(filter(None, numbers)))[:MOST_PHONES]
    return {"name": line(contact.get("displayName")) or line(_unescaped(named)), "phones": phones}


def _number(options: str) -> str | None:
    known = _KNOWN_NUMBER.search(options)
    try:
        return canonical(f"+{known['digits']}" if known else options.rpartition(":")[2])
    except NotAPhone:
        return None


def _unescaped(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value)
