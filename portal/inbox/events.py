"""Evolution's payloads as plain facts. Encodings differ by version (contract §11.3, §14): this is where that ends."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from portal import phone
from portal.clock import now
from portal.models import MessageKind
from portal.phone import LID_SUFFIX, PERSON_SUFFIX, without_device

LONGEST_NAME = 100
LONGEST_BODY = 65_536
# What can make text lie about its own direction or break a log line, and halves of characters, which no column takes.
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# Those of them that a column can hold: a text of ours may have been written with them.
UNSAFE_IN_COLUMNS = "".join(character for character in map(chr, range(1, 0x2070)) if _UNSAFE.match(character))


@dataclass(frozen=True)
class Address:
    """One person as WhatsApp names them: by number (the form it confirmed), by LID, or by both."""

    number: str | None
    lid: str | None


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
class MessageSeen:
    """A message as it stands in WhatsApp: a customer's, or one of ours (`from_me`)."""

    external_id: str
    chat: Address
    from_me: bool
    kind: MessageKind
    body: str
    sender_name: str | None
    at: datetime
    receipt: str | None


@dataclass(frozen=True)
class ReceiptSeen:
    external_id: str
    receipt: str


Fact = QrCodeIssued | ConnectionChanged | MessageSeen | ReceiptSeen


class NotUnderstood(Exception):
    """The payload lacks what its event always carries."""


def parse(event: str, body: str) -> tuple[list[Fact], str | None]:
    """The facts of one webhook (none for what the portal does not use), and Evolution's own clock for it."""
    payload = json.loads(body)
    read = _READERS.get(event)
    told_at = payload.get("date_time")
    try:
        facts = [fact for item in _items(payload.get("data")) for fact in read(item, payload)] if read else []
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as e:
        raise NotUnderstood(f"{event}: {type(e).__name__}") from e
    return facts, told_at if isinstance(told_at, str) else None


def _items(data: object) -> list[Any]:
    """The same event may carry an object, a list or nothing."""
    return data if isinstance(data, list) else [data]


def _qr_code(data: Any, payload: Mapping[str, Any]) -> list[Fact]:
    if "qrcode" not in data:
        # The limit: Evolution has stopped making codes, and says so again as state `refused`.
        return [ConnectionChanged("refused", 428)]
    return [QrCodeIssued(str(data["qrcode"]["code"]), data["qrcode"].get("pairingCode") or None)]


def _connection(data: Any, payload: Mapping[str, Any]) -> list[Fact]:
    owner = phone.from_jid(data.get("wuid"))
    return [ConnectionChanged(data["state"], data.get("statusReason"), owner, clean_name(data.get("profileName")))]


def _logged_out(data: Any, payload: Mapping[str, Any]) -> list[Fact]:
    return [ConnectionChanged("close", 401)]


def _instance_closed(data: Any, payload: Mapping[str, Any]) -> list[Fact]:
    return [ConnectionChanged("close", data.get("disconnectionReasonCode"))] if data.get("status") == "closed" else []


def _message(data: Any, payload: Mapping[str, Any]) -> list[Fact]:
    key = data["key"]
    chat = _chat(key, own=phone.from_jid(payload.get("sender")))
    if chat is None:
        return []
    kind, body = content(data.get("messageType"), data.get("message"))
    return [
        MessageSeen(
            external_id=str(key["id"]),
            chat=chat,
            from_me=bool(key.get("fromMe")),
            kind=kind,
            body=body,
            sender_name=None if key.get("fromMe") else clean_name(data.get("pushName")),
            at=_moment(data.get("messageTimestamp")),
            receipt=data.get("status"),
        )
    ]


def _receipt(data: Any, payload: Mapping[str, Any]) -> list[Fact]:
    status = data.get("status")
    # DELETED and EDITED are no rungs of the ladder; PENDING says nothing new.
    known = ("SERVER_ACK", "DELIVERY_ACK", "READ", "PLAYED", "ERROR")
    return [ReceiptSeen(str(data["keyId"]), status)] if status in known else []


_READERS = {
    "qrcode.updated": _qr_code,
    "connection.update": _connection,
    "logout.instance": _logged_out,
    "status.instance": _instance_closed,
    "messages.upsert": _message,
    "send.message": _message,
    "messages.update": _receipt,
}


