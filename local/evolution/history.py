"""The history that a phone hands over after it was linked: old messages of many chats, in several webhooks."""

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass

from local.evolution.arrivals import NotOpen
from local.evolution.ids import new_android_id, new_iphone_id
from local.evolution.keys import Writing
from local.evolution.model import Instance, Message
from local.evolution.numbers import chat_of
from local.evolution.payloads import contact_json, message_json
from local.evolution.settings import Addressing, Switches
from local.evolution.store import Store
from local.evolution.webhooks import Webhooks

FIRST_NUMBER = 5_511_970_000_001
DAY_S = 86_400
NEWEST_AGE_S = 3600
LATEST_TOLD_SINCE = (2, 3, 7)
OWN_NAME = "Você"


@dataclass(frozen=True)
class Past:
    """Say how much history there is; the numbers named come first, made-up ones fill up the chats."""

    messages: int
    chats: int
    days: int = 30
    per_webhook: int = 500
    numbers: tuple[str, ...] = ()


class History:
    """Hand old messages over to Evolution."""

    def __init__(self, switches: Switches, store: Store, webhooks: Webhooks) -> None:
        self._switches = switches
        self._store = store
        self._webhooks = webhooks

    def hand_over(self, instance: Instance, past: Past) -> list[Message]:
        """Make the history, store it and report it; raises NotOpen while the phone is not connected."""
        if not instance.is_open:
            raise NotOpen(instance.name)
        chats = chats_of(past)
        messages = self._messages(instance, past, chats)
        with self._store.lock:
            for message in messages:
                self._store.add_message(instance, message)
        self._report_chats(instance, chats)
        self._report_messages(instance, messages, past.per_webhook)
        if self._switches.style.is_latest:
            counts = {"messageCount": len(messages), "chatCount": len(chats), "contactCount": len(chats)}
            self._webhooks.emit(instance, "messaging-history.set", {**counts, "progress": 100})
        return messages

    def _messages(self, instance: Instance, past: Past, chats: Sequence[str]) -> list[Message]:
        addressing = Addressing(instance.addressing or self._switches.addressing or Addressing.NUMBER)
        newest = int(time.time()) - NEWEST_AGE_S
        # One second apart at least, so that the order of a chat is told by its times.
        step_s = max(1, past.days * DAY_S // max(1, past.messages))
        made = []
        for index, chat in zip(range(past.messages), itertools.cycle(chats), strict=False):
            at = newest - (past.messages - index) * step_s
            made.append(self._message(chat, index // len(chats), at, addressing))
        return made

    def _message(self, chat: str, turn: int, at: int, addressing: Addressing) -> Message:
        is_from_shop = turn % 2 == 1
        name = OWN_NAME if is_from_shop else self._store.customer(chat).name
        writing = Writing(chat, chat, name, "ios", addressing, is_from_shop)
        return Message(
            key=old_key(writing),
            chat=chat,
            push_name=name,
            message={"conversation": f"{'Resposta' if is_from_shop else 'Mensagem'} antiga {turn + 1}"},
            source="android" if is_from_shop else "ios",
            timestamp=at,
            statuses=["READ"] if is_from_shop else [],
        )

    def _report_chats(self, instance: Instance, chats: Sequence[str]) -> None:
        named = [(chat, self._store.customer(chat).name) for chat in chats]
        shown = [{"remoteJid": chat, "instanceId": instance.id, "name": name} for chat, name in named]
        self._webhooks.emit(instance, "chats.set", shown)
        contacts = [contact_json(instance, chat, name) for chat, name in named]
        self._webhooks.emit(instance, "contacts.upsert", contacts)

    def _report_messages(self, instance: Instance, messages: Sequence[Message], size: int) -> None:
        style = self._switches.style
        for at in range(0, len(messages), size):
            data = [
                message_json(instance, one, "READ" if one.is_from_shop else "DELIVERY_ACK", style)
                for one in messages[at : at + size]
            ]
            is_last = at + size >= len(messages)
            told = {"isLatest": is_last, "progress": min(100, (at + size) * 100 // len(messages))}
            first = told if style.number >= LATEST_TOLD_SINCE else None
            self._webhooks.emit(instance, "messages.set", data, first=first)


def chats_of(past: Past) -> list[str]:
    """List the chats of a history."""
    made = (str(FIRST_NUMBER + index) for index in range(past.chats - len(past.numbers)))
    return [chat_of(number) for number in (*past.numbers, *made)]


def old_key(writing: Writing) -> dict[str, object]:
    """Write the key of an old message: bare where the chat is known by its number."""
    key = writing.key(new_android_id() if writing.is_from_shop else new_iphone_id())
    if writing.addressing is not Addressing.NUMBER:
        return key
    return {name: key[name] for name in ("remoteJid", "fromMe", "id")}
