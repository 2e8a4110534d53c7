"""How fast a unit's campaigns may go."""

from dataclasses import dataclass
from datetime import date

from flask import Blueprint, flash, g, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal.clock import now
from portal.errors import Invalid
from portal.models import Unit
from portal.pacing import WARM_UP, WARM_UP_ENDS, Pace, most_on, next_slot
from portal.permissions import Permission
from portal.queries import pacing as queries
from portal.queries import units
from portal.services import paces
from portal.web.access import requires
from portal.web.formats import grouped
from portal.web.forms import show_problems
from portal.web.pace_forms import PaceForm, day_names, hours_hint, shown, tell_values, typed

bp = Blueprint("paces", __name__)

HOUR_S = 3_600


@dataclass(frozen=True)
class Step:
    """A step of the warm-up, in days of the number: the first is 1; without a last one and a cap it is the end."""

    first: int
    last: int | None
    cap: int | None
    is_today: bool


@bp.get("/units/<unit_slug>/pace")
@requires(Permission.MANAGE_CAMPAIGNS)
def edit(unit_slug: str) -> str:
    unit = units.get_unit(g.scope, unit_slug)
    return _page(unit, PaceForm(formdata=None, data=shown(unit)))


@bp.post("/units/<unit_slug>/pace")
@requires(Permission.MANAGE_CAMPAIGNS)
def save(unit_slug: str) -> ResponseReturnValue:
    unit, form = units.get_unit(g.scope, unit_slug), PaceForm()
    try:
        changed = queries.pace_of(paces.set_pace(g.scope, unit.id, typed(form)))
    except Invalid as e:
        show_problems(form, e)
        return _page(unit, form), 422
    flash(_("Saved."))
    flash(_speed_words(changed, changed.day_of(now())))
    return redirect(url_for(".edit", unit_slug=unit_slug), code=303)


def _page(unit: Unit, form: PaceForm) -> str:
    g.time_zone = unit.time_zone
    pace, use, at = queries.pace_of(unit), queries.count_today(g.scope, unit), now()
    today = pace.day_of(at)
    slot = next_slot(pace, at, sent_today=use.campaigns)
    tell_values(form, pace)
    return render_template(
        "paces/edit.html",
        unit=unit,
        form=form,
        hours_hint=hours_hint(pace),
        day_names=day_names(),
        speed=_speed_words(pace, today),
        slot=slot,
        is_open=slot is not None and slot.opens <= at,
        use=use,
        cap=pace.cap_on(today),
        steps=_steps(pace, today),
    )


def _speed_words(pace: Pace, today: date) -> str:
    """What the pace comes to, in messages."""
    hour, most = _about(HOUR_S / pace.mean_gap_s), most_on(pace, today)
    if most == 0:
        return str(_("At this pace about %(hour)s messages an hour; today none.", hour=hour))
    if most == pace.cap_on(today):
        words = _("At this pace about %(hour)s messages an hour; today at most %(day)s.", hour=hour, day=grouped(most))
        return str(words)
    words = _(
        "At this pace about %(hour)s messages an hour; about %(day)s in a day like today.", hour=hour, day=_about(most)
    )
    return str(words)


def _about(number: float) -> str:
    """The number with three digits that count: 1,030."""
    return grouped(int(float(f"{number:.3g}")))


def _steps(pace: Pace, today: date) -> list[Step]:
    age = None if pace.warm_up_from is None else max(0, (today - pace.warm_up_from).days)
    begins = [*(day for day, _cap in WARM_UP), WARM_UP_ENDS]
    caps = [cap for _day, cap in WARM_UP]
    bounds = zip(begins, begins[1:], caps, strict=False)
    steps = [Step(first + 1, end, cap, age is not None and first <= age < end) for first, end, cap in bounds]
    return [*steps, Step(WARM_UP_ENDS + 1, None, None, age is not None and age >= WARM_UP_ENDS)]