def _chat(key: Mapping[str, Any], *, own: str | None) -> Address | None:
    """The person of a one-to-one chat; None for groups, stories, broadcasts and channels (contract §14).

    In messages of our own the other address can be our own one: it is not taken for the customer's.
    """
    remote = without_device(str(key["remoteJid"]))
    if not remote.endswith((PERSON_SUFFIX, LID_SUFFIX)):
        return None
    others = [
        without_device(str(key[name])) for name in ("remoteJidAlt", "senderPn", "previousRemoteJid") if key.get(name)
    ]
    if key.get("fromMe"):
        others = [jid for jid in others if own is None or phone.from_jid(jid) != own]
        jids = [remote, *others]
    else:
        jids = [*others, remote]
    numbers = [jid.removesuffix(PERSON_SUFFIX) for jid in jids if phone.from_jid(jid)]
    lids = [jid.removesuffix(LID_SUFFIX) for jid in jids if jid.endswith(LID_SUFFIX)]
    if not numbers and not lids:
        return None
    return Address(number=numbers[0] if numbers else None, lid=lids[0] if lids else None)


KINDS = {
    "conversation": MessageKind.TEXT,
    "extendedTextMessage": MessageKind.TEXT,
    "imageMessage": MessageKind.IMAGE,
    "videoMessage": MessageKind.VIDEO,
    "ptvMessage": MessageKind.VIDEO,
    "audioMessage": MessageKind.AUDIO,
    "documentMessage": MessageKind.DOCUMENT,
    "stickerMessage": MessageKind.STICKER,
    "locationMessage": MessageKind.LOCATION,
    "liveLocationMessage": MessageKind.LOCATION,
    "contactMessage": MessageKind.CONTACT_CARD,
    "contactsArrayMessage": MessageKind.CONTACT_CARD,
    "reactionMessage": MessageKind.REACTION,
    "pollCreationMessage": MessageKind.POLL,
    "pollCreationMessageV2": MessageKind.POLL,
    "pollCreationMessageV3": MessageKind.POLL,
}
# Evolution leaves these as they are (contract §11.4), a chat with disappearing messages for one.
WRAPPERS = (
    "ephemeralMessage",
    "viewOnceMessage",
    "viewOnceMessageV2",
    "viewOnceMessageV2Extension",
    "documentWithCaptionMessage",
    "editedMessage",
    "lottieStickerMessage",
    "groupMentionedMessage",
)
DEEPEST_WRAPPING = 5
_TEXT_FIELDS = ("caption", "text", "name", "displayName", "fileName", "selectedDisplayText", "title")


def content(message_type: object, message: Any) -> tuple[MessageKind, str]:
    """The kind, and the text that is in it: what a person typed, a caption, a name, or nothing."""
    parts = _unwrapped(message) if isinstance(message, dict) else {}
    name = message_type if isinstance(message_type, str) and message_type in parts else _content_key(parts)
    value = parts.get(name)
    if isinstance(value, str):
        return KINDS.get(name, MessageKind.UNKNOWN), clean_text(value)
    fields = value if isinstance(value, dict) else {}
    found = next((fields[field] for field in _TEXT_FIELDS if isinstance(fields.get(field), str)), "")
    return KINDS.get(name, MessageKind.UNKNOWN), clean_text(found)


def _unwrapped(message: dict[str, Any]) -> dict[str, Any]:
    for _ in range(DEEPEST_WRAPPING):
        wrapped = [message[name].get("message") for name in WRAPPERS if isinstance(message.get(name), dict)]
        if not wrapped or not isinstance(wrapped[0], dict):
            break
        message = wrapped[0]
    return message


def _content_key(parts: Mapping[str, Any]) -> str:
    return next((name for name in parts if name in KINDS), next(iter(parts), ""))


def clean_text(text: str) -> str:
    return _UNSAFE.sub("", text)[:LONGEST_BODY]


def clean_name(name: object) -> str | None:
    """A name somebody chose for themselves, made harmless; None when it says nothing."""
    text = clean_text(name).strip()[:LONGEST_NAME] if isinstance(name, str) else ""
    return None if not text or text.isdigit() or text in ("Você", "You") else text


def _moment(value: object) -> datetime:
    """Seconds as a number, a text, or a `{low, high}` pair; ours when there is none, and never in the future."""
    if isinstance(value, Mapping):
        value = int(value["high"]) * 2**32 + (int(value["low"]) & 0xFFFFFFFF)
    if value is None:
        return now()
    return min(now(), datetime.fromtimestamp(int(str(value)), tz=UTC))
