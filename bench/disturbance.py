"""What is done to a portal while its campaigns run: faults of Evolution and its restarts, killed workers, a pause."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.running.program import Program
from tests.running.stack import Stack

SEED = 20_261_129
FAULTS = {
    "latency": {"rate": 0.05, "seconds": [0.1, 0.6]},
    "hang": {"rate": 0.005, "afterSend": True},
    "serverError": {"rate": 0.02, "variant": "preparing"},
    "timedOut": 0.02,
    "databaseErrorAfterSend": 0.01,
    "resetBeforeSend": 0.02,
    "resetAfterSend": 0.02,
    "webhookLost": 0.03,
    "webhookDuplicate": 0.05,
    "webhookLate": {"rate": 0.05, "seconds": [0.5, 3.0]},
}
HANG_S = 5.0
DOWN_S = 2.0
Deed = Callable[[], None]


@dataclass
class Timetable:
    """Deeds at their times, in seconds since the start; each is done once, by whoever looks."""

    entries: list[tuple[float, Deed]] = field(default_factory=list)
    began_at: float = field(default_factory=time.monotonic)

    def add(self, at_s: float, deed: Deed) -> None:
        self.entries.append((at_s, deed))

    def do_due(self) -> None:
        elapsed_s = time.monotonic() - self.began_at
        due = [entry for entry in self.entries if entry[0] <= elapsed_s]
        self.entries = [entry for entry in self.entries if entry[0] > elapsed_s]
        for _, deed in sorted(due, key=lambda entry: entry[0]):
            deed()


class Killer:
    """Kills one worker after the other, and starts each again at once."""

    def __init__(self, workers: Sequence[Program], every_s: float) -> None:
        self._workers = workers
        self._every_s = every_s
        self._last_at = time.monotonic()
        self.kills = 0

    def kill_when_due(self) -> None:
        if time.monotonic() - self._last_at >= self._every_s:
            self._last_at = time.monotonic()
            worker = self._workers[self.kills % len(self._workers)]
            self.kills += 1
            worker.kill()
            worker.start()


def let_evolution_fail(stack: Stack) -> None:
    stack.simulator.change(faults=FAULTS, seed=SEED, hangS=HANG_S)


class Restarts:
    """Restarts Evolution, each time on a thread of its own, which waits until it is back."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._threads: list[threading.Thread] = []

    def begin(self) -> None:
        thread = threading.Thread(target=self._stack.simulator.restart, kwargs={"down_s": DOWN_S}, daemon=True)
        thread.start()
        self._threads.append(thread)

    def wait(self) -> None:
        for thread in self._threads:
            thread.join()
