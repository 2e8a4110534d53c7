"""The national holidays of Brazil."""

from datetime import date
from functools import cache


def is_holiday(day: date) -> bool:
    return day in _holidays_of(day.year)


# Year by year, each made in one piece: the package's own calendar fills in a year when it is first asked about it, and
# another thread that asks meanwhile would be told that nothing is a holiday.
@cache
def _holidays_of(year: int) -> frozenset[date]:
    # The package costs 17 MB and a third of a second: only a unit that skips holidays needs it.
    from holidays import country_holidays

    return frozenset(country_holidays("BR", years=year))
