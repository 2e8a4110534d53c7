"""The bodies of messages, written as Evolution 2.3.6 writes them."""

import secrets
import time
from collections.abc import Mapping
from typing import Any

from local.evolution.contents import unwrapped
from local.evolution.ids import new_row_id
from local.evolution.model import Instance, Message
from local.evolution.versions import Style

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


def sent_context(instance: Instance, quoted: Mapping[str, Any]) -> dict[str, Any]:
    """Write the contextInfo of a message sent through the API, with its quote when that has a content or is stored."""
    context: dict[str, Any] = {
        "mentionedJid": [],
        "groupMentions": [],
        "ephemeralSettingTimestamp": long(int(time.time()) - 2 * DAY_S, unsigned=False),
        "disappearingMode": {"initiator": 0},
    }
    key = quoted.get("key") or {}
    if content := quoted.get("message"):
        return {**context, **quote_of_key(instance, key, content)}
    stored = instance.messages.get(str(key.get("id")))
    return {**context, **quote_of(instance, stored)} if stored else context


def quote_of_key(instance: Instance, key: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """Write what an answer says of a message that the caller describes."""
    author = instance.owner_jid if key.get("fromMe") else key.get("participant") or key.get("remoteJid")
    return {"stanzaId": key.get("id"), "participant": author, "quotedMessage": dict(content)}


def quote_of(instance: Instance, quoted: Message) -> dict[str, Any]:
    """Write what an answer says of the message it answers."""
    author = instance.owner_jid if quoted.is_from_shop else quoted.author or quoted.chat
    name, content = unwrapped(quoted.message)
    return {"stanzaId": quoted.key["id"], "participant": author, "quotedMessage": {name: content}}


def message_json(instance: Instance, message: Message, status: str, style: Style) -> dict[str, object]:
    """Write a message as webhooks and the answer of a send carry it."""
    return {
        "key": style.key(message.key),
        "pushName": message.push_name,
        "status": status,
        "message": style.content(message.message),
        **style.context(message.context, message.message),
        **style.type(message.type),
        "messageTimestamp": message.timestamp,
        "instanceId": instance.id,
        "source": message.source,
        **message.extras,
    }


def contact_json(instance: Instance, jid: str, name: str) -> dict[str, object]:
    """Write a contact."""
    return {"remoteJid": jid, "pushName": name, "profilePicUrl": None, "instanceId": instance.id}


def deleted_key(message: Message, style: Style) -> dict[str, object]:
    """Write the bare key by which a deletion is reported."""
    status = {"status": "DELETED"} if style.has_poll_votes else {}
    return {**style.key(message.key), **status}


def deleted_record(instance: Instance, message: Message, style: Style) -> dict[str, object]:
    """Write the stored row by which a deletion through the API is reported."""
    return {
        "id": message.id,
        "instanceId": instance.id,
        "key": {**style.key(message.key), "deleted": True},
        **style.type(message.type),
        "status": "DELETED",
        "source": message.source,
        "messageTimestamp": message.timestamp,
        "pushName": message.push_name,
        "participant": None,
        "message": style.content(message.message),
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


def record_json(instance: Instance, message: Message, style: Style) -> dict[str, object]:
    """Write a stored message as findMessages answers it."""
    return {
        "id": message.id,
        "key": style.key(message.key),
        "pushName": message.push_name,
        **style.type(message.type),
        "message": style.content(message.message),
        "messageTimestamp": message.timestamp,
        "instanceId": instance.id,
        "source": message.source,
        "contextInfo": None,
        **style.context(message.context, message.message),
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
