"""Deliveries that come while others are being stored go to disk together: in one statement, with one commit."""

import json
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from portal import queue
from portal.db import DATABASE_AWAY, atomic, is_held_up
from portal.inbox.statements import STORE_DELIVERIES
from portal.tenancy import across_tenants

log = structlog.get_logger(__name__)

MOST_TOGETHER = 100
# One that is larger goes by itself.
MOST_CHARACTERS = 4 * 1024 * 1024
# Whatever one of them has to wait for, say a company that is being erased, must not hold up those of everybody else.
LONGEST_WAIT = "500ms"


@dataclass(frozen=True)
class Delivery:
    """What is kept of a delivery, and what tells whose it is: the instance, and the fingerprint of the secret."""

    instance_name: str
    secret_hash: str
    event: str
    # In hexadecimal.
    body_hash: str
    body: str


class _Place:
    """A delivery in line. Unless its commit returned it is not stored, whatever else happens."""

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery
        self.is_over = False
        self.is_stored = False
        self.error: Exception | None = None
        self._call = threading.Lock()
        self._call.acquire()

    def wait(self) -> None:
        """Until it is over, or the first in line."""
        self._call.acquire()

    def call(self) -> None:
        self._call.release()


class Line:
    """Deliveries of several threads. The first in line stores all that stand there by then, while new ones queue up.

    Nobody waits for more to come: the longer a commit takes, the more there are to share the next one.
    """

    def __init__(self) -> None:
        self._places = deque[_Place]()
        self._is_storing = False
        self._lock = threading.Lock()

    def store(self, delivery: Delivery) -> bool:
        """Whether it is on disk now. If not, it has to be looked at by itself.

        That is so when no unit has that instance and that secret, and when one of those beside it could not be stored.
        Raises an error of `DATABASE_AWAY`.
        """
        place = _Place(delivery)
        if not self._is_first(place):
            place.wait()
        if not place.is_over:
            self._store_together()
        if place.error is not None:
            raise place.error
        return place.is_stored

    def _is_first(self, place: _Place) -> bool:
        with self._lock:
            self._places.append(place)
            is_first, self._is_storing = not self._is_storing, True
        return is_first

    def _store_together(self) -> None:
        places = self._take()
        try:
            _store(places)
        finally:
            # However that ended, nobody waits any longer for whoever led.
            self._pass_on()
            for place in places:
                place.is_over = True
                place.call()
        if any(place.is_stored for place in places):
            # The others are being answered meanwhile.
            queue.wake_inbox()

    def _take(self) -> list[_Place]:
        """Those in front, as many as go together."""
        with self._lock:
            taken = [self._places.popleft()]
            characters = len(taken[0].delivery.body)
            while self._places and len(taken) < MOST_TOGETHER:
                characters += len(self._places[0].delivery.body)
                if characters > MOST_CHARACTERS:
                    break
                taken.append(self._places.popleft())
        return taken

    def _pass_on(self) -> None:
        """Let the next one in line store, if there is one."""
        with self._lock:
            self._is_storing = bool(self._places)
            following = self._places[0] if self._places else None
        if following is not None:
            following.call()


def _store(places: Sequence[_Place]) -> None:
    try:
        stored = _insert([place.delivery for place in places])
    except Exception as e:
        log.warning("deliveries not stored together", number=len(places), error=type(e).__name__)
        if _is_away(e):
            for place in places:
                place.error = e
    else:
        for number in stored:
            places[number].is_stored = True


def _insert(deliveries: Sequence[Delivery]) -> Sequence[int]:
    """The numbers of those that are somebody's, once all of these are on disk."""
    values = {"deliveries": json.dumps([vars(one) for one in deliveries]), "longest_wait": LONGEST_WAIT}
    with across_tenants("the instance's name decides the tenant"), atomic() as session:
        return session.execute(STORE_DELIVERIES, values).scalars().all()


def _is_away(error: Exception) -> bool:
    """Whether each by itself would fare no better: the database is away, and nobody merely waited too long in it."""
    return isinstance(error, DATABASE_AWAY) and not is_held_up(error)
