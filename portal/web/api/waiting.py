"""Waiting for a row: bounded in time, bounded in number, and never inside a transaction."""

import threading
from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar

from portal.db import end_read

Row = TypeVar("Row")
LONGEST_WAIT_S = 10.0
LOOK_EVERY_S = 0.2


class WaitingRoom:
    """So many requests of this process may wait here at once; the next one is told what is known now.

    Of the eight threads of a web process, some must always be free to answer.
    """

    def __init__(self, seats: int) -> None:
        self._seats = threading.BoundedSemaphore(seats)

    def wait(self, look: Callable[[], Row], is_done: Callable[[Row], bool], *, at_most_s: float) -> Row:
        """Look at the row until it is done or the time is over, and return what was seen last."""
        row = look()
        if is_done(row) or at_most_s <= 0 or not self._seats.acquire(blocking=False):
            return row
        try:
            return _look_again(look, is_done, monotonic() + min(at_most_s, LONGEST_WAIT_S))
        finally:
            self._seats.release()


def _look_again(look: Callable[[], Row], is_done: Callable[[Row], bool], ends_at: float) -> Row:
    while True:
        end_read()
        sleep(max(0.0, min(LOOK_EVERY_S, ends_at - monotonic())))
        row = look()
        if is_done(row) or monotonic() >= ends_at:
            return row
