"""The pages on which a campaign is prepared, each with what its forms say."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from flask import g, render_template, request
from flask.typing import ResponseReturnValue

from portal.errors import Invalid, NotFound
from portal.models import Campaign, Unit
from portal.queries import campaign_checks, conversations, home, message_templates, units
from portal.queries.conversations import ConversationRow
from portal.queries.unit_lists import MOST_OFFERED
from portal.services.audience import Audience
from portal.services.media import LARGEST_FILE, too_large
from portal.web import campaign_messages, import_words
from portal.web.campaign_audiences import audience_of, make_offer
from portal.web.campaign_checks import make_check
from portal.web.campaign_forms import CampaignForm, MessageForm, StartForm, TestForm
from portal.web.forms import new_form_id
from portal.web.render import render, render_news, wants_part
from portal.web.template_forms import VARIANTS
from portal.web.uploads import ACCEPTED

# Parts of the check that are asked for alone.
PARTS = {"counts": "campaign_drafts/_counts.html", "shown": "campaign_drafts/_shown.html"}
WHOLE = "campaign_drafts/_check.html"
# A larger number is none that a recipient could have.
MOST_DIGITS = 7


def new_page(form: CampaignForm, *, status: int = 200) -> ResponseReturnValue:
    page = render_template(
        "campaign_drafts/new.html",
        form=form,
        rows=home.list_units(g.scope, limit=MOST_OFFERED + 1),
        most=MOST_OFFERED,
        chosen=_find_unit(form.unit.data),
    )
    return page, status


def audience_page(
    campaign: Campaign,
    *,
    chosen: Audience | None = None,
    name_form: CampaignForm | None = None,
    problems: Mapping[str, str] | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    return render(
        "campaign_drafts/audience.html",
        fragment="campaign_drafts/_reach.html",
        status=status,
        campaign=campaign,
        offer=make_offer(g.scope, campaign, chosen or audience_of(campaign), is_whole=not wants_part()),
        name_form=name_form or CampaignForm(formdata=None, name=campaign.name),
        problems=problems or {},
        words=import_words,
    )


def message_page(campaign: Campaign, form: MessageForm, *, status: int = 200) -> ResponseReturnValue:
    # First: asking for the file again forgets nothing, but the preview is of what was chosen.
    preview = campaign_messages.preview_of(g.scope, campaign, form)
    form.ask_for_file_again()
    return render(
        "campaign_drafts/message.html",
        fragment="message_templates/_preview.html",
        status=status,
        campaign=campaign,
        form=form,
        variants=[form[name] for name in VARIANTS],
        preview=preview,
        templates=message_templates.list_names(g.scope),
        begun=campaign_messages.find_template(g.scope, request.args.get("template")),
        carried=campaign_checks.find_file(g.scope, campaign),
        sends_file=request.method == "GET" or bool(form.template_file.data),
        files={"accept": ACCEPTED, "data_file": True, "data_largest": LARGEST_FILE, "data_too_large": too_large()},
    )


def check_page(
    campaign: Campaign,
    *,
    test_form: TestForm | None = None,
    start_form: StartForm | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    tested = _tested()
    start_form = start_form or StartForm.of_campaign(campaign, g.time_zone)
    starts_at = _supposed(start_form)
    part = PARTS.get(request.args.get("part", "")) if wants_part() else None
    view = make_check(g.scope, campaign, number=shown_number(), starts_at=starts_at, is_whole=part is None)
    part = part if view.planned else None
    page = render_news(
        "campaign_drafts/check.html",
        fragment=part or WHOLE,
        news=view.news,
        status=status,
        view=view,
        campaign=campaign,
        tested=tested,
        test_form=test_form or TestForm(formdata=None, phone=tested.contact.phone if tested else None),
        start_form=start_form,
        starts_at=starts_at,
        form_id=new_form_id(),
    )
    if part is None:
        # Also where a part was asked for that is gone, since the recipients are checked anew.
        page.headers["HX-Retarget"] = "#campaign-check"
    return page


def shown_number() -> int:
    """Which recipient is to be shown, from 1."""
    text = request.values.get("recipient", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS and int(text) else 1


def _find_unit(slug: str | None) -> Unit | None:
    try:
        return units.get_unit(g.scope, slug) if slug else None
    except NotFound:
        return None


def _tested() -> ConversationRow | None:
    """The conversation with whoever got the test that an address tells of."""
    try:
        return conversations.get_conversation(g.scope, UUID(request.args.get("tested", "")))
    except (ValueError, NotFound):
        return None


def _supposed(form: StartForm) -> datetime | None:
    """The time for which the page works out the end; None: now."""
    try:
        return form.starts_at(g.time_zone)
    except Invalid:
        return None
