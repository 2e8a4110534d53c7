"""Read and write the crowd as JSON, and say in a sentence what is wrong with one.

`{"on": true, "reads": 0.8, "answers": 0.15, "optsOut": 0.01, "blocks": 0.02, "absent": 0.03, "delayS": 8,
"jitterS": 6, "seed": 1}`; what is left out stays as it is.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from local.evolution.crowd import CrowdPlan
from local.evolution.tool import Refused, is_number, seconds


def changed_crowd(plan: CrowdPlan, given: Mapping[str, Any]) -> CrowdPlan:
    """Apply what was sent to the plan; raises Refused."""
    for name in given:
        if name not in PARTS:
            raise Refused(400, f"the crowd has no {name}; it has {', '.join(PARTS)}")
    changes: dict[str, Any] = {PARTS[name][0]: PARTS[name][1](name, value) for name, value in given.items()}
    changed = replace(plan, **changes)
    if changed.answers + changed.opts_out > 1:
        raise Refused(400, "answers and optsOut must not add up to more than 1: nobody does both")
    return changed


def crowd_json(plan: CrowdPlan) -> dict[str, object]:
    """Write the crowd as it can be set."""
    return {name: getattr(plan, attribute) for name, (attribute, _) in PARTS.items()}


def read_switch(name: str, value: object) -> bool:
    """Read whether there is a crowd."""
    if not isinstance(value, bool):
        raise Refused(400, f"{name} must be true or false")
    return value


def read_share(name: str, value: object) -> float:
    """Read which share of all people does something."""
    if not is_number(value) or not 0 <= value <= 1:
        raise Refused(400, f"{name} must be a number from 0 (nobody) to 1 (everybody)")
    return float(value)


def read_seed(name: str, value: object) -> int:
    """Read the number that makes the people who they are."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refused(400, f"{name} must be a whole number")
    return value


PARTS: dict[str, tuple[str, Callable[[str, object], object]]] = {
    "on": ("is_on", read_switch),
    "reads": ("reads", read_share),
    "answers": ("answers", read_share),
    "optsOut": ("opts_out", read_share),
    "blocks": ("blocks", read_share),
    "absent": ("absent", read_share),
    "delayS": ("delay_s", seconds),
    "jitterS": ("jitter_s", seconds),
    "seed": ("seed", read_seed),
}
