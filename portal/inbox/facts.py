"""What a webhook said, as plain facts: no version, no encoding, nothing of Evolution's is left in them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from portal.models import ContactKind, MessageKind


@dataclass(frozen=True)
class Address:
    """A chat as WhatsApp names it: a person by number (the form it confirmed), by LID or by both; else by `jid`."""

    number: str | None = None
    lid: str | None = None
    jid: str | None = None
    kind: ContactKind = ContactKind.PERSON


@dataclass(frozen=True)
class QrCodeIssued:
    code: str
    pairing_code: str | None


@dataclass(frozen=True)
class ConnectionChanged:
    """`state`: connecting, open, close or refused; `reason` is WhatsApp's code for a close."""

    state: str
    reason: int | None = None
    owner: str | None = None
    profile_name: str | None = None


@dataclass(frozen=True)
class InstanceRemoved:
    """The instance is said to be gone: only Evolution knows whether it is."""


@dataclass(frozen=True)
class MediaSeen:
    """A file as its sender describes it; its content is still at WhatsApp. `thumbnail` is a JPEG of a few KB."""

    file_name: str
    mime_type: str
    size: int | None = None
    duration_s: int | None = None
    thumbnail: bytes | None = None


@dataclass(frozen=True)
class MessageSeen:
    """A message as it stands in WhatsApp: a customer's, or one of ours (`from_me`).

    `body` is what can be read of it, in the sender's own words and without any of ours; `details` what else it
    carries, ready for a JSON column. `refers_to` is the id of the message that it quotes, reacts to or votes in.
    """

    external_id: str
    chat: Address
    from_me: bool
    kind: MessageKind
    body: str
    sender_name: str | None
    at: datetime
    receipt: str | None
    details: dict[str, Any] | None = None
    refers_to: str | None = None
    media: MediaSeen | None = None
    # It comes from a history sync: it was seen on the phone long ago.
    is_history: bool = False


@dataclass(frozen=True)
class ReceiptSeen:
    external_id: str
    receipt: str


@dataclass(frozen=True)
class MessageEdited:
    """The message's new text. `told_as` tells this edit from others of the same message; `at` where a time is told."""

    external_id: str
    body: str
    told_as: str
    at: datetime | None = None


@dataclass(frozen=True)
class MessageDeleted:
    external_id: str
    at: datetime | None = None


@dataclass(frozen=True)
class CallSeen:
    """One piece of news about a call; several come for one `call_id`. `status` is WhatsApp's word."""

    call_id: str
    chat: Address
    from_me: bool
    status: str
    is_video: bool
    at: datetime


@dataclass(frozen=True)
class ChatNamed:
    """A person's or a group's name, or a person's other address, told without a message."""

    chat: Address
    name: str | None


Fact = (
    QrCodeIssued
    | ConnectionChanged
    | InstanceRemoved
    | MessageSeen
    | ReceiptSeen
    | MessageEdited
    | MessageDeleted
    | CallSeen
    | ChatNamed
)


class NotUnderstood(Exception):
    """The payload lacks what its event always carries."""
