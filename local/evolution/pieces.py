"""What a phone is asked to write, and what comes of it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local.evolution.model import Message
from local.evolution.payloads import long

Body = Mapping[str, Any]
Context = dict[str, Any]
POINTING = ("remoteJid", "fromMe", "id", "participant")


@dataclass(frozen=True)
class Piece:
    """Hold one content, the file behind it, and what stands beside it in the webhook."""

    content: dict[str, Any]
    file: bytes | None = None
    extras: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """Hold what a phone is asked to write, and what the kinds look up for it."""

    body: Body
    context: Context
    target: Message | None
    author: str

    def text(self, name: str, default: str) -> str:
        """Read a text, or what stands for it."""
        return str(self.body.get(name) or default)

    def texts(self, name: str, default: tuple[str, ...]) -> list[str]:
        """Read a list of texts."""
        given = self.body.get(name) or default
        if isinstance(given, str) or not all(isinstance(one, str) for one in given):
            raise ValueError(f"{name} must be a list of texts")
        return list(given)

    def number(self, name: str, default: float) -> float:
        """Read a number."""
        value = self.body.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{name} must be a number")
        return value

    def target_key(self) -> dict[str, Any]:
        """Give the key of the message that is meant, known or not."""
        if self.target:
            return {name: self.target.key[name] for name in POINTING if name in self.target.key}
        return {"remoteJid": self.author, "fromMe": False, "id": self.text("target", "3A0000000000000000FF")}


def wrapped(request: Request, content: dict[str, Any]) -> dict[str, Any]:
    """Put a content into the wrappers of disappearing and view-once messages; Evolution opens neither."""
    if request.body.get("viewOnce") == "unavailable":
        return {}
    if request.body.get("viewOnce"):
        name, inner = next(iter(content.items()))
        if not isinstance(inner, dict):
            raise ValueError("only a file can be shown once")
        content = {"viewOnceMessageV2": {"message": {name: {**inner, "viewOnce": True}}}}
    if request.body.get("ephemeral"):
        content = {"ephemeralMessage": {"message": unfolded(content, request.context)}}
    return content


def unfolded(content: dict[str, Any], context: Context) -> dict[str, Any]:
    """Write a text as WhatsApp does: Evolution folds it only where nothing is around it."""
    if "conversation" not in content:
        return content
    return {"extendedTextMessage": {"text": content["conversation"], "contextInfo": {**context, "expiration": 604_800}}}


def beside(request: Request) -> dict[str, Any]:
    """Put the context into the content, as all but plain texts carry it."""
    return {"contextInfo": request.context} if request.context else {}


def now_ms() -> dict[str, object]:
    """Write the present in milliseconds."""
    return long(int(time.time() * 1000), unsigned=False)
