"""How good a value is, as thresholds.toml says: read once, and refused as a whole where it makes no sense."""

import operator
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from portal.models import Level

PATH = Path(__file__).with_name("thresholds.toml")
LIMIT = re.compile(r"(<=|<|>=|>) (\d{1,9}(?:\.\d{1,9})?)")
SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
KEYS = frozenset({"ok", "critical", "unit"})


class Metric(StrEnum):
    """What is measured, in the order in which it is shown."""

    HTTP_5XX = "http_5xx"
    HTTP_DENIED = "http_denied"
    UNKNOWN_INSTANCES = "unknown_instances"
    SECRETS_IN_LOGS = "secrets_in_logs"
    PROCESSING_ERRORS = "processing_errors"
    RETRIES = "retries"
    DATABASE = "database"
    CONNECTION_DROPS = "connection_drops"
    INBOUND_FLOW = "inbound_flow"
    OUTBOUND_SUCCESS = "outbound_success"
    CAMPAIGNS_STUCK = "campaigns_stuck"
    HTTP_429 = "http_429"
    OVERALL = "overall"


class ThresholdsError(Exception):
    """Everything that is wrong with the thresholds, in one message."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("The thresholds make no sense:\n" + "\n".join(f"  - {problem}" for problem in problems))
        self.problems = problems


@dataclass(frozen=True)
class Limit:
    """A value and which side of it is meant, such as `<= 5`."""

    sign: str
    value: float

    def holds(self, value: float) -> bool:
        return SIGNS[self.sign](value, self.value)

    def __str__(self) -> str:
        return f"{self.sign} {self.value:g}"


@dataclass(frozen=True)
class Threshold:
    """Where a metric is OK, and where it is critical; what lies between is a warning."""

    ok: Limit
    critical: Limit
    # What the value is in; empty for a number of things.
    unit: str = ""

    def level_of(self, value: float) -> Level:
        if self.critical.holds(value):
            return Level.CRITICAL
        return Level.OK if self.ok.holds(value) else Level.WARNING


@cache
def load() -> dict[str, Threshold]:
    """The threshold of every metric. Raises ThresholdsError."""
    return parse(PATH.read_text())


def parse(toml: str) -> dict[str, Threshold]:
    """Understand the text of such a file. Raises ThresholdsError naming all that is wrong."""
    try:
        tables = tomllib.loads(toml)
    except tomllib.TOMLDecodeError as e:
        raise ThresholdsError([f"this is not TOML: {e}"]) from e
    problems = [f"[{name}] is missing" for name in Metric if name not in tables]
    problems += [f"[{name}] is no metric" for name in tables if name not in [*Metric]]
    found = {}
    for name in (name for name in Metric if name in tables):
        try:
            found[str(name)] = _threshold(tables[name])
        except ValueError as e:
            problems.append(f"[{name}] {e}")
    if problems:
        raise ThresholdsError(problems)
    return found


def _threshold(table: object) -> Threshold:
    if not isinstance(table, dict):
        raise ValueError("must be a table")
    unknown = sorted(table.keys() - KEYS)
    if unknown:
        raise ValueError(f"knows no {', '.join(unknown)}")
    unit = table.get("unit", "")
    if not isinstance(unit, str):
        raise ValueError("unit must be a text")
    ok, critical = _limit(table, "ok"), _limit(table, "critical")
    if ok.sign[0] == critical.sign[0]:
        raise ValueError(f"ok ({ok}) and critical ({critical}) must look to different sides")
    if _overlap(ok, critical):
        raise ValueError(f"ok ({ok}) and critical ({critical}) must not both hold for one value")
    return Threshold(ok, critical, unit)


def _limit(table: dict[str, object], key: str) -> Limit:
    told = table.get(key)
    found = LIMIT.fullmatch(told) if isinstance(told, str) else None
    if found is None:
        raise ValueError(f'{key} must be written like "<= 5" or "> 15"')
    return Limit(found[1], float(found[2]))


def _overlap(ok: Limit, critical: Limit) -> bool:
    above, below = (critical, ok) if ok.sign[0] == "<" else (ok, critical)
    return above.value < below.value or (above.value == below.value and "=" in above.sign and "=" in below.sign)
