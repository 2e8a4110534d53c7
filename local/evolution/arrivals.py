"""What is written on phones and reaches Evolution: from customers, and from the shop's own phone."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.evolution.ids import new_android_id, new_iphone_id
from local.evolution.keys import Writing, is_dropped, place_of
from local.evolution.kinds import piece_of
from local.evolution.model import Customer, Instance, Message
from local.evolution.numbers import chat_of
from local.evolution.payloads import contact_json, device_context, message_json, quote_of
from local.evolution.pieces import Piece, Request, wrapped
from local.evolution.queues import Queues
from local.evolution.settings import Addressing, Switches
from local.evolution.store import Store

OWN_NAME = "Você"


class NotOpen(Exception):
    """Say that an instance is linked to no phone, so nothing can pass."""


@dataclass(frozen=True)
class Arrival:
    """Hold what was written and whether Evolution reported it: settings, versions and distance keep things back."""

    message: Message
    is_reported: bool


class Arrivals:
    """Carry what phones write into Evolution."""

    def __init__(self, switches: Switches, store: Store, queues: Queues) -> None:
        self._switches = switches
        self._store = store
        self._queues = queues

    def customer_sends(self, instance: Instance, customer: Customer, body: Mapping[str, Any]) -> Arrival:
        """Let a customer write, as the body says; raises ValueError for nonsense and NotOpen without a phone."""
        phone = chat_of(customer.number)
        addressing = self._addressing(instance, customer, body)
        writing = Writing(place_of(body, phone), phone, customer.name, "ios", addressing)
        return self._write(instance, writing, body)

    def owner_sends(self, instance: Instance, number: str, body: Mapping[str, Any]) -> Arrival:
        """Let the shop's owner write on the phone itself; raises like `customer_sends`."""
        phone = chat_of(number)
        addressing = self._addressing(instance, self._store.customer(phone), body)
        name = instance.profile_name or OWN_NAME
        own = instance.owner_jid or phone
        writing = Writing(place_of(body, phone), own, name, "android", addressing, is_from_shop=True)
        return self._write(instance, writing, body)

    def deliver_waiting(self, instance: Instance) -> None:
        """Bring what waited at WhatsApp while the phone was not connected."""
        with self._store.lock:
            waiting, instance.waiting = instance.waiting, []
        for message in waiting:
            self._take(instance, message, is_silent=False)

    def _addressing(self, instance: Instance, customer: Customer, body: Mapping[str, Any]) -> Addressing:
        if "addressing" in body:
            return Addressing(body["addressing"])
        told = instance.addressing or self._switches.addressing
        return Addressing(told or (Addressing.LID if customer.is_lid_addressed else Addressing.NUMBER))

    def _write(self, instance: Instance, writing: Writing, body: Mapping[str, Any]) -> Arrival:
        if not instance.is_paired:
            raise NotOpen(instance.name)
        message = self._message(instance, writing, body)
        if is_dropped(instance.settings, message.chat) or not self._is_heard(message):
            return Arrival(message, is_reported=False)
        if not instance.is_open:
            with self._store.lock:
                instance.waiting.append(message)
            return Arrival(message, is_reported=False)
        is_silent = bool(body.get("silent"))
        self._take(instance, message, is_silent=is_silent)
        return Arrival(message, is_reported=not is_silent)

    def _message(self, instance: Instance, writing: Writing, body: Mapping[str, Any]) -> Message:
        context = context_of(instance, body)
        target = instance.messages.get(str(body.get("target")))
        piece = piece_of(request := Request(body, context, target, writing.author))
        key = writing.key(str(body.get("id") or (new_android_id() if writing.is_from_shop else new_iphone_id())))
        if body.get("viewOnce") == "unavailable":
            key["isViewOnce"] = True
        message = Message(
            key=key,
            chat=writing.chat,
            push_name=writing.name,
            message={**wrapped(request, piece.content), "messageContextInfo": device_context()},
            source=writing.source,
            context=None if body.get("ephemeral") or body.get("viewOnce") else context or None,
            timestamp=int(body.get("timestamp") or time.time()),
            author=None if writing.is_from_shop or writing.chat == writing.author else writing.author,
            extras=piece.extras,
        )
        self._keep_file(message, piece)
        return message

    def _keep_file(self, message: Message, piece: Piece) -> None:
        if piece.file is not None and message.file:
            with self._store.lock:
                self._store.keep_file(message.key["id"], piece.file)

    def _is_heard(self, message: Message) -> bool:
        return message.type != "pollUpdateMessage" or self._switches.style.has_poll_votes

    def _take(self, instance: Instance, message: Message, *, is_silent: bool) -> None:
        with self._store.lock:
            is_first = not instance.in_chat(message.chat)
            self._store.add_message(instance, message)
        if is_silent:
            return
        style = self._switches.style
        status = "SERVER_ACK" if message.is_from_shop else "DELIVERY_ACK"
        content = message_json(instance, message, status, style)
        if instance.socket.sends_base64:
            self._store.put_base64(message, content)
        self._queues.emit(instance, "messages.upsert", content)
        if is_first and not message.is_from_shop and message.author is None:
            contact = contact_json(instance, style.key(message.key)["remoteJid"], message.push_name)
            self._queues.emit(instance, "contacts.upsert", contact)


def context_of(instance: Instance, body: Mapping[str, Any]) -> dict[str, Any]:
    """Write what stands around a content: a quote, a forward, an ad, names of people; empty without any."""
    context: dict[str, Any] = {}
    if quoted_id := body.get("quote"):
        quoted = instance.messages.get(str(quoted_id))
        unknown = {"stanzaId": quoted_id, "participant": instance.owner_jid}
        context |= {**(quote_of(instance, quoted) if quoted else unknown), "expiration": 0}
    if body.get("forwarded"):
        context |= {"isForwarded": True, "forwardingScore": int(body["forwarded"])}
    if body.get("kind") == "adClick":
        context |= ad_context(body)
    return {"mentionedJid": [], "groupMentions": [], **context} if context else {}


def ad_context(body: Mapping[str, Any]) -> dict[str, Any]:
    """Write from which ad a customer came."""
    reply = {
        "title": str(body.get("adTitle") or "Promoção de outubro"),
        "body": "Fale com a loja",
        "mediaType": 1,
        "sourceType": "ad",
        "sourceId": "120200000000000001",
        "sourceUrl": "https://ads.example.test/x",
        "containsAutoReply": False,
        "renderLargerThumbnail": True,
        "showAdAttribution": True,
        "ctwaClid": "demo-click-id",
    }
    source = {"conversionSource": "FB_Ads", "conversionDelaySeconds": 8, "entryPointConversionSource": "ctwa_ad"}
    return {**source, "entryPointConversionApp": "instagram", "externalAdReply": reply}
