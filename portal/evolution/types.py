"""What Evolution answers, as far as the portal uses it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Webhook:
    """Where Evolution posts an instance's events, and the key it signs its JWT header with."""

    url: str
    jwt_key: str


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


@dataclass(frozen=True)
class SentMessage:
    """A message written to the WhatsApp socket: its id, and the address that WhatsApp confirmed."""

    external_id: str
    jid: str


@dataclass(frozen=True)
class OutgoingMedia:
    """A file to send. `kind`: image, video, audio or document; the name's extension decides the type it gets."""

    kind: str
    file_name: str
    mime_type: str
    content: bytes
