"""Who wants campaigns: noted by hand, settled where a message left it open, and the words that decide it."""

from collections.abc import Callable
from uuid import UUID

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from werkzeug.exceptions import BadRequest
from wtforms import TextAreaField

from portal.errors import Invalid
from portal.models import ConsentEvent, ConsentKind, ConsentSource
from portal.permissions import Permission
from portal.queries import consent as queries
from portal.queries import contacts, conversations
from portal.services import consent, tenant_settings
from portal.services.tenant_settings import Settings
from portal.web.access import requires
from portal.web.forms import show_problems

bp = Blueprint("consent", __name__)

SAID = {
    (ConsentKind.OPTED_OUT, ConsentSource.MESSAGE): _("Asked for no more messages"),
    (ConsentKind.OPTED_IN, ConsentSource.MESSAGE): _("Asked for messages again"),
    (ConsentKind.OPTED_OUT, ConsentSource.STAFF): _("Wants no more messages"),
    (ConsentKind.OPTED_IN, ConsentSource.STAFF): _("Wants messages again"),
    (ConsentKind.OPTED_OUT, ConsentSource.REMEMBERED): _("Wanted no more messages before their data was erased"),
}


class NoteForm(FlaskForm):  # type: ignore[misc]
    note = TextAreaField(_("Note"))


class SettingsForm(FlaskForm):  # type: ignore[misc]
    opt_out_words = TextAreaField(
        _("Words that stop messages"),
        description=_("One word or phrase on each line. Capitals, accents and marks make no difference."),
    )
    opt_out_answer = TextAreaField(
        _("Answer to them"), description=_("Sent once, at once. Leave it empty to send no answer.")
    )
    opt_in_words = TextAreaField(
        _("Words that bring messages back"),
        description=_("They count only for somebody who had stopped them."),
    )
    opt_in_answer = TextAreaField(
        _("Answer to whoever comes back"), description=_("Sent once, at once. Leave it empty to send no answer.")
    )


@bp.app_template_global("consent_words")
def said(event: ConsentEvent) -> str:
    """What somebody wanted, and who says so."""
    return str(SAID[ConsentKind(event.kind), ConsentSource(event.source)])


@bp.post("/contacts/<uuid:contact_id>/opt-out")
@requires(Permission.EDIT_CONTACTS)
def opt_out(contact_id: UUID) -> ResponseReturnValue:
    return _note(contact_id, consent.opt_out, done=_("Noted. Campaigns leave this person out from now on."))


@bp.post("/contacts/<uuid:contact_id>/opt-in")
@requires(Permission.EDIT_CONTACTS)
def opt_in(contact_id: UUID) -> ResponseReturnValue:
    return _note(contact_id, consent.opt_in, done=_("Noted. Campaigns may reach this person again."))


@bp.post("/conversations/<uuid:conversation_id>/doubt")
@requires(Permission.EDIT_CONTACTS)
def settle(conversation_id: UUID) -> ResponseReturnValue:
    conversation = conversations.find_current(g.scope, conversation_id)
    consent.settle_doubt(g.scope, conversation.id, message_id=_asked_about(), is_opt_out=_meant_opt_out())
    return redirect(url_for("tenant.conversations.show", conversation_id=conversation.id), code=303)


@bp.get("/settings/consent")
@requires(Permission.MANAGE_CONTACTS)
def settings() -> str:
    return _settings_page(SettingsForm(formdata=None, data=_shown(tenant_settings.get(g.scope))))


@bp.post("/settings/consent")
@requires(Permission.MANAGE_CONTACTS)
def save_settings() -> ResponseReturnValue:
    form = SettingsForm()
    try:
        _save(form)
    except Invalid as e:
        show_problems(form, e)
        return _settings_page(form), 422
    flash(_("Saved."))
    return redirect(url_for(".settings"), code=303)


def _note(contact_id: UUID, change: Callable[..., None], *, done: str) -> ResponseReturnValue:
    form = NoteForm()
    try:
        change(g.scope, contact_id, note=form.note.data or "")
    except Invalid as e:
        show_problems(form, e)
        return _refused(contact_id, form)
    flash(done)
    return redirect(url_for("tenant.contacts.show", contact_id=contact_id), code=303)


def _refused(contact_id: UUID, form: NoteForm) -> ResponseReturnValue:
    contact = contacts.get_contact(g.scope, contact_id)
    events = queries.list_events(g.scope, contact.id)
    page = render_template("consent/refused.html", contact=contact, consent_events=events, consent_form=form)
    return page, 422


def _asked_about() -> UUID:
    """The message that the page showed: a newer one may be in doubt since. Raises BadRequest for what is no id."""
    try:
        return UUID(request.form.get("message", ""))
    except ValueError as e:
        raise BadRequest from e


def _meant_opt_out() -> bool:
    """Raises BadRequest for an answer that no button gives."""
    meant = request.form.get("meant")
    if meant not in ("opt_out", "else"):
        raise BadRequest
    return meant == "opt_out"


def _save(form: SettingsForm) -> None:
    if "reset" in request.form:
        tenant_settings.reset_consent(g.scope)
    else:
        names = ("opt_out_words", "opt_in_words", "opt_out_answer", "opt_in_answer")
        tenant_settings.change_consent(g.scope, **{name: form[name].data or "" for name in names})


def _settings_page(form: SettingsForm) -> str:
    return render_template("consent/settings.html", form=form)


def _shown(settings: Settings) -> dict[str, str]:
    return {
        "opt_out_words": "\n".join(settings.opt_out_words),
        "opt_in_words": "\n".join(settings.opt_in_words),
        "opt_out_answer": settings.opt_out_answer,
        "opt_in_answer": settings.opt_in_answer,
    }
