"""What the panel of the crowd shows, and what its form says."""

from collections.abc import Mapping
from dataclasses import dataclass

from local.evolution.crowd import CrowdPlan
from local.evolution.crowd_settings import crowd_json
from local.evolution.faults_panel import number_in

SHARES = {
    "reads": "% read",
    "answers": "% answer",
    "optsOut": "% opt out",
    "blocks": "% block",
    "absent": "% are not on WhatsApp",
}
TIMES = {"delayS": "Seconds they take", "jitterS": "More or less by"}


@dataclass(frozen=True)
class Field:
    """Show one number, as a person writes it."""

    name: str
    text: str
    value: str
    is_share: bool


@dataclass(frozen=True)
class CrowdPanel:
    """Show the whole crowd."""

    on: bool
    fields: list[Field]


def crowd_panel(plan: CrowdPlan) -> CrowdPanel:
    """Show the crowd of a run."""
    told = {name: float(str(value)) for name, value in crowd_json(plan).items() if name in (*SHARES, *TIMES)}
    shares = [Field(name, text, f"{told[name] * 100:.6g}", is_share=True) for name, text in SHARES.items()]
    times = [Field(name, text, f"{told[name]:.6g}", is_share=False) for name, text in TIMES.items()]
    return CrowdPanel(plan.is_on, [*shares, *times])


def crowd_in(form: Mapping[str, str]) -> dict[str, object]:
    """Read the form as the body of PUT /simulator/crowd; raises Refused for what is not a number."""
    shares = {name: number_in(form, name) / 100 for name in SHARES}
    return {"on": "on" in form, **shares, **{name: number_in(form, name) for name in TIMES}}
