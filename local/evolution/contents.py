"""What is inside a message: the one content, behind its wrappers, and how a phone shows it in a line."""

from collections.abc import Callable, Mapping
from typing import Any

BESIDE = ("messageContextInfo", "base64")
WRAPPERS = ("ephemeralMessage", "viewOnceMessageV2")
UNKNOWN = "unknown"


def content_type(message: Mapping[str, Any]) -> str:
    """Name the kind of content: `conversation`, `imageMessage` and so on."""
    return next((name for name in message if name not in BESIDE), UNKNOWN)


def unwrapped(message: Mapping[str, Any]) -> tuple[str, Any]:
    """Give the name and the value of the content itself."""
    name = content_type(message)
    while name in WRAPPERS:
        message = message[name]["message"]
        name = content_type(message)
    return name, message.get(name)


def words_of(message: Mapping[str, Any]) -> str:
    """Write a message as one line of a chat: its text, its caption, or what it shows."""
    name, content = unwrapped(message)
    if isinstance(content, str):
        return content
    if not content:
        return f"[{name}]"
    told = WORDS[name](content) if name in WORDS else content.get("caption")
    return str(told or "") if name in WORDS or "mediaKey" in content else f"[{name}]"


def _place(content: Mapping[str, Any]) -> str:
    return f"📍 {content.get('name') or ''} {content['degreesLatitude']}, {content['degreesLongitude']}"


def _poll(content: Mapping[str, Any]) -> str:
    options = " / ".join(option["optionName"] for option in content["options"])
    return f"📊 {content['name']} {options}"


WORDS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "extendedTextMessage": lambda content: content["text"],
    "locationMessage": _place,
    "liveLocationMessage": _place,
    "contactMessage": lambda content: f"👤 {content['displayName']}",
    "contactsArrayMessage": lambda content: f"👥 {content['displayName']}",
    "reactionMessage": lambda content: content["text"] or "(reaction removed)",
    "pollCreationMessageV3": _poll,
    "pollUpdateMessage": lambda content: "🗳 " + ", ".join(content["vote"]["selectedOptions"]),
    "listResponseMessage": lambda content: content["title"],
    "buttonsResponseMessage": lambda content: content["selectedDisplayText"],
    "templateButtonReplyMessage": lambda content: content["selectedDisplayText"],
    "interactiveResponseMessage": lambda content: content["body"]["text"],
}
