"""When the last message of a campaign will have left, by everything that slows it down."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from portal.pacing.rules import Pace, next_slot

# Whoever has to wait longer is told that it takes longer than this.
LONGEST = timedelta(days=3_660)


@dataclass(frozen=True)
class Forecast:
    """When the last message leaves, and on how many days messages leave."""

    finishes_at: datetime
    days: int


def forecast(
    pace: Pace, at: datetime, *, sent_today: int, messages: int, gap_s: float | None = None
) -> Forecast | None:
    """Count that many messages from `at` on, through windows, caps and holidays.

    `gap_s` is what lies between two messages, by default the mean of the pace. None: never, or after LONGEST.
    """
    gap, left, latest = timedelta(seconds=gap_s or pace.mean_gap_s), max(messages, 0), at + LONGEST
    finishes_at, days = at, 0
    while left > 0:
        slot = next_slot(pace, at, sent_today=sent_today)
        if slot is None or slot.opens > latest:
            return None
        day = pace.day_of(slot.opens)
        sent = sent_today if day == pace.day_of(at) else 0
        number = min(left, _room(slot.opens, slot.closes, gap), _left_of_cap(pace, day, sent, left))
        finishes_at, left, days = slot.opens + (number - 1) * gap, left - number, days + 1
        # The gap after the last one of a day lasts into the next day.
        at, sent_today = max(slot.closes, finishes_at + gap), 0
    return Forecast(finishes_at, days)


def most_on(pace: Pace, day: date) -> int:
    """How many messages a whole day takes at the mean of the pace, within its hours and its cap."""
    window = pace.window_on(day)
    if window is None:
        return 0
    room = _room(*window, timedelta(seconds=pace.mean_gap_s))
    return min(room, _left_of_cap(pace, day, 0, room))


def _room(opens: datetime, closes: datetime, gap: timedelta) -> int:
    """How many messages leave in between: the first at once, each further one a gap later, before it closes."""
    whole, rest = divmod(closes - opens, gap)
    return whole + (1 if rest else 0)


def _left_of_cap(pace: Pace, day: date, sent: int, otherwise: int) -> int:
    cap = pace.cap_on(day)
    return otherwise if cap is None else cap - sent
