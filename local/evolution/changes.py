"""What happens to a message after it was written: edits, deletions, and the owner reading on another device."""

import time
from collections.abc import Mapping
from typing import Any

from local.evolution.contents import BESIDE, unwrapped
from local.evolution.model import Instance, Message
from local.evolution.numbers import chat_of
from local.evolution.payloads import deleted_key, deleted_record, update_json
from local.evolution.queues import Queues
from local.evolution.settings import Switches
from local.evolution.store import Store
from local.evolution.versions import Style
from local.evolution.webhooks import Webhooks

# Content in these events is written by another library, always in the oldest style.
PROTOCOL_STYLE = Style("2.3.2")
EDITS_AS_DELETED_BEFORE = (2, 3, 5)
EDITS_AS_ACK_SINCE = (2, 3, 7)
# For how long WhatsApp takes a change.
EDITABLE_S = 15 * 60
DELETABLE_S = 60 * 3600
EDIT_TYPE = 14
REVOKE_TYPE = 0


class Changes:
    """Change messages as their writers do on their phones."""

    def __init__(self, switches: Switches, store: Store, queues: Queues, webhooks: Webhooks) -> None:
        self._switches = switches
        self._store = store
        self._queues = queues
        self._webhooks = webhooks

    def edit(self, instance: Instance, message: Message, text: str) -> None:
        """Let the writer change the text or the caption of a message; raises ValueError where there is neither."""
        edited = edited_content(message, text)
        with self._store.lock:
            kept = {name: message.message[name] for name in BESIDE if name in message.message}
            message.message = {**edited, **kept}
            message.statuses.append("EDITED")
            self._store.changed()
        protocol = {
            "key": editors_key(instance, message),
            "type": "MESSAGE_EDIT",
            "editedMessage": PROTOCOL_STYLE.content(edited),
            "timestampMs": str(int(time.time() * 1000)),
        }
        self._queues.emit(instance, "messages.edited", protocol)
        self._report_as_status(instance, message, edited)

    def delete(self, instance: Instance, message: Message) -> None:
        """Let the writer delete a message for everyone; Evolution keeps its row."""
        with self._store.lock:
            message.statuses.append("DELETED")
            self._store.changed()
        self._queues.emit(instance, "messages.edited", {"key": editors_key(instance, message), "type": "REVOKE"})
        self._queues.emit(instance, "messages.delete", deleted_key(message, self._switches.style))

    def edit_through_api(self, instance: Instance, key: Mapping[str, Any], text: str) -> dict[str, Any]:
        """Let the shop edit a message through the API: the protocol message, as it is answered and reported."""
        protocol = {
            "key": {name: key[name] for name in ("remoteJid", "fromMe", "id")},
            "editedMessage": {"extendedTextMessage": {"text": text}},
            "timestampMs": int(time.time() * 1000),
            "type": EDIT_TYPE,
        }
        message = instance.messages.get(str(key["id"]))
        with self._store.lock:
            # What comes too late every phone ignores, and nobody is told.
            if message is not None and is_changeable(message, EDITABLE_S):
                message.message = edited_content(message, text)
                message.statuses.append("EDITED")
                self._store.changed()
        self._webhooks.emit(instance, "send.message.update", protocol)
        return protocol

    def delete_through_api(self, instance: Instance, key: Mapping[str, Any]) -> dict[str, Any]:
        """Let the shop delete a message through the API; one that is not stored is reported by nothing."""
        message = instance.messages.get(str(key["id"]))
        if message is not None:
            with self._store.lock:
                if is_changeable(message, DELETABLE_S):
                    message.statuses.append("DELETED")
                    self._store.changed()
            self._webhooks.emit(instance, "messages.delete", deleted_record(instance, message, self._switches.style))
        return {"key": {name: key[name] for name in ("remoteJid", "fromMe", "id")}, "type": REVOKE_TYPE}

    def owner_reads(self, instance: Instance, number: str) -> int:
        """Let the owner read a chat on the phone; gives how many messages were unread."""
        chat = chat_of(number)
        with self._store.lock:
            unread = [one for one in instance.in_chat(chat) if not one.is_from_shop and "READ" not in one.statuses]
            for message in unread:
                message.statuses.append("READ")
            self._store.changed()
        for message in unread:
            self._queues.emit(instance, "messages.update", update_json(instance, message, "READ"))
        return len(unread)

    def _report_as_status(self, instance: Instance, message: Message, edited: dict[str, Any]) -> None:
        # Versions differ in what an edit looks like to those who only wait for statuses.
        style = self._switches.style
        if style.number < EDITS_AS_DELETED_BEFORE:
            self._queues.emit(instance, "messages.update", update_json(instance, message, "DELETED"))
        elif style.number >= EDITS_AS_ACK_SINCE:
            update = {**update_json(instance, message, "SERVER_ACK"), "message": style.content(edited)}
            self._queues.emit(instance, "messages.update", update)


def is_changeable(message: Message, within_s: float) -> bool:
    """Tell whether WhatsApp lets the shop change a message."""
    return message.is_from_shop and time.time() - message.timestamp < within_s


def edited_content(message: Message, text: str) -> dict[str, Any]:
    """Write the new content of a text or a file."""
    name, content = unwrapped(message.message)
    if isinstance(content, str):
        return {name: text}
    if message.file is None and name != "extendedTextMessage":
        raise ValueError("only a text or the caption of a file can be edited")
    return {name: {**content, "caption" if message.file else "text": text}}


def editors_key(instance: Instance, message: Message) -> dict[str, object]:
    """Write a key as the editor's phone sees it: a customer's own message is from "me", in a chat with the shop."""
    if message.is_from_shop:
        return {"remoteJid": message.chat, "fromMe": True, "id": message.key["id"]}
    chat = message.chat if message.author else instance.owner_jid
    return {"remoteJid": chat, "fromMe": True, "id": message.key["id"]}
