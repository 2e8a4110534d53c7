"""The first steps of a new company, each done when there is evidence of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from flask import session as cookie
from flask import url_for
from flask_babel import gettext as _

from portal.models import ConnectionStatus, Unit
from portal.permissions import Permission
from portal.queries import home
from portal.queries.home import Beginnings, UnitRow
from portal.queries.unit_troubles import UnitCounts
from portal.tenancy import TenantScope

# Kept in the browser until the person signs out: whether the steps are to be seen is nobody else's business.
AWAY = "first_steps_away"
# Companies that have written to somebody, which stays so: a process asks for each only until then.
_that_wrote: set[UUID] = set()


@dataclass(frozen=True)
class Step:
    """One step: what to do, why, where, and whether it is done."""

    key: str
    title: str
    sentence: str
    link: str | None
    label: str
    is_done: bool
    is_optional: bool = False


@dataclass(frozen=True)
class Guide:
    """The steps in their order, or the mere mention of them where the person put them away."""

    steps: Sequence[Step]
    is_away: bool

    @property
    def number_done(self) -> int:
        return sum(step.is_done for step in self.steps)


def find_guide(scope: TenantScope, counts: UnitCounts, rows: Sequence[UnitRow]) -> Guide | None:
    """For those who set a company up; None once a number was linked and a message was sent. `rows`: its first units."""
    if not (scope.allows(Permission.MANAGE_UNITS) and scope.allows(Permission.SEND)):
        return None
    if counts.linked and scope.tenant_id in _that_wrote:
        return None
    begun = home.find_beginnings(scope)
    if begun.has_written:
        _that_wrote.add(scope.tenant_id)
    if counts.linked and begun.has_written:
        return None
    return Guide(_steps(counts, rows, begun), is_away=AWAY in cookie)


def put_away() -> None:
    cookie[AWAY] = True


def take_out() -> None:
    cookie.pop(AWAY, None)


def _steps(counts: UnitCounts, rows: Sequence[UnitRow], begun: Beginnings) -> list[Step]:
    unlinked = next((row.unit for row in rows if row.connection.connected_at is None), None)
    connected = next((row.unit for row in rows if row.connection.status == ConnectionStatus.CONNECTED), None)
    return [
        Step(
            "unit",
            _("Make your first unit"),
            _("A unit is a branch with one WhatsApp number."),
            url_for("tenant.units.new"),
            _("Make a unit"),
            is_done=counts.units > 0,
        ),
        Step(
            "number",
            _("Link its number"),
            _("Take the unit's phone in hand and scan the code with WhatsApp."),
            _to("tenant.connections.connect", unlinked),
            _("Link the number"),
            is_done=counts.linked > 0,
        ),
        Step(
            "message",
            _("Write a test message to yourself"),
            _("Write to your own number, and see it arrive on your phone."),
            _to("tenant.conversations.write", connected),
            _("Write the message"),
            is_done=begun.has_written,
        ),
        Step(
            "contacts",
            _("Bring your contacts"),
            _("A spreadsheet or a list that you paste; you see what it would change before it does."),
            url_for("tenant.imports.new"),
            _("Bring a list"),
            is_done=begun.has_imported,
            is_optional=True,
        ),
        Step(
            "team",
            _("Invite your team"),
            _("Each person answers in the units that you choose."),
            url_for("tenant.members.new"),
            _("Invite a person"),
            is_done=begun.people > 1,
            is_optional=True,
        ),
    ]


def _to(endpoint: str, unit: Unit | None) -> str | None:
    return url_for(endpoint, unit_slug=unit.slug) if unit else None
