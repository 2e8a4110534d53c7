"""One person's data handed out or erased, and how long a company keeps what."""

from uuid import UUID

from flask import Blueprint, flash, g, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import BooleanField, StringField

from portal.errors import Invalid
from portal.models import Contact
from portal.permissions import Permission
from portal.queries import erasures, retention
from portal.queries.contacts import get_contact
from portal.queries.erasures import Obstacle, Waiting
from portal.queries.retention import Loss
from portal.services import erasing, person_export
from portal.services import periods as service
from portal.services.periods import Periods
from portal.web.access import requires
from portal.web.confirming import confirmed
from portal.web.forms import show_problems

bp = Blueprint("privacy", __name__)

OBSTACLES = {
    Obstacle.SENDING: _(
        "A message to this person is being sent at this moment. The rest goes as soon as that is over."
    ),
    Obstacle.IMPORT: _("It waits for an import that is not finished. Finish the import, or cancel it."),
}


class ErasureForm(FlaskForm):  # type: ignore[misc]
    understood = BooleanField(_("I understand that this cannot be undone."))


class PeriodsForm(FlaskForm):  # type: ignore[misc]
    messages = StringField(
        _("Delete messages after so many days"),
        description=_(
            "Messages and their files, in all conversations: 30 to 3650 days. Leave it empty to keep them for ever."
        ),
    )
    events = StringField(
        _("Delete technical records after so many days"),
        description=_(
            "What the WhatsApp connection reported, word for word: it helps to find out what went wrong, and it holds"
            " texts too, so it is never kept longer than the messages. 7 to 365 days."
        ),
    )


@bp.get("/contacts/<uuid:contact_id>/export")
@requires(Permission.MANAGE_CONTACTS)
def export(contact_id: UUID) -> ResponseReturnValue:
    archive = person_export.export(g.scope, contact_id)
    # The name of the file is seen by others: it says nothing about the person.
    response = send_file(archive, "application/zip", as_attachment=True, download_name=f"person-{contact_id}.zip")
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.get("/contacts/<uuid:contact_id>/erase")
@requires(Permission.MANAGE_CONTACTS)
@confirmed
def confirm_erase(contact_id: UUID) -> str:
    return _erase_page(contact_id, ErasureForm())


@bp.post("/contacts/<uuid:contact_id>/erase")
@requires(Permission.MANAGE_CONTACTS)
@confirmed
def erase(contact_id: UUID) -> ResponseReturnValue:
    form = ErasureForm()
    try:
        erasing.erase(g.scope, contact_id, is_understood=form.understood.data)
    except Invalid as e:
        show_problems(form, e)
        return _erase_page(contact_id, form), 422
    flash(_("This person's data is being erased. The list below says when it is done."))
    return redirect(url_for(".settings", _anchor="erasures"), code=303)


@bp.get("/settings/data")
@requires(Permission.MANAGE_CONTACTS)
@confirmed
def settings() -> str:
    kept = service.get(g.scope)
    return _settings_page(PeriodsForm(messages=_as_typed(kept.keep_messages_days), events=str(kept.keep_events_days)))


@bp.post("/settings/data")
@requires(Permission.MANAGE_CONTACTS)
@confirmed
def save_settings() -> ResponseReturnValue:
    form = PeriodsForm()
    try:
        periods = service.check(messages=form.messages.data or "", events=form.events.data or "")
    except Invalid as e:
        show_problems(form, e)
        return _settings_page(form), 422
    loss = _loss(service.get(g.scope), periods)
    if loss is not None and "confirmed" not in request.form:
        return render_template("privacy/shorten.html", form=form, loss=loss)
    service.change(g.scope, periods)
    flash(_("Saved."))
    return redirect(url_for(".settings"), code=303)


@bp.app_template_global()
def waiting_erasure(contact: Contact) -> Waiting | None:
    """The erasure of this person that was asked for and is not done yet."""
    return erasures.find_waiting(g.scope, contact.id)


@bp.app_template_global()
def obstacle_words(obstacle: Obstacle) -> str:
    """What an erasure waits for, and what can be done about it."""
    return str(OBSTACLES[obstacle])


def _erase_page(contact_id: UUID, form: ErasureForm) -> str:
    contact = get_contact(g.scope, contact_id)
    extent = erasures.measure(g.scope, contact.id)
    return render_template("privacy/erase.html", contact=contact, extent=extent, form=form)


def _settings_page(form: PeriodsForm) -> str:
    return render_template("privacy/settings.html", form=form, rows=erasures.list_erasures(g.scope))


def _as_typed(days: int | None) -> str:
    return "" if days is None else str(days)


def _loss(before: Periods, after: Periods) -> Loss | None:
    return retention.measure_loss(
        g.scope,
        messages_days=(before.keep_messages_days, after.keep_messages_days),
        events_days=(before.keep_events_days, after.keep_events_days),
    )
