"""Campaigns: the list, and one as it runs, with what a person decides about it."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from flask_babel import ngettext
from werkzeug import Response
from werkzeug.exceptions import BadRequest

from portal.errors import Conflict
from portal.models import Campaign, CampaignState, PlanState, Unit
from portal.permissions import Permission
from portal.queries import campaign_runs, unit_lists, units
from portal.queries import campaigns as queries
from portal.queries.campaigns import PAGE, Counts
from portal.services import campaign_drafts, campaign_states
from portal.tenancy import TenantScope
from portal.web import campaign_words
from portal.web.access import requires
from portal.web.campaign_outlook import ends_words
from portal.web.campaign_run import make_run
from portal.web.formats import grouped
from portal.web.render import render_news

bp = Blueprint("campaigns", __name__)


@dataclass(frozen=True)
class Row:
    """A campaign as the list shows it."""

    campaign: Campaign
    unit: Unit
    counts: Counts
    ends: str


@bp.context_processor
def words_for_campaigns() -> dict[str, object]:
    return {"words": campaign_words}


@bp.get("/campaigns")
@requires(Permission.READ_CAMPAIGNS)
def index() -> ResponseReturnValue:
    state, unit = _state(), units.get_unit(g.scope, request.args["unit"]) if request.args.get("unit") else None
    found = queries.list_campaigns(g.scope, state=state, unit_id=unit.id if unit else None, before=_before())
    return render_template(
        "campaigns/index.html",
        rows=_rows(g.scope, found),
        state=state,
        unit=unit,
        offered=unit_lists.list_offered(g.scope),
        older_before=found[-1].id if len(found) >= PAGE else None,
    )


@bp.get("/campaigns/<uuid:campaign_id>")
@requires(Permission.READ_CAMPAIGNS)
def show(campaign_id: UUID) -> ResponseReturnValue:
    campaign = queries.get_campaign(g.scope, campaign_id)
    if campaign.state == CampaignState.DRAFT:
        return redirect(_step_of(campaign), code=303)
    return _page(campaign)


@bp.post("/campaigns/<uuid:campaign_id>/pause")
@requires(Permission.MANAGE_CAMPAIGNS)
def pause(campaign_id: UUID) -> ResponseReturnValue:
    return _carry_out(campaign_states.pause, campaign_id)


@bp.post("/campaigns/<uuid:campaign_id>/resume")
@requires(Permission.MANAGE_CAMPAIGNS)
def resume(campaign_id: UUID) -> ResponseReturnValue:
    return _carry_out(campaign_states.resume, campaign_id)


@bp.get("/campaigns/<uuid:campaign_id>/cancel")
@requires(Permission.MANAGE_CAMPAIGNS)
def confirm_cancel(campaign_id: UUID) -> ResponseReturnValue:
    campaign = queries.get_campaign(g.scope, campaign_id)
    if campaign.state not in campaign_states.OPEN:
        return redirect(url_for(".show", campaign_id=campaign_id), code=303)
    return render_template("campaigns/cancel.html", campaign=campaign, run=make_run(g.scope, campaign))


@bp.post("/campaigns/<uuid:campaign_id>/cancel")
@requires(Permission.MANAGE_CAMPAIGNS)
def cancel(campaign_id: UUID) -> ResponseReturnValue:
    return _carry_out(campaign_states.cancel, campaign_id)


@bp.post("/campaigns/<uuid:campaign_id>/retry")
@requires(Permission.MANAGE_CAMPAIGNS)
def retry(campaign_id: UUID) -> ResponseReturnValue:
    return _carry_out(_retry_failed, campaign_id)


@bp.post("/campaigns/<uuid:campaign_id>/clone")
@requires(Permission.MANAGE_CAMPAIGNS)
def clone(campaign_id: UUID) -> ResponseReturnValue:
    copy = campaign_drafts.clone(g.scope, campaign_id)
    flash(_("This is the copy. Nobody gets it before you send it."))
    return redirect(url_for("tenant.campaign_drafts.audience", campaign_id=copy.id), code=303)


def _step_of(campaign: Campaign) -> str:
    """The step of its preparation at which a draft stands."""
    if campaign.plan_state != PlanState.NONE or campaign.plan_problem is not None:
        return url_for("tenant.campaign_drafts.check", campaign_id=campaign.id)
    step = "message" if campaign.audience else "audience"
    return url_for(f"tenant.campaign_drafts.{step}", campaign_id=campaign.id)


def _page(campaign: Campaign, *, problem: str = "", status: int = 200) -> Response:
    run = make_run(g.scope, campaign)
    g.time_zone = run.unit.time_zone
    return render_news(
        "campaigns/show.html",
        fragment="campaigns/_run.html",
        news=(run.news, problem),
        status=status,
        campaign=campaign,
        run=run,
        problem=problem,
    )


def _carry_out(act: Callable[[TenantScope, UUID], object], campaign_id: UUID) -> ResponseReturnValue:
    try:
        act(g.scope, campaign_id)
    except Conflict as e:
        # Another person, or the campaign itself, was quicker: the page says how it stands now.
        return _page(queries.get_campaign(g.scope, campaign_id), problem=e.message, status=409)
    return redirect(url_for(".show", campaign_id=campaign_id), code=303)


def _retry_failed(scope: TenantScope, campaign_id: UUID) -> None:
    number = campaign_states.retry_failed(scope, campaign_id)
    flash(
        ngettext(
            "%(count)s person has another turn.", "%(count)s people have another turn.", number, count=grouped(number)
        )
    )


def _rows(scope: TenantScope, found: list[Campaign]) -> list[Row]:
    counts = queries.count_recipients(scope, [campaign.id for campaign in found])
    forecasts = campaign_runs.forecast_ends(scope, found, counts)
    by_id = campaign_runs.units_of(scope, found)
    rows = []
    for campaign in found:
        unit, forecast = by_id[campaign.unit_id], forecasts.get(campaign.id)
        ends = ends_words(forecast.finishes_at, unit.time_zone) if forecast else ""
        rows.append(Row(campaign, unit, counts[campaign.id], ends))
    return rows


def _state() -> CampaignState | None:
    try:
        return CampaignState(request.args["state"]) if request.args.get("state") else None
    except ValueError as e:
        raise BadRequest from e


def _before() -> UUID | None:
    try:
        return UUID(request.args["before"]) if request.args.get("before") else None
    except ValueError as e:
        raise BadRequest from e
