"""The forms on the page of simulated phones that write anything, change it, call, change the crowd, and do harm."""

from collections.abc import Callable

from flask import Blueprint, abort, request
from werkzeug.wrappers import Response

from local.evolution.arrivals import NotOpen
from local.evolution.calls import Call
from local.evolution.crowd_panel import crowd_in
from local.evolution.crowd_settings import changed_crowd
from local.evolution.forms import body_of
from local.evolution.guards import simulator
from local.evolution.model import Instance, State
from local.evolution.numbers import chat_of
from local.evolution.phone import back, chosen_instance, field, page, set_policy
from local.evolution.tool import Refused

blueprint = Blueprint("phone_tools", __name__, url_prefix="/phone")
blueprint.after_request(set_policy)

# Nobody listens there.
ELSEWHERE = "http://127.0.0.1:9/elsewhere"


@blueprint.errorhandler(Refused)
@blueprint.errorhandler(ValueError)
def show_nonsense(error: Exception) -> tuple[str, int]:
    return page(notice=f"Nothing was done: {error}.", is_panel_open=False), 400


@blueprint.errorhandler(NotOpen)
def show_not_open(_error: NotOpen) -> Response:
    return back("not-open")


@blueprint.post("/writings")
def write() -> Response:
    instance, body, number = chosen(), body_of(request.form), field("customer")
    if field("side") == "shop":
        simulator().arrivals.owner_sends(instance, number, body)
    else:
        simulator().arrivals.customer_sends(instance, simulator().store.customer(chat_of(number)), body)
    return back(anchor="tools")


@blueprint.post("/changes")
def change() -> Response:
    instance = chosen()
    message = instance.messages.get(field("target")) or abort(404)
    if field("do") == "edit":
        if not field("text"):
            raise Refused(400, "the new text is missing")
        simulator().changes.edit(instance, message, field("text"))
    else:
        simulator().changes.delete(instance, message)
    return back(anchor="tools")


@blueprint.post("/calls")
def call() -> Response:
    customer = simulator().store.customer(chat_of(field("customer")))
    simulator().calls.ring(chosen(), customer, Call(is_answered=field("do") == "answered"))
    return back(anchor="tools")


@blueprint.post("/crowd")
def change_crowd() -> Response:
    crowd = simulator().crowd
    crowd.plan = changed_crowd(crowd.plan, crowd_in(request.form))
    return back(anchor="crowd")


@blueprint.post("/harm")
def harm() -> Response:
    do = HARM.get(field("do")) or abort(404)
    do(chosen())
    return back(anchor="harm")


def chosen() -> Instance:
    """Give the instance of the form."""
    return chosen_instance() or abort(404)


HARM: dict[str, Callable[[Instance], object]] = {
    "webhook-off": lambda instance: simulator().harm.change_webhook(instance, {"enabled": False}),
    "webhook-elsewhere": lambda instance: simulator().harm.change_webhook(instance, {"url": ELSEWHERE}),
    "webhook-events": lambda instance: simulator().harm.change_webhook(instance, {"events": ["CALL"], "enabled": True}),
    "webhook-gone": lambda instance: simulator().harm.remove_webhook(instance),
    "close": lambda instance: simulator().harm.force_state(instance, State.CLOSE),
    "open": lambda instance: simulator().harm.force_state(instance, State.OPEN),
    "storm": lambda instance: simulator().harm.storm(instance, per_second=30, seconds=3),
    "gone": lambda instance: simulator().harm.remove(instance, is_silent=True),
}
