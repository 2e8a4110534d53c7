"""The outbox relay: drains the lanes and the wishes, as fast as there are free threads."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from uuid import UUID

import structlog

from portal.evolution.errors import EvolutionFailed, EvolutionRejected, EvolutionUnavailable, EvolutionUnknown
from portal.outbox import instances, lanes, owners, servers
from portal.outbox.lanes import ClaimedMessage

log = structlog.get_logger(__name__)

SENDERS = 32
CARETAKERS = 8
SETTLE_S = 2.0


class OutboxRelay:
    """Owns the threads and the sends in flight of one worker process; a job only lets it claim."""

    def __init__(
        self,
        app_context: Callable[[], AbstractContextManager[object]],
        owner_id: UUID,
        *,
        on_free: Callable[[], None] = lambda: None,
    ) -> None:
        self._app_context = app_context
        self._owner_id = owner_id
        self._on_free = on_free
        self._held: set[UUID] = set()
        self._settled_at = 0.0
        self._senders = _Pool(SENDERS, "send")
        self._caretakers = _Pool(CARETAKERS, "care")

    def drain(self) -> float | None:
        """Claim what is due and hand it to the threads; the seconds until more is due, None if nothing waits."""
        self._settle()
        for wish in instances.claim_actions(self._owner_id, limit=self._caretakers.free()):
            self._hand_to(self._caretakers, wish.unit_id, partial(instances.carry_out, wish))
        free = self._senders.free()
        if not free:
            # Whoever gets free wakes the relay: without this it would look again at once, for as long as they hang.
            return None
        claimed = lanes.claim(self._owner_id, limit=free)
        for message in claimed:
            self._hand_to(self._senders, message.id, partial(send, message))
        return 0.0 if claimed else lanes.seconds_to_next()

    def finish(self, timeout_s: float) -> bool:
        """Let what is in flight end; True when nothing is left."""
        until = time.monotonic() + timeout_s
        return all(pool.wait(max(0.0, until - time.monotonic())) for pool in (self._senders, self._caretakers))

    def _settle(self) -> None:
        if time.monotonic() - self._settled_at > SETTLE_S:
            owners.bury_dead()
            owners.settle_forgotten(self._owner_id, set(self._held))
            self._settled_at = time.monotonic()

    def _hand_to(self, pool: "_Pool", held: UUID, work: Callable[[], None]) -> None:
        self._held.add(held)
        pool.submit(self._in_app, held, work)

    def _in_app(self, held: UUID, work: Callable[[], None]) -> None:
        try:
            with self._app_context():
                work()
        except Exception:
            # The row says who owns it: `settle_forgotten` finds that nobody is at it any more.
            log.exception("outbox work failed")
        finally:
            self._held.discard(held)
            self._on_free()


def send(message: ClaimedMessage) -> None:
    """Send one claimed message at most once and record what became of it."""
    try:
        sent = servers.client_for(message.server_id).send_text(
            message.instance_name, number=message.number, text=message.text, message_id=message.message_id
        )
    except EvolutionUnavailable as e:
        lanes.record_away(message, e)
    except EvolutionFailed as e:
        lanes.record_failed(message, e, is_final=False)
    except EvolutionRejected as e:
        lanes.record_failed(message, e, is_final=True)
    except EvolutionUnknown as e:
        lanes.record_unknown(message, e)
    else:
        lanes.record_sent(message, sent)


class _Pool:
    """Threads with a count of those that are free: nothing is claimed that would have to wait for one."""

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._busy = 0
        self._changed = threading.Condition()
        self._threads = ThreadPoolExecutor(size, thread_name_prefix=name)

    def free(self) -> int:
        with self._changed:
            return self._size - self._busy

    def submit(self, run: Callable[..., None], *args: object) -> None:
        with self._changed:
            self._busy += 1
        self._threads.submit(self._run, run, *args)

    def wait(self, timeout_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._busy == 0, timeout_s)

    def _run(self, run: Callable[..., None], *args: object) -> None:
        try:
            run(*args)
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()
