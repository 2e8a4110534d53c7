"""The operator's pages of webhook events that could not be applied, and of what came in for nobody here."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from flask_babel import lazy_gettext as _
from werkzeug.exceptions import BadRequest

from portal.models import CountedOutcome
from portal.permissions import Permission
from portal.queries import parked_events as queries
from portal.queries.parked_events import PAGE, Filter
from portal.services import parked_events
from portal.services.audit import Actor
from portal.web.access import current_account, remote_address, requires

bp = Blueprint("events", __name__, url_prefix="/events")

LARGEST_ID = 2**63 - 1
COUNTED_DAYS = 30
NOTHING = _("Nothing was chosen, or nothing of it is parked any more.")
OUTCOMES = {
    CountedOutcome.UNKNOWN_EVENT: _("Events of an unknown name"),
    CountedOutcome.UNKNOWN_INSTANCE: _("Events of an unknown instance"),
    CountedOutcome.REFUSED: _("Refused: wrong secret or signature"),
}


@dataclass(frozen=True)
class View:
    """What the address asks for: the filter, and the unit as it was written."""

    wanted: Filter
    unit: str | None

    @property
    def fields(self) -> dict[str, Any]:
        """The address's own words for it."""
        wanted = self.wanted
        return {"event": wanted.event, "error": wanted.error, "unit": self.unit, "instance": wanted.instance}

    @property
    def is_filtered(self) -> bool:
        return any(self.fields.values())


@bp.get("")
@requires(Permission.OPERATE)
def index() -> str:
    view = _view()
    rows = queries.list_parked(view.wanted, before=_number(request.args.get("before")))
    return render_template(
        "operator/events.html",
        view=view,
        rows=rows,
        older_before=rows[-1].id if len(rows) >= PAGE else None,
        total=queries.count_parked(view.wanted),
        newest=queries.newest_id(view.wanted),
        choices=queries.list_choices(),
    )


@bp.post("")
@requires(Permission.OPERATE)
def replay() -> ResponseReturnValue:
    view = _view()
    wanted = _chosen(view)
    number = queries.count_parked(wanted)
    if not number:
        flash(NOTHING)
    elif (number > 1 or "every" in request.form) and "confirmed" not in request.form:
        return render_template("operator/replay_events.html", view=view, wanted=wanted, number=number)
    else:
        flash(_replay_now(wanted))
    return redirect(url_for(".index", **view.fields), code=303)


@bp.get("/<int(max=9223372036854775807):event_id>")
@requires(Permission.OPERATE)
def show(event_id: int) -> str:
    row, body = queries.get_parked(event_id)
    return render_template("operator/event.html", row=row, outline=parked_events.outline(body))


@bp.get("/unknown")
@requires(Permission.OPERATE)
def unknown() -> str:
    return render_template("operator/unknown_instances.html", instances=queries.list_unknown_instances())


@bp.post("/unknown/replay")
@requires(Permission.OPERATE)
def replay_unknown() -> ResponseReturnValue:
    return _settle_unknown("replay", _replay_now)


@bp.post("/unknown/forget")
@requires(Permission.OPERATE)
def forget_unknown() -> ResponseReturnValue:
    return _settle_unknown("forget", _forget_now)


@bp.get("/counts")
@requires(Permission.OPERATE)
def counts() -> str:
    found = queries.list_counts(days=COUNTED_DAYS)
    days = [(day, list(rows)) for day, rows in groupby(found, key=lambda row: row.day)]
    return render_template("operator/event_counts.html", days=days, outcomes=OUTCOMES, most=COUNTED_DAYS)


def _view() -> View:
    """Raises BadRequest for a unit that is not there."""
    event, error, unit, instance = (_text(request.args.get(name)) for name in ("event", "error", "unit", "instance"))
    unit_id = queries.find_unit_id(unit) if unit else None
    if unit and unit_id is None:
        raise BadRequest
    return View(Filter(event=event, error=error, unit_id=unit_id, instance=instance), unit)


def _chosen(view: View) -> Filter:
    """The events that were ticked, or all of the filter up to the newest that was shown."""
    if "every" in request.form:
        return replace(view.wanted, up_to=_number(request.form.get("up_to")))
    typed = [text for field in request.form.getlist("ids") for text in field.split()]
    return Filter(ids=tuple(id_ for id_ in map(_number, typed) if id_))


def _settle_unknown(act: str, do: Callable[[Filter], str]) -> ResponseReturnValue:
    """Ask, and then do it with all that is kept of one instance."""
    wanted = Filter(instance=_text(request.form.get("instance")), is_unknown=True)
    number = queries.count_parked(wanted) if wanted.instance else 0
    if not number:
        flash(NOTHING)
    elif "confirmed" not in request.form:
        return render_template("operator/settle_unknown.html", act=act, instance=wanted.instance, number=number)
    else:
        flash(do(wanted))
    return redirect(url_for(".unknown"), code=303)


def _replay_now(wanted: Filter) -> str:
    done = parked_events.replay(wanted, by=_actor())
    words = str(ngettext("%(num)s event goes to the inbox again.", "%(num)s events go to the inbox again.", done))
    if not queries.count_unknown(wanted):
        return words
    return f"{words} {gettext('What belongs to an instance that is still no unit of this portal stays here.')}"


def _forget_now(wanted: Filter) -> str:
    done = parked_events.forget(wanted.instance or "", by=_actor())
    return str(ngettext("%(num)s event was forgotten.", "%(num)s events were forgotten.", done))


def _text(typed: str | None) -> str | None:
    """PostgreSQL refuses a NUL in any text, and an address may hold one."""
    return (typed or "").replace("\x00", "") or None


def _number(typed: str | None) -> int | None:
    """An event's id; nothing typed is none. Raises BadRequest."""
    if not typed:
        return None
    if not typed.isascii() or not typed.isdecimal() or len(typed) > 19 or int(typed) > LARGEST_ID:
        raise BadRequest
    return int(typed)


def _actor() -> Actor:
    return Actor(current_account().id, remote_address())
