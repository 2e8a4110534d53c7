"""What this process counts, until it is written down (portal/monitor/flusher.py): cheap, and in memory."""

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping

# Upper bounds of the buckets in which times are counted: of a statement in ms, of an event from stored to applied in s.
DATABASE_MS = (1, 2, 5, 10, 20, 35, 50, 75, 100, 200, 500, 1_000, 5_000)
INBOUND_S = (0.25, 0.5, 1, 2, 3, 5, 7.5, 10, 30, 60, 300)

_lock = threading.Lock()
_counts = Counter[str]()


def count(name: str, number: int = 1) -> None:
    """It happened so many times more."""
    with _lock:
        _counts[name] += number


def observe(name: str, bounds: tuple[float, ...], value: float) -> None:
    """One more value in the first bucket that holds it: `<name>_le_<bound>`, or `<name>_le_inf`."""
    at = bisect_left(bounds, value)
    count(bucket(name, bounds[at] if at < len(bounds) else None))


def bucket(name: str, bound: float | None) -> str:
    """What the bucket up to that bound is counted as; None stands for all above the highest."""
    return f"{name}_le_{'inf' if bound is None else f'{bound:g}'}"


def take() -> dict[str, int]:
    """All that was counted since it was taken last."""
    with _lock:
        taken = dict(_counts)
        _counts.clear()
    return taken


def give_back(counts: Mapping[str, int]) -> None:
    """What was taken could not be written down: it is taken again the next time."""
    with _lock:
        _counts.update(counts)
