"""The list of units as an address asks for it: which of them, from which one on, and what one is chosen for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import url_for
from werkzeug.exceptions import BadRequest

from portal.models import Unit
from portal.queries.contact_search import LONGEST_SEARCH
from portal.queries.unit_lists import Filter

ATTENTION = "attention"
# What a unit may be chosen for -> the page that is then about it, and what the page calls the unit.
PURPOSES = {
    "conversations": ("tenant.conversations.index", "unit"),
    "undelivered": ("tenant.undelivered.index", "unit"),
    "campaigns": ("tenant.campaigns.index", "unit"),
    "campaign": ("tenant.campaign_drafts.new", "unit"),
    "write": ("tenant.conversations.write", "unit_slug"),
}


@dataclass(frozen=True)
class View:
    """What the address asks for. `phone`: to whom is written from the unit that is chosen."""

    wanted: Filter
    after: str
    purpose: str
    phone: str

    @property
    def fields(self) -> dict[str, Any]:
        """The address's own words for it, without the place in the list."""
        return {
            "q": self.wanted.search or None,
            "state": ATTENTION if self.wanted.is_troubled else None,
            **self.choosing,
        }

    @property
    def is_filtered(self) -> bool:
        return self.wanted != Filter()

    @property
    def choosing(self) -> dict[str, Any]:
        """The address's own words for what a unit is chosen for."""
        return {"choose": self.purpose or None, "phone": self.phone or None}

    def link_of(self, unit: Unit) -> str:
        """Where the unit's name leads."""
        endpoint, name = PURPOSES.get(self.purpose, ("tenant.units.show", "unit_slug"))
        place: dict[str, Any] = {name: unit.slug, "phone": self.phone or None}
        return url_for(endpoint, **place)


def read_view(args: Mapping[str, str]) -> View:
    """Raises BadRequest for what nobody can have chosen."""
    text = {name: args.get(name, "").replace("\x00", "").strip() for name in ("q", "state", "after", "choose", "phone")}
    if text["state"] not in ("", ATTENTION) or text["choose"] not in ("", *PURPOSES):
        raise BadRequest
    wanted = Filter(search=text["q"][:LONGEST_SEARCH], is_troubled=text["state"] == ATTENTION)
    return View(wanted, after=text["after"], purpose=text["choose"], phone=text["phone"])
