"""When a campaign's message may leave: the window, the days, the holidays, the cap, and how warm the number is."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from portal.pacing.brazil import is_holiday

# (from which day of a new number on, how many messages a day); after the last it is free.
WARM_UP = ((0, 20), (4, 50), (8, 100), (15, 200))
WARM_UP_ENDS = 31
MIDNIGHT = time(0)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
# A window that opens on no day within this time never does.
LONGEST_WAIT = 400


@dataclass(frozen=True)
class Pace:
    """How fast one unit's campaigns go, by the clock of its time zone."""

    min_s: float = 2.0
    max_s: float = 5.0
    daily_cap: int | None = None
    window_from: time | None = None
    window_to: time | None = None
    # 1 is Monday.
    window_days: frozenset[int] = frozenset(range(1, 8))
    skips_holidays: bool = False
    warm_up_from: date | None = None
    zone: str = "America/Sao_Paulo"

    @property
    def mean_gap_s(self) -> float:
        return (self.min_s + self.max_s) / 2

    def day_of(self, at: datetime) -> date:
        """The day that it is at the unit."""
        return at.astimezone(ZoneInfo(self.zone)).date()

    def cap_on(self, day: date) -> int | None:
        """How many messages may leave on that day; None: any number."""
        caps = [cap for cap in (self.daily_cap, self._warm_up_cap(day)) if cap is not None]
        return min(caps, default=None)

    def window_on(self, day: date) -> tuple[datetime, datetime] | None:
        """From when until when messages may leave on that day, in UTC; None: not at all."""
        if day.isoweekday() not in self.window_days or (self.skips_holidays and is_holiday(day)):
            return None
        opens = self._instant(day, self.window_from or MIDNIGHT)
        closes = self._instant(day, self.window_to) if self.window_to else self._instant(day + DAY, MIDNIGHT)
        # A window that a change of the clocks swallowed is none.
        return (opens, closes) if opens < closes else None

    def _warm_up_cap(self, day: date) -> int | None:
        if self.warm_up_from is None:
            return None
        age = max(0, (day - self.warm_up_from).days)
        if age >= WARM_UP_ENDS:
            return None
        return next(cap for begins, cap in reversed(WARM_UP) if age >= begins)

    def _instant(self, day: date, at: time) -> datetime:
        """An hour that the clocks skip is the instant at which they do; of one that comes twice the first."""
        zone = ZoneInfo(self.zone)
        local = datetime.combine(day, at, zone)
        instant = local.astimezone(UTC)
        if instant.astimezone(zone).replace(tzinfo=None) == datetime.combine(day, at):
            return instant
        return _change_of_clocks(zone, local.replace(fold=1).astimezone(UTC), instant)


def _change_of_clocks(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The whole second at which the zone's offset changes between the two instants."""
    offset = before.astimezone(zone).utcoffset()
    while after - before > SECOND:
        middle = before + timedelta(seconds=(after - before) // SECOND // 2)
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after


@dataclass(frozen=True)
class Slot:
    """The next stretch of time in which a message may leave."""

    opens: datetime
    closes: datetime


def next_slot(pace: Pace, at: datetime, *, sent_today: int) -> Slot | None:
    """The first stretch that is not over at `at`; None when there never is one.

    `sent_today` is how many messages left on the day that it is at `at`.
    """
    today = pace.day_of(at)
    for offset in range(LONGEST_WAIT):
        day = today + offset * DAY
        window, cap = pace.window_on(day), pace.cap_on(day)
        is_full = cap is not None and (sent_today if offset == 0 else 0) >= cap
        if window is not None and not is_full and at < window[1]:
            return Slot(max(at, window[0]), window[1])
    return None
