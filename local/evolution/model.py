"""What the simulator remembers: instances with their sockets, messages, customers."""

import time
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from local.evolution.contents import content_type, unwrapped, words_of
from local.evolution.ids import new_row_id, utc_text


class State(StrEnum):
    """Name the states of a connection in memory."""

    CLOSE = "close"
    CONNECTING = "connecting"
    OPEN = "open"


@dataclass
class Webhook:
    """Hold where an instance reports its events."""

    url: str
    events: list[str]
    enabled: bool = True
    headers: dict[str, str] | None = None
    by_events: bool = False
    base64: bool = False
    id: str = field(default_factory=new_row_id)
    created_at: str = field(default_factory=utc_text)
    updated_at: str = field(default_factory=utc_text)

    def to_json(self, instance_id: str) -> dict[str, object]:
        """Write the stored row as set and find answer it."""
        return {
            "id": self.id,
            "url": self.url,
            "headers": self.headers,
            "enabled": self.enabled,
            "events": self.events,
            "webhookByEvents": self.by_events,
            "webhookBase64": self.base64,
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
            "instanceId": instance_id,
        }


@dataclass
class Message:
    """Hold one stored message.

    `chat` is the phone JID of the customer, or the JID of a group, the stories or a list; there `author` wrote it.
    `extras` stand beside the content in webhooks.
    """

    key: dict[str, Any]
    chat: str
    push_name: str
    message: dict[str, Any]
    source: str
    context: dict[str, Any] | None = None
    statuses: list[str] = field(default_factory=list)
    timestamp: int = field(default_factory=lambda: int(time.time()))
    id: str = field(default_factory=new_row_id)
    has_arrived: bool = True
    author: str | None = None
    extras: dict[str, Any] = field(default_factory=dict)

    @property
    def is_from_shop(self) -> bool:
        """Tell whether the shop wrote it, by the API or on its own phone."""
        return bool(self.key["fromMe"])

    @property
    def type(self) -> str:
        """Name the kind of content: `conversation`, `imageMessage` and so on."""
        return content_type(self.message)

    @property
    def file(self) -> dict[str, Any] | None:
        """Give WhatsApp's description of the file that was sent, if one was."""
        _, content = unwrapped(self.message)
        return content if isinstance(content, dict) and "mediaKey" in content else None

    @property
    def text(self) -> str:
        """Give what is read in the bubble: the text, or the caption of a file."""
        return words_of(self.message)

    @property
    def is_deleted(self) -> bool:
        """Tell whether it was deleted for everyone."""
        return "DELETED" in self.statuses


@dataclass
class Socket:
    """Hold what is lost when the process ends: the connection to WhatsApp and its QR codes."""

    state: State = State.CLOSE
    is_started: bool = False
    has_opened: bool = False
    life: int = 0
    count: int = 0
    code: str | None = None
    image: str | None = None
    pairing_code: str | None = None
    pairing_number: str | None = None
    # Evolution reads the switch of the webhook when a connection starts.
    sends_base64: bool = False

    def end_life(self) -> int:
        """Make every timer of the socket so far void and give the number of the new life."""
        self.life += 1
        return self.life

    def qr_json(self) -> dict[str, object]:
        """Write the current QR code as create and connect answer it; keys without a value are absent."""
        if self.code is None:
            return {"count": self.count}
        return {
            "pairingCode": self.pairing_code,
            "code": self.code,
            "base64": self.image,
            "count": self.count,
        }


@dataclass
class Disconnection:
    """Hold why an instance was closed for good."""

    code: int
    reason: str
    at: str


@dataclass
class Instance:
    """Hold one WhatsApp session by its name, as the database of Evolution knows it."""

    name: str
    id: str
    token: str
    settings: dict[str, Any]
    number: str | None = None
    webhook: Webhook | None = None
    is_paired: bool = False
    database_status: str = State.CLOSE
    owner_jid: str | None = None
    profile_name: str | None = None
    disconnection: Disconnection | None = None
    settings_id: str = field(default_factory=new_row_id)
    created_at: str = field(default_factory=utc_text)
    updated_at: str = field(default_factory=utc_text)
    messages: dict[str, Message] = field(default_factory=dict)
    socket: Socket = field(default_factory=Socket)
    is_being_removed: bool = False
    is_loaded: bool = True
    addressing: str | None = None
    # What waits at WhatsApp until the phone is connected again.
    waiting: list[Message] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Tell whether messages flow."""
        return self.socket.state is State.OPEN

    def in_chat(self, chat: str) -> list[Message]:
        """List the messages with one customer, oldest first."""
        return [message for message in self.messages.values() if message.chat == chat]

    def seen_by(self, customer: str) -> list[Message]:
        """List what one customer has on the phone: the chat with the shop, and what they wrote elsewhere."""
        found = (one for one in self.messages.values() if customer in (one.chat, one.author))
        return sorted((one for one in found if one.has_arrived), key=lambda one: one.timestamp)

    def has_written(self, chat: str) -> bool:
        """Tell whether a customer ever wrote."""
        return any(message.chat == chat and not message.is_from_shop for message in self.messages.values())

    def touch(self) -> None:
        """Note that the row changed."""
        self.updated_at = utc_text()


@dataclass
class Customer:
    """Hold a person with a phone who may write to the shops."""

    number: str
    name: str
    is_lid_addressed: bool = False
    reads: bool = True


VOLATILE = {"socket", "is_being_removed", "is_loaded", "waiting"}


def instance_to_state(instance: Instance) -> dict[str, object]:
    """Write an instance for the state file; parts are written by their attributes."""
    kept = {part.name: getattr(instance, part.name) for part in fields(instance) if part.name not in VOLATILE}
    kept["messages"] = list(instance.messages.values())
    return kept


def instance_from_state(kept: dict[str, Any]) -> Instance:
    """Read an instance back from the state file."""
    webhook, disconnection = kept["webhook"], kept["disconnection"]
    messages = [Message(**message) for message in kept["messages"]]
    return Instance(
        **{
            **kept,
            "webhook": Webhook(**webhook) if webhook else None,
            "disconnection": Disconnection(**disconnection) if disconnection else None,
            "messages": {message.key["id"]: message for message in messages},
        }
    )
