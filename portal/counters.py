"""What this process counts, until it is written down (portal/monitor/flusher.py): cheap, and in memory."""

import os
import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from uuid import UUID


class Counted(StrEnum):
    """All that is counted, but for times."""

    # Answers of the web processes, but those to whoever only watches the portal (portal/web/counting.py).
    HTTP_REQUESTS = "http_requests"
    HTTP_2XX = "http_2xx"
    HTTP_3XX = "http_3xx"
    HTTP_4XX = "http_4xx"
    HTTP_5XX = "http_5xx"
    # 401 and 403.
    HTTP_DENIED = "http_denied"
    HTTP_429 = "http_429"
    # What came to Evolution's door, by what became of it.
    WEBHOOKS_STORED = "webhooks_stored"
    WEBHOOKS_REFUSED = "webhooks_refused"
    UNKNOWN_INSTANCES = "unknown_instances"
    # Lines of the log that still held a secret or a number after masking.
    SECRETS_IN_LOGS = "secrets_in_logs"
    # Attempts to apply a stored event.
    EVENTS_APPLIED = "events_applied"
    EVENTS_FAILED = "events_failed"
    # Customers' messages that were written, but for those of a history sync.
    INBOUND = "inbound"
    # Attempts to send, but for tests: how each ended.
    SENDS_OK = "sends_ok"
    SENDS_FAILED = "sends_failed"
    SENDS_UNCONFIRMED = "sends_unconfirmed"
    # Back to its queue, to be tried again.
    SENDS_RETRIED = "sends_retried"
    # Nobody's fault but the recipient's: not on WhatsApp, or opted out.
    SENDS_NOT_POSSIBLE = "sends_not_possible"
    # Taken by Evolution, and then refused by WhatsApp.
    SENDS_REFUSED = "sends_refused"
    DB_CONNECTION_ERRORS = "db_connection_errors"


@dataclass(frozen=True)
class Histogram:
    """Times that are counted in buckets, and the upper bounds of those, in the unit that the name ends in."""

    name: str
    bounds: tuple[float, ...]

    def bucket(self, bound: float | None) -> str:
        """What the bucket up to that bound is counted as; None stands for all above the highest."""
        return _bucket(self.name, bound)

    @property
    def sum(self) -> str:
        """What the sum of all values is counted as, in thousandths of the unit."""
        return f"{self.name}_sum"


# Of a statement, whatever process sends it; of an event from stored to applied.
DATABASE_MS = Histogram("db_ms", (1, 2, 5, 10, 20, 35, 50, 75, 100, 200, 500, 1_000, 5_000))
INBOUND_S = Histogram("inbound_s", (0.25, 0.5, 1, 2, 3, 5, 7.5, 10, 30, 60, 300))

_lock = threading.Lock()
_counts = Counter[str]()


def count(name: Counted, number: int = 1) -> None:
    """It happened so many times more."""
    if number:
        with _lock:
            _counts[name] += number


def count_refused(unit_id: UUID) -> None:
    """The webhook door refused a delivery of this unit's own instance: for whoever diagnoses the unit."""
    with _lock:
        _counts[refused_of(unit_id)] += 1


def refused_of(unit_id: UUID) -> str:
    """What the refused deliveries of a unit's instance are counted as."""
    return f"webhooks_refused_{unit_id}"


def observe(histogram: Histogram, value: float) -> None:
    """One more value, in the first bucket that holds it."""
    at = bisect_left(histogram.bounds, value)
    name = histogram.bucket(histogram.bounds[at] if at < len(histogram.bounds) else None)
    thousandths = round(value * 1000)
    with _lock:
        _counts[name] += 1
        _counts[histogram.sum] += thousandths


def take() -> dict[str, int]:
    """All that was counted since it was taken last."""
    with _lock:
        taken = {str(name): number for name, number in _counts.items()}
        _counts.clear()
    return taken


def give_back(counts: Mapping[str, int]) -> None:
    """What was taken could not be written down: it is taken again the next time."""
    with _lock:
        _counts.update(counts)


@cache
def _bucket(name: str, bound: float | None) -> str:
    return f"{name}_le_{'inf' if bound is None else f'{bound:g}'}"


def _begin_anew() -> None:
    """A process that was just forked counts from nothing: what its parent counted is the parent's."""
    global _lock
    # Another thread of the parent may have held it, and is not here to let go.
    _lock = threading.Lock()
    _counts.clear()


os.register_at_fork(after_in_child=_begin_anew)
