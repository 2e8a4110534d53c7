"""When the last message of a campaign will have left, beside the others of its unit."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func

from portal.clock import now
from portal.db import db
from portal.models import Campaign, CampaignRecipient, CampaignState, Lane, RecipientState, Unit
from portal.pacing import Forecast, forecast
from portal.queries.pacing import pace_of
from portal.tenancy import TenantScope


def forecast_campaign(
    scope: TenantScope,
    campaign: Campaign,
    *,
    messages: int,
    starts_at: datetime | None = None,
    gap_s: float | None = None,
) -> Forecast | None:
    """When the last of so many messages leaves if the campaign runs from now on, or from its scheduled time.

    `starts_at` is another time to suppose, `gap_s` what really lies between two messages. The other campaigns that run
    at the unit take turns with it. None: never, or not within ten years.
    """
    unit = scope.get(Unit, campaign.unit_id)
    lane = db.session.scalars(scope.select(Lane).where(Lane.unit_id == unit.id)).one()
    others = _pending_of_others(scope, campaign)
    begins_at = starts_at or campaign.scheduled_at
    return forecast_turns(unit, lane, messages=messages, others=others, begins_at=begins_at, gap_s=gap_s)


def forecast_turns(
    unit: Unit,
    lane: Lane,
    *,
    messages: int,
    others: Sequence[int],
    begins_at: datetime | None = None,
    gap_s: float | None = None,
) -> Forecast | None:
    """When the last of so many messages leaves, by turns with campaigns that have `others` of them left."""
    pace, at = pace_of(unit), now()
    sent_today = lane.campaign_count if lane.campaign_day == pace.day_of(at) else 0
    between = sum(min(number, messages) for number in others)
    begins_at = max(moment for moment in (at, begins_at, lane.campaign_at) if moment is not None)
    if pace.day_of(begins_at) != pace.day_of(at):
        sent_today = 0
    return forecast(pace, begins_at, sent_today=sent_today, messages=messages + between, gap_s=gap_s)


def _pending_of_others(scope: TenantScope, campaign: Campaign) -> list[int]:
    running = scope.select(Campaign, Campaign.id).where(
        Campaign.unit_id == campaign.unit_id, Campaign.id != campaign.id, Campaign.state == CampaignState.PROCESSING
    )
    counted = scope.select(CampaignRecipient, func.count()).where(
        CampaignRecipient.campaign_id.in_(running), CampaignRecipient.state == RecipientState.PENDING
    )
    return list(db.session.scalars(counted.group_by(CampaignRecipient.campaign_id)))
