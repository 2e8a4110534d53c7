"""Telling a company's program once more what it was told already, or was told in vain."""

from collections.abc import Sequence
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import func

from portal.db import atomic, db, found_once
from portal.errors import Conflict, NotFound
from portal.models import DeliveryState, WebhookDelivery, WebhookEndpoint, WebhookTopic
from portal.queries.webhook_deliveries import Filter, conditions, is_under_way
from portal.services import audit
from portal.tenancy import TenantScope

MOST_AT_ONCE = 10_000
MOST_IDS_IN_LOG = 200


def replay(scope: TenantScope, endpoint_id: UUID, delivery_id: UUID) -> None:
    """Post it once more, under the same id, whatever became of it.

    Raises NotFound, and Conflict while it is being posted.
    """
    with atomic():
        is_it = (WebhookDelivery.endpoint_id == endpoint_id) & (WebhookDelivery.id == delivery_id)
        held = scope.select(WebhookDelivery).where(is_it).with_for_update()
        delivery: WebhookDelivery | None = db.session.scalar(held.execution_options(populate_existing=True))
        if delivery is None:
            raise NotFound("no such webhook delivery")
        if is_under_way(delivery):
            raise Conflict(_("It is being sent at this moment. Wait for the answer first."), code="under_way")
        for name, value in _as_new().items():
            setattr(delivery, name, value)
        _record(scope, endpoint_id, [delivery_id])


def replay_failed(scope: TenantScope, endpoint_id: UUID, *, topic: WebhookTopic | None, up_to: int) -> int:
    """Post once more what failed, of one topic or of each, up to a position: the oldest MOST_AT_ONCE; how many.

    Raises NotFound.
    """
    failed = scope.select(WebhookDelivery, WebhookDelivery.id).where(
        *conditions(endpoint_id, Filter(DeliveryState.FAILED, topic, up_to))
    )
    oldest = failed.order_by(WebhookDelivery.position).limit(MOST_AT_ONCE).with_for_update(skip_locked=True)
    with atomic():
        scope.get(WebhookEndpoint, endpoint_id)
        again = scope.update(WebhookDelivery).where(WebhookDelivery.id.in_(found_once(oldest))).values(**_as_new())
        told = again.returning(WebhookDelivery.id).execution_options(synchronize_session=False)
        ids = db.session.scalars(told).all()
        if ids:
            _record(scope, endpoint_id, ids)
    return len(ids)


def _as_new() -> dict[str, object]:
    """What a delivery is before its first attempt."""
    unanswered = dict.fromkeys(("last_attempt_at", "delivered_at", "response_status", "error_code", "took_ms"))
    return {"state": DeliveryState.WAITING, "attempts": 0, "next_attempt_at": func.now(), **unanswered}


def _record(scope: TenantScope, endpoint_id: UUID, ids: Sequence[UUID]) -> None:
    told = {"count": len(ids), "ids": [str(id_) for id_ in ids[:MOST_IDS_IN_LOG]]}
    audit.record(scope, "webhook_deliveries.replayed", ("webhook_endpoint", endpoint_id), after=told)
