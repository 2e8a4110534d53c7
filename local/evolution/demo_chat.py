"""One conversation with some of everything, for those who open the portal for the first time."""

import time
from typing import Any

from local.evolution.agenda import Agenda
from local.evolution.arrivals import Arrivals
from local.evolution.changes import Changes
from local.evolution.model import Instance
from local.evolution.numbers import chat_of
from local.evolution.store import FIRST_CUSTOMERS, Store

SOON_S = 1.0
APART_S = 45
MARIA = FIRST_CUSTOMERS[0][0]
# What each side writes, oldest first; a target is the number of an earlier line.
LINES: tuple[dict[str, Any], ...] = (
    {"text": "Oi! Vocês têm esse modelo em azul?"},
    {"kind": "image", "caption": "É este aqui"},
    {"kind": "voiceNote"},
    {"kind": "document", "caption": "O comprovante da última compra"},
    {"side": "shop", "text": "Oi, Maria! Temos, sim."},
    {"kind": "reaction", "emoji": "❤️", "target": 4},
    {"kind": "location", "placeName": "Praça Exemplo", "address": "Moro aqui perto"},
    {"kind": "contact", "contactName": "Carlos Modelo", "contactNumber": "5511999990009"},
    {"kind": "poll", "question": "Como fica melhor?", "options": ["Retirar na loja", "Receber em casa"]},
    {"text": "Passo aí amanha", "edited": "Passo aí amanhã"},
    {"text": "Mensagem para outra pessoa", "deleted": True},
)


class DemoChat:
    """Let the first demo customer write to the first shop that is ever connected."""

    def __init__(self, store: Store, agenda: Agenda, arrivals: Arrivals, changes: Changes) -> None:
        self._store = store
        self._agenda = agenda
        self._arrivals = arrivals
        self._changes = changes

    def begin(self, instance: Instance) -> None:
        """Begin soon, unless anybody has written to any shop before."""
        if not any(one.messages for one in self._store.instances.values()):
            self._agenda.after(SOON_S, lambda: self._write(instance))

    def _write(self, instance: Instance) -> None:
        if instance.messages or not instance.is_open:
            return
        began, ids = int(time.time()) - APART_S * len(LINES), list[str]()
        for index, line in enumerate(LINES):
            ids.append(self._say(instance, {**line, "timestamp": began + index * APART_S}, ids))

    def _say(self, instance: Instance, line: dict[str, Any], ids: list[str]) -> str:
        if "target" in line:
            line["target"] = ids[line["target"]]
        if line.get("side") == "shop":
            message = self._arrivals.owner_sends(instance, MARIA, line).message
        else:
            message = self._arrivals.customer_sends(instance, self._store.customer(chat_of(MARIA)), line).message
        if "edited" in line:
            self._changes.edit(instance, message, line["edited"])
        if line.get("deleted"):
            self._changes.delete(instance, message)
        return str(message.key["id"])
