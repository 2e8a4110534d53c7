"""Endpoints of companies, and what they were told or are to be told, as rows."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from portal.clock import now
from portal.db import atomic, db
from portal.extensions import parts
from portal.models import (
    Conversation,
    DeliveryState,
    Direction,
    Message,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookTopic,
)
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.factories import make_message

URL = "https://crm.example.com/whatsapp?key=only-they-know"
SECRET = "whsec_c2VjcmV0LW9mLXRlc3RzLW9mLTMyLWJ5dGVzLi4u"
OLD_SECRET = "whsec_YW5vdGhlci1zZWNyZXQtb2YtdGVzdHMtMzItYnl0ZXM="
SHOWN = "https://crm.example.com/whatsapp"


def make_endpoint(scope: TenantScope, url: str = URL, **columns: Any) -> WebhookEndpoint:
    row = {"topics": list(WebhookTopic), "secret_encrypted": parts.vault.encrypt(SECRET), **columns}
    with acting_for(scope), atomic():
        return scope.add(WebhookEndpoint(url=url, **row))


def make_delivery(
    scope: TenantScope, endpoint: WebhookEndpoint, message: Message, **columns: object
) -> WebhookDelivery:
    told = {"topic": WebhookTopic.MESSAGE_STATUS, "status": "read", "state": DeliveryState.DELIVERED, **columns}
    with acting_for(scope), atomic():
        return scope.add(
            WebhookDelivery(endpoint_id=endpoint.id, unit_id=message.unit_id, message_id=message.id, **told)
        )


def endpoint_of(scope: TenantScope, endpoint_id: UUID) -> WebhookEndpoint | None:
    """As it is now; None when it is gone."""
    with acting_for(scope):
        look = scope.select(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id)
        found: WebhookEndpoint | None = db.session.scalar(look.execution_options(populate_existing=True))
        return found


def delivery_of(scope: TenantScope, delivery_id: UUID) -> WebhookDelivery:
    """As it is now."""
    with acting_for(scope):
        look = scope.select(WebhookDelivery).where(WebhookDelivery.id == delivery_id)
        return db.session.scalars(look.execution_options(populate_existing=True)).one()


def tell(scope: TenantScope, conversation: Conversation, *texts: str) -> list[UUID]:
    """Let these texts come in; the ids of their messages."""
    return [make_message(scope, conversation, body=text, direction=Direction.INBOUND).id for text in texts]


def deliveries(endpoint: WebhookEndpoint) -> list[WebhookDelivery]:
    """In the order in which it happened."""
    theirs = select(WebhookDelivery).where(WebhookDelivery.endpoint_id == endpoint.id)
    with across_tenants("a test looks at the rows"):
        found = theirs.order_by(WebhookDelivery.position).execution_options(populate_existing=True)
        return list(db.session.scalars(found))


def noted(endpoint: WebhookEndpoint) -> list[tuple[str, str]]:
    """What the endpoint is to be told: topic and status."""
    return [(one.topic, one.status) for one in deliveries(endpoint)]


def waiting(endpoint: WebhookEndpoint) -> int:
    return sum(one.state == DeliveryState.WAITING for one in deliveries(endpoint))


def current(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    this = select(WebhookEndpoint).where(WebhookEndpoint.id == endpoint.id)
    with across_tenants("a test looks at the rows"):
        return db.session.scalars(this.execution_options(populate_existing=True)).one()


def change(endpoint: WebhookEndpoint, **columns: Any) -> None:
    with across_tenants("a test changes a row"), atomic():
        db.session.execute(update(WebhookEndpoint).where(WebhookEndpoint.id == endpoint.id).values(columns))


def let_time_pass(endpoint: WebhookEndpoint) -> None:
    """Whatever waits for a later time is due now."""
    past = now() - timedelta(seconds=1)
    theirs = update(WebhookDelivery).where(WebhookDelivery.endpoint_id == endpoint.id)
    with across_tenants("a test changes rows"), atomic():
        db.session.execute(theirs.where(WebhookDelivery.next_attempt_at > past).values(next_attempt_at=past))
    change(endpoint, paused_until=None)
