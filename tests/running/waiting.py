"""Waiting for something that other processes bring about."""

import time
from collections.abc import Callable

LOOK_S = 0.05


def until(look: Callable[[], object], what: str, *, within_s: float = 30) -> float:
    """Look until there is something, and give the seconds it took; what was not seen in time fails the test."""
    began_at = time.monotonic()
    while not (seen := look()):
        assert time.monotonic() - began_at < within_s, f"after {within_s:.0f} s there is still no {what}: {seen!r}"
        time.sleep(LOOK_S)
    return time.monotonic() - began_at
