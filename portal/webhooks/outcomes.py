"""What became of an attempt, written to the delivery and its endpoint: when the next one is, or that there is none."""

import random
from datetime import timedelta
from typing import Any

from portal.clock import now
from portal.db import db
from portal.models import DeliveryState, WebhookDelivery, WebhookEndpoint
from portal.tenancy import TenantScope, tenant_transaction
from portal.webhooks.claims import UNWELL, Claimed
from portal.webhooks.posting import Attempt, Failure

MINUTE, HOUR = 60, 3600
# Seconds from each attempt to the next, two days in all; after the last one it is given up.
BACKOFF_S = (
    *(5, 30, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE),
    *(1 * HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 12 * HOUR, 24 * HOUR),
)
# So that what failed together does not come again together.
JITTER = 0.2
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 300.0


def record(delivery: Claimed, attempt: Attempt) -> None:
    """The endpoint first, then the delivery, as everybody does who holds both."""
    with tenant_transaction(TenantScope(delivery.tenant_id)) as scope:
        if attempt.failure is None:
            _note_well(scope, delivery)
            _note(scope, delivery, attempt, state=DeliveryState.DELIVERED, delivered_at=now())
        else:
            _note_unwell(scope, delivery, attempt)
            _note(scope, delivery, attempt, **_after(delivery.attempt, attempt))


def pause_s(failures: int) -> float:
    """For how long an endpoint is left alone after so many failures in a row."""
    if failures < UNWELL:
        return 0.0
    return float(min(LONGEST_PAUSE_S, SHORTEST_PAUSE_S * 2 ** min(failures - UNWELL, 16)))


def _after(number: int, attempt: Attempt) -> dict[str, Any]:
    """What follows the attempt with that number."""
    if attempt.failure == Failure.GONE or number > len(BACKOFF_S):
        return {"state": DeliveryState.FAILED}
    wait_s = BACKOFF_S[number - 1] * random.uniform(1 - JITTER, 1 + JITTER)
    return {"next_attempt_at": now() + timedelta(seconds=max(wait_s, attempt.retry_after_s))}


def _note_well(scope: TenantScope, delivery: Claimed) -> None:
    """Seldom more than a look: an endpoint that was well before is not written."""
    is_it = (WebhookEndpoint.id == delivery.endpoint_id) & (WebhookEndpoint.failures > 0)
    well = scope.update(WebhookEndpoint).where(is_it).values(failures=0, paused_until=None)
    db.session.execute(well.execution_options(synchronize_session=False))


def _note_unwell(scope: TenantScope, delivery: Claimed, attempt: Attempt) -> None:
    this = scope.select(WebhookEndpoint).where(WebhookEndpoint.id == delivery.endpoint_id)
    held = this.with_for_update(key_share=True).execution_options(populate_existing=True)
    endpoint: WebhookEndpoint | None = db.session.scalar(held)
    # Deleted meanwhile, or another address by now, which has failed nobody.
    if endpoint is None or endpoint.url != delivery.url:
        return
    endpoint.failures += 1
    wait_s = max(pause_s(endpoint.failures), attempt.retry_after_s)
    if wait_s:
        until = now() + timedelta(seconds=wait_s)
        endpoint.paused_until = max(endpoint.paused_until or until, until)
    if attempt.failure == Failure.GONE and endpoint.disabled_at is None:
        endpoint.disabled_at, endpoint.is_gone = now(), True
    db.session.flush()


def _note(scope: TenantScope, delivery: Claimed, attempt: Attempt, **columns: Any) -> None:
    """A failure counts only while nobody else has taken the delivery since; a success is one in any case."""
    this = scope.update(WebhookDelivery).where(WebhookDelivery.id == delivery.id)
    if attempt.failure is not None:
        is_ours = (WebhookDelivery.state == DeliveryState.WAITING) & (WebhookDelivery.attempts == delivery.attempt)
        this = this.where(is_ours)
    answered = {"response_status": attempt.status, "error_code": attempt.failure, "took_ms": attempt.took_ms}
    db.session.execute(this.values({**answered, **columns}).execution_options(synchronize_session=False))
