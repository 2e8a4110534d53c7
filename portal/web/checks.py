"""A unit's checked state: what its shown state rests on, what it warns of, and what the portal put right by itself."""

from dataclasses import dataclass, replace
from uuid import UUID

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from werkzeug.exceptions import BadRequest

from portal.models import Connection, Repair, Unit
from portal.permissions import Permission
from portal.queries import checked_states, parked_events, repairs, units
from portal.queries.checked_states import CheckedState
from portal.services import webhook_secrets
from portal.tenancy import TenantScope
from portal.web.access import requires
from portal.web.confirming import confirmed
from portal.web.connections import Step
from portal.web.moments import ago
from portal.web.render import render_news, seen_mark
from portal.web.state_warnings import StateWarning, find_warnings, list_warnings
from portal.web.words import State, Tone, connection_state

bp = Blueprint("checks", __name__)

NEWEST = 10
NEW_SECRET = Step(
    _("Make a new webhook secret?"),
    _(
        "Evolution shows this secret when it brings messages. Make a new one when somebody else may have seen it."
        " Nothing is lost: the one before is accepted for 30 minutes more."
    ),
    _("Make a new secret"),
    webhook_secrets.rotate,
)


@dataclass(frozen=True)
class CheckedPanel:
    """What the panel shows: the newest repairs, whether there are older ones, and how many events are parked."""

    unit: Unit
    connection: Connection
    checked: CheckedState
    warnings: list[StateWarning]
    repairs: list[Repair]
    has_older: bool
    parked: int

    @property
    def state(self) -> State:
        """The state as it is shown everywhere; a doubt about it takes the colour of all being well away."""
        state, is_doubted = connection_state(self.connection), bool(list_warnings(self.checked, self.unit.time_zone))
        return replace(state, tone=Tone.WARNING) if is_doubted and state.tone == Tone.GOOD else state

    @property
    def news(self) -> tuple[object, ...]:
        """All that changes what is seen, the ages as they are written."""
        checked, connection = self.checked, self.connection
        times = (checked.checked_at, checked.last_event_at, checked.last_receipt_at)
        state = (connection.status, connection.status_reason, connection.action)
        done = [(repair.id, repair.found) for repair in self.repairs]
        return (state, [ago(at) if at else None for at in times], self.warnings, done, self.has_older, self.parked)

    @property
    def seen(self) -> str:
        return seen_mark(self.news)


@bp.get("/units/<unit_slug>/checks")
@requires(Permission.VIEW_UNITS)
def show(unit_slug: str) -> ResponseReturnValue:
    unit = units.get_unit(g.scope, unit_slug)
    g.time_zone = unit.time_zone
    panel, before = make_checked_panel(g.scope, unit), _before()
    older = repairs.list_repairs(g.scope, unit.id, before=before) if before else []
    return render_news(
        "units/checks.html",
        fragment="units/_checked.html",
        news=panel.news,
        unit=unit,
        panel=panel,
        older=older,
        older_before=older[-1].id if len(older) >= repairs.PAGE else None,
    )


@bp.get("/units/<unit_slug>/webhook-secret")
@requires(Permission.MANAGE_UNITS)
@confirmed
def confirm_new_secret(unit_slug: str) -> ResponseReturnValue:
    return render_template("connections/confirm.html", unit=units.get_unit(g.scope, unit_slug), step=NEW_SECRET)


@bp.post("/units/<unit_slug>/webhook-secret")
@requires(Permission.MANAGE_UNITS)
@confirmed
def renew_secret(unit_slug: str) -> ResponseReturnValue:
    webhook_secrets.rotate(g.scope, units.get_unit(g.scope, unit_slug).id)
    flash(_("There is a new secret. The portal registers it at Evolution within seconds."))
    return redirect(url_for(".show", unit_slug=unit_slug), code=303)


def make_checked_panel(scope: TenantScope, unit: Unit) -> CheckedPanel:
    """Look at the unit's connection now."""
    found = repairs.list_repairs(scope, unit.id, limit=NEWEST + 1)
    checked = checked_states.find(scope, unit.id)
    return CheckedPanel(
        unit=unit,
        connection=units.get_connection(scope, unit.id),
        checked=checked,
        warnings=find_warnings(scope, unit.id, checked, unit.time_zone),
        repairs=found[:NEWEST],
        has_older=len(found) > NEWEST,
        parked=parked_events.count_of_unit(scope, unit.id) if scope.allows(Permission.MANAGE_UNITS) else 0,
    )


def _before() -> UUID | None:
    try:
        return UUID(request.args["before"]) if request.args.get("before") else None
    except ValueError as e:
        raise BadRequest from e
