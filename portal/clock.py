"""The one place that reads the time, so that tests can hold it still."""

import time
from datetime import UTC, datetime, timedelta

# What the clock that is followed shows while `time.monotonic()` is zero; None: the machine's own is gone by.
_origin: datetime | None = None


def now() -> datetime:
    return datetime.now(UTC) if _origin is None else _origin + timedelta(seconds=time.monotonic())


def follow(at: datetime, read_at: float) -> None:
    """Go by another clock from here on, which showed `at` when `time.monotonic()` was `read_at`.

    The machine's own may jump, be set, or be wrong; what several processes compare must be told by one.
    """
    global _origin
    _origin = at - timedelta(seconds=read_at)
