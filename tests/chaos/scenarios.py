"""What is done to a portal while it works: scenarios as data, and the plan that a seed makes of one."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

T = TypeVar("T")


class Fault(StrEnum):
    """One thing that happens to a running portal, in the words of the report."""

    WEB_KILLED = "web killed"
    WORKER_KILLED = "worker killed"
    CHILD_KILLED = "child of a worker killed"
    BACKEND_KILLED = "PostgreSQL backend killed"
    WEB_FROZEN = "web frozen"
    WORKER_FROZEN = "worker frozen"
    DATABASE_CUT = "database cut off"
    REDIS_CUT = "Redis cut off"
    EVOLUTION_CUT = "Evolution cut off"
    DATABASE_RESTARTED = "database restarted"
    REDIS_EMPTIED = "Redis emptied"
    DISK_FULL = "disk full"
    CLOCK_JUMPED = "clock jumped"
    EVOLUTION_SLOW = "Evolution slow"


# How long each lasts; what is not named here is over at once. A worker is taken for dead after five seconds.
LENGTHS_S = {
    Fault.WEB_FROZEN: (0.5, 3.0),
    Fault.WORKER_FROZEN: (3.0, 8.0),
    Fault.DATABASE_CUT: (0.0, 1.5),
    Fault.REDIS_CUT: (0.0, 1.5),
    Fault.EVOLUTION_CUT: (0.0, 1.5),
    Fault.DISK_FULL: (2.0, 4.0),
    Fault.CLOCK_JUMPED: (3.0, 6.0),
    Fault.EVOLUTION_SLOW: (2.0, 5.0),
}


@dataclass(frozen=True)
class Scenario:
    """So many faults in so many seconds: all its kinds in turn, in an order of chance. It is about the first."""

    name: str
    faults: tuple[Fault, ...]
    strikes: int
    duration_s: float


@dataclass(frozen=True)
class Strike:
    """A fault at its time, in seconds since the begin; `whim`, from 0 to 1, says which of several it hits."""

    at_s: float
    fault: Fault
    length_s: float
    whim: float

    def pick(self, choices: Sequence[T]) -> T:
        return choices[int(self.whim * len(choices))]


# Every kind once.
SHORT = Scenario("everything once", tuple(Fault), strikes=len(Fault), duration_s=15)
KILLS = (Fault.WEB_KILLED, Fault.WORKER_KILLED, Fault.CHILD_KILLED)
LONG = (
    Scenario("kills", (*KILLS, Fault.BACKEND_KILLED), strikes=16, duration_s=60),
    Scenario("freezes", (Fault.WEB_FROZEN, Fault.WORKER_FROZEN, Fault.WORKER_KILLED), strikes=10, duration_s=60),
    Scenario(
        "network", (Fault.DATABASE_CUT, Fault.REDIS_CUT, Fault.EVOLUTION_CUT, Fault.EVOLUTION_SLOW), 24, duration_s=60
    ),
    Scenario("database", (Fault.DATABASE_RESTARTED, Fault.BACKEND_KILLED, Fault.DATABASE_CUT), 12, duration_s=60),
    Scenario("Redis", (Fault.REDIS_EMPTIED, Fault.REDIS_CUT, Fault.WORKER_KILLED), strikes=15, duration_s=60),
    Scenario("full disk", (Fault.DISK_FULL, Fault.WORKER_KILLED), strikes=6, duration_s=60),
    Scenario("clock", (Fault.CLOCK_JUMPED, Fault.CHILD_KILLED), strikes=8, duration_s=60),
    Scenario("everything", tuple(Fault), strikes=3 * len(Fault), duration_s=120),
)


def plan(scenario: Scenario, seed: int) -> list[Strike]:
    """The same for the same seed, in order of time."""
    chance = random.Random(f"{scenario.name} {seed}")
    turns: list[Fault] = []
    while len(turns) < scenario.strikes:
        turns += chance.sample(scenario.faults, len(scenario.faults))
    gap_s = scenario.duration_s / scenario.strikes
    return [
        Strike(
            at_s=(place + chance.random()) * gap_s,
            fault=fault,
            length_s=chance.uniform(*LENGTHS_S.get(fault, (0.0, 0.0))),
            whim=chance.random(),
        )
        for place, fault in enumerate(turns[: scenario.strikes])
    ]
