"""The doors of the API: body parser, existence, key, in the order of Evolution."""

import functools
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from flask import Response, current_app, g, request

from local.evolution.errors import ApiError, crashed, unauthorized
from local.evolution.model import Instance
from local.evolution.simulator import Simulator
from local.evolution.validation import Field, violations

View = Callable[[Instance], Response]


def simulator() -> Simulator:
    """Give the simulator behind this app."""
    found: Simulator = current_app.extensions["simulator"]
    return found


def on_instance(view: View) -> Callable[[str], Response]:
    """Let a request through to an instance: unknown names are 404 before any key is looked at."""

    @functools.wraps(view)
    def guarded(name: str) -> Response:
        instance = simulator().instances.find(name)
        if instance is None:
            raise ApiError(404, [f'The "{name}" instance does not exist'])
        refuse_wrong_key(instance)
        return view(_acting_on(instance))

    return guarded


def loaded_only(answer: Callable[[Instance], Response]) -> Callable[[View], View]:
    """Give another answer while an instance is in the database but not in memory, just after a restart."""

    def guard(view: View) -> View:
        @functools.wraps(view)
        def guarded(instance: Instance) -> Response:
            return view(instance) if instance.is_loaded else answer(instance)

        return guarded

    return guard


def not_in_memory(property_name: str) -> Response:
    """Crash like Evolution on an instance that it has not loaded."""
    raise crashed(f"Cannot read properties of undefined (reading '{property_name}')")


def refuse_wrong_key(instance: Instance | None = None) -> None:
    """Refuse unless the key is the global one or, where an instance is given, its token."""
    key = given_key()
    if not key or key not in (simulator().settings.api_key, instance.token if instance else None):
        raise unauthorized()


def given_key() -> str:
    """Read the only place that counts as a key."""
    return request.headers.get("apikey", "").strip()


def _acting_on(instance: Instance) -> Instance:
    # Evolution merges the query over the path after the key was checked, so a token reaches other instances.
    other = request.args.get("instanceName")
    found = simulator().instances.find(other) if other else instance
    if found is None:
        raise ApiError(500, "Cannot read properties of undefined")
    return found


def parse_body() -> None:
    """Read the body before any guard; other content types count as an empty one."""
    if request.mimetype == "application/x-www-form-urlencoded":
        g.body = request.form.to_dict()
        return
    raw = request.get_data() if request.mimetype == "application/json" else b""
    g.body = _read_json(raw) if raw.strip() else {}


def _read_json(raw: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError as e:
        place = re.search(r"char (\d+)", str(e))
        text = f"Expected property name or '}}' in JSON at position {place[1] if place else 0}"
        raise ApiError(400, text, error="Internal Server Error") from e
    return body if isinstance(body, dict) else {}


def valid_body(fields: tuple[Field, ...]) -> Mapping[str, Any]:
    """Give the body, or refuse it with its violations as a list in a list."""
    found = violations(g.body, fields)
    if found:
        raise ApiError(400, [found])
    body: Mapping[str, Any] = g.body
    return body
