"""A unit's pace: how fast its campaigns go, how many messages a day, and when."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import func

from portal import queue
from portal.clock import now
from portal.db import atomic, db, on_commit
from portal.errors import Invalid
from portal.models import Lane, Unit
from portal.pacing import Pace
from portal.queries.pacing import pace_of
from portal.services import audit, delivery
from portal.tenancy import TenantScope

# Name -> the shortest and the longest gap between two messages, in seconds.
PRESETS: Mapping[str, tuple[float, float]] = {"careful": (8.0, 20.0), "normal": (Pace.min_s, Pace.max_s)}
OWN = "own"
SHORTEST_GAP_S, LONGEST_GAP_S = 1, 3_600
LARGEST_CAP = 100_000
EVERY_DAY = (1, 2, 3, 4, 5, 6, 7)
SECONDS = re.compile(r"\d{1,4}([.,]\d{1,2})?")
WHOLE = re.compile(r"\d{1,9}")


@dataclass(frozen=True)
class TypedPace:
    """A pace as somebody typed it: gaps in seconds (they count for OWN only), hours as 09:00, days from 1, Monday.

    What is blank is as it usually is: gaps of 2 to 5 s, no cap, the whole day.
    """

    preset: str
    min_s: str = ""
    max_s: str = ""
    daily_cap: str = ""
    window_from: str = ""
    window_to: str = ""
    window_days: Collection[str] = tuple(map(str, EVERY_DAY))
    skips_holidays: bool = False
    is_new: bool = False


def set_pace(scope: TenantScope, unit_id: UUID, typed: TypedPace) -> Unit:
    """Let the unit's campaigns go at this pace from their next message on.

    A new number warms up from today; one that does already goes on. Raises Invalid, with a sentence for each field
    of TypedPace that is wrong, and then changes nothing.
    """
    columns = _checked(typed)
    with atomic():
        delivery.lock_unit(scope, unit_id)
        unit = scope.get(Unit, unit_id)
        columns["warm_up_from"] = (unit.warm_up_from or pace_of(unit).day_of(now())) if typed.is_new else None
        before = {name: getattr(unit, name) for name in columns}
        changed = {name: value for name, value in columns.items() if value != before[name]}
        for name, value in changed.items():
            setattr(unit, name, value)
        if changed:
            was = _told({name: before[name] for name in changed})
            audit.record(scope, "unit.pace_changed", ("unit", unit_id), before=was, after=_told(changed))
            _look_again(scope, unit)
    return unit


def preset_of(unit: Unit) -> str:
    """The name of the preset that the unit's gaps are, or OWN."""
    gaps = (unit.pace_min_s, unit.pace_max_s)
    return next((name for name, preset in PRESETS.items() if preset == gaps), OWN)


def _checked(typed: TypedPace) -> dict[str, object]:
    """Column of the unit -> its value."""
    problems: dict[str, str] = {}
    columns: dict[str, object] = {"skips_holidays": typed.skips_holidays}
    for check in (_checked_gaps, _checked_cap, _checked_hours, _checked_days):
        try:
            columns |= check(typed)
        except Invalid as e:
            problems |= e.fields
    if problems:
        raise Invalid(problems)
    return columns


def _checked_gaps(typed: TypedPace) -> dict[str, object]:
    if typed.preset != OWN:
        return _gaps_of(typed.preset)
    shortest, longest = _seconds(typed.min_s, Pace.min_s), _seconds(typed.max_s, Pace.max_s)
    wrong = _("Give seconds from %(least)s to %(most)s.", least=SHORTEST_GAP_S, most=LONGEST_GAP_S)
    problems = {name: wrong for name, gap in (("min_s", shortest), ("max_s", longest)) if gap is None}
    if problems or shortest is None or longest is None:
        raise Invalid(problems)
    if longest < shortest:
        raise Invalid({"max_s": _("The longest gap cannot be shorter than the shortest one. Give more seconds here.")})
    return {"pace_min_s": shortest, "pace_max_s": longest}


def _gaps_of(preset: str) -> dict[str, object]:
    if preset not in PRESETS:
        raise Invalid({"preset": _("Choose how fast campaigns go.")})
    shortest, longest = PRESETS[preset]
    return {"pace_min_s": shortest, "pace_max_s": longest}


def _seconds(typed: str, usual: float) -> float | None:
    """None for what is no number, or out of bounds."""
    typed = typed.strip()
    if not typed:
        return usual
    if not SECONDS.fullmatch(typed):
        return None
    seconds = float(typed.replace(",", "."))
    return seconds if SHORTEST_GAP_S <= seconds <= LONGEST_GAP_S else None


def _checked_cap(typed: TypedPace) -> dict[str, object]:
    cap = typed.daily_cap.strip()
    if not cap:
        return {"daily_cap": None}
    if not WHOLE.fullmatch(cap) or not 1 <= int(cap) <= LARGEST_CAP:
        message = _("Give a whole number from 1 to %(most)s, or leave it empty for no limit.", most=LARGEST_CAP)
        raise Invalid({"daily_cap": message})
    return {"daily_cap": int(cap)}


def _checked_hours(typed: TypedPace) -> dict[str, object]:
    hours = {"window_from": typed.window_from.strip(), "window_to": typed.window_to.strip()}
    if not any(hours.values()):
        return dict.fromkeys(hours)
    found = {name: _hour(hour) for name, hour in hours.items()}
    blank = _("Give both hours, or leave both empty for the whole day.")
    wrong = _("Give an hour such as 09:00.")
    problems = {name: wrong if hours[name] else blank for name, hour in found.items() if hour is None}
    opens, closes = found.values()
    if problems or opens is None or closes is None:
        raise Invalid(problems)
    if opens >= closes:
        raise Invalid({"window_to": _("This hour has to come after the first one, on the same day.")})
    return {"window_from": opens, "window_to": closes}


def _hour(typed: str) -> time | None:
    try:
        return datetime.strptime(typed, "%H:%M").time()
    except ValueError:
        return None


def _checked_days(typed: TypedPace) -> dict[str, object]:
    days = [day for day in EVERY_DAY if str(day) in typed.window_days]
    if not days:
        raise Invalid({"window_days": _("Choose at least one day.")})
    return {"window_days": days}


def _told(columns: Mapping[str, object]) -> dict[str, object]:
    """As the audit log keeps them."""
    return {name: value.isoformat() if isinstance(value, date | time) else value for name, value in columns.items()}


def _look_again(scope: TenantScope, unit: Unit) -> None:
    """A lane that rests until the window opens does not know of the change; what waits in it is judged anew."""
    resting = scope.update(Lane).where(Lane.unit_id == unit.id, Lane.campaign_at.is_not(None))
    # Not at once: the gap after the last message may not be over.
    soon = func.least(Lane.campaign_at, func.now() + timedelta(seconds=unit.pace_max_s))
    again = resting.values(campaign_at=soon, campaign_until=func.now())
    db.session.execute(again.execution_options(synchronize_session=False))
    on_commit(queue.wake_outbox)
