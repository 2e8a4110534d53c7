"""The simulator's own API: what people and machines do to an instance behind everybody's back.

PUT    /simulator/instances/<name>/webhook   {"url"?, "events"?, "enabled"?, "headers"?, "byEvents"?, "base64"?}
DELETE /simulator/instances/<name>/webhook
PUT    /simulator/instances/<name>/settings  {"groupsIgnore"?, "readStatus"?, …}
POST   /simulator/instances/<name>/state     {"state": "close" | "connecting" | "open"}: no webhook tells of it
POST   /simulator/instances/<name>/storm     {"perSecond"?, "seconds"?}: `connecting` without pause
DELETE /simulator/instances/<name>           {"reported"?: true}: gone at once, or as through the manager
"""

from collections.abc import Mapping
from typing import Any

from flask import Response

from local.evolution.arrivals import NotOpen
from local.evolution.control import instance_json, show_not_open
from local.evolution.errors import to_response
from local.evolution.guards import simulator
from local.evolution.harm import LONGEST_STORM_S, MOST_PER_SECOND
from local.evolution.instances import SETTING_ORDER
from local.evolution.model import State
from local.evolution.tool import Refused, is_number, json_body, known, tool_blueprint

blueprint = tool_blueprint("control_harm")
blueprint.register_error_handler(NotOpen, show_not_open)

WEBHOOK_PARTS: dict[str, type] = {
    "url": str,
    "events": list,
    "enabled": bool,
    "headers": dict,
    "byEvents": bool,
    "base64": bool,
}


@blueprint.put("/instances/<name>/webhook")
def change_webhook(name: str) -> Response:
    instance, changes = known(name), json_body()
    for part, value in changes.items():
        if part not in WEBHOOK_PARTS or not isinstance(value, WEBHOOK_PARTS[part]):
            raise Refused(400, f"{part} is no part of a webhook, or of the wrong type")
    refuse_unknown_events(changes.get("events") or [])
    simulator().harm.change_webhook(instance, changes)
    return to_response(instance.webhook.to_json(instance.id) if instance.webhook else None)


@blueprint.delete("/instances/<name>/webhook")
def remove_webhook(name: str) -> Response:
    simulator().harm.remove_webhook(known(name))
    return to_response(None)


@blueprint.put("/instances/<name>/settings")
def change_settings(name: str) -> Response:
    instance, changes = known(name), json_body()
    for setting, value in changes.items():
        if setting not in SETTING_ORDER or not isinstance(value, type(instance.settings[setting])):
            raise Refused(400, f"{setting} is no setting of an instance, or of the wrong type")
    simulator().harm.change_settings(instance, changes)
    return to_response(instance.settings)


@blueprint.post("/instances/<name>/state")
def force_state(name: str) -> Response:
    instance = known(name)
    simulator().harm.force_state(instance, read_state(json_body()))
    return to_response(instance_json(instance))


@blueprint.post("/instances/<name>/storm")
def storm(name: str) -> Response:
    body = json_body()
    per_second, seconds = (
        positive(body, "perSecond", 30, MOST_PER_SECOND),
        positive(body, "seconds", 3, LONGEST_STORM_S),
    )
    number = simulator().harm.storm(known(name), per_second=per_second, seconds=seconds)
    return to_response({"webhooks": number}, 202)


@blueprint.delete("/instances/<name>")
def remove(name: str) -> Response:
    is_reported = bool(json_body().get("reported"))
    simulator().harm.remove(known(name), is_silent=not is_reported)
    return to_response({"name": name})


def read_state(body: Mapping[str, Any]) -> State:
    """Read a state."""
    try:
        return State(body.get("state", ""))
    except ValueError as e:
        raise Refused(400, "state must be close, connecting or open") from e


def refuse_unknown_events(events: list[object]) -> None:
    """Refuse a name that is no event."""
    if not set(map(str, events)) <= set(simulator().switches.style.event_names):
        raise Refused(400, "events must be names of events")


def positive(body: Mapping[str, Any], name: str, default: float, most: float) -> float:
    """Read a number above nothing."""
    value = body.get(name, default)
    if not is_number(value) or not 0 < value <= most:
        raise Refused(400, f"{name} must be a number above 0, {most} at most")
    return float(value)
