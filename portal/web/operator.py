"""What the people see who run the portal for every tenant."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_login import current_user

from portal.extensions import login
from portal.permissions import Permission
from portal.queries import alerts as open_alerts
from portal.queries import parked_events as events
from portal.queries import releases
from portal.queries.parked_events import Filter
from portal.services import tenants as service
from portal.web import (
    alerts,
    golive,
    operator_audit,
    operator_metrics,
    parked_events,
    people,
    runbook,
    servers,
    tenants,
)
from portal.web.access import requires
from portal.web.metric_words import verdict_state

bp = Blueprint("operator", __name__, url_prefix="/operator")
bp.register_blueprint(servers.bp)
bp.register_blueprint(tenants.bp)
bp.register_blueprint(parked_events.bp)
bp.register_blueprint(operator_audit.bp)
bp.register_blueprint(people.bp)
bp.register_blueprint(golive.bp)
bp.register_blueprint(operator_metrics.bp)
bp.register_blueprint(alerts.bp)
bp.register_blueprint(runbook.bp)


@bp.before_request
def refuse_strangers() -> ResponseReturnValue | None:
    if current_user.is_authenticated:
        return None
    refused: ResponseReturnValue = login.unauthorized()
    return refused


@bp.get("/")
@requires(Permission.OPERATE)
def index() -> str:
    release = releases.current()
    return render_template(
        "operator/index.html",
        tenants=service.list_tenants(),
        parked=events.count_parked(Filter()),
        release=release,
        verdict=verdict_state(release.verdict) if release else None,
        open_alerts=open_alerts.count_open(),
    )
