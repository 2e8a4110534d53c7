"""The runbook: what to do in each of the four incidents, and when a release is taken back."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _

from portal.errors import Conflict, NotFound
from portal.monitor.diagnose import CAUSES_OF, FIX_OF, Incident
from portal.permissions import Permission
from portal.queries import alerts, units
from portal.web import golive_words, runbook_words
from portal.web.access import requires
from portal.web.diagnosis_words import CAUSES, FIXES, INCIDENTS

bp = Blueprint("runbook", __name__, url_prefix="/runbook")

NOT_ONE = _("There is no such unit, or there are several. Name it as company/unit, by their short names.")


@bp.get("")
@requires(Permission.OPERATE)
def index() -> ResponseReturnValue:
    criteria = zip(golive_words.CRITERIA, runbook_words.CRITERIA, strict=True)
    return _page_or_unit(
        "runbook/index.html", rollback=golive_words, criteria=criteria, open_alerts=alerts.count_open()
    )


@bp.get("/<any(unconnected, inbound, outbound, campaign):incident>")
@requires(Permission.OPERATE)
def show(incident: str) -> ResponseReturnValue:
    which = Incident(incident)
    causes = [(CAUSES[cause], FIXES.get(FIX_OF[cause]) if cause in FIX_OF else None) for cause in CAUSES_OF[which]]
    return _page_or_unit("runbook/show.html", incident=which, causes=causes, calls=runbook_words.CALLS[which])


def _page_or_unit(template: str, **context: object) -> ResponseReturnValue:
    """The page; or the diagnosis of the unit that was named on it."""
    typed, problem = request.args.get("unit", "").strip(), ""
    if typed:
        try:
            return redirect(_diagnosis_of(typed), code=303)
        except (Conflict, NotFound):
            problem = str(NOT_ONE)
    page = render_template(template, incidents=INCIDENTS, words=runbook_words, typed=typed, problem=problem, **context)
    return page, 422 if problem else 200


def _diagnosis_of(path: str) -> str:
    tenant, unit = units.find_by_path(path)
    return url_for("tenant.diagnosis.show", tenant_slug=tenant.slug, unit_slug=unit.slug)
