"""A company's home: what needs somebody, today in numbers, all units, and the first steps of a new company."""

from flask import Blueprint, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from portal.models import Unit
from portal.permissions import Permission
from portal.queries import checked_states
from portal.queries import home as queries
from portal.web import home_guide
from portal.web.access import requires
from portal.web.attention import gravest_first
from portal.web.home_needs import Units, list_needs
from portal.web.home_today import make_today
from portal.web.render import render_news
from portal.web.words import State

bp = Blueprint("home", __name__)


@bp.get("/home")
@requires(Permission.VIEW_UNITS)
def show() -> ResponseReturnValue:
    rows = queries.list_units(g.scope)
    units = Units(rows, checked_states.list_for(g.scope, [row.unit for row in rows]))
    states = [(row.unit, units.state(row)) for row in rows]
    needs = gravest_first(list_needs(g.scope, units))
    can_read = g.scope.allows(Permission.READ_MESSAGES)
    today = make_today(g.scope, [row.unit for row in rows]) if rows and can_read else None
    guide = home_guide.find_guide(g.scope, rows)
    return render_news(
        "home/index.html",
        fragment="home/_home.html",
        news=([_news_of(*one) for one in states], needs, today and today.news, guide),
        states=states,
        needs=needs,
        today=today,
        guide=guide,
    )


@bp.post("/home/first-steps")
@requires(Permission.MANAGE_UNITS)
def fold_first_steps() -> ResponseReturnValue:
    home_guide.take_out() if request.form.get("shown") else home_guide.put_away()
    return redirect(url_for(".show"), code=303)


def _news_of(unit: Unit, state: State) -> tuple[object, ...]:
    return unit.slug, unit.name, str(state.title), state.tone
