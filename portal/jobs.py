"""What the workers run: each job drains one table for some seconds and enqueues itself again.

RQ decides which process drains; the rows decide what there is to drain. So a job that Redis loses costs nothing
but the second until the keeper enqueues the next (portal/worker.py).
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from uuid import UUID

import structlog

from portal import queue
from portal.background.relay import BackgroundRelay
from portal.inbox.relay import InboxRelay
from portal.outbox import owners
from portal.outbox.relay import OutboxRelay
from portal.webhooks.relay import WebhookRelay

log = structlog.get_logger(__name__)

# How long a relay waits that nobody wakes.
POLL_S = {queue.INBOX: 0.5, queue.OUTBOX: 0.5, queue.BACKGROUND: 2.0, queue.WEBHOOKS: 0.5}
# And one that whoever has work for it does wake, while nothing waits for its time.
QUIET_POLL_S = {queue.OUTBOX: 1.0}
PAUSE_AFTER_ERROR_S = 1.0
AppContext = Callable[[], AbstractContextManager[object]]


class Workplace:
    """What outlives a job in this process: the sends in flight, the listener, and the wish to stop."""

    def __init__(self, name: str, app_context: AppContext) -> None:
        self.name = name
        self.app_context = app_context
        self.owner_id: UUID = owners.new_owner()
        self.is_stopping = False
        self.is_draining = False
        self.listener = queue.Listener(name)
        self.inbox = InboxRelay(app_context)
        self.background = BackgroundRelay(self.owner_id, lambda: self.is_stopping)
        self.outbox = OutboxRelay(app_context, self.owner_id, on_free=self.listener.bell.ring)
        self.webhooks = WebhookRelay(app_context, on_free=self.listener.bell.ring)

    def stop(self) -> None:
        """Called by the handler of a signal, as often as it comes: it may wait for nothing."""
        self.is_stopping = True
        self.listener.bell.ring()


_workplace: Workplace | None = None


def open_workplace(workplace: Workplace) -> None:
    """Give this process's jobs the place they work in."""
    global _workplace
    _workplace = workplace


def drain_inbox() -> None:
    """Apply stored webhook events until the time is over."""
    here = _here()
    _drain(here, here.inbox.drain)


def drain_outbox() -> None:
    """Claim and send queued messages, and carry out what was asked of connections, until the time is over."""
    here = _here()
    _drain(here, here.outbox.drain)


def drain_background() -> None:
    """Import lists, erase people, delete what has been kept long enough, until the time is over."""
    here = _here()
    _drain(here, here.background.drain)


def drain_webhooks() -> None:
    """Tell companies' programs what happened, until the time is over."""
    here = _here()
    _drain(here, here.webhooks.drain)


def _here() -> Workplace:
    if _workplace is None:
        raise RuntimeError("the portal's jobs run in the portal's own worker processes")
    return _workplace


def _drain(here: Workplace, step: Callable[[], float | None]) -> None:
    here.is_draining = True
    until = time.monotonic() + queue.RELAY_S
    try:
        # Without Redis the next job could not be enqueued: this one goes on until Redis is back.
        while not here.is_stopping and (time.monotonic() < until or not queue.is_reachable()):
            pause_s = _step(here, step)
            if pause_s is None or pause_s > 0:
                here.listener.bell.wait(_longest_wait(here, pause_s))
    finally:
        here.is_draining = False
    if not here.is_stopping and queue.relay_queue(here.name).count == 0:
        queue.enqueue_relay(here.name)


def _longest_wait(here: Workplace, pause_s: float | None) -> float:
    if pause_s is not None:
        return min(POLL_S[here.name], pause_s)
    is_woken = here.name in QUIET_POLL_S and here.listener.is_hearing
    return (QUIET_POLL_S if is_woken else POLL_S)[here.name]


def _step(here: Workplace, step: Callable[[], float | None]) -> float | None:
    try:
        with here.app_context():
            return step()
    except Exception:
        # The database is away, or one row is broken: the rows are still there, and so is the next round.
        log.exception("relay round failed", queue=here.name)
        return PAUSE_AFTER_ERROR_S
