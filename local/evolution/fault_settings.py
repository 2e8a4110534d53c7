"""Read and write the fault plan as JSON, and say in a sentence what is wrong with one.

`{"timedOut": 0.05, "hang": {"rate": 0.1, "afterSend": true}, "latency": {"rate": 1, "seconds": [0.5, 2]},
"serverError": {"rate": 0.1, "variant": "proxy"}, "licence": true}`; what is left out stays as it is.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from local.evolution.faults import ANSWER_FAULTS, OFF, SWITCHES, VARIANTS, WEBHOOK_FAULTS, FaultName, Plan
from local.evolution.tool import Refused, is_number

OPTIONS = {"seconds": "seconds", "afterSend": "is_after_send", "variant": "variant"}
TOO_MUCH = 1 + 1e-9


def changed_plans(plans: Mapping[FaultName, Plan], given: object) -> dict[FaultName, Plan]:
    """Apply what was sent to the plans; null puts one fault, or all of them, back to where they began.

    Raises Refused and leaves the plans as they are.
    """
    if given is None:
        return dict(OFF)
    if not isinstance(given, dict):
        raise Refused(400, "faults must be an object with the names of faults")
    changed = dict(plans)
    for text, value in given.items():
        name = fault_name(text)
        changed[name] = OFF[name] if value is None else changed_plan(name, plans[name], value)
    refuse_more_than_one(changed, ANSWER_FAULTS)
    refuse_more_than_one(changed, WEBHOOK_FAULTS)
    return changed


def fault_name(text: str) -> FaultName:
    """Read the name of a fault."""
    try:
        return FaultName(text)
    except ValueError as e:
        raise Refused(400, f"there is no fault called {text}; there are {', '.join(FaultName)}") from e


def changed_plan(name: FaultName, plan: Plan, given: object) -> Plan:
    """Read one fault: `true`, `false`, a rate, or an object with `rate` and the options of this fault."""
    if name in SWITCHES:
        if not isinstance(given, bool):
            raise Refused(400, f"{name} is a switch: true or false")
        return replace(plan, rate=float(given))
    if not isinstance(given, dict):
        return replace(plan, rate=read_rate(name, given))
    changes: dict[str, Any] = {"rate": read_rate(name, given["rate"])} if "rate" in given else {}
    for option, value in given.items():
        if option != "rate":
            changes[attribute_of(name, plan, option)] = read_option(name, option, value)
    return replace(plan, **changes)


def attribute_of(name: FaultName, plan: Plan, option: str) -> str:
    """Find where an option is kept, or refuse one that this fault does not have."""
    known = [option for option, attribute in OPTIONS.items() if getattr(plan, attribute) is not None]
    if option not in known:
        raise Refused(400, f"{name} has no {option}; it has {', '.join(['rate', *known])}")
    return OPTIONS[option]


def read_rate(name: FaultName, value: object) -> float:
    """Read how often a fault strikes: true means always, false never."""
    if isinstance(value, bool):
        return float(value)
    if not is_number(value) or not 0 <= float(value) <= 1:
        raise Refused(400, f"the rate of {name} must be a number from 0 (never) to 1 (always)")
    return float(value)


def read_option(name: FaultName, option: str, value: object) -> object:
    """Read one option of a fault."""
    if option == "seconds":
        return read_span(name, value)
    if option == "afterSend" and not isinstance(value, bool):
        raise Refused(400, f"afterSend of {name} must be true or false")
    if option == "variant" and value not in VARIANTS:
        raise Refused(400, f"the variant of {name} must be one of {', '.join(VARIANTS)}")
    return value


def read_span(name: FaultName, value: object) -> tuple[float, float]:
    """Read a number of seconds, or a pair between which each time is drawn."""
    pair = value if isinstance(value, list) else [value, value]
    ends = [float(end) for end in pair if is_number(end)]
    if not len(pair) == len(ends) == 2 or not 0 <= ends[0] <= ends[1]:
        raise Refused(400, f"seconds of {name} must be a number, or two of which the first is not the larger one")
    return ends[0], ends[1]


def refuse_more_than_one(plans: Mapping[FaultName, Plan], group: tuple[FaultName, ...]) -> None:
    """Refuse rates of which only one fault can strike at a time, but which add up to more than always."""
    if sum(plans[name].rate for name in group) > TOO_MUCH:
        raise Refused(400, f"the rates of {', '.join(group)} must not add up to more than 1: one strikes at a time")


def plans_json(plans: Mapping[FaultName, Plan]) -> dict[str, object]:
    """Write every fault as it can be set."""
    return {name: bool(plan.rate) if name in SWITCHES else plan_json(plan) for name, plan in plans.items()}


def plan_json(plan: Plan) -> dict[str, object]:
    """Write one fault with the options it has."""
    options = {option: getattr(plan, attribute) for option, attribute in OPTIONS.items()}
    return {"rate": plan.rate, **{option: value for option, value in options.items() if value is not None}}
