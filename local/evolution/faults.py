"""Decide which fault strikes, each at its own rate, from one seeded generator."""

import random
import threading
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class FaultName(StrEnum):
    """Name what can go wrong, as the settings spell it."""

    LATENCY = "latency"
    HANG = "hang"
    SERVER_ERROR = "serverError"
    TIMED_OUT = "timedOut"
    DATABASE_ERROR = "databaseErrorAfterSend"
    RATE_OVERLIMIT = "rateOverlimit"
    RESET_BEFORE = "resetBeforeSend"
    RESET_AFTER = "resetAfterSend"
    PENDING = "pendingForEver"
    RESTRICTED = "restricted"
    WEBHOOK_LOST = "webhookLost"
    WEBHOOK_DUPLICATE = "webhookDuplicate"
    WEBHOOK_LATE = "webhookLate"
    WEBHOOK_DISORDER = "webhookDisorder"
    LICENCE = "licence"
    HANG_ALL = "hangAll"


@dataclass(frozen=True)
class Plan:
    """Hold how often a fault strikes and how; an option that a fault does not have is None."""

    rate: float = 0.0
    seconds: tuple[float, float] | None = None
    is_after_send: bool | None = None
    variant: str | None = None


# Of each of these groups at most one fault strikes at a time: the rates of a group add up to 1 at most.
ANSWER_FAULTS = (
    FaultName.HANG,
    FaultName.SERVER_ERROR,
    FaultName.TIMED_OUT,
    FaultName.DATABASE_ERROR,
    FaultName.RATE_OVERLIMIT,
    FaultName.RESET_BEFORE,
    FaultName.RESET_AFTER,
)
# Only new chats are restricted, so beside `pendingForEver` this rate stands for itself.
WHATSAPP_FAULTS = (FaultName.RESTRICTED, FaultName.PENDING)
WEBHOOK_FAULTS = (
    FaultName.WEBHOOK_LOST,
    FaultName.WEBHOOK_DUPLICATE,
    FaultName.WEBHOOK_LATE,
    FaultName.WEBHOOK_DISORDER,
)
SWITCHES = (FaultName.LICENCE, FaultName.HANG_ALL)
VARIANTS = ("connectionClosed", "timedOut", "preparing", "proxy", "proxyAfterSend")

OFF = MappingProxyType(
    {
        **{name: Plan() for name in FaultName},
        FaultName.LATENCY: Plan(seconds=(1.0, 1.0)),
        FaultName.HANG: Plan(is_after_send=False),
        FaultName.SERVER_ERROR: Plan(variant=VARIANTS[0]),
        FaultName.TIMED_OUT: Plan(is_after_send=False),
        FaultName.WEBHOOK_LATE: Plan(seconds=(5.0, 5.0)),
    }
)


class Faults:
    """Draw the faults of a run and count how often each one struck."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.plans: dict[FaultName, Plan] = dict(OFF)
        self.struck: Counter[FaultName] = Counter()
        self.seed = 1
        self._random = random.Random(self.seed)

    def reseed(self, seed: int) -> None:
        """Begin the sequence of a seed anew, and the counting with it."""
        with self._lock:
            self.seed, self._random = seed, random.Random(seed)
            self.struck.clear()

    def one_of(self, names: tuple[FaultName, ...]) -> FaultName | None:
        """Draw which of these strikes now, if any."""
        with self._lock:
            rates = [self.plans[name].rate for name in names]
            if not any(rates):
                return None
            drawn = self._random.random()
            for name, rate in zip(names, rates, strict=True):
                if drawn < rate:
                    self.struck[name] += 1
                    return name
                drawn -= rate
        return None

    def strikes(self, name: FaultName) -> bool:
        """Draw whether one fault strikes now."""
        return self.one_of((name,)) is not None

    def seconds(self, name: FaultName) -> float:
        """Draw how long a fault lasts."""
        with self._lock:
            return self._random.uniform(*(self.plans[name].seconds or (0.0, 0.0)))
