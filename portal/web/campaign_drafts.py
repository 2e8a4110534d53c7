"""Planning a campaign, step by step: whom, what, check, when."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from flask_login import current_user

from portal.errors import Conflict, Invalid, NotFound
from portal.models import Campaign, CampaignState, PlanState
from portal.permissions import Permission
from portal.queries import campaign_checks, campaigns, units
from portal.services import campaign_drafts as service
from portal.services import campaign_states, campaign_tests
from portal.services.campaign_drafts import LARGEST_PASTE
from portal.web import campaign_audiences, campaign_messages
from portal.web.access import current_account, requires
from portal.web.campaign_forms import CampaignForm, MessageForm, StartForm, TestForm
from portal.web.campaign_pages import audience_page, check_page, message_page, new_page, shown_number
from portal.web.forms import message_id_of, show_problems
from portal.web.render import wants_part
from portal.web.uploads import LARGEST_FORM, SLACK, upload_of

# How large a request may be, by what it brings.
LARGEST = {"save_audience": LARGEST_PASTE + SLACK, "save_message": LARGEST_FORM}
# Each tag and campaign that is ticked is a part of the form.
MOST_PARTS = 20_000
# What is being prepared, or could not be.
PREPARED = (CampaignState.DRAFT, CampaignState.FAILED)

bp = Blueprint("campaign_drafts", __name__)
View = Callable[[Campaign], ResponseReturnValue]
# What can still be done with a draft that could not be planned.
OF_A_FAILED_ONE = ("check", "confirm_delete", "delete")
# What only a draft has that says whom it is for and what.
OF_A_WHOLE_ONE = ("check", "test", "start")


@bp.url_value_preprocessor
def allow_lists_and_files(endpoint: str | None, values: dict[str, Any] | None) -> None:
    # Before everything else, since the check against forgery reads the form; everybody else is kept to a small one.
    name = (endpoint or "").rpartition(".")[2]
    if name not in LARGEST or not current_user.is_authenticated:
        return
    if current_account().allows(Permission.MANAGE_CAMPAIGNS):
        request.max_content_length = LARGEST[name]
        request.max_form_memory_size = LARGEST["save_audience"]
        request.max_form_parts = MOST_PARTS


def of_draft(view: View) -> Callable[[UUID], ResponseReturnValue]:
    """Give the view the draft that its address names; what began already is looked at on a page of its own."""

    @wraps(view)
    def opened(campaign_id: UUID) -> ResponseReturnValue:
        campaign = campaigns.get_campaign(g.scope, campaign_id)
        if campaign.state not in PREPARED:
            return _leave_for(url_for("tenant.campaigns.show", campaign_id=campaign_id))
        if campaign.state == CampaignState.FAILED and view.__name__ not in OF_A_FAILED_ONE:
            return _to(".check", campaign)
        if campaign.plan_state == PlanState.NONE and not campaign.plan_problem and view.__name__ in OF_A_WHOLE_ONE:
            return _to(".message" if campaign.audience else ".audience", campaign)
        g.time_zone = campaign_checks.get_unit(g.scope, campaign).time_zone
        return view(campaign)

    return opened


@bp.get("/campaigns/new")
@requires(Permission.MANAGE_CAMPAIGNS)
def new() -> ResponseReturnValue:
    return new_page(CampaignForm(formdata=None, unit=request.args.get("unit")))


@bp.post("/campaigns/new")
@requires(Permission.MANAGE_CAMPAIGNS)
def create() -> ResponseReturnValue:
    form = CampaignForm()
    try:
        unit = units.get_unit(g.scope, form.unit.data or "")
        campaign = service.create_draft(g.scope, unit_id=unit.id, name=form.name.data or "")
    except NotFound:
        form.unit.errors = [_("Choose the unit that sends it.")]
        return new_page(form, status=422)
    except Invalid as e:
        show_problems(form, e)
        return new_page(form, status=422)
    return _to(".audience", campaign)


@bp.post("/campaigns/<uuid:campaign_id>/name")
@requires(Permission.MANAGE_CAMPAIGNS)
@of_draft
def rename(campaign: Campaign) -> ResponseReturnValue:
    form = CampaignForm()
    try:
        service.rename(g.scope, campaign.id, form.name.data or "")
    except Invalid as e:
        show_problems(form, e)
        return audience_page(campaign, name_form=form, status=422)
    flash(_("Saved."))
    return _to(".audience", campaign)


@bp.get("/campaigns/<uuid:campaign_id>/audience")
@requires(Permission.MANAGE_CAMPAIGNS)
@of_draft
def audience(campaign: Campaign) -> ResponseReturnValue:
    return audience_page(campaign)


@bp.post("/campaigns/<uuid:campaign_id>/audience")
@requires(Permission.MANAGE_CAMPAIGNS)
@of_draft
def save_audience(campaign: Campaign) -> ResponseReturnValue:
    chosen = campaign_audiences.read_audience(request.form, before=campaign_audiences.audience_of(campaign))
    if "count" in request.form:
        return audience_page(campaign, chosen=chosen)
    try:
        service.set_audience(g.scope, campaign.id, chosen)
    except Invalid as e:
        return audience_page(campaign, chosen=chosen, problems=e.fields, status=422)
    return _to(".check" if campaign.variants else ".message", campaign)


@bp.get("/campaigns/<uuid:campaign_id>/message")
@requires(Permission.MANAGE_CAMPAIGNS)
@of_draft
def message(campaign: Campaign) -> ResponseReturnValue:
    begun = campaign_messages.find_template(g.scope, request.args.get("template"))
    return message_page(campaign, MessageForm.of_campaign(campaign, begun))


@bp.post("/campaigns/<uuid:campaign_id>/message")
@requires(Permission.MANAGE_CAMPAIGNS)
@of_draft
def save_message(campaign: Campaign) -> ResponseReturnValue:
    form = MessageForm()
    if form.wants_preview:
        return message_page(campaign, form)
    try:
        service.set_message(
            g.scope,
            campaign.id,
            variants=form.texts,
            upload=upload_of(form.file),
            keeps_file=form.keeps_file,
            media_id=campaign_messages.template_file(g.scope, form),
        )
    except Invalid as e:
        show_problems(form, e)
        return message_page(campaign, form, status=422)
    return _to(".check" if campaign.audience else ".audience", campaign)


@bp.get("/campaigns/<uuid:campaign_id>/check")
@requires(Permission.MANAGE_CAMPAIGNS)
@of_draft
def check(campaign: Campaign) -> ResponseReturnValue:
    return check_page(campaign)


@bp.post("/campaigns/<uuid:campaign_id>/test")
@requires(Permission.MANAGE_CAMPAIGNS)
@of_draft
def test(campaign: Campaign) -> ResponseReturnValue:
    form = TestForm()
    try:
        queued = campaign_tests.send_test(
            g.scope,
            campaign.id,
            number=shown_number(),
            phone=form.phone.data or "",
            client_message_id=message_id_of(form.form_id.data, f"{shown_number()} {form.phone.data}"),
        )
    except Invalid as e:
        show_problems(form, e)
        return check_page(campaign, test_form=form, status=422)
    except Conflict as e:
        form.phone.errors = [e.message]
        return check_page(campaign, test_form=form, status=409)
    tested = {"recipient": shown_number(), "tested": queued.message.conversation_id, "_anchor": "campaign-shown"}
    return _to(".check", campaign, **tested)


@bp.post("/campaigns/<uuid:campaign_id>/start")
@requires(Permission.MANAGE_CAMPAIGNS)
@of_draft
def start(campaign: Campaign) -> ResponseReturnValue:
    form = StartForm()
    try:
        starts_at = form.starts_at(g.time_zone)
        if "preview" in request.form:
            return check_page(campaign, start_form=form)
        form.check_plan(campaign)
        expected = form.expected(absent=campaign_checks.count_absent(g.scope, campaign.id))
        campaign_states.start(g.scope, campaign.id, at=starts_at, if_missed=form.rule, recipients=expected)
    except Invalid as e:
        show_problems(form, e)
        return check_page(campaign, start_form=form, status=422)
    except Conflict as e:
        form.form_errors.append(e.message)
        return check_page(campaigns.get_campaign(g.scope, campaign.id), start_form=form, status=409)
    return redirect(url_for("tenant.campaigns.show", campaign_id=campaign.id), code=303)


@bp.get("/campaigns/<uuid:campaign_id>/delete")
@requires(Permission.MANAGE_CAMPAIGNS)
@of_draft
def confirm_delete(campaign: Campaign) -> ResponseReturnValue:
    return render_template("campaign_drafts/delete.html", campaign=campaign)


@bp.post("/campaigns/<uuid:campaign_id>/delete")
@requires(Permission.MANAGE_CAMPAIGNS)
@of_draft
def delete(campaign: Campaign) -> ResponseReturnValue:
    try:
        service.delete_draft(g.scope, campaign.id)
    except Conflict as e:
        flash(e.message)
        return _to(".check", campaign)
    flash(_("The draft was deleted."))
    return redirect(url_for("tenant.campaigns.index"), code=303)


def _leave_for(address: str) -> ResponseReturnValue:
    """For a part of the page, too: htmx would put the other page into it."""
    if wants_part():
        return Response(status=204, headers={"HX-Redirect": address})
    return redirect(address, code=303)


def _to(step: str, campaign: Campaign, **values: Any) -> ResponseReturnValue:
    return redirect(url_for(step, campaign_id=campaign.id, **values), code=303)
