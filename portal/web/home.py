"""A company's home: what needs somebody, today in numbers, its units, and the first steps of a new company."""

from collections.abc import Sequence

from flask import Blueprint, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from portal.models import Unit
from portal.permissions import Permission
from portal.queries import checked_states, unit_troubles
from portal.queries import home as queries
from portal.queries.home import UnitRow
from portal.queries.unit_troubles import Troubles
from portal.web import home_guide
from portal.web.access import requires
from portal.web.attention import gravest_first
from portal.web.home_needs import Units, list_needs
from portal.web.home_today import make_today
from portal.web.render import render_news
from portal.web.words import State

bp = Blueprint("home", __name__)

# Of more units only those that need somebody are shown, of each trouble so many.
MOST_SHOWN = 30
MOST_TROUBLED = 20


@bp.get("/home")
@requires(Permission.VIEW_UNITS)
def show() -> ResponseReturnValue:
    troubles = unit_troubles.find_troubles(g.scope, limit=MOST_TROUBLED)
    rows = queries.list_units(g.scope, limit=MOST_SHOWN)
    shown = _shown(troubles, rows)
    checked = checked_states.list_for(g.scope, [row.unit for row in (*shown, *_troubled(troubles))])
    units = Units(troubles, checked)
    states = [(row.unit, units.state(row)) for row in shown]
    needs = gravest_first(list_needs(g.scope, units))
    can_read = g.scope.allows(Permission.READ_MESSAGES)
    today = make_today(g.scope, rows[0].unit.time_zone) if rows and can_read else None
    guide = home_guide.find_guide(g.scope, troubles.counts, rows)
    counts = troubles.counts
    return render_news(
        "home/index.html",
        fragment="home/_home.html",
        news=([_news_of(*one) for one in states], counts, needs, today and today.news, guide),
        states=states,
        counts=counts,
        more=max(0, counts.troubled - len(shown)) if counts.units > MOST_SHOWN else None,
        needs=needs,
        today=today,
        guide=guide,
    )


@bp.post("/home/first-steps")
@requires(Permission.MANAGE_UNITS)
def fold_first_steps() -> ResponseReturnValue:
    home_guide.take_out() if request.form.get("shown") else home_guide.put_away()
    return redirect(url_for(".show"), code=303)


def _shown(troubles: Troubles, rows: Sequence[UnitRow]) -> Sequence[UnitRow]:
    """All units where they are few, else those in trouble, each once."""
    if troubles.counts.units <= MOST_SHOWN:
        return rows
    return list({row.unit.id: row for row in _troubled(troubles)}.values())


def _troubled(troubles: Troubles) -> list[UnitRow]:
    return [row for rows in troubles.rows.values() for row in rows]


def _news_of(unit: Unit, state: State) -> tuple[object, ...]:
    return unit.slug, unit.name, str(state.title), state.tone
