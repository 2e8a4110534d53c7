"""A unit's connection: show the QR code, disconnect, restart, delete, and the scan link."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, g, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import BooleanField, StringField

from portal.errors import Invalid
from portal.models import Unit
from portal.permissions import Permission
from portal.queries import units as queries
from portal.services import connections
from portal.tenancy import TenantScope
from portal.web.access import requires
from portal.web.forms import show_problems
from portal.web.panels import make_panel
from portal.web.render import render_news

bp = Blueprint("connections", __name__, url_prefix="/units/<unit_slug>")


class ConnectForm(FlaskForm):  # type: ignore[misc]
    pairing_number = StringField(
        _("Phone number for a pairing code (optional)"),
        description=_("Only when the camera cannot be used: with country and area code, such as +55 11 99999-0001."),
    )
    # For the number of the last time, which not everybody who asks again may see.
    again = BooleanField()

    def wanted(self) -> dict[str, Any]:
        return {"pairing_number": self.pairing_number.data or "", "is_again": self.again.data}


@dataclass(frozen=True)
class Step:
    """Something that is asked twice before it is done: the question in words, and the service that does it."""

    title: str
    sentence: str
    button: str
    do: Callable[[TenantScope, UUID], None]


STEPS = {
    "disconnect": Step(
        _("Disconnect the number?"),
        _("The unit stops receiving and sending until a phone is linked again. Conversations stay."),
        _("Disconnect"),
        connections.request_disconnect,
    ),
    "restart": Step(
        _("Restart the connection?"),
        _("The connection closes and opens again within seconds. The number stays linked."),
        _("Restart"),
        connections.request_restart,
    ),
    "delete": Step(
        _("Delete the connection?"),
        _("The connection is removed at Evolution. To use the unit again, scan a new QR code. Conversations stay."),
        _("Delete the connection"),
        connections.request_delete,
    ),
}


@bp.get("/connect")
@requires(Permission.CONNECT)
def connect(unit_slug: str) -> ResponseReturnValue:
    return _panel_page(queries.get_unit(g.scope, unit_slug), ConnectForm(formdata=None))


@bp.post("/connect")
@requires(Permission.CONNECT)
def start(unit_slug: str) -> ResponseReturnValue:
    unit, form = queries.get_unit(g.scope, unit_slug), ConnectForm()
    try:
        connections.request_connect(g.scope, unit.id, **form.wanted())
    except Invalid as e:
        show_problems(form, e)
        return _panel_page(unit, form, status=422)
    return redirect(url_for(".connect", unit_slug=unit_slug), code=303)


@bp.get("/<any(disconnect, restart, delete):step>")
@requires(Permission.CONNECT)
def confirm(unit_slug: str, step: str) -> str:
    unit = queries.get_unit(g.scope, unit_slug)
    return render_template("connections/confirm.html", unit=unit, step=STEPS[step])


@bp.post("/<any(disconnect, restart, delete):step>")
@requires(Permission.CONNECT)
def carry_out(unit_slug: str, step: str) -> ResponseReturnValue:
    STEPS[step].do(g.scope, queries.get_unit(g.scope, unit_slug).id)
    return _to_unit(unit_slug)


@bp.post("/scan-link")
@requires(Permission.CONNECT)
def create_scan_link(unit_slug: str) -> ResponseReturnValue:
    connections.create_scan_link(g.scope, queries.get_unit(g.scope, unit_slug).id)
    return _to_unit(unit_slug)


@bp.post("/scan-link/revoke")
@requires(Permission.CONNECT)
def revoke_scan_link(unit_slug: str) -> ResponseReturnValue:
    connections.end_scan_link(g.scope, queries.get_unit(g.scope, unit_slug).id)
    return _to_unit(unit_slug)


def _panel_page(unit: Unit, form: ConnectForm, *, status: int = 200) -> ResponseReturnValue:
    g.time_zone = unit.time_zone
    connection = queries.get_connection(g.scope, unit.id)
    panel = make_panel(unit, connection, url=url_for(".connect", unit_slug=unit.slug))
    return render_news(
        "connections/connect.html",
        fragment="connections/_panel.html",
        news=panel.news,
        status=status,
        unit=unit,
        panel=panel,
        form=form,
    )


def _to_unit(slug: str) -> ResponseReturnValue:
    return redirect(url_for("tenant.units.show", unit_slug=slug, _anchor="connection"), code=303)
