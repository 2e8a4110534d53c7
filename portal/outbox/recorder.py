"""A thread that writes outcomes down: whatever came in while the last transaction ran goes into the next one."""

import queue
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

import structlog

from portal.db import DATABASE_AWAY
from portal.outbox import outcomes
from portal.outbox.outcomes import Outcome

log = structlog.get_logger(__name__)

MOST_TOGETHER = 200
# The shortest time between two transactions.
ROUND_S = 0.015
# For a unit that the inbox holds: it is free again in milliseconds.
HELD_UNIT_S = 0.02
STORAGE_DOWN_S = 1.0


class Recorder:
    """Owns the outcomes until they are on disk; `on_recorded` gets those that are, and those that cannot be."""

    def __init__(
        self,
        app_context: Callable[[], AbstractContextManager[object]],
        on_recorded: Callable[[Iterable[Outcome]], None],
    ) -> None:
        self._app_context = app_context
        self._on_recorded = on_recorded
        self._waiting: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._open = 0
        self._recorded_at = float("-inf")
        threading.Thread(target=self._run, name="recorder", daemon=True).start()

    def put(self, outcome: Outcome) -> None:
        with self._lock:
            self._open += 1
        self._waiting.put(outcome)

    def is_idle(self) -> bool:
        with self._lock:
            return self._open == 0

    def _run(self) -> None:
        left: list[Outcome] = []
        while True:
            batch = left + self._take(wait=not left)
            self._recorded_at = time.monotonic()
            left = self._record(batch)
            done = [outcome for outcome in batch if outcome not in left]
            with self._lock:
                self._open -= len(done)
            self._on_recorded(done)

    def _take(self, *, wait: bool) -> list[Outcome]:
        taken = [self._waiting.get()] if wait else []
        # Under load some more come in meanwhile: a transaction for one costs nearly as much as one for twenty.
        time.sleep(max(0.0, self._recorded_at + ROUND_S - time.monotonic()))
        while len(taken) < MOST_TOGETHER:
            try:
                taken.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return taken

    def _record(self, batch: list[Outcome]) -> list[Outcome]:
        """Returns what is to be tried again."""
        try:
            with self._app_context():
                left = outcomes.record(batch)
        except DATABASE_AWAY:
            log.exception("outcomes of sends not recorded yet")
            time.sleep(STORAGE_DOWN_S)
            return batch
        except Exception:
            return self._record_one_by_one(batch)
        if left:
            time.sleep(HELD_UNIT_S)
        return left

    def _record_one_by_one(self, batch: list[Outcome]) -> list[Outcome]:
        """One of them cannot be written: it must not keep the others from it."""
        left: list[Outcome] = []
        for outcome in batch:
            try:
                with self._app_context():
                    left += outcomes.record([outcome])
            except DATABASE_AWAY:
                left.append(outcome)
            except Exception:
                # The row says who owns it: `settle_forgotten` finds that nobody is at it any more.
                log.exception("outcome of a send cannot be recorded")
        return left
