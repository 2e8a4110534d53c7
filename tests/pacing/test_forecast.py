"""When the last message will have left: the same as if each message were waited for."""

import random
import time as clock
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from portal.pacing import Forecast, Pace, forecast, most_on, next_slot

ZONES = ("America/Sao_Paulo", "America/New_York", "America/Santiago", "Europe/Lisbon", "Asia/Kolkata")
# A quarter of an hour between two messages: four an hour.
SLOW = {"min_s": 600.0, "max_s": 1_200.0}
OFFICE = {"window_from": time(9), "window_to": time(18)}
WEEKDAYS = frozenset({1, 2, 3, 4, 5})
MONDAY = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)  # 09:00 in São Paulo
MANY = 1_000_000


def forecast_words(pace: Pace, messages: int, at: datetime = MONDAY, *, sent_today: int = 0) -> tuple[str, int] | None:
    found = forecast(pace, at, sent_today=sent_today, messages=messages)
    return found and (f"{found.finishes_at.astimezone(ZoneInfo(pace.zone)):%a %m-%d %H:%M}", found.days)


@pytest.mark.parametrize(
    ("pace", "messages", "finishes"),
    [
        ({}, 1, ("Mon 11-30 09:00", 1)),
        ({}, 5, ("Mon 11-30 10:00", 1)),
        (OFFICE, 36, ("Mon 11-30 17:45", 1)),
        (OFFICE, 37, ("Tue 12-01 09:00", 2)),
        ({**OFFICE, "window_days": WEEKDAYS}, 36 * 5 + 1, ("Mon 12-07 09:00", 6)),
        ({"daily_cap": 10}, 25, ("Wed 12-02 01:00", 3)),
        ({**OFFICE, "daily_cap": 10}, 25, ("Wed 12-02 10:00", 3)),
        ({**OFFICE, "daily_cap": 1, "window_days": WEEKDAYS, "skips_holidays": True}, 20, ("Mon 12-28 09:00", 20)),
        ({**OFFICE, "daily_cap": 1, "window_days": WEEKDAYS}, 20, ("Fri 12-25 09:00", 20)),
        ({"warm_up_from": date(2026, 11, 30)}, 20 * 4 + 50, ("Fri 12-04 12:15", 5)),
    ],
    ids=[
        "one",
        "an hour",
        "a full day",
        "one more than a day",
        "over a weekend",
        "over the cap",
        "cap and window",
        "over Christmas",
        "holidays off",
        "warming up",
    ],
)
def test_campaign_finishes_after_windows_caps_and_holidays(
    pace: dict[str, object], messages: int, finishes: tuple[str, int]
) -> None:
    assert forecast_words(Pace(**{**SLOW, **pace}), messages) == finishes  # type: ignore[arg-type]


def test_what_was_sent_today_takes_its_share() -> None:
    assert forecast_words(Pace(**SLOW, daily_cap=10), 5, sent_today=5) == ("Mon 11-30 10:00", 1)
    assert forecast_words(Pace(**SLOW, daily_cap=10), 6, sent_today=5) == ("Tue 12-01 00:00", 2)
    assert forecast_words(Pace(**SLOW, daily_cap=10), 6, sent_today=12) == ("Tue 12-01 01:15", 1)


def test_nobody_left_finishes_at_once() -> None:
    assert forecast(Pace(), MONDAY, sent_today=0, messages=0) == Forecast(MONDAY, 0)


def test_rate_that_was_measured_counts_instead_of_the_pace() -> None:
    found = forecast(Pace(), MONDAY, sent_today=0, messages=11, gap_s=60)

    assert found == Forecast(MONDAY + timedelta(minutes=10), 1)


def test_pace_that_is_never_open_never_finishes() -> None:
    assert forecast(Pace(window_days=frozenset()), MONDAY, sent_today=0, messages=1) is None


def test_what_takes_longer_than_ten_years_has_no_finish() -> None:
    mondays = Pace(daily_cap=1, window_days=frozenset({1}))

    assert forecast(mondays, MONDAY, sent_today=0, messages=521) is not None
    assert forecast(mondays, MONDAY, sent_today=0, messages=525) is None


def test_forecast_is_what_waiting_for_each_message_comes_to() -> None:
    chance = random.Random(20261129)
    for _ in range(300):
        pace, at = draw_pace(chance), MONDAY + timedelta(minutes=chance.randrange(500_000))
        sent_today, messages = chance.randrange(8), chance.randrange(1, 120)

        expected = simulate(pace, at, sent_today=sent_today, messages=messages)
        assert forecast(pace, at, sent_today=sent_today, messages=messages) == expected, (pace, at)


def draw_pace(chance: random.Random) -> Pace:
    shortest = chance.choice([2, 45, 600, 3_000])
    opens = chance.choice([None, chance.randrange(0, 1_200)])
    closes = None if opens is None else min(1_439, opens + chance.randrange(1, 700))
    return Pace(
        min_s=float(shortest),
        max_s=float(shortest + chance.randrange(600)),
        daily_cap=chance.choice([None, 1, 7, 40]),
        window_from=None if opens is None else time(*divmod(opens, 60)),
        window_to=None if closes is None else time(*divmod(closes, 60)),
        window_days=frozenset(chance.sample(range(1, 8), chance.randrange(1, 8))),
        skips_holidays=chance.random() < 0.5,
        warm_up_from=chance.choice([None, date(2026, 12, 1), date(2027, 3, 1)]),
        zone=chance.choice(ZONES),
    )


def simulate(pace: Pace, at: datetime, *, sent_today: int, messages: int) -> Forecast | None:
    """Wait for each message's turn, one after the other."""
    day, sent, days, left_at = pace.day_of(at), sent_today, set(), at
    for _ in range(messages):
        slot = next_slot(pace, at, sent_today=sent)
        if slot is None:
            return None
        left_at, left_on = slot.opens, pace.day_of(slot.opens)
        sent = sent + 1 if left_on == day else 1
        at = left_at + timedelta(seconds=pace.mean_gap_s)
        day = left_on
        days.add(left_on)
        if pace.day_of(at) != day:
            day, sent = pace.day_of(at), 0
    return Forecast(left_at, len(days))


def test_sum_of_the_days_is_the_number_of_messages() -> None:
    """Half a year of weekends, holidays and a warm-up: the last one fits, one more does not."""
    pace = Pace(**OFFICE, window_days=WEEKDAYS, skips_holidays=True, warm_up_from=date(2026, 11, 30), daily_cap=300)
    room = sum(most_on(pace, date(2026, 11, 30) + timedelta(days=offset)) for offset in range(180))

    last = forecast(pace, MONDAY, sent_today=0, messages=room)
    more = forecast(pace, MONDAY, sent_today=0, messages=room + 1)

    assert last is not None
    assert more is not None
    assert pace.day_of(last.finishes_at) < date(2026, 11, 30) + timedelta(days=180) <= pace.day_of(more.finishes_at)


@pytest.mark.parametrize(
    "pace",
    [Pace(), Pace(**OFFICE, window_days=WEEKDAYS, skips_holidays=True), Pace(daily_cap=300, skips_holidays=True)],
    ids=["free", "office hours", "capped for nine years"],
)
def test_a_million_messages_are_forecast_at_once(pace: Pace) -> None:
    forecast(pace, MONDAY, sent_today=0, messages=MANY)
    began = clock.perf_counter()

    found = forecast(pace, MONDAY, sent_today=0, messages=MANY)

    assert found is not None
    assert clock.perf_counter() - began < 0.5
