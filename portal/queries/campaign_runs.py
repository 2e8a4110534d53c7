"""Campaigns while they run: how fast they really go, when they end, and how each variant does."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func

from portal.clock import now
from portal.db import among, db
from portal.models import (
    Campaign,
    CampaignRecipient,
    CampaignState,
    Contact,
    Lane,
    Media,
    Message,
    MessageStatus,
    RecipientState,
    Unit,
)
from portal.pacing import Forecast
from portal.queries.campaign_forecasts import forecast_turns
from portal.queries.campaigns import (
    WITHOUT_AUDIENCE,
    Counts,
    Rung,
    rung_of_recipient,
    with_messages,
)
from portal.tenancy import TenantScope

# Over how long the rate is measured; what is shorter than the second says nothing yet.
RATE_OVER = timedelta(minutes=5)
TOO_SHORT = timedelta(seconds=30)
# Of the campaigns that share a unit, so many are named.
MOST_OTHERS = 5


@dataclass(frozen=True)
class VariantCounts:
    """How far the recipients of one variant came, and how many of them wanted no more afterwards."""

    counts: Counts
    opted_out: int


def count_by_variant(scope: TenantScope, campaign: Campaign) -> dict[int | None, VariantCounts]:
    """Variant, from 1 -> its counts; under None those lines that got no text at all. The sum is the whole ledger."""
    rung = rung_of_recipient().label("rung")
    counted = with_messages(scope.select(CampaignRecipient, CampaignRecipient.variant, rung, func.count()))
    counted = counted.where(CampaignRecipient.campaign_id == campaign.id).group_by(CampaignRecipient.variant, rung)
    found: dict[int | None, dict[Rung, int]] = {}
    for variant, name, number in db.session.execute(counted):
        found.setdefault(variant, {})[Rung(name)] = number
    opted_out = _count_opt_outs(scope, campaign)
    return {variant: VariantCounts(Counts(rungs), opted_out.get(variant, 0)) for variant, rungs in found.items()}


def measure_rate(scope: TenantScope, campaign: Campaign, *, since: datetime | None = None) -> float | None:
    """How many of its messages leave in a minute, over the last few; None where it is too early to tell.

    `since` is from when on they could leave, where that is known.
    """
    at = now()
    begins = (at - RATE_OVER, campaign.resumed_at, since)
    begins_at = max(moment for moment in begins if moment is not None)
    if at - begins_at < TOO_SHORT:
        return None
    recipients = scope.select(CampaignRecipient, func.count()).select_from(CampaignRecipient)
    left = with_messages(recipients).where(
        CampaignRecipient.campaign_id == campaign.id,
        CampaignRecipient.handed_at >= begins_at,
        Message.status.not_in((MessageStatus.QUEUED, MessageStatus.SENDING, MessageStatus.CANCELLED)),
    )
    return float(db.session.scalar(left) or 0) * 60 / (at - begins_at).total_seconds()


def list_others(scope: TenantScope, campaign: Campaign) -> list[Campaign]:
    """Other campaigns that run at its unit, with which it takes turns."""
    others = (
        scope.select(Campaign)
        .options(WITHOUT_AUDIENCE)
        .where(
            Campaign.unit_id == campaign.unit_id, Campaign.state == CampaignState.PROCESSING, Campaign.id != campaign.id
        )
    )
    return list(db.session.scalars(others.order_by(Campaign.id).limit(MOST_OTHERS)))


def find_file(scope: TenantScope, campaign: Campaign) -> Media | None:
    """What its messages carry."""
    return scope.get(Media, campaign.media_id) if campaign.media_id is not None else None


def units_of(scope: TenantScope, campaigns: Sequence[Campaign]) -> dict[UUID, Unit]:
    """Id -> unit, of those that send these campaigns, the archived ones too."""
    ids = {campaign.unit_id for campaign in campaigns}
    return {unit.id: unit for unit in db.session.scalars(scope.select(Unit).where(among(Unit.id, ids)))}


def forecast_ends(
    scope: TenantScope,
    campaigns: Sequence[Campaign],
    counts: Mapping[UUID, Counts],
    *,
    states: Collection[CampaignState] = (CampaignState.PROCESSING,),
) -> dict[UUID, Forecast | None]:
    """When each of those in these states that has somebody left will have sent its last message.

    What runs goes on from now, the others begin at their time. It takes as many statements whatever their number.
    """
    unended = [campaign for campaign in campaigns if campaign.state in states and counts[campaign.id].left]
    if not unended:
        return {}
    units = units_of(scope, unended)
    unit_ids = set(units)
    lanes = {lane.unit_id: lane for lane in db.session.scalars(scope.select(Lane).where(among(Lane.unit_id, unit_ids)))}
    pending = _pending_at(scope, unit_ids)
    return {
        campaign.id: forecast_turns(
            units[campaign.unit_id],
            lanes[campaign.unit_id],
            messages=counts[campaign.id].left,
            others=[number for id_, number in pending.get(campaign.unit_id, {}).items() if id_ != campaign.id],
            begins_at=None if campaign.state == CampaignState.PROCESSING else campaign.scheduled_at,
        )
        for campaign in unended
    }


def _pending_at(scope: TenantScope, unit_ids: set[UUID]) -> dict[UUID, dict[UUID, int]]:
    """Unit -> running campaign -> how many of its recipients wait for their turn."""
    counted = (
        scope.select(Campaign, Campaign.unit_id, Campaign.id, func.count())
        .select_from(Campaign)
        .join(
            CampaignRecipient,
            (CampaignRecipient.tenant_id == Campaign.tenant_id) & (CampaignRecipient.campaign_id == Campaign.id),
        )
        .where(
            among(Campaign.unit_id, unit_ids),
            Campaign.state == CampaignState.PROCESSING,
            CampaignRecipient.state == RecipientState.PENDING,
        )
        .group_by(Campaign.id)
    )
    found: dict[UUID, dict[UUID, int]] = {}
    for unit_id, campaign_id, number in db.session.execute(counted):
        found.setdefault(unit_id, {})[campaign_id] = number
    return found


def _count_opt_outs(scope: TenantScope, campaign: Campaign) -> dict[int | None, int]:
    """Variant -> how many of whoever got it opted out afterwards."""
    if campaign.started_at is None:
        return {}
    counted = (
        scope.select(CampaignRecipient, CampaignRecipient.variant, func.count())
        .join(
            Contact,
            (Contact.tenant_id == CampaignRecipient.tenant_id) & (Contact.id == CampaignRecipient.contact_id),
        )
        .where(
            CampaignRecipient.campaign_id == campaign.id,
            # The first few are found by this alone; the second is what counts.
            Contact.opted_out_at >= campaign.started_at,
            Contact.opted_out_at >= CampaignRecipient.handed_at,
        )
    )
    return {row[0]: row[1] for row in db.session.execute(counted.group_by(CampaignRecipient.variant))}
