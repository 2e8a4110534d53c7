"""The key of a message: which chat, who wrote, by which address."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.evolution.numbers import BROADCAST, GROUP, PERSON, lid_of
from local.evolution.settings import Addressing

STORIES = "status@broadcast"
PLACES = ("person", "group", "story", "broadcast")
GROUP_OF_DEMO = "120363000000000001@g.us"
LIST_OF_DEMO = "1500000000@broadcast"


@dataclass(frozen=True)
class Writing:
    """Say who writes in which chat: `author` and a chat of two are phone JIDs."""

    chat: str
    author: str
    name: str
    source: str
    addressing: Addressing
    is_from_shop: bool = False

    def key(self, key_id: str) -> dict[str, Any]:
        """Write the key as 2.3.6 does."""
        is_lid = self.addressing is not Addressing.NUMBER
        base = {"remoteJid": self.chat, "fromMe": self.is_from_shop, "id": key_id}
        if self.chat.endswith(PERSON):
            first, second = addresses(self.chat, self.addressing)
            key = {**base, "remoteJid": first, "remoteJidAlt": second, "participant": ""}
        else:
            first, second = addresses(self.author, self.addressing)
            key = {**base, "participant": first, "participantAlt": second}
        known = {name: value for name, value in key.items() if value is not None}
        return {**known, "addressingMode": "lid" if is_lid else "pn"}


def addresses(phone: str, addressing: Addressing) -> tuple[str, str | None]:
    """Give the two addresses of a person, the one that WhatsApp puts first first."""
    if addressing is Addressing.NUMBER:
        return phone, lid_of(phone)
    return lid_of(phone), phone if addressing is Addressing.LID else None


def place_of(body: Mapping[str, Any], person: str) -> str:
    """Find the chat in which something is written; raises ValueError for a place that there is not."""
    place = body.get("place") or "person"
    places = {"person": person, "group": str(body.get("group") or GROUP_OF_DEMO), "story": STORIES}
    chat = {**places, "broadcast": LIST_OF_DEMO}.get(place)
    if chat is None or (place == "group" and not chat.endswith(GROUP)):
        raise ValueError(f"place must be one of {', '.join(PLACES)}, and group the JID of a group")
    return chat


def is_dropped(settings: Mapping[str, Any], chat: str) -> bool:
    """Tell whether the settings of an instance keep a chat from Evolution."""
    is_ignored = chat.endswith(GROUP) and bool(settings["groupsIgnore"])
    return is_ignored or (chat.endswith(BROADCAST) and not settings["readStatus"])
