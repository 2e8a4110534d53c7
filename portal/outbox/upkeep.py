"""Checks and comparisons as one process does them: a server's units one after the other, never two rows of them."""

import threading
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import structlog

from portal.outbox import backfill, reconcile

log = structlog.get_logger(__name__)

# A comparison can take minutes: some caretakers are left for what people wait for.
MOST_COMPARISONS = 4
Task = TypeVar("Task", bound=Any)


class Upkeep:
    """Gives rows of tasks to `do`, which runs them in a thread; knows which servers are being looked at."""

    def __init__(self, do: Callable[[UUID, Callable[[], None]], None]) -> None:
        self._do = do
        self._lock = threading.Lock()
        self._checking: set[UUID] = set()
        self._comparing: set[UUID] = set()

    def take(self, closed: Collection[UUID]) -> None:
        """Begin what is due, but not at servers that are closed."""
        busy = {*closed, *self._among(self._checking)}
        self._begin(self._checking, reconcile.claim(busy_servers=busy), reconcile.carry_out)
        comparing = self._among(self._comparing)
        if len(comparing) < MOST_COMPARISONS:
            busy = {*closed, *comparing}
            self._begin(self._comparing, backfill.claim(busy_servers=busy), backfill.carry_out)

    def _among(self, servers: set[UUID]) -> set[UUID]:
        with self._lock:
            return set(servers)

    def _begin(self, servers: set[UUID], tasks: Iterable[Task], carry_out: Callable[[Task], bool]) -> None:
        rows: dict[UUID, list[Task]] = {}
        for task in tasks:
            rows.setdefault(task.server_id, []).append(task)
        for server_id, row in rows.items():
            with self._lock:
                servers.add(server_id)
            self._do(server_id, partial(self._work, servers, server_id, partial(_carry_out, row, carry_out)))

    def _work(self, servers: set[UUID], server_id: UUID, work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            with self._lock:
                servers.discard(server_id)


def _carry_out(row: Iterable[Task], carry_out: Callable[[Task], bool]) -> None:
    """One after the other, until the server does not answer: the others' turn comes round again."""
    for task in row:
        try:
            if not carry_out(task):
                return
        except Exception:
            log.exception("upkeep failed", unit_id=str(task.unit_id))
