"""What Evolution answers, as far as the portal uses it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from portal.evolution_versions import tells_all_events

EVENTS = (
    "QRCODE_UPDATED",
    "CONNECTION_UPDATE",
    "MESSAGES_UPSERT",
    "MESSAGES_UPDATE",
    "MESSAGES_EDITED",
    "MESSAGES_DELETE",
    "MESSAGES_SET",
    "SEND_MESSAGE",
    "CONTACTS_UPSERT",
    "CALL",
    "GROUPS_UPSERT",
    "REMOVE_INSTANCE",
    "LOGOUT_INSTANCE",
)
# Older servers refuse the whole list when one of these is in it (contract §4.3).
EVENTS_SINCE_2_3 = ("SEND_MESSAGE_UPDATE", "STATUS_INSTANCE")


def events_of(version: tuple[int, ...]) -> tuple[str, ...]:
    """The events that the portal reads, of those that this version knows; one that is not known is taken for 2.3."""
    return EVENTS + EVENTS_SINCE_2_3 if tells_all_events(version) else EVENTS


@dataclass(frozen=True)
class Webhook:
    """Where Evolution posts an instance's events, which of them, and the key it signs its JWT header with."""

    url: str
    jwt_key: str
    events: tuple[str, ...] = EVENTS + EVENTS_SINCE_2_3


@dataclass(frozen=True)
class CheckedNumber:
    """What WhatsApp says of a number: whether somebody has it, and as which address."""

    is_there: bool
    jid: str


@dataclass(frozen=True)
class FoundWebhook:
    """A webhook as Evolution has it."""

    url: str
    is_enabled: bool
    events: frozenset[str]
    by_events: bool
    has_base64: bool
    headers: Mapping[str, Any]


@dataclass(frozen=True)
class ChatFilter:
    """Which chats that are no person's Evolution lets through: groups; stories and broadcasts (contract §8)."""

    ignores_groups: bool = True
    reads_status: bool = False

    def as_settings(self) -> dict[str, bool]:
        return {"groupsIgnore": self.ignores_groups, "readStatus": self.reads_status}


ONLY_PERSONS = ChatFilter()


@dataclass(frozen=True)
class QrCode:
    """The text to draw as a QR code, and the pairing code that goes with it when a number was given."""

    code: str
    pairing_code: str | None


@dataclass(frozen=True)
class Instance:
    """One row of fetchInstances. `state` is the database's and may be stale: ask connection_state."""

    name: str
    state: str
    owner_jid: str | None
    profile_name: str | None
    settings: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class StoredPage:
    """One page of the messages that Evolution stored, newest first, and how many pages and messages there are."""

    records: list[dict[str, Any]]
    pages: int
    total: int


@dataclass(frozen=True)
class SentMessage:
    """A message written to the WhatsApp socket: its id, and the address that WhatsApp confirmed."""

    external_id: str
    jid: str
    # Of an edit: its time in WhatsApp's own count, by which its echo names it.
    told_ms: int | None = None


@dataclass(frozen=True)
class MessageKey:
    """A message as WhatsApp names it: its id and its chat's address. `participant`: who wrote it in a group."""

    external_id: str
    jid: str
    from_me: bool
    participant: str | None = None


@dataclass(frozen=True)
class Reference:
    """A message that another one answers, reacts to or changes, what can be read of it, and when it was sent."""

    key: MessageKey
    text: str
    written_at: datetime | None = None


@dataclass(frozen=True)
class OutgoingMedia:
    """A file to send. `kind`: image, video, audio or document; the name's extension decides the type it gets."""

    kind: str
    file_name: str
    mime_type: str
    content: bytes
