"""Endpoints of a company with what became of their news, and the log of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, literal, select, true

from portal.clock import now
from portal.db import db
from portal.errors import NotFound
from portal.models import DeliveryState, Message, Unit, WebhookDelivery, WebhookEndpoint, WebhookTopic
from portal.tenancy import TenantScope

PAGE = 50
RECENT = timedelta(hours=24)
# The answer after which an endpoint is switched off.
# The largest number that a position can be.
LAST_POSITION = 2**63 - 1


@dataclass(frozen=True)
class EndpointRow:
    """An endpoint, what waits for it, and what became of the news of the last 24 hours.

    `reached_at` is when it last took one of these.
    """

    endpoint: WebhookEndpoint
    waiting: int
    delivered: int
    failed: int
    reached_at: datetime | None


@dataclass(frozen=True)
class DeliveryRow:
    """A delivery, the unit it is about, and the conversation of its message."""

    delivery: WebhookDelivery
    unit: Unit
    conversation_id: UUID


@dataclass(frozen=True)
class Filter:
    """Some of a log: in one state, of one topic, up to a position."""

    state: DeliveryState | None = None
    topic: WebhookTopic | None = None
    up_to: int = LAST_POSITION


def list_endpoints(scope: TenantScope) -> list[EndpointRow]:
    """The company's endpoints, in the order in which they were made."""
    statement = _with_figures(scope).order_by(WebhookEndpoint.id)
    return [EndpointRow(*row) for row in db.session.execute(statement)]


def get_endpoint(scope: TenantScope, endpoint_id: UUID) -> EndpointRow:
    """Raises NotFound."""
    row = db.session.execute(_with_figures(scope).where(WebhookEndpoint.id == endpoint_id)).one_or_none()
    if row is None:
        raise NotFound("no such webhook endpoint")
    return EndpointRow(*row)


def list_deliveries(scope: TenantScope, endpoint_id: UUID, wanted: Filter) -> list[DeliveryRow]:
    """The newest deliveries of the filter."""
    statement = _with_context(scope).where(*conditions(endpoint_id, wanted))
    rows = db.session.execute(statement.order_by(WebhookDelivery.position.desc()).limit(PAGE))
    return [DeliveryRow(*row) for row in rows]


def get_delivery(scope: TenantScope, endpoint_id: UUID, delivery_id: UUID) -> DeliveryRow:
    """Raises NotFound."""
    is_it = (WebhookDelivery.endpoint_id == endpoint_id) & (WebhookDelivery.id == delivery_id)
    row = db.session.execute(_with_context(scope).where(is_it)).one_or_none()
    if row is None:
        raise NotFound("no such webhook delivery")
    return DeliveryRow(*row)


def count_deliveries(scope: TenantScope, endpoint_id: UUID, wanted: Filter) -> int:
    counted = scope.select(WebhookDelivery, func.count()).where(*conditions(endpoint_id, wanted))
    return int(db.session.scalar(counted) or 0)


def is_under_way(delivery: WebhookDelivery) -> bool:
    """Whether a worker is posting it: its attempt is counted, not answered yet, and not forgotten either."""
    return (
        delivery.state == DeliveryState.WAITING
        and delivery.attempts > 0
        and delivery.error_code is None
        and delivery.next_attempt_at > now()
    )


def conditions(endpoint_id: UUID, wanted: Filter) -> list[ColumnElement[bool]]:
    """What of the endpoint's log the filter takes."""
    found = [WebhookDelivery.endpoint_id == endpoint_id, WebhookDelivery.position <= wanted.up_to]
    if wanted.state is not None:
        found.append(WebhookDelivery.state == wanted.state)
    if wanted.topic is not None:
        found.append(WebhookDelivery.topic == wanted.topic)
    return found


def _with_context(scope: TenantScope) -> Select[Any]:
    return (
        scope.select(WebhookDelivery, WebhookDelivery, Unit, Message.conversation_id)
        .join(Unit, (Unit.tenant_id == WebhookDelivery.tenant_id) & (Unit.id == WebhookDelivery.unit_id))
        .join(Message, (Message.tenant_id == WebhookDelivery.tenant_id) & (Message.id == WebhookDelivery.message_id))
        .execution_options(populate_existing=True)
    )


def _with_figures(scope: TenantScope) -> Select[Any]:
    """One statement for all endpoints; of each log only what is recent is read, along its index."""
    is_older = WebhookDelivery.created_at < now() - RECENT
    older = _of_endpoint(scope, WebhookDelivery.position, is_older).order_by(WebhookDelivery.position.desc())
    newest_older = older.limit(1).lateral()
    # An aggregate is there even of nothing: the index takes a plain column, and no COALESCE, past the policies.
    begin = select(func.coalesce(func.max(newest_older.c.position), 0).label("position")).lateral()
    recent = _of_endpoint(
        scope,
        (
            _number_in(DeliveryState.DELIVERED).label("delivered"),
            _number_in(DeliveryState.FAILED).label("failed"),
            func.max(WebhookDelivery.delivered_at).label("reached_at"),
        ),
        WebhookDelivery.position > begin.c.position,
        beside=begin,
    ).lateral()
    # Written out: PostgreSQL takes a partial index only for what it can read in the statement.
    is_waiting = WebhookDelivery.state == literal(DeliveryState.WAITING.value, literal_execute=True)
    waiting = _of_endpoint(scope, func.count().label("waiting"), is_waiting).lateral()
    columns = (waiting.c.waiting, recent.c.delivered, recent.c.failed, recent.c.reached_at)
    return (
        scope.select(WebhookEndpoint, WebhookEndpoint, *columns)
        .select_from(WebhookEndpoint)
        .join(waiting, true())
        .join(begin, true())
        .join(recent, true())
        .execution_options(populate_existing=True)
    )


def _of_endpoint(
    scope: TenantScope, columns: Any, *conditions: ColumnElement[bool], beside: Any = WebhookEndpoint
) -> Select[Any]:
    chosen: Sequence[Any] = columns if isinstance(columns, tuple) else (columns,)
    theirs = scope.select(WebhookDelivery, *chosen).where(WebhookDelivery.endpoint_id == WebhookEndpoint.id)
    return theirs.where(*conditions).correlate(WebhookEndpoint, beside)


def _number_in(state: DeliveryState) -> ColumnElement[int]:
    return func.count().filter(WebhookDelivery.state == state)
