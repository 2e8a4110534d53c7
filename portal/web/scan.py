"""The page behind a scan link: the QR code and nothing else, for the person with the phone."""

from typing import Any

from flask import Blueprint, g, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import get_locale

from portal import tenancy
from portal.errors import Conflict, Invalid, NotFound
from portal.extensions import csrf
from portal.queries import units
from portal.services import connections
from portal.web.access import public, remote_address
from portal.web.connections import ConnectForm
from portal.web.forms import show_problems
from portal.web.panels import make_panel
from portal.web.render import render, render_news

bp = Blueprint("scan", __name__, url_prefix="/scan")
# The address is the secret and no cookie counts; without a Referer the usual check could not pass over HTTPS.
csrf.exempt(bp)


@bp.url_value_preprocessor
def take_token(endpoint: str | None, values: dict[str, Any] | None) -> None:
    g.scan_token = (values or {}).pop("token", "")


@bp.before_request
def open_link() -> ResponseReturnValue | None:
    # The language is looked up first: the tenant may not change once the work has begun.
    get_locale()
    try:
        g.scope, g.scan_link = connections.open_scan_link(g.scan_token, address=remote_address())
    except NotFound:
        return render_template("scan/gone.html"), 404
    tenancy.bind(g.scope)
    return None


@bp.get("/<token>")
@public
def show() -> ResponseReturnValue:
    return _page(ConnectForm(formdata=None))


@bp.post("/<token>")
@public
def start() -> ResponseReturnValue:
    form = ConnectForm(meta={"csrf": False})
    if g.scan_link.ended_at is not None:
        return _to_page()
    try:
        connections.request_connect(g.scope, g.scan_link.unit_id, **form.wanted())
    except Invalid as e:
        show_problems(form, e)
        return _page(form, status=422)
    except Conflict:
        # The number was linked in this very moment: the page says so.
        pass
    return _to_page()


def _page(form: ConnectForm, *, status: int = 200) -> ResponseReturnValue:
    unit = units.get_unit_by_id(g.scope, str(g.scan_link.unit_id))
    if g.scan_link.ended_at is not None:
        return render("scan/done.html", fragment="scan/_done.html", unit=unit)
    connection = units.get_connection(g.scope, unit.id)
    panel = make_panel(unit, connection, url=url_for(".show", token=g.scan_token), is_for_phone_owner=True)
    return render_news(
        "scan/show.html",
        fragment="connections/_panel.html",
        news=panel.news,
        status=status,
        unit=unit,
        panel=panel,
        form=form,
    )


def _to_page() -> ResponseReturnValue:
    return redirect(url_for(".show", token=g.scan_token), code=303)
