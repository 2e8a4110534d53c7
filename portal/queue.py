"""Names of queues and jobs, and the signal that wakes a relay. Redis only says "look": rows say what is left to do."""

import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue

import redis
import structlog
from rq import Queue
from rq.serializers import JSONSerializer

from portal.extensions import parts

log = structlog.get_logger(__name__)

INBOX = "inbox"
OUTBOX = "outbox"
# Imports, erasures, what has been kept long enough: nobody waits for it within a second.
BACKGROUND = "background"
# What companies' programs are told: their servers may be slow, and nobody else waits for them.
WEBHOOKS = "webhooks"
QUEUES = (INBOX, OUTBOX, BACKGROUND, WEBHOOKS)
# Jobs are named, not imported, so that whoever enqueues need not import what the workers run.
RELAY_JOBS = {
    INBOX: "portal.jobs.drain_inbox",
    OUTBOX: "portal.jobs.drain_outbox",
    BACKGROUND: "portal.jobs.drain_background",
    WEBHOOKS: "portal.jobs.drain_webhooks",
}
RELAY_S = 20
SIGNALS_PER_S = 20
RECONNECT_S = 1.0
READ_S = 2.0


def relay_queue(name: str) -> Queue:
    return Queue(name, connection=parts.redis, serializer=JSONSerializer)


def enqueue_relay(name: str) -> None:
    """Let a worker drain that queue's rows for the next seconds."""
    relay_queue(name).enqueue(RELAY_JOBS[name], job_timeout=-1, result_ttl=0, failure_ttl=3600)


def channel(name: str) -> str:
    return f"portal:wake:{name}"


class Signal:
    """Wakes a relay, at most so many times a second: what is asked in between is said once, at the end of it."""

    def __init__(self, name: str) -> None:
        self._channel = channel(name)
        self._lock = threading.Lock()
        self._said_at = 0.0
        self._is_pending = False

    def __call__(self) -> None:
        with self._lock:
            if self._is_pending:
                return
            wait_s = self._said_at + 1 / SIGNALS_PER_S - time.monotonic()
            self._is_pending = wait_s > 0
        if wait_s > 0:
            timer = threading.Timer(wait_s, self._say)
            timer.daemon = True
            timer.start()
        else:
            self._say()

    def _say(self) -> None:
        with self._lock:
            self._is_pending = False
            self._said_at = time.monotonic()
        try:
            parts.redis.publish(self._channel, b"")
        except redis.RedisError:
            # The relays poll anyway.
            log.warning("wake-up not sent, Redis is away")


class Bell:
    """Wakes whoever waits for it; any thread may ring it, and the handler of a signal.

    A handler runs amid whatever its thread is at: a lock that it wants, as `threading.Event` has one, that thread may
    hold itself, and then waits for itself for good. What `SimpleQueue` does may be interrupted by itself.
    """

    def __init__(self) -> None:
        self._rung: SimpleQueue[None] = SimpleQueue()

    def ring(self) -> None:
        if self._rung.empty():
            self._rung.put(None)

    def wait(self, timeout_s: float) -> None:
        """Until it rings, or has rung since the last time, or the time is over."""
        with suppress(Empty):
            self._rung.get(timeout=timeout_s)
            while True:
                self._rung.get_nowait()


class Listener:
    """Waits for a signal, for a ring from this process, or for the time to be over, with or without Redis."""

    def __init__(self, name: str) -> None:
        self.bell = Bell()
        self.is_hearing = False
        self._channel = channel(name)
        threading.Thread(target=self._listen, name=f"listen-{name}", daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                self._follow()
            except redis.RedisError:
                self.is_hearing = False
                time.sleep(RECONNECT_S)

    def _follow(self) -> None:
        with parts.redis.pubsub() as subscription:  # type: ignore[no-untyped-call]
            subscription.subscribe(self._channel)
            while True:
                # Each subscription is told as well, those after a lost connection among them: something may have been
                # said while nobody listened.
                if subscription.get_message(timeout=READ_S) is not None:
                    self.is_hearing = True
                    self.bell.ring()


def is_reachable() -> bool:
    try:
        return bool(parts.redis.ping())
    except redis.RedisError:
        return False


def echo(word: str) -> str:
    """The job of a trial."""
    return word


def try_job(word: str, *, timeout_s: float) -> bool:
    """Whether a job comes back out of Redis as it went in, and runs; in a queue of its own, which is gone then."""
    trial = relay_queue(word)
    job = trial.enqueue(f"{__name__}.{echo.__name__}", word, job_timeout=timeout_s, result_ttl=0, failure_ttl=0)
    try:
        taken = Queue.dequeue_any([trial], None, connection=parts.redis, serializer=JSONSerializer)
        return taken is not None and taken[0].perform() == word
    finally:
        # What was taken is not in the queue any more, but in a list beside it, where workers leave what they began.
        job.delete()
        trial.delete()
        parts.redis.delete(trial.intermediate_queue_key)


wake_inbox = Signal(INBOX)
wake_outbox = Signal(OUTBOX)
wake_background = Signal(BACKGROUND)
