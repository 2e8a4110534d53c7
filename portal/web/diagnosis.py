"""A unit's diagnosis: what is wrong with it, as far as the portal can find out, and a button for what it can do."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_limiter import RateLimitExceeded
from werkzeug.exceptions import BadRequest

from portal.errors import Conflict
from portal.extensions import limiter
from portal.models import Unit
from portal.monitor import diagnose
from portal.monitor.diagnose import Diagnosis, Fix, fixes
from portal.permissions import Permission
from portal.queries import units
from portal.web.access import requires
from portal.web.checks import NEW_SECRET
from portal.web.confirming import confirmed
from portal.web.connections import STEPS, Step
from portal.web.diagnosis_view import make_sections
from portal.web.diagnosis_words import FIXES, FixWords
from portal.web.render import render, wants_part
from portal.web.words import Tone

bp = Blueprint("diagnosis", __name__, url_prefix="/units/<unit_slug>/diagnosis")

# Of one unit, whoever looks: each look asks Evolution up to four things.
LOOKS = "20 per minute"
# Of one unit, too: each looks first whether there is something to put right.
FIXES_AT_MOST = "10 per minute"
# After a fix the page looks again, every four seconds, for a minute at most.
MOST_LOOKS_AFTER_FIX = 15
SEND_AGAIN = Step(
    _("Send the failed messages again?"),
    _("All of them that failed in the last day for a reason that is not their own go back to the queue, and leave."),
    _("Send them again"),
    partial(fixes.apply, fix=Fix.REQUEUE),
)
NOT_FOUND_NOW = _("What this puts right is not found at the unit now. Nothing was done: look again.")
TOO_OFTEN = _("This unit was looked at very often just now. Wait a minute, then look again.")


@dataclass(frozen=True)
class Outcome:
    """What became of a fix so far, and where to look again while that is not known."""

    tone: Tone
    sentence: str
    words: FixWords
    next_look: str | None = None


@bp.get("")
@requires(Permission.MANAGE_UNITS)
def show(unit_slug: str) -> ResponseReturnValue:
    unit = units.get_unit(g.scope, unit_slug)
    g.time_zone = unit.time_zone
    if not (wants_part() or "now" in request.args):
        return _page(unit, None)
    try:
        _count(_counted_look)
        return _page(unit, diagnose.run(g.scope, unit.id))
    except RateLimitExceeded:
        return _page(unit, None, problem=str(TOO_OFTEN))
    except Conflict as e:
        return _page(unit, None, problem=e.message)


@bp.post("/<any(check, check_server, fetch, replay, wake, settle, complete):fix>")
@requires(Permission.MANAGE_UNITS)
def fix(unit_slug: str, fix: str) -> ResponseReturnValue:
    return _apply(unit_slug, Fix(fix))


@bp.get("/requeue")
@requires(Permission.MANAGE_CAMPAIGNS)
def confirm_requeue(unit_slug: str) -> str:
    return render_template("connections/confirm.html", unit=units.get_unit(g.scope, unit_slug), step=SEND_AGAIN)


@bp.post("/requeue")
@requires(Permission.MANAGE_CAMPAIGNS)
def requeue(unit_slug: str) -> ResponseReturnValue:
    return _apply(unit_slug, Fix.REQUEUE)


@bp.post("/resume")
@requires(Permission.MANAGE_CAMPAIGNS)
def resume(unit_slug: str) -> ResponseReturnValue:
    return _apply(unit_slug, Fix.RESUME)


@bp.get("/restart")
@requires(Permission.CONNECT)
def confirm_restart(unit_slug: str) -> str:
    unit = units.get_unit(g.scope, unit_slug)
    return render_template("connections/confirm.html", unit=unit, step=STEPS["restart"])


@bp.post("/restart")
@requires(Permission.CONNECT)
def restart(unit_slug: str) -> ResponseReturnValue:
    return _apply(unit_slug, Fix.RESTART)


@bp.get("/rotate")
@requires(Permission.MANAGE_UNITS)
@confirmed
def confirm_rotate(unit_slug: str) -> ResponseReturnValue:
    return render_template("connections/confirm.html", unit=units.get_unit(g.scope, unit_slug), step=NEW_SECRET)


@bp.post("/rotate")
@requires(Permission.MANAGE_UNITS)
@confirmed
def rotate(unit_slug: str) -> ResponseReturnValue:
    return _apply(unit_slug, Fix.ROTATE)


@limiter.shared_limit(lambda: LOOKS, scope="diagnosis", key_func=lambda: str(g.counted_unit))
def _counted_look() -> None:
    """Counts one look at the unit."""


@limiter.shared_limit(lambda: FIXES_AT_MOST, scope="diagnosis-fixes", key_func=lambda: str(g.counted_unit))
def _counted_fix() -> None:
    """Counts one fix of the unit."""


def _count(counted: Callable[[], None]) -> None:
    # The key is found first: a limiter takes whatever its key raises for a fault of its storage.
    g.counted_unit = f"{g.scope.tenant_id} {(request.view_args or {})['unit_slug']}"
    counted()


def _apply(unit_slug: str, fix: Fix) -> ResponseReturnValue:
    """Do it if the diagnosis offers it now: what the person saw may be an hour old, or never was there."""
    unit_id = units.get_unit(g.scope, unit_slug).id
    _count(_counted_fix)
    try:
        is_offered = fix in diagnose.run(g.scope, unit_id).offered
        if is_offered:
            fixes.apply(g.scope, unit_id, fix)
    except Conflict as e:
        flash(e.message)
        return redirect(url_for(".show", unit_slug=unit_slug), code=303)
    if not is_offered:
        raise Conflict(str(NOT_FOUND_NOW))
    return redirect(url_for(".show", unit_slug=unit_slug, fix=fix, look=1), code=303)


def _page(unit: Unit, diagnosis: Diagnosis | None, *, problem: str = "") -> ResponseReturnValue:
    return render(
        "diagnosis/show.html",
        fragment="diagnosis/_found.html",
        unit=unit,
        diagnosis=diagnosis,
        sections=make_sections(g.scope, unit, diagnosis) if diagnosis else [],
        outcome=_outcome(unit, diagnosis) if diagnosis else None,
        now_address=url_for(
            ".show", unit_slug=unit.slug, now=1, fix=request.args.get("fix"), look=request.args.get("look")
        ),
        problem=problem,
    )


def _outcome(unit: Unit, diagnosis: Diagnosis) -> Outcome | None:
    """What became of the fix that led here, if one did."""
    if "fix" not in request.args:
        return None
    try:
        fix, look = Fix(request.args["fix"]), int(request.args.get("look", ""))
    except ValueError as e:
        raise BadRequest from e
    words = FIXES[fix]
    if fix not in {finding.fix for finding in diagnosis.findings if finding.is_found}:
        return Outcome(Tone.GOOD, gettext("Done: what this was for is not found any more."), words)
    if look >= MOST_LOOKS_AFTER_FIX:
        return Outcome(
            Tone.BAD, gettext("It was asked for, and the cause is still there. See what else is found."), words
        )
    address = url_for(".show", unit_slug=unit.slug, now=1, fix=fix, look=look + 1)
    return Outcome(Tone.BUSY, gettext("A worker is at it. This page looks again by itself."), words, address)
