"""Units: the list with live states, one unit's page, create, settings, archive."""

from typing import Any

from flask import Blueprint, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from werkzeug import Response
from wtforms import BooleanField, IntegerField, StringField

from portal import phone
from portal.errors import Invalid
from portal.models import Unit
from portal.permissions import Permission
from portal.queries import checked_states, unit_lists
from portal.queries import sending as outbound
from portal.queries import units as queries
from portal.queries.unit_lists import PAGE
from portal.services import connections, units
from portal.web import unit_view
from portal.web.access import requires
from portal.web.checks import make_checked_panel
from portal.web.forms import show_problems
from portal.web.render import render_news, wants_part
from portal.web.state_warnings import doubted_state, list_warnings

bp = Blueprint("units", __name__)


class UnitForm(FlaskForm):  # type: ignore[misc]
    name = StringField(_("Name"), description=_("What your people call this branch."))
    slug = StringField(_("Short name"), description=_("Small letters, digits and hyphens; it stands in addresses."))


class SettingsForm(FlaskForm):  # type: ignore[misc]
    name = StringField(_("Name"))
    message_lifetime_h = IntegerField(
        _("Hours that a message may wait"),
        description=_("A message that could not leave by then is not sent any more: a person decides about it."),
        render_kw={"inputmode": "numeric"},
    )
    receipt_wait_min = IntegerField(
        _("Minutes to wait for a receipt"),
        description=_("A message that WhatsApp has not confirmed by then is shown apart from those on their way."),
        render_kw={"inputmode": "numeric"},
    )
    expected_number = StringField(
        _("Expected number"),
        description=_("A phone with another number is refused and unlinked at once. Leave it empty to take any."),
    )
    keeps_groups = BooleanField(
        _("Groups"),
        description=_(
            "Messages of groups become conversations, each with its sender's name; otherwise they are left out."
        ),
    )
    keeps_stories = BooleanField(
        _("Stories"),
        description=_("What contacts post as their status becomes one conversation; otherwise it is left out."),
    )
    keeps_broadcasts = BooleanField(
        _("Broadcast lists"),
        description=_("What reaches the number through broadcast lists is kept; otherwise it is left out."),
    )


@bp.get("/")
@requires(Permission.VIEW_UNITS)
def index() -> ResponseReturnValue:
    view = unit_view.read_view(request.args)
    rows = unit_lists.list_units(g.scope, view.wanted, after=view.after)
    checked = checked_states.list_for(g.scope, [row.unit for row in rows])
    warnings = {row.unit.id: list_warnings(checked[row.unit.id], row.unit.time_zone) for row in rows}
    news = [(row_news(row), warnings[row.unit.id]) for row in rows]
    return render_news(
        "units/index.html",
        fragment="units/_list.html",
        news=news,
        view=view,
        rows=rows,
        next_after=rows[-1].unit.slug if len(rows) >= PAGE else None,
        warnings=warnings,
        doubted_state=doubted_state,
    )


@bp.get("/new-unit")
@requires(Permission.MANAGE_UNITS)
def new() -> str:
    return render_template("units/new.html", form=UnitForm())


@bp.post("/units")
@requires(Permission.MANAGE_UNITS)
def create() -> ResponseReturnValue:
    form = UnitForm()
    try:
        unit = units.create_unit(g.scope, name=form.name.data or "", slug=form.slug.data or "")
    except Invalid as e:
        show_problems(form, e)
        return render_template("units/new.html", form=form), 422
    return _to_unit(unit.slug)


@bp.get("/units/<unit_slug>")
@requires(Permission.VIEW_UNITS)
def show(unit_slug: str) -> ResponseReturnValue:
    row = queries.get_unit_row(g.scope, unit_slug)
    g.time_zone = row.unit.time_zone
    link = queries.find_scan_link(g.scope, row.unit.id) if g.scope.allows(Permission.CONNECT) else None
    sending = outbound.get_sending(g.scope, row.unit.id)
    state = doubted_state(row.connection, list_warnings(checked_states.find(g.scope, row.unit.id), row.unit.time_zone))
    news = (row_news(row), sending_news(sending), str(state.title))
    return render_news(
        "units/show.html",
        fragment="units/_status.html",
        news=news,
        row=row,
        sending=sending,
        state=state,
        unit=row.unit,
        panel=None if wants_part() else make_checked_panel(g.scope, row.unit),
        scan_link=link,
        scan_url=url_for("scan.show", token=connections.scan_token(link.id), _external=True) if link else None,
    )


@bp.get("/units/<unit_slug>/settings")
@requires(Permission.MANAGE_UNITS)
def settings(unit_slug: str) -> str:
    unit = queries.get_unit(g.scope, unit_slug)
    form = _settings_form(obj=unit)
    if "expected_number" in form and unit.expected_number:
        form.expected_number.data = phone.display(unit.expected_number)
    return _settings_page(unit, form)


@bp.post("/units/<unit_slug>/settings")
@requires(Permission.MANAGE_UNITS)
def save_settings(unit_slug: str) -> ResponseReturnValue:
    unit, form = queries.get_unit(g.scope, unit_slug), _settings_form()
    try:
        units.change_unit(
            g.scope,
            unit.id,
            name=form.name.data or "",
            message_lifetime_h=form.message_lifetime_h.data,
            receipt_wait_min=form.receipt_wait_min.data,
            expected_number=(form.expected_number.data or "") if "expected_number" in form else None,
            kept_chats=[field for field in units.KEEPS if form[field].data],
        )
    except Invalid as e:
        show_problems(form, e)
        return _settings_page(unit, form), 422
    return _to_unit(unit_slug)


@bp.get("/units/<unit_slug>/archive")
@requires(Permission.MANAGE_UNITS)
def confirm_archive(unit_slug: str) -> str:
    return render_template("units/archive.html", unit=queries.get_unit(g.scope, unit_slug))


@bp.post("/units/<unit_slug>/archive")
@requires(Permission.MANAGE_UNITS)
def archive(unit_slug: str) -> ResponseReturnValue:
    units.archive_unit(g.scope, queries.get_unit(g.scope, unit_slug).id)
    return redirect(url_for(".index"), code=303)


def row_news(row: queries.UnitRow) -> tuple[object, ...]:
    """All that the state of a unit shows."""
    connection = row.connection
    state = (connection.status, connection.status_reason, connection.action, connection.phone, connection.profile_name)
    return (row.unit.id, row.unit.name, state, connection.connected_at, row.queued, row.sent, row.failed)


def sending_news(sending: outbound.Sending) -> tuple[object, ...]:
    """All that the part about sending shows."""
    gates = sending.gates
    counts = (sending.waiting, sending.failed, sending.unconfirmed, sending.no_receipt)
    return (counts, gates.hold(is_cold=False), gates.new_chats_hold())


def _settings_form(**given: Any) -> SettingsForm:
    form = SettingsForm(**given)
    if not g.scope.allows(Permission.READ_MESSAGES):
        # An operator runs the unit without learning its number.
        del form.expected_number
    return form


def _settings_page(unit: Unit, form: SettingsForm) -> str:
    return render_template("units/settings.html", unit=unit, form=form)


def _to_unit(slug: str) -> Response:
    return redirect(url_for(".show", unit_slug=slug), code=303)
