"""What schemathesis sends: values in the description's own formats, and ids of rows that are there."""

import base64
import json
import os
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import schemathesis
from hypothesis import strategies
from schemathesis import Case, HookContext
from schemathesis.core.parameters import ParameterLocation

INSTANTS = strategies.datetimes(timezones=strategies.just(UTC))


def write_cursor(position: tuple[datetime, UUID]) -> str:
    at, id_ = position
    return base64.urlsafe_b64encode(f"{at.isoformat()}~{id_}".encode()).decode()


def write_place(place: int) -> str:
    return base64.urlsafe_b64encode(str(place).encode()).decode()


schemathesis.openapi.format("cursor", strategies.tuples(INSTANTS, strategies.uuids()).map(write_cursor))
schemathesis.openapi.format("place", strategies.integers(0, 1_000_000).map(write_place))
schemathesis.openapi.format("phone", strategies.integers(0, 9_999_999).map(lambda end: f"+55 11 98{end:07}"))


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Name rows that are there, unless the address or the body is one of those that cannot be."""
    rows, operation = json.loads(os.environ["FUZZED_ROWS"]), case.operation.definition.raw["operationId"]
    if not case.meta.is_negative_at(ParameterLocation.PATH):
        named = {name: rows.get(f"{operation}.{name}", rows[name]) for name in case.path_parameters}
        case.path_parameters.update(named)
    unit_id = rows.get(f"{operation}.unitId")
    if unit_id and not case.meta.is_negative_at(ParameterLocation.BODY):
        case.body["unitId"] = unit_id
