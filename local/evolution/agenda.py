"""Do small tasks at their time."""

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable

Task = Callable[[], None]
log = logging.getLogger(__name__)


class Agenda:
    """Run tasks when they are due, one after another, on one thread."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Task]] = []
        self._order = itertools.count()
        self._change = threading.Condition()
        self._is_stopped = False
        self._thread = threading.Thread(target=self._run, name="agenda", daemon=True)

    def start(self) -> None:
        """Begin to look at the clock."""
        self._thread.start()

    def stop(self) -> None:
        """Forget everything that is still to come."""
        with self._change:
            self._is_stopped = True
            self._entries.clear()
            self._change.notify()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=5)

    def after(self, delay_s: float, task: Task) -> None:
        """Note a task for later."""
        with self._change:
            if not self._is_stopped:
                heapq.heappush(self._entries, (time.monotonic() + delay_s, next(self._order), task))
                self._change.notify()

    def _run(self) -> None:
        while (task := self._next_due()) is not None:
            # One failing task must not silence the clock for all instances.
            try:
                task()
            except Exception:
                log.exception("a task of the agenda failed")

    def _next_due(self) -> Task | None:
        with self._change:
            while not self._is_stopped:
                wait_s = self._entries[0][0] - time.monotonic() if self._entries else None
                if wait_s is not None and wait_s <= 0:
                    return heapq.heappop(self._entries)[2]
                self._change.wait(wait_s)
        return None
