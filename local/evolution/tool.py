"""What the routes of the simulator's own API have in common: plain bodies and plain refusals."""

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

from flask import Blueprint, Response, request

from local.evolution.errors import to_response
from local.evolution.guards import simulator
from local.evolution.model import Instance


class Refused(Exception):
    """Stop a request of the tool with a reason in plain words."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


def tool_blueprint(name: str) -> Blueprint:
    """Make a part of the tool's API."""
    blueprint = Blueprint(name, __name__, url_prefix="/simulator")
    blueprint.register_error_handler(Refused, show_refusal)
    return blueprint


def show_refusal(error: Refused) -> Response:
    """Answer with the reason."""
    return to_response({"error": error.reason}, error.status)


def known(name: str) -> Instance:
    """Give the instance of that name or refuse."""
    instance = simulator().instances.find(name)
    if instance is None:
        raise Refused(404, f"no instance is called {name}")
    return instance


def json_body() -> Mapping[str, Any]:
    """Read the body; none counts as an empty one."""
    body = request.get_json(silent=True) if request.data else {}
    if not isinstance(body, dict):
        raise Refused(400, "the body must be a JSON object")
    return body


def required_text(body: Mapping[str, Any], name: str) -> str:
    """Read a text that must be there."""
    value = body.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Refused(400, f"{name} is required")
    return value


def is_number(value: object) -> TypeGuard[int | float]:
    """Tell whether a value of a JSON body is a number that can be reckoned with."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def seconds(name: str, value: object) -> float:
    """Read a duration."""
    if not is_number(value) or value < 0:
        raise Refused(400, f"{name} must be a number of seconds")
    return float(value)
