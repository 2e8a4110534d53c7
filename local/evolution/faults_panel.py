"""What the panel of faults shows, and what its form says."""

from collections.abc import Mapping
from dataclasses import dataclass

from local.evolution.faults import (
    ANSWER_FAULTS,
    SWITCHES,
    VARIANTS,
    WEBHOOK_FAULTS,
    WHATSAPP_FAULTS,
    FaultName,
    Faults,
    Plan,
)
from local.evolution.tool import Refused

TEXTS = {
    FaultName.LATENCY: ("Slow answers", "Every send takes this much longer."),
    FaultName.HANG: ("No answer", "The answer never comes."),
    FaultName.SERVER_ERROR: ("Server error", "Evolution, or a proxy before it, answers with a 5xx."),
    FaultName.TIMED_OUT: ("Timed out", "400 “Timed Out”: the caller cannot know whether the message left."),
    FaultName.DATABASE_ERROR: ("Database error", "400 with a database text, after the message left."),
    FaultName.RATE_OVERLIMIT: ("Too fast for WhatsApp", "400 “rate-overlimit”; nothing left."),
    FaultName.RESET_BEFORE: ("Broken off before sending", "The connection breaks and nothing left."),
    FaultName.RESET_AFTER: ("Broken off after sending", "The connection breaks, but the message left."),
    FaultName.RESTRICTED: ("Restricted (463)", "In chats in which the customer never wrote: accepted, then ERROR."),
    FaultName.PENDING: ("Pending for ever", "Accepted, but it never reaches the customer's phone."),
    FaultName.WEBHOOK_LOST: ("Lost", "The event is never delivered."),
    FaultName.WEBHOOK_DUPLICATE: ("Twice", "The same event is delivered twice."),
    FaultName.WEBHOOK_LATE: ("Late", "The event is delivered later."),
    FaultName.WEBHOOK_DISORDER: ("In the wrong order", "The next event of the shop overtakes this one."),
    FaultName.LICENCE: ("Licence missing", "Every call is refused with 503."),
    FaultName.HANG_ALL: ("Evolution hangs", "No call of any kind is answered."),
}
GROUPS = (
    ("Sending", (FaultName.LATENCY, *ANSWER_FAULTS)),
    ("On the way to the customer", WHATSAPP_FAULTS),
    ("Webhooks", WEBHOOK_FAULTS),
    ("The whole server", SWITCHES),
)
VARIANT_TEXTS = dict(
    zip(
        VARIANTS,
        (
            "500, connection closed",
            "500, timed out",
            "500, preparing failed",
            "502 of a proxy, not sent",
            "502 of a proxy, sent",
        ),
        strict=True,
    )
)


@dataclass(frozen=True)
class Row:
    """Show one fault."""

    name: FaultName
    title: str
    hint: str
    plan: Plan
    struck: int

    @property
    def is_switch(self) -> bool:
        """Tell whether it is only on or off."""
        return self.name in SWITCHES

    @property
    def is_on(self) -> bool:
        """Tell whether it can strike."""
        return self.plan.rate > 0

    @property
    def percent(self) -> str:
        """Give the rate as a person writes it."""
        return f"{self.plan.rate * 100:.6g}"


@dataclass(frozen=True)
class Panel:
    """Show all faults in their groups."""

    groups: list[tuple[str, list[Row]]]

    @property
    def on(self) -> list[Row]:
        """List what is switched on."""
        return [row for _, rows in self.groups for row in rows if row.is_on]


def panel_of(faults: Faults) -> Panel:
    """Show the faults of a run."""
    return Panel([(title, [row_of(faults, name) for name in names]) for title, names in GROUPS])


def row_of(faults: Faults, name: FaultName) -> Row:
    """Show one fault as it is set."""
    title, hint = TEXTS[name]
    return Row(name, title, hint, faults.plans[name], faults.struck[name])


def faults_in(form: Mapping[str, str], plans: Mapping[FaultName, Plan]) -> dict[str, object]:
    """Read the form as the `faults` of the settings; raises Refused for what is not a number."""
    return {name: fault_in(form, name, plan) for name, plan in plans.items()}


def fault_in(form: Mapping[str, str], name: FaultName, plan: Plan) -> object:
    """Read the fields of one fault."""
    if name in SWITCHES:
        return f"on.{name}" in form
    fault: dict[str, object] = {"rate": number_in(form, f"rate.{name}") / 100}
    if plan.seconds is not None:
        fault["seconds"] = [number_in(form, f"from.{name}"), number_in(form, f"to.{name}")]
    if plan.is_after_send is not None:
        fault["afterSend"] = f"after.{name}" in form
    if plan.variant is not None:
        fault["variant"] = form.get(f"variant.{name}")
    return fault


def number_in(form: Mapping[str, str], field: str) -> float:
    """Read a number; an empty field counts as 0."""
    try:
        return float(form.get(field) or 0)
    except ValueError as e:
        raise Refused(400, f"“{form[field]}” is not a number") from e
