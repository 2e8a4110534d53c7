"""What the people see who run the portal for every tenant."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import current_user

from portal.extensions import login
from portal.permissions import Permission
from portal.queries import alerts as open_alerts
from portal.queries import operator_home, releases
from portal.queries import parked_events as events
from portal.queries.operator_home import PAGE
from portal.queries.parked_events import Filter
from portal.web import (
    alerts,
    components,
    golive,
    operator_audit,
    operator_metrics,
    operator_needs,
    parked_events,
    people,
    runbook,
    servers,
    tenants,
)
from portal.web.access import requires
from portal.web.attention import MOST_NAMED, gravest_first
from portal.web.metric_words import verdict_state
from portal.web.operator_needs import Looked

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
bp.register_blueprint(components.bp)


@bp.before_request
def refuse_strangers() -> ResponseReturnValue | None:
    if current_user.is_authenticated:
        return None
    refused: ResponseReturnValue = login.unauthorized()
    return refused


@bp.get("/")
@requires(Permission.OPERATE)
def index() -> str:
    rows = operator_home.list_companies(after=request.args.get("after", "").replace("\x00", ""))
    looked = Looked(
        down=operator_home.find_companies_down(limit=MOST_NAMED),
        parked=events.count_parked(Filter()),
        unknown=events.count_parked(Filter(is_unknown=True)),
        open_alerts=open_alerts.count_open(),
        release=releases.current(),
    )
    return render_template(
        "operator/index.html",
        looked=looked,
        needs=gravest_first(operator_needs.list_needs(looked)),
        rows=rows,
        next_after=rows[-1].tenant.slug if len(rows) >= PAGE else None,
        days=operator_home.count_today([row.tenant.id for row in rows]),
        verdict=verdict_state(looked.release.verdict) if looked.release else None,
    )
