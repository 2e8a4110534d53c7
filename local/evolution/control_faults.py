"""The simulator's own API: change the run, order faults, restart Evolution.

PUT  /simulator/settings  any of `SWITCH_NAMES` (seconds), `version` ("2.3.6": how all is written), `addressing`
                          ("pn", "lid", "lidOnly" or null), `mediaFailure` ("notFound", "download" or null),
                          `failNextSends`, `faults`, `seed`
POST /simulator/restart   {"downS"?}
"""

from collections import deque
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from flask import Response, current_app

from local.evolution.errors import to_response
from local.evolution.fault_settings import changed_plans, plans_json
from local.evolution.faults import FaultName
from local.evolution.guards import simulator
from local.evolution.settings import Addressing, Fault, FaultMode, MediaFailure
from local.evolution.simulator import Simulator
from local.evolution.tool import Refused, is_number, json_body, seconds, tool_blueprint
from local.evolution.versions import VERSION
from local.evolution.wires import this_connection

blueprint = tool_blueprint("control_faults")

SWITCH_NAMES = {
    "createWaitS": "create_wait_s",
    "connectWaitS": "connect_wait_s",
    "sendLatencyS": "send_latency_s",
    "receiptDelayS": "receipt_delay_s",
    "readDelayS": "read_delay_s",
    "respondAfterSendS": "respond_after_send_s",
    "hangS": "hang_s",
    "mediaRetryS": "media_retry_s",
}
MAY_BE_OFF = ("receiptDelayS", "readDelayS")
OTHER_NAMES = ("version", "addressing", "mediaFailure", "failNextSends", "faults", "seed")
LONGEST_DOWN_S = 600.0


@blueprint.get("/settings")
def show_settings() -> Response:
    return to_response(settings_json(simulator()))


@blueprint.put("/settings")
def change_settings() -> Response:
    apply_settings(simulator(), json_body())
    return to_response(settings_json(simulator()))


@blueprint.get("/faults")
def count_faults() -> Response:
    faults = simulator().faults
    return to_response({"seed": faults.seed, "struck": {name: faults.struck[name] for name in FaultName}})


@blueprint.post("/restart")
def restart() -> Response:
    down_s = seconds("downS", json_body().get("downS", 0))
    restart_evolution(down_s)
    return to_response({"downS": down_s}, 202)


def restart_evolution(down_s: float) -> None:
    """Restart Evolution: its port is closed for a while, and only the connection of this request goes on."""
    if down_s > LONGEST_DOWN_S:
        raise Refused(400, f"downS must be {LONGEST_DOWN_S:.0f} at most")
    simulator().restart(down_s)
    server = current_app.extensions.get("server")
    if server:
        server.go_away(down_s, but=this_connection())


def apply_settings(run: Simulator, body: Mapping[str, Any]) -> None:
    """Change what the body names; raises Refused and changes nothing when any of it is wrong."""
    refuse_unknown(body)
    changes: dict[str, object] = {
        **{SWITCH_NAMES[name]: duration(name, body[name]) for name in SWITCH_NAMES if name in body},
        **{attribute: read(body[name]) for name, (attribute, read) in READERS.items() if name in body},
    }
    ordered = read_ordered(body.get("failNextSends", []))
    plans = changed_plans(run.faults.plans, body["faults"]) if "faults" in body else run.faults.plans
    seed = read_seed(body["seed"]) if "seed" in body else None
    for attribute, value in changes.items():
        setattr(run.switches, attribute, value)
    if "failNextSends" in body:
        run.switches.next_faults = ordered
    run.faults.plans = plans
    if seed is not None:
        run.faults.reseed(seed)


def refuse_unknown(body: Mapping[str, Any]) -> None:
    """Refuse a name that sets nothing."""
    known = (*SWITCH_NAMES, *OTHER_NAMES)
    for name in body:
        if name not in known:
            raise Refused(400, f"there is no setting called {name}; there are {', '.join(known)}")


def duration(name: str, value: object) -> float | None:
    """Read a duration; receipts can be switched off with null."""
    return None if value is None and name in MAY_BE_OFF else seconds(name, value)


def read_version(value: object) -> str:
    """Read a version of Evolution."""
    if not isinstance(value, str) or not VERSION.fullmatch(value):
        raise Refused(400, "version must be one like 2.3.6")
    return value


def read_addressing(value: object) -> Addressing | None:
    """Read how WhatsApp speaks of persons; without it each customer decides."""
    try:
        return None if value is None else Addressing(str(value))
    except ValueError as e:
        raise Refused(400, f"addressing must be null or one of {', '.join(Addressing)}") from e


def read_media_failure(value: object) -> MediaFailure | None:
    """Read why files cannot be had, or that they can."""
    try:
        return None if value is None else MediaFailure(str(value))
    except ValueError as e:
        raise Refused(400, f"mediaFailure must be null or one of {', '.join(MediaFailure)}") from e


READERS: dict[str, tuple[str, Callable[[object], object]]] = {
    "version": ("version", read_version),
    "addressing": ("addressing", read_addressing),
    "mediaFailure": ("media_failure", read_media_failure),
}


def read_seed(value: object) -> int:
    """Read the number that a run of faults is repeated by."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refused(400, "seed must be a whole number")
    return value


def read_ordered(items: object) -> deque[Fault]:
    """Read the faults of the next sends, one each."""
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Refused(400, "failNextSends must be a list of objects")
    return deque(read_fault(item) for item in items)


def read_fault(item: Mapping[str, Any]) -> Fault:
    """Read one ordered fault: `{status, body}` or `{mode: hang | reset}`, both with `afterSend`."""
    try:
        mode = FaultMode(item.get("mode", FaultMode.ANSWER))
    except ValueError as e:
        raise Refused(400, "mode must be answer, hang or reset") from e
    status = item.get("status", int(HTTPStatus.INTERNAL_SERVER_ERROR))
    if not is_number(status) or not 200 <= status <= 599:
        raise Refused(400, "status must be an HTTP status from 200 to 599")
    return Fault(mode, int(status), item.get("body"), bool(item.get("afterSend", False)))


def settings_json(run: Simulator) -> dict[str, object]:
    """Write the settings by the names under which they are set."""
    return {
        **{name: getattr(run.switches, attribute) for name, attribute in SWITCH_NAMES.items()},
        **{name: getattr(run.switches, attribute) for name, (attribute, _) in READERS.items()},
        "failNextSends": [fault_json(fault) for fault in list(run.switches.next_faults)],
        "seed": run.faults.seed,
        "faults": plans_json(run.faults.plans),
    }


def fault_json(fault: Fault) -> dict[str, object]:
    """Write a fault as it is ordered."""
    return {"mode": fault.mode, "status": fault.status, "body": fault.body, "afterSend": fault.is_after_send}
