"""Instants as people say them: the time alone for today, with its day for any other."""

from datetime import datetime
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time
from flask_babel import get_locale, gettext

from portal.clock import now


def moment(at: datetime, zone: str) -> str:
    """`14:02`, or `03/05/2026 14:02`, by the clock of that zone."""
    local, today = at.astimezone(ZoneInfo(zone)), now().astimezone(ZoneInfo(zone)).date()
    time = str(format_time(local, "short", tzinfo=ZoneInfo(zone), locale=get_locale()))
    if local.date() == today:
        return time
    return f"{format_date(local.date(), 'short', locale=get_locale())} {time}"


def span(seconds: float) -> str:
    """How long: `12 s`, `47 min`, `3 h` or `2 d`, in the symbols that every language shares."""
    for symbol, length_s in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length_s:
            return f"{int(seconds // length_s)} {symbol}"
    return f"{max(0, int(seconds))} s"


def ago(at: datetime) -> str:
    """`12 s ago`."""
    return str(gettext("%(span)s ago", span=span((now() - at).total_seconds())))
