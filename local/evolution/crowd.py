"""The crowd: while it is on, every number that nobody plays is a customer with a nature of their own.

Who somebody is follows from their number and the seed alone, so that a run can be repeated, and nobody is kept.
"""

import random
from dataclasses import dataclass

from local.evolution.numbers import Lookup, digits_of, look_up
from local.evolution.store import Store

NAMES = ("Aline", "Bruno", "Carla", "Diego", "Elisa", "Fábio", "Gabi", "Hugo", "Iara", "Jonas", "Lia", "Otávio")
ANSWERS = (
    "Oi! Quero saber mais.",
    "Tem para entregar hoje?",
    "Qual o valor?",
    "Que bom! Passo aí amanhã.",
    "Obrigada pelo aviso 🙂",
    "Vocês abrem no sábado?",
)
WISHES = ("SAIR", "PARAR", "pare de mandar mensagens", "Não quero mais receber mensagens", "me tira dessa lista")


@dataclass(frozen=True)
class CrowdPlan:
    """Hold which share of all people does what, from 0 to 1, and how long people take for it."""

    is_on: bool = False
    reads: float = 0.8
    answers: float = 0.15
    opts_out: float = 0.01
    blocks: float = 0.02
    absent: float = 0.03
    delay_s: float = 8.0
    jitter_s: float = 6.0
    seed: int = 1


@dataclass(frozen=True)
class Nature:
    """Hold what one person does: times count from the arrival of a message; None: it never happens."""

    name: str
    is_absent: bool
    is_blocking: bool
    reads_after_s: float | None
    answers_after_s: float | None
    answer: str


class Crowd:
    """Know the people whom nobody plays."""

    def __init__(self, plan: CrowdPlan, store: Store) -> None:
        self.plan = plan
        self._store = store

    def nature_of(self, chat: str) -> Nature | None:
        """Tell who somebody is, the same at every look; None: somebody plays them, or there is no crowd."""
        plan = self.plan
        if not plan.is_on or chat in self._store.customers:
            return None
        # Always the same draws in the same order: with other rates most people stay who they are.
        person = random.Random(f"{plan.seed} {digits_of(chat)}")
        name, absent, blocks, reads, says = person.choice(NAMES), *(person.random() for _ in range(4))
        reads_s, answers_s = (max(0.0, plan.delay_s + person.uniform(-1, 1) * plan.jitter_s) for _ in range(2))
        wish, answer = person.choice(WISHES), person.choice(ANSWERS)
        is_answering = says < plan.opts_out + plan.answers
        return Nature(
            name=f"{name} Exemplo",
            is_absent=absent < plan.absent,
            is_blocking=blocks < plan.blocks,
            reads_after_s=reads_s if is_answering or reads < plan.reads else None,
            answers_after_s=reads_s + answers_s if is_answering else None,
            answer=wish if says < plan.opts_out else answer,
        )

    def look_up(self, number: str, *, can_check_lids: bool) -> Lookup:
        """Ask the simulated WhatsApp for a number of a person."""
        found = look_up(number, can_check_lids=can_check_lids)
        nature = self.nature_of(found.jid) if found.exists else None
        return Lookup(found.jid, exists=False, number=number) if nature and nature.is_absent else found

    def is_blocking(self, chat: str) -> bool:
        """Tell whether somebody blocked every shop: what is written to them never arrives, and nobody says so."""
        nature = self.nature_of(chat)
        return nature is not None and nature.is_blocking
