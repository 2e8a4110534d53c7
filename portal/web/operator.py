"""What the people see who run the portal for every tenant."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_login import current_user

from portal.extensions import login
from portal.permissions import Permission
from portal.queries import parked_events as events
from portal.queries.parked_events import Filter
from portal.services import tenants as service
from portal.web import operator_audit, parked_events, people, servers, tenants
from portal.web.access import requires

bp = Blueprint("operator", __name__, url_prefix="/operator")
bp.register_blueprint(servers.bp)
bp.register_blueprint(tenants.bp)
bp.register_blueprint(parked_events.bp)
bp.register_blueprint(operator_audit.bp)
bp.register_blueprint(people.bp)


@bp.before_request
def refuse_strangers() -> ResponseReturnValue | None:
    if current_user.is_authenticated:
        return None
    refused: ResponseReturnValue = login.unauthorized()
    return refused


@bp.get("/")
@requires(Permission.OPERATE)
def index() -> str:
    parked = events.count_parked(Filter())
    return render_template("operator/index.html", tenants=service.list_tenants(), parked=parked)
