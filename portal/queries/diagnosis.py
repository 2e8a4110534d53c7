"""What a diagnosis of one unit reads of rows that no page shows."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, literal, or_, select

from portal import counters
from portal.clock import now
from portal.db import db
from portal.models import (
    Campaign,
    CampaignState,
    EventState,
    EvolutionServer,
    Message,
    MessageSource,
    MessageStatus,
    MetricMinute,
    PlanProblem,
    PlanState,
    Relay,
    WebhookEvent,
)
from portal.owners import owned_by
from portal.queries.campaigns import WITHOUT_AUDIENCE
from portal.queries.health import OLDEST_HEARTBEAT
from portal.tenancy import TenantScope, across_tenants

WHY = "whoever diagnoses a unit looks at the parts that all tenants share"
MOST_CAMPAIGNS = 50
# A plan that failed longer ago than this bothers nobody any more.
FAILED_PLANS_FOR = timedelta(days=7)
UNDER_WAY = (CampaignState.SCHEDULED, CampaignState.PROCESSING, CampaignState.PAUSED)


@dataclass(frozen=True)
class Waiting:
    """How many there are, and since when the oldest of them is."""

    count: int = 0
    since: datetime | None = None


@dataclass(frozen=True)
class NextMessage:
    """What leaves next at a unit, as far as that says something about its waiting."""

    created_at: datetime
    is_cold: bool
    is_of_campaign: bool


def find_server(server_id: UUID | None) -> EvolutionServer | None:
    """That server, or the default one; None until a worker has noted it. Its key is encrypted."""
    which = EvolutionServer.id == server_id if server_id else EvolutionServer.is_default
    with across_tenants(WHY):
        return db.session.scalar(select(EvolutionServer).where(which))


def list_living_relays() -> set[UUID]:
    """The worker processes that were heard just now."""
    with across_tenants(WHY):
        return set(db.session.scalars(select(Relay.id).where(Relay.heartbeat_at > func.now() - OLDEST_HEARTBEAT)))


def count_refused(unit_id: UUID, *, since: datetime) -> int:
    """How many deliveries of the unit's own instance were refused in the minutes that began since then."""
    refused = select(func.coalesce(func.sum(MetricMinute.count), 0)).where(
        MetricMinute.minute >= since, MetricMinute.name == counters.refused_of(unit_id)
    )
    with across_tenants(WHY):
        return int(db.session.scalar(refused) or 0)


def find_backlog(scope: TenantScope, unit_id: UUID) -> Waiting:
    """The unit's events that are due and not applied yet."""
    is_due = or_(WebhookEvent.retry_at.is_(None), WebhookEvent.retry_at <= func.now())
    statement = scope.select(WebhookEvent, func.count(), func.min(WebhookEvent.received_at)).where(
        owned_by(WebhookEvent.unit_id, unit_id), _is(WebhookEvent.state, EventState.NEW), is_due
    )
    return Waiting(*db.session.execute(statement).one())


def find_abandoned(scope: TenantScope, unit_id: UUID, living: set[UUID]) -> Waiting:
    """The unit's messages that are being sent by no worker that lives."""
    statement = scope.select(Message, func.count(), func.min(Message.sending_at)).where(
        owned_by(Message.unit_id, unit_id),
        _is(Message.status, MessageStatus.SENDING),
        or_(Message.relay_id.is_(None), Message.relay_id.not_in(living)),
    )
    return Waiting(*db.session.execute(statement).one())


def find_next_message(scope: TenantScope, unit_id: UUID) -> NextMessage | None:
    """The first of what is queued at the unit."""
    is_of_campaign = func.coalesce(Message.source == MessageSource.CAMPAIGN, False)
    queued = scope.select(Message, Message.created_at, Message.is_cold, is_of_campaign).where(
        owned_by(Message.unit_id, unit_id), _is(Message.status, MessageStatus.QUEUED)
    )
    row = db.session.execute(queued.order_by(Message.priority, Message.id).limit(1)).one_or_none()
    return NextMessage(*row) if row else None


def list_campaigns(scope: TenantScope, unit_id: UUID) -> list[Campaign]:
    """The unit's campaigns that are to move: under way, being planned, or given up by the planning lately."""
    is_planned_now = (Campaign.state == CampaignState.DRAFT) & (Campaign.plan_state == PlanState.WAITING)
    gave_up = (
        (Campaign.state == CampaignState.FAILED)
        & (Campaign.plan_problem == PlanProblem.GAVE_UP)
        & (Campaign.created_at > now() - FAILED_PLANS_FOR)
    )
    statement = (
        scope.select(Campaign)
        .options(WITHOUT_AUDIENCE)
        .where(Campaign.unit_id == unit_id, or_(Campaign.state.in_(UNDER_WAY), is_planned_now, gave_up))
        .order_by(Campaign.id)
        .limit(MOST_CAMPAIGNS)
    )
    return list(db.session.scalars(statement.execution_options(populate_existing=True)))


def _is(column: Any, value: StrEnum) -> ColumnElement[bool]:
    """Written out: PostgreSQL takes a partial index only for what it can read in the statement."""
    written: ColumnElement[bool] = column == literal(value.value, literal_execute=True)
    return written
