"""The bodies of messages, written as Evolution 2.3.6 writes them."""

import secrets
import time
from typing import Any

from local.evolution.ids import new_row_id
from local.evolution.model import Instance, Message
from local.evolution.numbers import lid_of

DAY_S = 86_400


def long(value: int, *, unsigned: bool) -> dict[str, object]:
    """Write a 64-bit number as the object of 2.3.6."""
    low = value & 0xFFFFFFFF
    return {"low": low - (1 << 32) if low >= 1 << 31 else low, "high": value >> 32, "unsigned": unsigned}


def index_map(count: int) -> dict[str, int]:
    """Write random bytes as the index map of 2.3.6."""
    return byte_map(secrets.token_bytes(count))


def byte_map(content: bytes) -> dict[str, int]:
    """Write bytes as the index map of 2.3.6."""
    return {str(index): byte for index, byte in enumerate(content)}


def device_context() -> dict[str, object]:
    """Make the messageContextInfo of a text."""
    now = int(time.time())
    devices = {
        "senderKeyIndexes": [],
        "recipientKeyIndexes": [],
        "senderKeyHash": index_map(10),
        "senderTimestamp": long(now - DAY_S, unsigned=True),
        "recipientKeyHash": index_map(10),
        "recipientTimestamp": long(now - DAY_S - 3600, unsigned=True),
    }
    return {"deviceListMetadata": devices, "deviceListMetadataVersion": 2, "messageSecret": index_map(32)}


def phone_key(chat: str, *, is_from_shop: bool, key_id: str, is_lid_addressed: bool) -> dict[str, object]:
    """Write the key of a message seen on a phone, by number or by anonymous id."""
    addresses = (lid_of(chat), chat) if is_lid_addressed else (chat, lid_of(chat))
    return {
        "remoteJid": addresses[0],
        "remoteJidAlt": addresses[1],
        "fromMe": is_from_shop,
        "id": key_id,
        "participant": "",
        "addressingMode": "lid" if is_lid_addressed else "pn",
    }


def sent_context(instance: Instance, quoted_id: str | None) -> dict[str, Any]:
    """Write the contextInfo of a message sent through the API, with its quote when that is stored."""
    context: dict[str, Any] = {
        "mentionedJid": [],
        "groupMentions": [],
        "ephemeralSettingTimestamp": long(int(time.time()) - 2 * DAY_S, unsigned=False),
        "disappearingMode": {"initiator": 0},
    }
    quoted = instance.messages.get(quoted_id) if quoted_id else None
    if quoted is None:
        return context
    author = instance.owner_jid if quoted.is_from_shop else quoted.chat
    return {
        **context,
        "stanzaId": quoted_id,
        "participant": author,
        "quotedMessage": {quoted.type: quoted.message[quoted.type]},
    }


def message_json(instance: Instance, message: Message, status: str) -> dict[str, object]:
    """Write a message as webhooks and the answer of a send carry it."""
    body: dict[str, object] = {
        "key": message.key,
        "pushName": message.push_name,
        "status": status,
        "message": message.message,
    }
    if message.context:
        body["contextInfo"] = message.context
    return {
        **body,
        "messageType": message.type,
        "messageTimestamp": message.timestamp,
        "instanceId": instance.id,
        "source": message.source,
    }


def update_json(instance: Instance, message: Message, status: str) -> dict[str, object]:
    """Write a receipt."""
    return {
        "keyId": message.key["id"],
        "remoteJid": message.key["remoteJid"],
        "fromMe": message.key["fromMe"],
        "status": status,
        "instanceId": instance.id,
        "messageId": message.id,
    }


def record_json(instance: Instance, message: Message) -> dict[str, object]:
    """Write a stored message as findMessages answers it."""
    return {
        "id": message.id,
        "key": message.key,
        "pushName": message.push_name,
        "messageType": message.type,
        "message": message.message,
        "messageTimestamp": message.timestamp,
        "instanceId": instance.id,
        "source": message.source,
        "contextInfo": message.context,
        "MessageUpdate": [{"status": status} for status in message.statuses],
    }


def status_json(instance: Instance, message: Message, status: str) -> dict[str, object]:
    """Write a stored receipt as findStatusMessage answers it."""
    return {
        "id": new_row_id(),
        "keyId": message.key["id"],
        "remoteJid": message.key["remoteJid"],
        "fromMe": message.key["fromMe"],
        "participant": None,
        "pollUpdates": None,
        "status": status,
        "messageId": message.id,
        "instanceId": instance.id,
    }
