"""What a message carries beside its text, in words: places, cards, polls, calls, and kinds that nobody knows yet.

All of it was written by strangers: what is not of the form that is expected is left out.
"""

import math
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from flask_babel import gettext
from flask_babel import lazy_gettext as _

from portal import phone as phones
from portal.models import Message, MessageKind
from portal.phone import NotAPhone

MAP = "https://www.openstreetmap.org/?mlat={0:.6f}&mlon={1:.6f}#map=16/{0:.6f}/{1:.6f}"
LONGEST_EXCERPT = 140
LONGEST_REACTION = 16
MOST_SHOWN = 50

CALLS = {
    ("ringing", False): _("Call"),
    ("ringing", True): _("Video call"),
    ("missed", False): _("Missed call"),
    ("missed", True): _("Missed video call"),
    ("rejected", False): _("Declined call"),
    ("rejected", True): _("Declined video call"),
    ("accepted", False): _("Answered call"),
    ("accepted", True): _("Answered video call"),
}
MARKS = {
    "isForwarded": _("Forwarded"),
    "isViewOnce": _("To be seen once"),
    "isVoiceNote": _("Voice message"),
    "isVideoNote": _("Video message"),
    "isAnswer": _("Chosen from a list or by a button"),
    "isLive": _("Live location"),
}
ON_THE_PHONE = _("See it on the phone.")
# By WhatsApp's name for the kind.
UNKNOWN_KINDS = {
    "unknown": _("A message that could not be read here."),
    "viewOnce": _("A photo or video that can be seen only once, and only on the phone."),
    "albumMessage": _("Several photos or videos, which follow one by one."),
    "orderMessage": _("An order from the catalogue."),
    "productMessage": _("A product from the catalogue."),
    "groupInviteMessage": _("An invitation to a group."),
    "newsletterAdminInviteMessage": _("An invitation to a channel."),
    "eventMessage": _("An event."),
    "encEventResponseMessage": _("An answer to an event."),
    "pinInChatMessage": _("Pinned a message in the chat."),
    "keepInChatMessage": _("Kept a message in the chat."),
    "requestPaymentMessage": _("A request for a payment."),
    "sendPaymentMessage": _("A payment."),
    "paymentInviteMessage": _("An invitation to make payments."),
    "invoiceMessage": _("An invoice."),
    "callLogMesssage": _("A call."),
    "scheduledCallCreationMessage": _("A planned call."),
    "stickerPackMessage": _("A set of stickers."),
    "buttonsMessage": _("A message with buttons."),
    "templateMessage": _("A message with buttons."),
    "interactiveMessage": _("A message with buttons."),
    "listMessage": _("A message with a list to choose from."),
}
# Nothing more of these is to be seen on the phone, or the words say so already.
TOLD_WHOLE = ("viewOnce", "albumMessage")


@dataclass(frozen=True)
class CardPhone:
    """A number on a card as it is shown; `number` is its canonical form, None for what is no telephone number."""

    shown: str
    number: str | None


@dataclass(frozen=True)
class Card:
    name: str
    phones: tuple[CardPhone, ...]


@dataclass(frozen=True)
class Advert:
    """The ad that a person came from; `url` only where it is a page of the web."""

    title: str
    body: str
    url: str | None


def details_of(message: Message) -> dict[str, Any]:
    return message.details if isinstance(message.details, dict) else {}


def map_address(message: Message) -> str | None:
    """Where a map of the place is; None for what is no place on earth."""
    details = details_of(message)
    latitude, longitude = details.get("latitude"), details.get("longitude")
    if not isinstance(latitude, int | float) or not isinstance(longitude, int | float):
        return None
    if not (math.isfinite(latitude) and math.isfinite(longitude) and abs(latitude) <= 90 and abs(longitude) <= 180):
        return None
    return MAP.format(latitude, longitude)


