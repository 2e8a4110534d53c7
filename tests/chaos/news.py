"""What a unit hears in an hour, as webhooks: many customers, every usual kind, and what is said later about it."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from tests.inbox.payloads import message, receipt

Event = tuple[str, Any]
CUSTOMERS = 40
# Of ten pieces of news so many are a customer's text; the others are taken in turn.
PLAIN = 5
# News of one call come within this time.
CALL_S = 20


class World:
    """One unit's customers: the same in every world but for the digits that tell the worlds apart."""

    def __init__(self, digit: int, *, began_at: int, seed: int) -> None:
        self._digit = digit
        self._second = began_at
        self._chance = random.Random(seed)
        self._own: list[str] = []
        self._theirs: list[str] = []

    def news(self, count: int) -> list[Event]:
        """So many different webhooks, in the order in which Evolution has them to tell."""
        told = self._tell()
        return [next(told) for _ in range(count)]

    def _tell(self) -> Iterator[Event]:
        others = (self._own_text, self._receipt, self._reaction, self._edit, self._deletion, self._picture, self._call)
        number = 0
        while True:
            number += 1
            self._second += 1
            yield self._text() if self._chance.random() < PLAIN / 10 else others[number % len(others)]()

    def _id(self, prefix: str) -> str:
        # Written at one second each, so that it tells the messages of one world apart.
        return f"{prefix}{self._digit}{self._second:015d}"

    def _customer(self) -> tuple[str, str]:
        place = self._chance.randrange(CUSTOMERS)
        number = f"55119{self._digit}{place:07d}@s.whatsapp.net"
        return number, f"{self._digit}00000000{place:06d}@lid"

    def _from_customer(self, **more: Any) -> dict[str, Any]:
        """Addressed by number, by LID, or by both: who it is shows only in some of them."""
        number, lid = self._customer()
        chat, alt = self._chance.choice([(number, None), (lid, number), (lid, None), (number, lid)])
        id_ = self._id("3A")
        self._theirs.append(id_)
        name = f"Cliente {lid[1:15]}"
        return message(
            id_, f"written at {self._second}", chat=chat, alt=alt, messageTimestamp=self._second, pushName=name, **more
        )

    def _text(self) -> Event:
        return "messages.upsert", self._from_customer()

    def _picture(self) -> Event:
        picture = {"imageMessage": {"caption": f"picture of {self._second}", "mimetype": "image/jpeg", "fileLength": 1}}
        return "messages.upsert", self._from_customer(message=picture, messageType="imageMessage")

    def _own_text(self) -> Event:
        id_, (number, _) = self._id("3C"), self._customer()
        self._own.append(id_)
        text = f"from the phone at {self._second}"
        return "messages.upsert", message(id_, text, chat=number, from_me=True, messageTimestamp=self._second)

    def _receipt(self) -> Event:
        if not self._own:
            return self._own_text()
        status = self._chance.choice(["SERVER_ACK", "DELIVERY_ACK", "READ"])
        data = receipt(self._chance.choice(self._own[-30:]), status)
        # Two receipts may say the same of one message at different times.
        return "messages.update", {**data, "messageId": f"cm{self._second}"}

    def _reaction(self) -> Event:
        if not self._theirs:
            return self._text()
        target = {"id": self._theirs[-1], "fromMe": False}
        reaction = {"reactionMessage": {"text": self._chance.choice(["👍", "❤️", ""]), "key": target}}
        return "messages.upsert", self._from_customer(message=reaction, messageType="reactionMessage")

    def _edit(self) -> Event:
        if not self._theirs:
            return self._text()
        key = {
            "remoteJid": "5511999990001@s.whatsapp.net",
            "fromMe": True,
            "id": self._chance.choice(self._theirs[-30:]),
        }
        text = {"conversation": f"corrected at {self._second}"}
        data = {"key": key, "type": "MESSAGE_EDIT", "editedMessage": text, "timestampMs": str(self._second * 1000)}
        return "messages.edited", data

    def _deletion(self) -> Event:
        if not self._theirs:
            return self._text()
        return "messages.delete", {"id": self._chance.choice(self._theirs[-30:]), "fromMe": False, "nth": self._second}

    def _call(self) -> Event:
        place = self._second // CALL_S
        number = f"55119{self._digit}{place % CUSTOMERS:07d}@s.whatsapp.net"
        about = {"chatId": number, "from": number, "id": f"{self._digit}{place}", "offline": False, "isGroup": False}
        date = datetime.fromtimestamp(self._second, tz=UTC).isoformat()
        status = self._chance.choice(["offer", "timeout", "accept"])
        return "call", [{**about, "date": date, "status": status, "isVideo": False}]
