"""Trying one thing with many made-up values: always the same few in `make test`, new ones for long in `make fuzz`."""

import os
import random
import time
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

# How long each target is explored; without it there are few examples, the same ones each time.
SECONDS = float(os.environ.get("PORTAL_FUZZ_SECONDS") or 0)
ROUND = 200
ALWAYS = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck), "print_blob": False}

Say = Callable[[str], None]


def explore(what: str, check: Callable[..., None], say: Say, *, few: int, **values: SearchStrategy[Any]) -> None:
    """Call `check` with such values, as `few` as said or for as long as was asked for; what fails is made small."""
    tried = 0

    def counted(**drawn: Any) -> None:
        nonlocal tried
        tried += 1
        check(**drawn)

    try:
        if SECONDS:
            _for_seconds(counted, values)
        else:
            once = settings(max_examples=few, derandomize=True, phases=[Phase.generate, Phase.shrink], **ALWAYS)
            once(given(**values)(counted))()
    except BaseException:
        say(f"fuzz, {what}: 1 finding after {tried} examples")
        raise
    say(f"fuzz, {what}: {tried} examples, 0 findings")


def _for_seconds(check: Callable[..., None], values: dict[str, SearchStrategy[Any]]) -> None:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        again = settings(max_examples=ROUND, **ALWAYS)(given(**values)(check))
        seed(random.randrange(2**32))(again)()
