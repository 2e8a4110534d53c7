"""What must be true of a portal at rest, judged by what was found of it: plain data, whoever asked for it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from portal.queue import QUEUES
from tests.chaos.accounts import GONE, Account
from tests.running.campaigns import Verdict

ENDS = {*GONE, "failed", "unconfirmed"}
WORKERS = 2
# Two processes serve, and a worker has one for each queue. Of each the pool keeps so many connections.
PROCESSES, KEPT = 2 + WORKERS * len(QUEUES), 10
# Of a send; what stands higher was never below. A refusal is told after the acceptance, and may turn out to be wrong.
HEIGHTS = {
    "queued": 0,
    "sending": 0,
    "unconfirmed": 1,
    "sent": 2,
    "failed": 3,
    "delivered": 4,
    "read": 5,
    "cancelled": 6,
}


@dataclass
class Heights:
    """How high each message was seen to stand; `falls` are those that stood lower later."""

    falls: list[str] = field(default_factory=list)
    _highest: dict[object, int] = field(default_factory=dict)

    def note(self, rows: Sequence[Mapping[str, object]]) -> None:
        for row in rows:
            height = HEIGHTS[str(row["status"])]
            if height < self._highest.get(row["id"], 0):
                self.falls.append(f"{row['body']}: {row['status']}")
            self._highest[row["id"]] = height


@dataclass(frozen=True)
class Found:
    """What stands in a portal at rest, beside what was asked of it.

    `questions` and `replies` were acknowledged; `received`: the texts of inbound messages, as often as they are there;
    `counts`: the campaign's by rung, as pages show them; `waiting`: units from which one more text did not leave.
    """

    questions: Sequence[str]
    received: Sequence[str]
    parked: Sequence[Mapping[str, object]]
    replies: Sequence[str]
    account: Account
    falls: Sequence[str]
    verdict: Verdict
    counts: Counter[str]
    waiting: Sequence[str]
    open_transactions: int
    connections: int
    leaks: Sequence[str]


def broken_rules(found: Found) -> dict[str, object]:
    """Each rule that does not hold, with what breaks it."""
    return {rule: what for rule, what in judged(found).items() if any_of(what)}


def judged(found: Found) -> dict[str, object]:
    """Every rule, with what breaks it."""
    account, verdict = found.account, found.verdict
    return {
        "questions not there once": not_once(found.questions, found.received),
        "events that could not be applied": found.parked,
        "replies without an end": [text for text, status in account.statuses.items() if status not in ENDS],
        "replies without a row": [text for text in found.replies if text not in account.statuses],
        "replies with several rows": account.doubled,
        "replies that left twice": account.left_twice,
        "replies said to be gone": account.said_gone_but_never_left,
        "statuses that fell": found.falls,
        "campaign": [verdict.open, verdict.lost, verdict.unsaid, verdict.repeated, verdict.astray],
        "counts against the ledger": [] if found.counts == verdict.rungs else [found.counts, verdict.rungs],
        "stuck lanes": found.waiting,
        "transactions left open": found.open_transactions,
        "connections": found.connections if found.connections > PROCESSES * KEPT else 0,
        "secrets in logs": found.leaks,
    }


def any_of(what: object) -> bool:
    return any(what) if isinstance(what, list) else bool(what)


def not_once(questions: Sequence[str], received: Sequence[str]) -> list[str]:
    times = Counter(received)
    return [f"{text}: {times[text]}" for text in questions if times[text] != 1]


def still_waiting(texts: Mapping[str, str], statuses: Mapping[str, str]) -> list[str]:
    """The units (text -> unit) whose text is not gone."""
    return [f"{unit}: {statuses.get(text)}" for text, unit in texts.items() if statuses.get(text) not in GONE]
