"""Campaigns: plan one, start, pause, resume and cancel it, and see what became of each recipient."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from flask import g, request

from portal.clock import now
from portal.models import Campaign, CampaignState
from portal.permissions import Permission
from portal.queries import campaign_ledgers, campaign_runs, units
from portal.queries import campaigns as queries
from portal.queries.conversations import Position
from portal.services import campaign_calls, campaign_states
from portal.services.campaign_calls import Wanted
from portal.tenancy import TenantScope
from portal.web.access import requires
from portal.web.api.access import chosen_unit
from portal.web.api.blueprint import ApiBlueprint
from portal.web.api.campaign_schemas import (
    CampaignAnswer,
    CampaignBody,
    CampaignPage,
    CampaignsQuery,
    CampaignWithRecipients,
    CampaignWithRecipientsAnswer,
    CreatedCampaign,
    CreatedCampaignAnswer,
    RecipientsQuery,
    ShownCampaign,
    SkippedLine,
)
from portal.web.api.paging import cut

bp = ApiBlueprint(
    "campaigns", title="Campaigns", description="One message to many, at the unit's pace.", url_prefix="/api/campaigns"
)
READ, MANAGE = requires(Permission.READ_CAMPAIGNS), requires(Permission.MANAGE_CAMPAIGNS)
# As many numbers as a call may bring, and what stands around them.
LARGEST_BODY = 8 * 1024 * 1024
# In these something is still to leave, by itself or when somebody dispatches it.
HAS_AN_END = frozenset({CampaignState.DRAFT, CampaignState.SCHEDULED, CampaignState.PROCESSING})


@bp.before_request  # type: ignore[untyped-decorator]
def allow_lists() -> None:
    request.max_content_length = LARGEST_BODY


@bp.call(
    "POST",
    "",
    access=MANAGE,
    operation="createCampaign",
    body=CampaignBody,
    answer=CreatedCampaignAnswer,
    status=201,
)
def create(body: dict[str, Any]) -> CreatedCampaign:
    """Make a draft and check its recipients.

    People are chosen by ids, by tags and by numbers, in any combination; at least one must be chosen. Nothing is sent
    before `dispatch`. 422 leaves nothing behind.
    """
    wanted = Wanted(
        unit_id=chosen_unit(body["unit_id"]),
        name=body["name"],
        variants=body["content"],
        scheduled_at=body["scheduled_at"],
        contact_ids=body["contact_ids"],
        tags=body["tags"],
        phones=body["phones"],
    )
    campaign = campaign_calls.prepare(g.scope, wanted)
    skipped = [SkippedLine(phone, reason) for phone, reason in campaign_ledgers.list_skipped(g.scope, campaign.id)]
    return CreatedCampaign(**vars(_shown(campaign)), skipped=skipped)


@bp.call("GET", "", access=READ, operation="listCampaigns", query=CampaignsQuery, answer=CampaignPage)
def index(query: dict[str, Any]) -> dict[str, Any]:
    """List campaigns, the one that was made last first."""
    limit = query["limit"]
    found = queries.list_campaigns(
        g.scope,
        state=query["status"],
        unit_id=units.get_unit_id(g.scope, query["unit_id"]) if query["unit_id"] else None,
        since=query["since"],
        before=query["cursor"].id if query["cursor"] else None,
        limit=limit + 1,
    )
    page, last = cut(found, limit)
    return {"items": _list_shown(page), "next": Position(last.created_at, last.id) if last else None}


@bp.call(
    "GET",
    "/<uuid:campaign_id>",
    access=READ,
    operation="getCampaign",
    query=RecipientsQuery,
    answer=CampaignWithRecipientsAnswer,
)
def show(query: dict[str, Any], campaign_id: UUID) -> CampaignWithRecipients:
    """See one campaign with its recipients.

    `cursor` and `limit` page through the recipients, in the order of the ledger.
    """
    shown, limit = _shown(queries.get_campaign(g.scope, campaign_id)), query["limit"]
    rows = queries.list_recipients(g.scope, campaign_id, after=query["cursor"], limit=limit + 1)
    page, last = cut(rows, limit)
    recipients = {"items": page, "next": last.recipient.position if last else None}
    return CampaignWithRecipients(**vars(shown), recipients=recipients)


@bp.call(
    "POST",
    "/<uuid:campaign_id>/dispatch",
    access=MANAGE,
    operation="dispatchCampaign",
    answer=CampaignAnswer,
    refuses=(409, 422),
)
def dispatch(campaign_id: UUID) -> ShownCampaign:
    """Start a draft.

    At the time that was asked for when it was made, if that is still to come.
    """
    campaign = queries.get_campaign(g.scope, campaign_id)
    at = campaign.scheduled_at if campaign.scheduled_at and campaign.scheduled_at > now() else None
    return _shown(campaign_states.start(g.scope, campaign_id, at=at, if_missed=campaign.if_missed))


@bp.call(
    "POST",
    "/<uuid:campaign_id>/pause",
    access=MANAGE,
    operation="pauseCampaign",
    answer=CampaignAnswer,
    refuses=(409,),
)
def pause(campaign_id: UUID) -> ShownCampaign:
    """Let nobody more have their turn."""
    return _carry_out(campaign_states.pause, campaign_id)


@bp.call(
    "POST",
    "/<uuid:campaign_id>/resume",
    access=MANAGE,
    operation="resumeCampaign",
    answer=CampaignAnswer,
    refuses=(409,),
)
def resume(campaign_id: UUID) -> ShownCampaign:
    """Go on with a paused campaign."""
    return _carry_out(campaign_states.resume, campaign_id)


@bp.call(
    "POST",
    "/<uuid:campaign_id>/cancel",
    access=MANAGE,
    operation="cancelCampaign",
    answer=CampaignAnswer,
    refuses=(409,),
)
def cancel(campaign_id: UUID) -> ShownCampaign:
    """Stop a campaign for good."""
    return _carry_out(campaign_states.cancel, campaign_id)


def _carry_out(act: Callable[[TenantScope, UUID], Campaign], campaign_id: UUID) -> ShownCampaign:
    return _shown(act(g.scope, campaign_id))


def _shown(campaign: Campaign) -> ShownCampaign:
    return _list_shown([campaign])[0]


def _list_shown(found: Sequence[Campaign]) -> list[ShownCampaign]:
    counts = queries.count_recipients(g.scope, [campaign.id for campaign in found])
    ends = campaign_runs.forecast_ends(g.scope, found, counts, states=HAS_AN_END)
    shown = []
    for campaign in found:
        forecast = ends.get(campaign.id)
        shown.append(ShownCampaign(campaign, counts[campaign.id], forecast.finishes_at if forecast else None))
    return shown
