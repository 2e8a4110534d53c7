"""What Evolution tells of messages (contract §11.4 to §11.8): that they are there, receipts, edits and deletions."""

from hashlib import sha256
from typing import Any

from portal.clock import now
from portal.inbox import addresses, contents
from portal.inbox.contents import Content
from portal.inbox.decoding import Fields, clean_name, fields, identifier, is_true, moment, moment_of_ms, number
from portal.inbox.facts import Fact, MessageDeleted, MessageEdited, MessageSeen, ReceiptSeen
from portal.inbox.kinds import Details
from portal.models import ContactKind

# By their numbers, which Evolution tells by name.
STATUSES = ("ERROR", "PENDING", "SERVER_ACK", "DELIVERY_ACK", "READ", "PLAYED")
# PENDING says nothing new. DELETED and EDITED are no rungs of the ladder.
RECEIPTS = frozenset(STATUSES) - {"PENDING"}
# Protocol messages of other types are the phone's own business (contract §11.8).
_EDIT, _REVOKE = ("MESSAGE_EDIT", "14"), ("REVOKE", "0")


def seen(data: Any, payload: Fields, *, is_history: bool = False) -> list[Fact]:
    """The message; or what it tells of another one, where it carries that in the place of a content."""
    external_id = _id_of(data["key"])
    chat = addresses.of_key(data["key"], own=addresses.own_number(payload))
    if change := contents.protocol_of(data):
        return changed(change, payload)
    content = contents.read(data)
    if chat is None or content is None:
        return []
    from_me = is_true(data["key"].get("fromMe"))
    name = None if from_me else clean_name(data.get("pushName"))
    is_person = chat.kind == ContactKind.PERSON
    message = MessageSeen(
        external_id=external_id,
        chat=chat,
        from_me=from_me,
        kind=content.kind,
        body=content.body,
        # In a group it is the writer's name, not the chat's.
        sender_name=name if is_person else None,
        at=moment(data.get("messageTimestamp")) or now(),
        receipt=_status(data.get("status")),
        details=_details(content, {} if is_person or from_me else data["key"], name) or None,
        refers_to=content.refers_to,
        media=content.media,
        is_history=is_history,
    )
    return [message]


def _details(content: Content, group_key: Fields, name: str | None) -> Details:
    """Those of the content; in a chat of many also who wrote it."""
    sender = {"sender": addresses.sender_of(group_key), "senderName": name} if group_key else {}
    return {**content.details, **{field: value for field, value in sender.items() if value}}


def updated(data: Any, payload: Fields) -> list[Fact]:
    """A receipt; or an edit, which comes with the new content (from 2.3.7 on) under a status that says nothing."""
    external_id, status = _usable(data["keyId"]), _status(data.get("status"))
    facts: list[Fact] = []
    if new := _new_text(data.get("message")):
        digest = sha256(new.body.encode()).hexdigest()
        facts.append(MessageEdited(external_id, new.body, told_as=digest))
    if status in RECEIPTS and not (new and status == "SERVER_ACK"):
        facts.append(ReceiptSeen(external_id, str(status)))
    return facts


def changed(data: Any, payload: Fields) -> list[Fact]:
    """A protocol message: what it does to the message that it names."""
    type_ = str(data.get("type"))
    if type_ in _EDIT:
        return edited(data, payload)
    return [MessageDeleted(_id_of(data["key"]), moment_of_ms(data.get("timestampMs")))] if type_ in _REVOKE else []


def edited(data: Any, payload: Fields) -> list[Fact]:
    """The key is told as the editor sees it, so nothing but its id can be used."""
    new, told = _new_text(data["editedMessage"]), number(data.get("timestampMs"))
    if new is None:
        return []
    told_as = str(told) if told else sha256(new.body.encode()).hexdigest()
    return [MessageEdited(_id_of(data["key"]), new.body, told_as, moment_of_ms(told))]


def deleted(data: Any, payload: Fields) -> list[Fact]:
    """The bare key; or the stored message, whose own `id` is Evolution's (contract §11.7)."""
    return [MessageDeleted(_id_of(data.get("key", data)))]


def _new_text(message: object) -> Content | None:
    """The content of an edit, which may itself be wrapped in a protocol message."""
    told = {"message": message}
    inner = fields(contents.protocol_of(told).get("editedMessage"))
    return contents.read({"message": inner} if inner else told) if fields(message) else None


def _id_of(key: Fields) -> str:
    return _usable(key["id"])


def _usable(value: object) -> str:
    external_id = identifier(value)
    if external_id is None:
        raise ValueError("an id that no message can have")
    return external_id


def _status(value: object) -> str | None:
    if type(value) is int and 0 <= value < len(STATUSES):
        return STATUSES[value]
    return value if isinstance(value, str) and value in STATUSES else None
