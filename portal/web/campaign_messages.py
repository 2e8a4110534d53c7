"""A campaign's message while it is written: the template it begins with, its file, and how it looks to somebody."""

from uuid import UUID

from flask_babel import gettext as _

from portal.errors import Invalid, NotFound
from portal.models import Campaign, Contact
from portal.queries import message_templates
from portal.queries.message_templates import TemplateRow
from portal.services import estimating
from portal.tenancy import TenantScope
from portal.web.campaign_audiences import audience_of
from portal.web.campaign_forms import MessageForm
from portal.web.template_previews import Preview, make_preview, newest_person


def find_template(scope: TenantScope, template_id: str | None) -> TemplateRow | None:
    """The template that an address asks for; None where it names none, or one that is gone."""
    try:
        return message_templates.get_template(scope, UUID(template_id or ""))
    except (ValueError, NotFound):
        return None


def template_file(scope: TenantScope, form: MessageForm) -> UUID | None:
    """The id of the template's file that is to go along. Raises Invalid for `file` where it is none."""
    if not form.template_file.data:
        return None
    try:
        return message_templates.get_file(scope, UUID(form.template_file.data)).id
    except (ValueError, NotFound) as e:
        raise Invalid({"file": _("The template's file is not here any more. Choose one yourself.")}) from e


def preview_of(scope: TenantScope, campaign: Campaign, form: MessageForm) -> Preview:
    """The message as somebody of the audience gets it; while there is nobody in it, as the newest contact does."""
    audience = audience_of(campaign)

    def find(scope: TenantScope, search: str) -> Contact | None:
        # Whose numbers were only just pasted is nobody yet.
        return estimating.find_person(scope, audience, search) or (None if search else newest_person(scope, ""))

    return make_preview(
        scope,
        form.texts,
        has_file=form.carries_file(campaign),
        search=form.preview_for.data or "",
        find=None if audience.is_empty else find,
    )
