"""How each version of Evolution writes messages: encodings, addresses and what stands beside the content.

Everything is kept as 2.3.6 writes it and turned into the style of the version that runs.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.evolution.events import EVENT_NAMES, LATEST_EVENT_NAMES
from local.evolution.numbers import LID, PERSON

VERSION = re.compile(r"\d+\.\d+\.\d+(-[\w.]+)?")
LONG = {"low", "high", "unsigned"}
NUMBERS_SINCE = (2, 3, 3)
LONGS_SINCE = (2, 3, 6)
# From here on WhatsApp's library tells the other address of a person in the key.
ALT_ADDRESS_SINCE = (2, 3, 3)
BOTH_PHONES = (2, 3, 7)
POLL_VOTES_SINCE = (2, 3, 7)
LATEST_STYLE = (2, 4)
NEW_IN_KEYS = ("remoteJidAlt", "participant", "participantAlt", "addressingMode")
ENUMS = {
    "initiator": {0: "CHANGED_IN_CHAT"},
    "mediaType": {1: "IMAGE"},
    "type": {1: "DISPLAY_TEXT"},
    "listType": {1: "SINGLE_SELECT"},
}


@dataclass(frozen=True)
class Style:
    """Write as one version does; a release candidate counts as its release."""

    version: str

    @property
    def number(self) -> tuple[int, ...]:
        """Give the version as numbers."""
        return tuple(int(part) for part in self.version.split("-")[0].split("."))

    @property
    def is_latest(self) -> bool:
        """Tell whether this is 2.4 or newer."""
        return self.number >= LATEST_STYLE

    @property
    def has_poll_votes(self) -> bool:
        """Tell whether votes are reported."""
        return self.number >= POLL_VOTES_SINCE

    @property
    def event_names(self) -> tuple[str, ...]:
        """List the events that a webhook can take."""
        return LATEST_EVENT_NAMES if self.is_latest else EVENT_NAMES

    def content(self, value: Any, name: str = "") -> Any:
        """Write content: 64-bit numbers, bytes, enumerations and empty lists differ."""
        if isinstance(value, Mapping):
            return self._mapping(value)
        if isinstance(value, list):
            return [self.content(item) for item in value]
        return ENUMS.get(name, {}).get(value, value) if self._has_texts and type(value) is int else value

    def key(self, key: Mapping[str, Any]) -> dict[str, Any]:
        """Write the key of a message that came from a phone."""
        if key.get("fromMe") and "addressingMode" not in key:
            return dict(key)
        alt = key.get("remoteJidAlt")
        shown = self._by_phone(key, alt) if alt and key["remoteJid"].endswith(LID) else dict(key)
        return shown if self.number >= ALT_ADDRESS_SINCE else without_alt_address(shown)

    def type(self, name: str) -> dict[str, str]:
        """Write the name of the content; 2.4 leaves it out where there is none."""
        return {} if self.is_latest and name == "unknown" else {"messageType": name}

    def context(self, context: Mapping[str, Any] | None, message: Mapping[str, Any]) -> dict[str, Any]:
        """Write what stands beside the content; 2.4 takes it from the wrong place, and a text loses its quote."""
        shown = message.get("messageContextInfo") if self.is_latest else context
        return {"contextInfo": self.content(shown)} if shown else {}

    @property
    def _has_texts(self) -> bool:
        return self.number < NUMBERS_SINCE

    def _mapping(self, value: Mapping[str, Any]) -> Any:
        if set(value) == LONG:
            return self._long(value)
        if is_byte_map(value):
            return base64.b64encode(bytes(value.values())).decode() if self._has_texts else value
        written = {name: self.content(item, name) for name, item in value.items()}
        return {name: item for name, item in written.items() if item != []} if self._has_texts else written

    def _long(self, value: Mapping[str, Any]) -> object:
        if self.number >= LONGS_SINCE:
            return value
        return str(long_value(value)) if self._has_texts else long_value(value)

    def _by_phone(self, key: Mapping[str, Any], phone: str) -> dict[str, Any]:
        lid = key["remoteJid"]
        if self.is_latest:
            return {**key, "remoteJid": phone, "remoteJidAlt": lid, "addressingMode": "pn"}
        if self.number >= BOTH_PHONES:
            return {**key, "remoteJid": phone}
        if self.number >= LONGS_SINCE or self.number < (2, 3):
            return dict(key)
        if self.number < (2, 3, 1):
            return {**key, "senderPn": phone}
        told = {"senderPn": phone} if self.number < (2, 3, 5) else {}
        return {**key, "remoteJid": phone, "previousRemoteJid": lid, **told}


def long_value(value: Mapping[str, Any]) -> int:
    """Read a 64-bit number from its object."""
    return int(value["high"]) * (1 << 32) + (int(value["low"]) & 0xFFFFFFFF)


def is_byte_map(value: Mapping[str, Any]) -> bool:
    """Tell whether an object stands for bytes."""
    return bool(value) and all(name.isdigit() for name in value)


def without_alt_address(key: Mapping[str, Any]) -> dict[str, Any]:
    """Write a key as the older library does: a member of a group by the phone, and no second address."""
    addresses = [str(key.get(name) or "") for name in ("participant", "participantAlt")]
    participant = next((one for one in addresses if one.endswith(PERSON)), "")
    shown = {name: value for name, value in key.items() if name not in NEW_IN_KEYS}
    return {**shown, "participant": participant} if participant else shown
