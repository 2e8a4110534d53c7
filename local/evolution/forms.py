"""The forms of the page that write anything, in the words of the page; bodies are those of the simulator's own API."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.evolution.tool import Refused

NUMBERS = ("latitude", "longitude", "forwarded")
LISTS = ("options",)
NO_EMOJI = "none"
TICKS = ("viewOnce", "ephemeral")
# The group of fields that a kind needs; a style sheet shows the group of the chosen kind.
KINDS = {
    "image": ("Picture", "file"),
    "video": ("Video", "file"),
    "videoNote": ("Video note", "file"),
    "voiceNote": ("Voice note", "none"),
    "audio": ("Audio file", "none"),
    "document": ("Document", "file"),
    "sticker": ("Sticker", "none"),
    "text": ("Text", "text"),
    "adClick": ("Text after a click on an ad", "text"),
    "location": ("Location", "place"),
    "liveLocation": ("Live location", "place"),
    "contact": ("Contact card", "card"),
    "contacts": ("Two contact cards", "none"),
    "poll": ("Poll", "poll"),
    "pollVote": ("Vote in a poll", "vote"),
    "reaction": ("Reaction", "emoji"),
    "listAnswer": ("Answer to a list", "choice"),
    "buttonAnswer": ("Answer to a button", "choice"),
    "templateAnswer": ("Answer to a template", "choice"),
    "interactiveAnswer": ("Answer to a form", "choice"),
    "unknown": ("Something unknown", "none"),
    "empty": ("Nothing to read", "none"),
}
PLACES = {"person": "To the shop", "group": "In a group", "story": "As a story", "broadcast": "To a list"}


@dataclass(frozen=True)
class Deed:
    """Name what one button does to the shop's instance."""

    name: str
    text: str


DEEDS = (
    Deed("webhook-off", "Switch the webhook off"),
    Deed("webhook-elsewhere", "Send webhooks elsewhere"),
    Deed("webhook-events", "Leave only calls subscribed"),
    Deed("webhook-gone", "Remove the webhook"),
    Deed("close", "Close the connection silently"),
    Deed("open", "Open it silently"),
    Deed("storm", "Reconnect without pause"),
    Deed("gone", "Remove the instance"),
)


def body_of(form: Mapping[str, str]) -> dict[str, Any]:
    """Read a form: empty fields count as missing."""
    body: dict[str, Any] = {name: value.strip() for name, value in form.items() if value.strip()}
    try:
        body |= {name: float(body[name]) for name in NUMBERS if name in body}
    except ValueError as e:
        raise Refused(400, "places and numbers are written in digits") from e
    body |= {name: [one.strip() for one in body[name].split(",") if one.strip()] for name in LISTS if name in body}
    body |= {name: True for name in TICKS if name in body}
    return {**body, "emoji": ""} if body.get("emoji") == NO_EMOJI else body
