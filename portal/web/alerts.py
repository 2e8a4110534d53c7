"""The operator's page of alerts: what is not well, who took it on, and who was told."""

from uuid import UUID

from flask import Blueprint, flash, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from portal.errors import Conflict
from portal.permissions import Permission
from portal.queries.alerts import list_alerts
from portal.services import alerts
from portal.services.audit import Actor
from portal.web.access import current_account, remote_address, requires
from portal.web.alert_view import make_view
from portal.web.language import choose_time_zone
from portal.web.render import render_news

LISTED = 50

bp = Blueprint("alerts", __name__, url_prefix="/alerts")


@bp.get("")
@requires(Permission.OPERATE)
def index() -> ResponseReturnValue:
    view = make_view(list_alerts(LISTED), alerts.channels(), choose_time_zone())
    return render_news("operator/alerts.html", fragment="operator/_alerts.html", news=view, view=view)


@bp.post("/test")
@requires(Permission.OPERATE)
def raise_test() -> ResponseReturnValue:
    try:
        alerts.raise_test(_actor())
        flash(gettext("The test alert is raised. See that it arrives, then acknowledge it here."))
    except Conflict as e:
        flash(e.message)
    return redirect(url_for(".index"), code=303)


@bp.post("/<uuid:alert_id>/acknowledge")
@requires(Permission.OPERATE)
def acknowledge(alert_id: UUID) -> ResponseReturnValue:
    alerts.acknowledge(alert_id, _actor())
    return redirect(url_for(".index"), code=303)


def _actor() -> Actor:
    return Actor(current_account().id, remote_address())
