"""The operator's pages of the Evolution servers: the list, one server with its units, and moving a unit."""

from typing import Any
from uuid import UUID

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import BooleanField, IntegerField, PasswordField, StringField

from portal.errors import Conflict, Invalid
from portal.permissions import Permission
from portal.services import accounts, connections, servers
from portal.services.audit import Actor
from portal.services.servers import ServedUnit
from portal.web.access import current_account, remote_address, requires
from portal.web.confirming import confirmed
from portal.web.forms import show_problems
from portal.web.render import render_news
from portal.web.server_states import is_being_checked, server_state
from portal.web.server_versions import version_meaning

USUAL_CAPACITY = 60

bp = Blueprint("servers", __name__, url_prefix="/servers")


class ServerForm(FlaskForm):  # type: ignore[misc]
    name = StringField(_("Name"), description=_("What you call it; people of the tenants never see it."))
    url = StringField(_("Address"), description=_("As the portal reaches it, such as https://evolution.company.com."))
    api_key = PasswordField(_("Key"), description=_("That server's AUTHENTICATION_API_KEY. It is stored encrypted."))
    capacity = IntegerField(
        _("Capacity"),
        default=USUAL_CAPACITY,
        description=_("How many units it may serve. Trouble is reported from 60 to 80 on."),
    )
    accepts_units = BooleanField(_("Accepts new units"), default=True)


class ChangeForm(ServerForm):
    api_key = PasswordField(
        _("New key"),
        description=_("The one that is set is never shown. Leave empty to keep it; a new address needs it again."),
    )


class MoveForm(FlaskForm):  # type: ignore[misc]
    target = StringField(_("New server"))


@bp.get("")
@requires(Permission.OPERATE)
def index() -> str:
    rows = servers.list_servers()
    return render_template(
        "operator/servers.html", rows=rows, server_state=server_state, version_meaning=version_meaning
    )


@bp.get("/new")
@requires(Permission.OPERATE)
@confirmed
def new() -> ResponseReturnValue:
    return render_template("operator/new_server.html", form=ServerForm(formdata=None))


@bp.post("")
@requires(Permission.OPERATE)
@confirmed
def create() -> ResponseReturnValue:
    form = ServerForm()
    try:
        server = servers.add_server(**_typed(form), by=_actor())
    except Invalid as e:
        show_problems(form, e)
        return render_template("operator/new_server.html", form=form), 422
    return _to_server(server.id)


@bp.get("/<uuid:server_id>")
@requires(Permission.OPERATE)
def show(server_id: UUID) -> ResponseReturnValue:
    row = servers.get_server(server_id)
    state = server_state(row.server)
    return render_news(
        "operator/server.html",
        fragment="operator/_server_state.html",
        news=(str(state.title), str(state.sentence), row.server.version, row.units),
        row=row,
        state=state,
        meaning=version_meaning(row.server.version),
        is_being_checked=is_being_checked(row.server),
        units=servers.list_units(server_id),
    )


@bp.get("/<uuid:server_id>/edit")
@requires(Permission.OPERATE)
@confirmed
def edit(server_id: UUID) -> ResponseReturnValue:
    return _edit_page(server_id, ChangeForm(formdata=None, obj=servers.get_server(server_id).server))


@bp.post("/<uuid:server_id>/edit")
@requires(Permission.OPERATE)
@confirmed
def save(server_id: UUID) -> ResponseReturnValue:
    form = ChangeForm()
    try:
        servers.change_server(server_id, **_typed(form), by=_actor())
    except Invalid as e:
        show_problems(form, e)
        return _edit_page(server_id, form, status=422)
    return _to_server(server_id)


@bp.post("/<uuid:server_id>/check")
@requires(Permission.OPERATE)
def check(server_id: UUID) -> ResponseReturnValue:
    servers.request_check(server_id)
    return _to_server(server_id)


@bp.get("/<uuid:server_id>/remove")
@requires(Permission.OPERATE)
@confirmed
def confirm_removal(server_id: UUID) -> ResponseReturnValue:
    return render_template("operator/remove_server.html", server=servers.get_server(server_id).server)


@bp.post("/<uuid:server_id>/remove")
@requires(Permission.OPERATE)
@confirmed
def remove(server_id: UUID) -> ResponseReturnValue:
    servers.remove_server(server_id, by=_actor())
    return redirect(url_for(".index"), code=303)


@bp.get("/<uuid:server_id>/units/<uuid:unit_id>/move")
@requires(Permission.OPERATE)
@confirmed
def choose_target(server_id: UUID, unit_id: UUID) -> ResponseReturnValue:
    return _move_page(server_id, servers.get_unit(server_id, unit_id), MoveForm(formdata=None))


@bp.post("/<uuid:server_id>/units/<uuid:unit_id>/move")
@requires(Permission.OPERATE)
@confirmed
def move(server_id: UUID, unit_id: UUID) -> ResponseReturnValue:
    served, form = servers.get_unit(server_id, unit_id), MoveForm()
    scope = accounts.scope_for_unit(current_account(), unit_id, address=remote_address())
    try:
        connections.request_move(scope, unit_id, _target(form))
    except Invalid as e:
        show_problems(form, e)
        return _move_page(server_id, served, form, status=422)
    except Conflict as e:
        form.form_errors.append(e.message)
        return _move_page(server_id, served, form, status=409)
    unit_page = url_for("tenant.units.show", tenant_slug=served.tenant_slug, unit_slug=served.unit.slug)
    return redirect(unit_page, code=303)


def _typed(form: ServerForm) -> dict[str, Any]:
    return {
        "name": form.name.data or "",
        "url": form.url.data or "",
        "api_key": form.api_key.data or "",
        "capacity": form.capacity.data,
        "accepts_units": form.accepts_units.data,
    }


def _target(form: MoveForm) -> UUID:
    try:
        return UUID(form.target.data or "")
    except ValueError as e:
        raise Invalid({"target": gettext("Choose the server that is to serve the unit.")}) from e


def _actor() -> Actor:
    return Actor(current_account().id, remote_address())


def _edit_page(server_id: UUID, form: ServerForm, *, status: int = 200) -> ResponseReturnValue:
    server = servers.get_server(server_id).server
    return render_template("operator/edit_server.html", server=server, form=form), status


def _move_page(server_id: UUID, served: ServedUnit, form: MoveForm, *, status: int = 200) -> ResponseReturnValue:
    page = render_template(
        "operator/move_unit.html",
        server=servers.get_server(server_id).server,
        served=served,
        targets=servers.list_targets(server_id),
        form=form,
    )
    return page, status


def _to_server(server_id: UUID) -> ResponseReturnValue:
    return redirect(url_for(".show", server_id=server_id), code=303)
