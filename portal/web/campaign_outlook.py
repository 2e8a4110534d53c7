"""How fast a campaign goes and when it ends, in plain words."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time, get_day_names
from flask_babel import format_decimal, get_locale
from flask_babel import gettext as _

from portal.clock import now
from portal.pacing import Pace
from portal.web.formats import grouped

ROUND_TO = timedelta(minutes=5)
EVERY_DAY = frozenset(range(1, 8))


def ends_words(at: datetime, zone: str) -> str:
    """`Ends Thursday about 11:20`, by the clock of that zone."""
    local = _rounded(at).astimezone(ZoneInfo(zone))
    today = now().astimezone(ZoneInfo(zone)).date()
    time = format_time(local.time(), "short", locale=get_locale())
    days = (local.date() - today).days
    if days <= 0:
        return str(_("Ends today about %(time)s", time=time))
    if days == 1:
        return str(_("Ends tomorrow about %(time)s", time=time))
    day = format_date(local.date(), "EEEE" if days < 7 else "full", locale=get_locale())
    return str(_("Ends %(day)s about %(time)s", day=day, time=time))


def pace_words(pace: Pace, today: date) -> list[str]:
    """What a unit's pace means, a sentence for each of its rules."""
    told = [_gap_words(pace), _window_words(pace)]
    if pace.window_days != EVERY_DAY:
        names = get_day_names("wide", locale=get_locale())
        days = ", ".join(names[day - 1] for day in sorted(pace.window_days))
        told.append(_("Only on these days: %(days)s.", days=days))
    if pace.skips_holidays:
        told.append(_("Not on Brazil's national holidays."))
    if pace.cap_on(today) is not None:
        told.append(_("Today at most %(most)s messages.", most=grouped(pace.cap_on(today) or 0)))
    return [str(sentence) for sentence in told if sentence]


def _gap_words(pace: Pace) -> str:
    an_hour = 3600 / pace.mean_gap_s
    sentence = _(
        "One message every %(least)s to %(most)s s: about %(number)s an hour.",
        least=format_decimal(pace.min_s),
        most=format_decimal(pace.max_s),
        number=grouped(int(float(f"{max(an_hour, 1):.3g}"))),
    )
    return str(sentence)


def _window_words(pace: Pace) -> str:
    if pace.window_from is None or pace.window_to is None:
        return ""
    opens, closes = (format_time(at, "short", locale=get_locale()) for at in (pace.window_from, pace.window_to))
    return str(_("Only from %(opens)s to %(closes)s.", opens=opens, closes=closes))


def _rounded(at: datetime) -> datetime:
    """Nobody can tell it by the minute."""
    steps = round(at.timestamp() / ROUND_TO.total_seconds())
    return datetime.fromtimestamp(steps * ROUND_TO.total_seconds(), at.tzinfo)
