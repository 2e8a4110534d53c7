"""Messages that leave, arrive and are read."""

import functools
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.evolution.agenda import Agenda
from local.evolution.crowd import Crowd
from local.evolution.errors import ApiError, crashed
from local.evolution.faults import WHATSAPP_FAULTS, FaultName, Faults
from local.evolution.ids import new_sent_id, utc_text
from local.evolution.media import Media
from local.evolution.media_payloads import media_content
from local.evolution.model import Instance, Message
from local.evolution.numbers import BROADCAST, GROUP, LID, jid_for, lid_of
from local.evolution.payloads import long, message_json, sent_context, update_json
from local.evolution.settings import Switches
from local.evolution.store import Send, Store
from local.evolution.webhooks import Webhooks

NEVER_STARTED = "Cannot read properties of undefined (reading 'onWhatsApp')"
OWN_NAME = "Você"
AWAY_S = 0.5
BLOCKED = "blocked"


class Interrupted(Exception):
    """Say that the process ended under a request that was waiting: nobody answers it any more."""


@dataclass(frozen=True)
class Outgoing:
    """Hold what a send asks for, checked and with its file read."""

    number: str
    text: str = ""
    media: Media | None = None
    quoted: Mapping[str, Any] = field(default_factory=dict)
    message_id: str | None = None
    # The key of the message to which `text` is a reaction.
    reacts_to: Mapping[str, Any] | None = None

    @property
    def kind(self) -> str:
        """Name what is sent."""
        return "reaction" if self.reacts_to else self.media.kind if self.media else "text"

    @property
    def refers_to(self) -> str | None:
        """Give the id of the message that is quoted or reacted to."""
        key = self.reacts_to or self.quoted.get("key") or {}
        return key.get("id")

    def content(self, context: dict[str, Any]) -> dict[str, Any]:
        """Write the content of the message."""
        if self.reacts_to:
            sent_at = long(int(time.time() * 1000), unsigned=False)
            return {"reactionMessage": {"key": self.reacts_to, "text": self.text, "senderTimestampMs": sent_at}}
        return media_content(self.media, context) if self.media else {"conversation": self.text}


