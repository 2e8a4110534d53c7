"""Looks at a page: how long they take, in this process and in the database."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, event

LOOKS_AT_STATEMENTS = 5


def look_often(look: Callable[[], object], times: int) -> tuple[list[float], list[float]]:
    """The milliseconds of each look, and those of this process's CPU."""
    took, cpu = [], []
    for _round in range(times):
        began_at, cpu_before_s = time.perf_counter(), time.process_time()
        look()
        took.append((time.perf_counter() - began_at) * 1000)
        cpu.append((time.process_time() - cpu_before_s) * 1000)
    return took, cpu


def slowest_statement_ms(engine: Engine, look: Callable[[], object]) -> float:
    """Of all that one look asks the database, as this process sees it; the median of some looks."""
    slowest = []
    for _look in range(LOOKS_AT_STATEMENTS):
        with timed_statements(engine) as took_ms:
            look()
        slowest.append(max(took_ms, default=0.0))
    return statistics.median(slowest)


@contextmanager
def timed_statements(engine: Engine) -> Iterator[list[float]]:
    """The milliseconds of each statement inside the block."""
    took_ms: list[float] = []
    began_at = 0.0

    def begin(*_given: object) -> None:
        nonlocal began_at
        began_at = time.perf_counter()

    def end(*_given: object) -> None:
        took_ms.append((time.perf_counter() - began_at) * 1000)

    event.listen(engine, "before_cursor_execute", begin)
    event.listen(engine, "after_cursor_execute", end)
    yield took_ms
    event.remove(engine, "before_cursor_execute", begin)
    event.remove(engine, "after_cursor_execute", end)