def cards(message: Message) -> tuple[Card, ...]:
    """The contacts that were sent."""
    found = details_of(message).get("cards")
    listed = found[:MOST_SHOWN] if isinstance(found, list) else []
    return tuple(_card(card) for card in listed if isinstance(card, dict))


def question(message: Message) -> str:
    """What a poll asks: its text without the options, which stand below it."""
    lines = "".join(f"\n• {option}" for option in options(message))
    return message.body.removesuffix(lines)


def options(message: Message) -> list[str]:
    """What a poll lets people choose from."""
    return _texts(details_of(message).get("options"))


def votes(message: Message) -> list[str]:
    """What a vote chose."""
    return _texts(details_of(message).get("votes"))


def is_vote(message: Message) -> bool:
    return message.kind == MessageKind.POLL and details_of(message).get("isVote") is True


def advert(message: Message) -> Advert | None:
    found = details_of(message).get("ad")
    if not isinstance(found, dict):
        return None
    title, body = _text(found.get("title")), _text(found.get("body"))
    return Advert(title or str(_("Advertisement")), body, _web_address(found.get("url")))


def call_words(message: Message) -> str:
    details = details_of(message)
    return str(CALLS.get((str(details.get("outcome")), details.get("isVideo") is True), CALLS["ringing", False]))


def unknown_words(message: Message) -> str:
    """What can be said of a kind that is not shown here, and where to see it."""
    kind = _text(details_of(message).get("originalType"))[:60]
    known = UNKNOWN_KINDS.get(kind)
    if known is not None:
        return str(known) if kind in TOLD_WHOLE else f"{known} {ON_THE_PHONE}"
    if kind:
        told = gettext(
            "A kind of message that this portal does not know yet (%(kind)s): see it on the phone.", kind=kind
        )
        return str(told)
    return str(gettext("A kind of message that this portal does not know yet: see it on the phone."))


def marks(message: Message) -> list[str]:
    """What is to be said of a message before its own words."""
    details = details_of(message)
    said = [words for key, words in MARKS.items() if details.get(key) is True]
    # A kind that is unknown says so itself.
    return [str(words) for words in said if message.kind != MessageKind.UNKNOWN]


def sender_words(message: Message) -> str:
    """Who wrote in a group or to a story; an anonymous id is no number and is not shown."""
    details = details_of(message)
    name, sender = _text(details.get("senderName")), _text(details.get("sender"))
    if name or not sender:
        return name
    return phones.display(sender) if sender.isdigit() else gettext("Unknown number")


def sign_of(reaction: Message) -> str:
    """What a reaction puts on its message; nothing where it takes one back."""
    return reaction.body.strip()[:LONGEST_REACTION]


def change_words(change: Message) -> str:
    """What an edit or a deletion of ours does, where its message does not stand beside it."""
    if change.kind == MessageKind.DELETION:
        return str(gettext("Deleting an earlier message for everyone"))
    return str(gettext("Changing an earlier message to: %(text)s", text=change.body))


def excerpt(message: Message) -> str:
    """The beginning of a text on one line."""
    text = " ".join((question(message) if message.kind == MessageKind.POLL else message.body).split())
    return text if len(text) <= LONGEST_EXCERPT else f"{text[:LONGEST_EXCERPT].rstrip()}…"


def _card(card: dict[str, Any]) -> Card:
    shown = tuple(_card_phone(phone) for phone in _texts(card.get("phones")))
    return Card(_text(card.get("name")) or str(_("Contact")), shown)


def _card_phone(text: str) -> CardPhone:
    try:
        # Digits alone are a canonical number, which begins with its country.
        number = phones.canonical(f"+{text}" if text.isdigit() else text)
    except NotAPhone:
        return CardPhone(text, None)
    return CardPhone(phones.display(number), number)


def _web_address(value: object) -> str | None:
    address = _text(value)
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    return address if parts.scheme in ("http", "https") and parts.netloc else None


def _texts(value: object) -> list[str]:
    return [text for item in value[:MOST_SHOWN] if (text := _text(item))] if isinstance(value, list) else []


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
