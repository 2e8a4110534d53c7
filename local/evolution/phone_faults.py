"""The forms on the page of simulated phones that make Evolution fail and restart."""

from flask import Blueprint, render_template, request
from werkzeug.wrappers import Response

from local.evolution.control_faults import apply_settings, restart_evolution
from local.evolution.faults_panel import faults_in, number_in
from local.evolution.guards import simulator
from local.evolution.phone import back, page, set_policy
from local.evolution.tool import Refused

blueprint = Blueprint("phone_faults", __name__, url_prefix="/phone")
blueprint.after_request(set_policy)


@blueprint.errorhandler(Refused)
def show_refusal(error: Refused) -> tuple[str, int]:
    return page(notice=f"Nothing was changed: {error.reason}.", is_panel_open=True), error.status


@blueprint.post("/faults")
def save() -> Response:
    run = simulator()
    apply_settings(run, {"faults": faults_in(request.form, run.faults.plans)})
    return back(panel="open", anchor="faults")


@blueprint.post("/faults/off")
def switch_off() -> Response:
    apply_settings(simulator(), {"faults": None})
    return back(panel="open", anchor="faults")


@blueprint.post("/restart")
def restart() -> str:
    down_s = number_in(request.form, "down_s")
    if down_s < 0:
        raise Refused(400, "the seconds must not be negative")
    restart_evolution(down_s)
    # The port is closed now, so the browser waits on what it has.
    return render_template("phone/restarting.html", wait_s=int(down_s) + 1)
