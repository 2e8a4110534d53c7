"""How each version of Evolution encodes and addresses (contract §11.3, §14). People, numbers and keys are made up."""

import base64
from dataclasses import dataclass
from typing import Any

from tests.inbox.payloads import SENT_AT

PICTURE = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00 small picture"
OLD, PN, FIRST_NUMBERS, MAPS, LONGS, ONE_ADDRESS, NEWEST = "2.2.3", "2.3.2", "2.3.3", "2.3.5", "2.3.6", "2.3.7", "2.4.0"
VERSIONS = (OLD, PN, FIRST_NUMBERS, MAPS, LONGS, ONE_ADDRESS, NEWEST)


@dataclass(frozen=True)
class Person:
    """Somebody who writes; `chooses` is the name they gave themselves."""

    number: str
    lid: str
    chooses: str

    @property
    def jid(self) -> str:
        return f"{self.number}@s.whatsapp.net"

    @property
    def lid_jid(self) -> str:
        return f"{self.lid}@lid"


def is_since(version: str, first: str) -> bool:
    return [int(n) for n in version.split(".")] >= [int(n) for n in first.split(".")]


def long(version: str, value: int) -> object:
    """A 64-bit number: text, then a number, then low and high halves, of which the low one may be negative."""
    if not is_since(version, FIRST_NUMBERS):
        return str(value)
    if not is_since(version, LONGS):
        return value
    low = value % 2**32
    return {"low": low - 2**32 if low >= 2**31 else low, "high": value // 2**32, "unsigned": True}


def octets(version: str, value: bytes) -> object:
    """Bytes: base64, then an object by index."""
    if not is_since(version, FIRST_NUMBERS):
        return base64.b64encode(value).decode()
    return {str(index): byte for index, byte in enumerate(value)}


def file(version: str, mime_type: str, size: int, **more: Any) -> dict[str, Any]:
    """A file as it is described, with its address and its key."""
    empty: dict[str, Any] = (
        {"interactiveAnnotations": [], "scanLengths": []} if is_since(version, FIRST_NUMBERS) else {}
    )
    return {
        **empty,
        "url": "https://mmg.whatsapp.example.test/v/t62/file.enc",
        "mimetype": mime_type,
        "fileSha256": octets(version, b"h" * 32),
        "fileLength": long(version, size),
        "mediaKey": octets(version, b"k" * 32),
        "directPath": "/v/t62/file.enc",
        "mediaKeyTimestamp": long(version, SENT_AT - 10),
        **more,
    }


def key(version: str, person: Person, id_: str, *, by_lid: bool = True) -> dict[str, Any]:
    """The key of what a person writes, whom WhatsApp addresses by LID or by number."""
    bare: dict[str, Any] = {"remoteJid": person.jid, "fromMe": False, "id": id_}
    if is_since(version, FIRST_NUMBERS):
        bare |= {"participant": "", "addressingMode": "lid" if by_lid else "pn"}
    return {**bare, **(_by_lid(version, person) if by_lid else {})}


def _by_lid(version: str, person: Person) -> dict[str, Any]:
    if version == OLD:
        return {"remoteJid": person.lid_jid}
    if not is_since(version, LONGS):
        return {"senderPn": person.jid, "previousRemoteJid": person.lid_jid}
    if version == LONGS:
        return {"remoteJid": person.lid_jid, "remoteJidAlt": person.jid}
    if version == ONE_ADDRESS:
        return {"remoteJidAlt": person.jid}
    return {"remoteJidAlt": person.lid_jid, "addressingMode": "pn"}


def group_key(version: str, person: Person, id_: str, chat: str) -> dict[str, Any]:
    """The key of what a person writes in a group or as a story."""
    bare: dict[str, Any] = {"remoteJid": chat, "fromMe": False, "id": id_}
    if not is_since(version, FIRST_NUMBERS):
        return {**bare, "participant": person.jid}
    return {**bare, "participant": person.lid_jid, "participantAlt": person.jid, "addressingMode": "lid"}


def sent_by(
    person: Person, key: dict[str, Any], content: object, type_: str | None, at: int, **more: Any
) -> dict[str, Any]:
    """The data of messages.upsert, `at` so many seconds after the first of the table."""
    return {
        "key": key,
        "pushName": person.chooses,
        "status": "DELIVERY_ACK",
        "message": content,
        **({} if type_ is None else {"messageType": type_}),
        "messageTimestamp": SENT_AT + at,
        "instanceId": "8c5a1a7e-3a41-4d1f-9f3f-2a3f5c6d7e8f",
        "source": "android",
        **more,
    }
