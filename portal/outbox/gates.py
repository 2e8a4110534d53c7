"""One Evolution server's senders: threads of its own, so that a server that hangs holds up nobody else's.

A gate closes when the server is surely away, when several sends in a row end without a clear answer, or when some
hang and none gets through (breaker). It opens slowly: one send at first, twice as many after each success.
"""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from portal.evolution import errors
from portal.evolution.errors import EvolutionError, EvolutionUnknown
from portal.outbox.servers import Server

# More than a server has units, each of which has one message in flight.
MOST_IN_FLIGHT = 192
MOST_UNKNOWN_IN_A_ROW = 5
# Evolution may wait 60 s for WhatsApp in one send; that several do at once while none ends is no coincidence.
SLOW_S = 15.0
MOST_SLOW = 3
SLOW = "evolution_slow"
SERVER_AWAY = frozenset({errors.UNREACHABLE, errors.KEY_REFUSED, errors.NOT_LICENSED})


class Gate:
    """What one process has in flight at one server, and how much more it may add; says so when it was full."""

    def __init__(self, server: Server, on_room: Callable[[], None] = lambda: None) -> None:
        self.server = server
        self._on_room = on_room
        self._lock = threading.Lock()
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._threads = 0
        self._limit = MOST_IN_FLIGHT
        self._began_at: dict[UUID, float] = {}
        self._unknown_in_a_row = 0
        self._ended_well_at = 0.0

    def update(self, server: Server) -> None:
        """Take what the row says now; a server that was paused begins with one send."""
        with self._lock:
            if server.is_paused:
                self._limit, self._unknown_in_a_row = 1, 0
            self.server = server

    def close(self) -> None:
        """Send nothing more, before the row says so to everybody."""
        self.update(replace(self.server, is_paused=True))

    def free(self) -> int:
        with self._lock:
            return 0 if self.server.is_paused else max(0, self._limit - len(self._began_at))

    def in_flight(self) -> int:
        with self._lock:
            return len(self._began_at)

    def submit(self, message_id: UUID, work: Callable[[], None]) -> None:
        """Let a thread of this gate do it at once: there are as many as were ever in flight together.

        Not a ThreadPoolExecutor, which stops making threads once it has let something wait (CPython 3.11).
        """
        with self._lock:
            self._began_at[message_id] = time.monotonic()
            is_short = len(self._began_at) > self._threads
            self._threads += is_short
        self._work.put(work)
        if is_short:
            threading.Thread(target=self._do, name="send", daemon=True).start()

    def leave(self, message_id: UUID) -> None:
        """It ended without a call, which tells nothing about the server."""
        with self._lock:
            self._take_out(message_id)

    def end(self, message_id: UUID, error: EvolutionError | None) -> str | None:
        """Count what came out of a send; returns why the server is to be paused, if it is."""
        with self._lock:
            self._take_out(message_id)
            if error is not None and error.code in SERVER_AWAY:
                return error.code
            if isinstance(error, EvolutionUnknown):
                self._unknown_in_a_row += 1
                return error.code if self._unknown_in_a_row >= MOST_UNKNOWN_IN_A_ROW else None
            self._unknown_in_a_row = 0
            self._ended_well_at = time.monotonic()
            self._limit = min(MOST_IN_FLIGHT, self._limit * 2)
            return None

    def _take_out(self, message_id: UUID) -> None:
        was_full = len(self._began_at) >= self._limit
        self._began_at.pop(message_id, None)
        if was_full:
            self._on_room()

    def _do(self) -> None:
        while True:
            self._work.get()()

    def is_hanging(self) -> bool:
        """Whether sends wait for long, and none has got through meanwhile."""
        with self._lock:
            before = time.monotonic() - SLOW_S
            slow = sum(began_at < before for began_at in self._began_at.values())
            return not self.server.is_paused and slow >= MOST_SLOW and self._ended_well_at < before
