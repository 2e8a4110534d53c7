"""Which unit the smoke test is about."""

from collections.abc import Sequence
from dataclasses import dataclass

from portal.monitor.smoke.answers import Answer, text_in
from portal.monitor.smoke.failures import Failed


@dataclass(frozen=True)
class Unit:
    id: str
    slug: str
    tenant: str

    @property
    def path(self) -> str:
        return f"/units/{self.id}/whatsapp"

    @property
    def page(self) -> str:
        """Where people see the code."""
        return f"/t/{self.tenant}/units/{self.slug}/connect"


def chosen_unit(answer: Answer, wanted: str) -> Unit:
    """The unit of that id or short name, or the only one there is. Raises Failed naming the choices."""
    units = [Unit(text_in(one, "id"), text_in(one, "slug"), text_in(one, "tenant")) for one in answer.items]
    if not units:
        raise Failed("The company has no unit.", "Open one in the portal, under Units.")
    if not wanted and len(units) > 1:
        raise Failed(f"The company has {len(units)} units.", f"Name one with --unit: {_names(units)}.")
    unit = next((one for one in units if not wanted or wanted in (one.slug, one.id)), None)
    if unit is None:
        raise Failed(f"No unit is called {wanted}.", f"Name one of these with --unit: {_names(units)}.")
    return unit


def _names(units: Sequence[Unit]) -> str:
    return ", ".join(one.slug for one in units)
