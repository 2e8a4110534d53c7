"""Messages that leave, arrive and are read."""

import functools
import threading
from collections.abc import Mapping
from typing import Any

from local.evolution.agenda import Agenda
from local.evolution.errors import ApiError, crashed
from local.evolution.ids import new_android_id, new_iphone_id, new_sent_id, utc_text
from local.evolution.model import Customer, Instance, Message
from local.evolution.numbers import BROADCAST, GROUP, LID, chat_of, jid_for, lid_of, look_up
from local.evolution.payloads import device_context, message_json, phone_key, sent_context, update_json
from local.evolution.settings import SimulatorSettings, Switches
from local.evolution.store import Send, Store
from local.evolution.webhooks import Webhooks

NEVER_STARTED = "Cannot read properties of undefined (reading 'onWhatsApp')"
NO_LID_CHECK_SINCE = (2, 4)
OWN_NAME = "Você"


class NotOpen(Exception):
    """Say that an instance is not connected, so nothing can pass."""


class Messages:
    """Carry texts between the shops and their customers."""

    def __init__(
        self, settings: SimulatorSettings, switches: Switches, store: Store, *, agenda: Agenda, webhooks: Webhooks
    ) -> None:
        self._settings = settings
        self._switches = switches
        self._store = store
        self._agenda = agenda
        self._webhooks = webhooks
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Let no request wait any longer."""
        self._stopping.set()

    def pause(self, seconds: float) -> None:
        """Let a request wait, unless the simulator ends."""
        self._stopping.wait(seconds)

    def recipient(self, instance: Instance, number: str) -> str:
        """Find the JID to which a text goes; raises ApiError for the reasons for which nothing may leave."""
        if jid_for(number).endswith((GROUP, BROADCAST)):
            raise ApiError(400, ["[object Object]"])
        if not instance.socket.is_started:
            raise crashed(NEVER_STARTED)
        if not instance.is_open:
            raise crashed("Connection Closed")
        found = look_up(number, can_check_lids=self._has_lid_sends)
        if not found.exists:
            raise ApiError(400, [found.to_json()])
        return found.jid

    @property
    def _has_lid_sends(self) -> bool:
        return self._settings.version_number[:2] >= NO_LID_CHECK_SINCE

    def send(self, instance: Instance, jid: str, body: Mapping[str, Any]) -> dict[str, object]:
        """Let a text leave: store it, report it, and plan its receipts; give the answer of the API."""
        quoted = body.get("quoted") or {}
        message = Message(
            key={"remoteJid": jid, "fromMe": True, "id": self._sent_id(body)},
            chat=self._phone_of(jid),
            push_name=OWN_NAME,
            message={"conversation": body["text"]},
            source="web",
            context=sent_context(instance, (quoted.get("key") or {}).get("id")),
        )
        answer = message_json(instance, message, "PENDING")
        send = Send(instance.name, body["number"], body["text"], message.key["id"], utc_text())
        with self._store.lock:
            self._store.sends.append(send)
            self._store.add_message(instance, message)
        self._webhooks.emit(instance, "send.message", answer)
        self._plan_receipts(instance, message)
        return answer

    def customer_writes(self, instance: Instance, customer: Customer, text: str) -> Message:
        """Let a text of a customer arrive; raises NotOpen while the shop's phone is not connected."""
        chat = chat_of(customer.number)
        key = phone_key(chat, is_from_shop=False, key_id=new_iphone_id(), is_lid_addressed=customer.is_lid_addressed)
        return self._arrive(instance, key, chat=chat, name=customer.name, text=text, source="ios")

    def owner_writes(self, instance: Instance, number: str, text: str) -> Message:
        """Let the shop's owner write to a customer on the phone itself."""
        chat = chat_of(number)
        is_lid_addressed = self._store.customer(chat).is_lid_addressed
        key = phone_key(chat, is_from_shop=True, key_id=new_android_id(), is_lid_addressed=is_lid_addressed)
        name = instance.profile_name or OWN_NAME
        return self._arrive(instance, key, chat=chat, name=name, text=text, source="android")

    def _arrive(
        self, instance: Instance, key: dict[str, Any], *, chat: str, name: str, text: str, source: str
    ) -> Message:
        content = {"conversation": text, "messageContextInfo": device_context()}
        message = Message(key=key, chat=chat, push_name=name, message=content, source=source)
        with self._store.lock:
            if not instance.is_open:
                raise NotOpen(instance.name)
            is_first = not instance.in_chat(chat)
            self._store.add_message(instance, message)
        status = "SERVER_ACK" if message.is_from_shop else "DELIVERY_ACK"
        self._webhooks.emit(instance, "messages.upsert", message_json(instance, message, status))
        if is_first and not message.is_from_shop:
            contact = {
                "remoteJid": key["remoteJid"],
                "pushName": name,
                "profilePicUrl": None,
                "instanceId": instance.id,
            }
            self._webhooks.emit(instance, "contacts.upsert", contact)
        return message

    def _sent_id(self, body: Mapping[str, Any]) -> str:
        return str((self._has_lid_sends and body.get("messageId")) or new_sent_id())

    def _phone_of(self, jid: str) -> str:
        if not jid.endswith(LID):
            return jid
        chats = (message.chat for one in self._store.instances.values() for message in one.messages.values())
        return next((chat for chat in chats if lid_of(chat) == jid), jid)

    def _plan_receipts(self, instance: Instance, message: Message) -> None:
        delays = (("DELIVERY_ACK", self._switches.receipt_delay_s), ("READ", self._switches.read_delay_s))
        for status, delay_s in delays:
            if delay_s is not None:
                self._agenda.after(delay_s, functools.partial(self._acknowledge, instance, message, status))

    def _acknowledge(self, instance: Instance, message: Message, status: str) -> None:
        customer = self._store.customer(message.chat)
        if not instance.is_open or (status == "READ" and not customer.reads):
            return
        with self._store.lock:
            message.statuses.append(status)
            self._store.changed()
        self._webhooks.emit(instance, "messages.update", update_json(instance, message, status))
