"""Campaigns that could send and do not: not those that wait by a rule, such as the night, the cap or the gap."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, select
from sqlalchemy.orm import aliased

from portal.clock import now
from portal.db import db
from portal.models import (
    CAMPAIGN_PRIORITY,
    Campaign,
    CampaignRecipient,
    CampaignState,
    Connection,
    EvolutionServer,
    Lane,
    Message,
    MessageStatus,
    RecipientState,
    Tenant,
    Unit,
)
from portal.pacing import next_slot
from portal.queries.pacing import pace_of
from portal.tenancy import across_tenants

STILL_FOR = timedelta(minutes=10)


@dataclass(frozen=True)
class StuckCampaign:
    """A running campaign of which nothing moved, though it could, since then."""

    id: UUID
    tenant_id: UUID
    unit_id: UUID
    since: datetime


@dataclass(frozen=True)
class _Standing:
    """A running campaign whose unit had no turn for a while, with all that could explain it."""

    campaign: Campaign
    unit: Unit
    lane: Lane
    connected_at: datetime | None
    server_paused_until: datetime | None
    # Whether a message of a campaign is in the unit's queue.
    is_waiting: bool


def list_stuck_campaigns(still_for: timedelta = STILL_FOR) -> list[StuckCampaign]:
    """Those that stand still for so long already, of all tenants."""
    at = now()
    with across_tenants("campaigns of every tenant may be stuck"):
        standing = [_Standing(*row) for row in db.session.execute(_standing(at - still_for))]
    return [stuck for one in standing if (stuck := _judge(one, at)) is not None and stuck.since <= at - still_for]


def _standing(before: datetime) -> Select[Campaign, Unit, Lane, datetime | None, datetime | None, bool]:
    """What runs, has somebody left, and belongs to a unit that nothing is known to keep and that had no turn since."""
    other = aliased(Campaign)
    had_a_turn = exists().where(
        other.unit_id == Campaign.unit_id, other.state == CampaignState.PROCESSING, other.fed_at > before
    )
    is_waiting = _is_waiting()
    return (
        select(Campaign, Unit, Lane, Connection.connected_at, EvolutionServer.paused_until, is_waiting)
        .join(Unit, (Unit.tenant_id == Campaign.tenant_id) & (Unit.id == Campaign.unit_id))
        .join(Lane, (Lane.tenant_id == Campaign.tenant_id) & (Lane.unit_id == Campaign.unit_id))
        .join(Connection, (Connection.tenant_id == Campaign.tenant_id) & (Connection.unit_id == Campaign.unit_id))
        .join(Tenant, Tenant.id == Campaign.tenant_id)
        .join(EvolutionServer, EvolutionServer.id == Lane.evolution_server_id)
        .where(
            Campaign.state == CampaignState.PROCESSING,
            Lane.is_open,
            Tenant.suspended_at.is_(None),
            EvolutionServer.pause_reason.is_(None),
            ~had_a_turn,
            _has_pending() | is_waiting,
        )
    )


def _has_pending() -> ColumnElement[bool]:
    # Not EXISTS, for which the database may read the pending lines of all campaigns at once: there may be millions.
    first = (
        select(CampaignRecipient.position)
        .where(
            CampaignRecipient.tenant_id == Campaign.tenant_id,
            CampaignRecipient.campaign_id == Campaign.id,
            CampaignRecipient.state == RecipientState.PENDING,
        )
        .order_by(CampaignRecipient.position)
        .limit(1)
    )
    return first.scalar_subquery().is_not(None)


def _is_waiting() -> ColumnElement[bool]:
    return exists().where(
        Message.tenant_id == Campaign.tenant_id,
        Message.unit_id == Campaign.unit_id,
        Message.status == MessageStatus.QUEUED,
        Message.priority == CAMPAIGN_PRIORITY,
    )


def _judge(one: _Standing, at: datetime) -> StuckCampaign | None:
    """Since when it could have moved; None where a rule holds it."""
    lane, pace = one.lane, pace_of(one.unit)
    day = pace.day_of(at)
    counted = lane.campaign_count if lane.campaign_day == day else 0
    slot = next_slot(pace, at, sent_today=max(0, counted - one.is_waiting))
    window = pace.window_on(day)
    holds = (lane.held_until, lane.next_cold_at, lane.cold_paused_until)
    is_held = any(hold is not None and hold > at for hold in holds)
    # A turn that is further away than the longest gap is no turn: somebody forgot to set it anew.
    is_in_gap = lane.campaign_at is not None and at < lane.campaign_at <= at + timedelta(seconds=pace.max_s)
    if slot is None or slot.opens > at or window is None or is_held or is_in_gap:
        return None
    campaign = one.campaign
    moments = (campaign.resumed_at, campaign.fed_at, one.connected_at, one.server_paused_until, window[0], *holds)
    turn_at = lane.campaign_at if lane.campaign_at is not None and lane.campaign_at <= at else None
    since = max(moment for moment in (*moments, turn_at, campaign.created_at) if moment is not None and moment <= at)
    return StuckCampaign(campaign.id, campaign.tenant_id, campaign.unit_id, since)