class Messages:
    """Carry texts and files between the shops and their customers."""

    def __init__(
        self,
        switches: Switches,
        store: Store,
        *,
        agenda: Agenda,
        webhooks: Webhooks,
        faults: Faults,
        crowd: Crowd,
    ) -> None:
        self._switches = switches
        self._store = store
        self._agenda = agenda
        self._webhooks = webhooks
        self._faults = faults
        self._crowd = crowd
        self.on_arrival: Callable[[Instance, Message], None] = lambda *_: None
        self._ending = threading.Event()

    def stop(self) -> None:
        """Let no request wait any longer."""
        self._ending.set()

    def interrupt(self) -> None:
        """End the requests that wait now; later ones may wait again."""
        ending, self._ending = self._ending, threading.Event()
        ending.set()

    def pause(self, seconds: float) -> None:
        """Let a request wait; raises Interrupted when the process ends meanwhile."""
        if self._ending.wait(seconds):
            raise Interrupted

    def recipient(self, instance: Instance, number: str) -> str:
        """Find the JID to which a text goes; raises ApiError for the reasons for which nothing may leave."""
        if jid_for(number).endswith((GROUP, BROADCAST)):
            raise ApiError(400, ["[object Object]"])
        if not instance.socket.is_started:
            raise crashed(NEVER_STARTED)
        if not instance.is_open:
            raise crashed("Connection Closed")
        found = self._crowd.look_up(number, can_check_lids=self._has_lid_sends)
        if not found.exists:
            raise ApiError(400, [found.to_json()])
        return found.jid

    @property
    def _has_lid_sends(self) -> bool:
        return self._switches.style.is_latest

    def send(
        self, instance: Instance, jid: str, outgoing: Outgoing, answer_fault: FaultName | None
    ) -> dict[str, object]:
        """Let a message leave: store it, report it, and plan its receipts; give the answer of the API."""
        chat = self._phone_of(jid)
        context = sent_context(instance, outgoing.quoted)
        message = Message(
            key={"remoteJid": jid, "fromMe": True, "id": self._sent_id(outgoing)},
            chat=chat,
            push_name=OWN_NAME,
            message=outgoing.content(context),
            source="web",
            context=None if outgoing.reacts_to else context,
        )
        with self._store.lock:
            lost_by = self._lost_on_the_way(instance, chat)
            message.has_arrived = lost_by is None
            self._store.add_send(send_of(instance, message, outgoing, answer_fault or lost_by))
            self._store.add_message(instance, message)
            if outgoing.media:
                self._store.keep_file(message.key["id"], outgoing.media.content)
        answer = message_json(instance, message, "PENDING", self._switches.style)
        if instance.socket.sends_base64:
            self._store.put_base64(message, answer)
        self._webhooks.emit(instance, "send.message", answer)
        self._plan_receipts(instance, message, lost_by)
        return answer

    def _lost_on_the_way(self, instance: Instance, chat: str) -> str | None:
        if self._crowd.is_blocking(chat):
            return BLOCKED
        faults = WHATSAPP_FAULTS if not instance.has_written(chat) else (FaultName.PENDING,)
        return self._faults.one_of(faults)

    def _sent_id(self, outgoing: Outgoing) -> str:
        return (self._has_lid_sends and outgoing.message_id) or new_sent_id()

    def _phone_of(self, jid: str) -> str:
        if not jid.endswith(LID):
            return jid
        chats = (message.chat for one in self._store.instances.values() for message in one.messages.values())
        return next((chat for chat in chats if lid_of(chat) == jid), jid)

    def _plan_receipts(self, instance: Instance, message: Message, lost_by: str | None) -> None:
        delays: tuple[tuple[str, float | None], ...] = ()
        if lost_by == FaultName.RESTRICTED:
            delays = (("ERROR", self._switches.receipt_delay_s or 0.0),)
        elif lost_by is None:
            delays = (("DELIVERY_ACK", self._switches.receipt_delay_s), ("READ", self._reads_after_s(message.chat)))
            self.on_arrival(instance, message)
        for status, delay_s in delays:
            if delay_s is not None:
                self._agenda.after(delay_s, functools.partial(self._acknowledge, instance, message, status))

    def _reads_after_s(self, chat: str) -> float | None:
        nature = self._crowd.nature_of(chat)
        if nature is None or self._switches.read_delay_s is None:
            return self._switches.read_delay_s
        return nature.reads_after_s

    def _acknowledge(self, instance: Instance, message: Message, status: str) -> None:
        customer = self._store.customer(message.chat)
        if status == "READ" and not customer.reads:
            return
        if not instance.is_open:
            self._acknowledge_later(instance, message, status)
            return
        with self._store.lock:
            message.statuses.append(status)
            self._store.changed()
        self._webhooks.emit(instance, "messages.update", update_json(instance, message, status))

    def _acknowledge_later(self, instance: Instance, message: Message, status: str) -> None:
        # WhatsApp keeps a receipt for a phone that is away, but not for one that was unlinked.
        if instance.is_paired:
            self._agenda.after(AWAY_S, functools.partial(self._acknowledge, instance, message, status))


def send_of(instance: Instance, message: Message, outgoing: Outgoing, fault: str | None) -> Send:
    """Record a send."""
    media = outgoing.media
    return Send(
        instance=instance.name,
        number=outgoing.number,
        text=outgoing.text if outgoing.reacts_to else message.text,
        key_id=message.key["id"],
        at=utc_text(),
        kind=outgoing.kind,
        file_name=media.file_name if media else None,
        mime_type=media.mime_type if media else None,
        sha256=media.digest.hex() if media else None,
        size=len(media.content) if media else None,
        fault=fault,
        has_arrived=message.has_arrived,
        refers_to=outgoing.refers_to,
    )
