"""The webhook relay: takes deliveries that are due and posts them from a few threads."""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import structlog

from portal.secrets import Unreadable
from portal.webhooks import bodies, claims, outcomes, signing
from portal.webhooks.claims import Claimed
from portal.webhooks.posting import Attempt, Failure, post

log = structlog.get_logger(__name__)
AppContext = Callable[[], AbstractContextManager[object]]

# They mostly wait. Four receivers that hang at the same time, which nobody knew before, take them all for some seconds.
POSTERS = 16
# Those that are taken for dead never take more than so many.
PROBERS = 8
# The shortest time between two looks: under load each takes what threads got free for since the last one.
ROUND_S = 0.015
LOOK_S = 0.02


class WebhookRelay:
    """Posts what is due. At least once: a delivery whose worker was killed is posted again, under the same id."""

    def __init__(self, app_context: AppContext, on_free: Callable[[], None] = lambda: None) -> None:
        self._app_context = app_context
        self._on_free = on_free
        self._posters = ThreadPoolExecutor(POSTERS, thread_name_prefix="post")
        self._lock = threading.Lock()
        self._posting = self._probing = 0
        self._looked_at = float("-inf")

    def drain(self) -> float | None:
        """Hand out what is due; 0.0 when there may be more, None when nothing is due or all are busy."""
        time.sleep(max(0.0, self._looked_at + ROUND_S - time.monotonic()))
        self._looked_at = time.monotonic()
        with self._lock:
            free, free_probers = POSTERS - self._posting, PROBERS - self._probing
        if not free:
            # Whoever gets free wakes the relay.
            return None
        claimed = claims.claim(most=free, most_probes=free_probers)
        built = bodies.build(claimed) if claimed else {}
        for delivery in claimed:
            if delivery.id in built:
                self._begin(delivery, built[delivery.id])
        return 0.0 if claimed else None

    def finish(self, within_s: float) -> bool:
        """Wait for the posts under way; False when some are left."""
        until = time.monotonic() + within_s
        while self._is_posting():
            if time.monotonic() >= until:
                return False
            time.sleep(LOOK_S)
        return True

    def _is_posting(self) -> bool:
        with self._lock:
            return self._posting > 0

    def _begin(self, delivery: Claimed, body: bytes) -> None:
        self._count(delivery, 1)
        self._posters.submit(self._post, delivery, body)

    def _post(self, delivery: Claimed, body: bytes) -> None:
        try:
            attempt = _attempt(delivery, body)
            with self._app_context():
                outcomes.record(delivery, attempt)
        except Exception:
            # It is posted again when its lease is over.
            log.exception("webhook attempt not recorded", endpoint_id=str(delivery.endpoint_id))
        finally:
            self._count(delivery, -1)
            self._on_free()

    def _count(self, delivery: Claimed, number: int) -> None:
        with self._lock:
            self._posting += number
            self._probing += number if delivery.is_probe else 0


def _attempt(delivery: Claimed, body: bytes) -> Attempt:
    try:
        headers = signing.headers(delivery, body)
    except Unreadable:
        attempt = Attempt(Failure.UNREADABLE_SECRET)
    else:
        attempt = _post_once(delivery, body, headers)
    if attempt.failure is not None:
        # Neither the address nor what was told: both may hold what nobody may read here.
        told = {"endpoint_id": str(delivery.endpoint_id), "attempt": delivery.attempt, "status": attempt.status}
        log.info("webhook not delivered", code=str(attempt.failure), **told)
    return attempt


def _post_once(delivery: Claimed, body: bytes, headers: Mapping[str, str]) -> Attempt:
    try:
        return post(delivery.url, body, headers)
    except Exception:
        # Whatever an answer makes go wrong here is a failure of that attempt: unrecorded, it would never end.
        log.exception("webhook attempt broke off", endpoint_id=str(delivery.endpoint_id))
        return Attempt(Failure.UNREACHABLE)
