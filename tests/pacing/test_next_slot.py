"""When the next message may leave, by the clock of the unit's zone."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from portal.pacing import Pace, Slot, next_slot

SAO_PAULO, NEW_YORK, SANTIAGO, LISBON = "America/Sao_Paulo", "America/New_York", "America/Santiago", "Europe/Lisbon"
OFFICE = {"window_from": time(9), "window_to": time(18)}
WEEKDAYS = frozenset({1, 2, 3, 4, 5})


def at(text: str, zone: str = SAO_PAULO, *, fold: int = 0) -> datetime:
    """The instant of `2026-11-30 09:00` there."""
    local = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return local.astimezone(UTC)


def local(moment: datetime, zone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(zone)):%a %Y-%m-%d %H:%M}"


def shown(slot: Slot | None, zone: str = SAO_PAULO) -> tuple[str, str] | None:
    return None if slot is None else (local(slot.opens, zone), local(slot.closes, zone))


# 2026-11-30 is a Monday, 2026-12-25 a Friday and Christmas.
@pytest.mark.parametrize(
    ("pace", "asked", "opens", "closes"),
    [
        ({}, "2026-11-30 03:00", "Mon 2026-11-30 03:00", "Tue 2026-12-01 00:00"),
        (OFFICE, "2026-11-30 12:00", "Mon 2026-11-30 12:00", "Mon 2026-11-30 18:00"),
        (OFFICE, "2026-11-30 06:00", "Mon 2026-11-30 09:00", "Mon 2026-11-30 18:00"),
        (OFFICE, "2026-11-30 09:00", "Mon 2026-11-30 09:00", "Mon 2026-11-30 18:00"),
        (OFFICE, "2026-11-30 17:59:59", "Mon 2026-11-30 17:59", "Mon 2026-11-30 18:00"),
        (OFFICE, "2026-11-30 18:00", "Tue 2026-12-01 09:00", "Tue 2026-12-01 18:00"),
        (OFFICE, "2026-11-30 23:59", "Tue 2026-12-01 09:00", "Tue 2026-12-01 18:00"),
        ({**OFFICE, "window_days": WEEKDAYS}, "2026-12-04 18:00", "Mon 2026-12-07 09:00", "Mon 2026-12-07 18:00"),
        ({"window_days": frozenset({7})}, "2026-11-30 10:00", "Sun 2026-12-06 00:00", "Mon 2026-12-07 00:00"),
        ({**OFFICE, "skips_holidays": True}, "2026-12-24 18:00", "Sat 2026-12-26 09:00", "Sat 2026-12-26 18:00"),
        ({**OFFICE, "skips_holidays": False}, "2026-12-24 18:00", "Fri 2026-12-25 09:00", "Fri 2026-12-25 18:00"),
        (
            {**OFFICE, "skips_holidays": True, "window_days": WEEKDAYS},
            "2026-12-24 18:00",
            "Mon 2026-12-28 09:00",
            "Mon 2026-12-28 18:00",
        ),
    ],
    ids=[
        "no window: until midnight",
        "inside",
        "before",
        "as it opens",
        "just before it closes",
        "as it closes",
        "after",
        "over a weekend",
        "Sundays only",
        "over a holiday",
        "holidays off",
        "over a holiday and a weekend",
    ],
)
def test_message_leaves_inside_the_window(pace: dict[str, object], asked: str, opens: str, closes: str) -> None:
    assert shown(next_slot(Pace(**pace), at(asked), sent_today=0)) == (opens, closes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sent_today", "opens"),
    [
        (0, "Mon 2026-11-30 22:30"),
        (9, "Mon 2026-11-30 22:30"),
        (10, "Tue 2026-12-01 00:00"),
        (11, "Tue 2026-12-01 00:00"),
    ],
)
def test_cap_lets_the_rest_wait_for_the_units_midnight(sent_today: int, opens: str) -> None:
    """22:30 there is the next day in UTC already: that changes nothing."""
    slot = next_slot(Pace(daily_cap=10), at("2026-11-30 22:30"), sent_today=sent_today)

    assert slot is not None
    assert local(slot.opens, SAO_PAULO) == opens


def test_day_is_the_units_and_not_that_of_utc() -> None:
    late = datetime(2026, 12, 1, 2, 59, tzinfo=UTC)

    assert [Pace(zone=zone).day_of(late).day for zone in (SAO_PAULO, "UTC", "Asia/Tokyo")] == [30, 1, 1]
    assert Pace().day_of(late + timedelta(minutes=1)).day == 1


@pytest.mark.parametrize(
    ("age", "cap"),
    [(0, 20), (3, 20), (4, 50), (7, 50), (8, 100), (14, 100), (15, 200), (30, 200), (31, None), (400, None), (-1, 20)],
)
def test_new_number_warms_up_in_steps(age: int, cap: int | None) -> None:
    begins = date(2026, 11, 30)

    assert Pace(warm_up_from=begins).cap_on(begins + timedelta(days=age)) == cap


def test_lower_of_cap_and_warm_up_counts() -> None:
    begins = date(2026, 11, 30)

    assert Pace(warm_up_from=begins, daily_cap=35).cap_on(begins) == 20
    assert Pace(warm_up_from=begins, daily_cap=35).cap_on(begins + timedelta(days=8)) == 35


# Also the ones that move with Easter, and the one that is national since 2024 only.
@pytest.mark.parametrize(
    ("day", "is_free"),
    [
        ("2026-01-01", True),
        ("2026-04-03", True),
        ("2027-03-26", True),
        ("2028-04-14", True),
        ("2026-04-21", True),
        ("2026-05-01", True),
        ("2026-09-07", True),
        ("2026-10-12", True),
        ("2026-11-02", True),
        ("2026-11-15", True),
        ("2026-11-20", True),
        ("2023-11-20", False),
        ("2026-12-25", True),
        ("2026-04-02", False),
        ("2026-12-24", False),
    ],
)
def test_national_holidays_of_brazil_are_free(day: str, is_free: bool) -> None:
    window = Pace(skips_holidays=True).window_on(date.fromisoformat(day))

    assert (window is None) is is_free


# A quarter of an hour at a time, through every change of the clocks there: never outside the window as the wall shows
# it, but for the hour that comes twice, of which the first one counts.
@pytest.mark.parametrize("zone", [NEW_YORK, SANTIAGO, LISBON, "America/Havana", "Australia/Lord_Howe", SAO_PAULO])
@pytest.mark.parametrize("hours", [(9, 18), (1, 23), (2, 4)], ids=str)
def test_wall_clock_shows_an_allowed_hour_all_year(zone: str, hours: tuple[int, int]) -> None:
    pace = Pace(window_from=time(hours[0]), window_to=time(hours[1]), zone=zone)

    for day in (date(2026, 1, 1) + timedelta(days=offset) for offset in range(365)):
        opens, closes = pace.window_on(day) or (None, None)
        moment = opens
        while moment is not None and closes is not None and moment < closes:
            wall = moment.astimezone(ZoneInfo(zone))
            assert (wall.date(), hours[0] <= wall.hour < hours[1]) == (day, True), wall
            moment += timedelta(minutes=15)


@pytest.mark.parametrize(
    ("zone", "hours", "day", "opens", "closes"),
    [
        # In spring 02:00 is 03:00.
        (NEW_YORK, ("01:00", "04:00"), "2026-03-08", "01:00", "04:00"),
        (NEW_YORK, ("02:30", "05:00"), "2026-03-08", "03:00", "05:00"),
        (NEW_YORK, ("00:00", "02:30"), "2026-03-08", "00:00", "03:00"),
        (NEW_YORK, ("02:00", "03:00"), "2026-03-08", None, None),
        (NEW_YORK, ("02:15", "02:45"), "2026-03-08", None, None),
        (NEW_YORK, ("02:15", "02:45"), "2026-03-09", "02:15", "02:45"),
        # In autumn 01:00 to 02:00 comes twice.
        (NEW_YORK, ("01:00", "01:30"), "2026-11-01", "01:00", "01:30"),
        (LISBON, ("01:30", "09:00"), "2026-03-29", "02:00", "09:00"),
        (LISBON, ("09:00", "18:00"), "2026-10-25", "09:00", "18:00"),
        # The day begins at one o'clock.
        (SANTIAGO, ("00:00", "09:00"), "2026-09-06", "01:00", "09:00"),
        (SANTIAGO, ("00:15", "00:45"), "2026-09-06", None, None),
    ],
)
def test_window_when_the_clocks_change(
    zone: str, hours: tuple[str, str], day: str, opens: str | None, closes: str | None
) -> None:
    pace = Pace(window_from=time.fromisoformat(hours[0]), window_to=time.fromisoformat(hours[1]), zone=zone)
    window = pace.window_on(date.fromisoformat(day))

    found = (None, None) if window is None else tuple(f"{edge.astimezone(ZoneInfo(zone)):%H:%M}" for edge in window)
    assert found == (opens, closes)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        (NEW_YORK, "2026-03-08", 23),
        (NEW_YORK, "2026-11-01", 25),
        (SANTIAGO, "2026-04-04", 25),
        (SANTIAGO, "2026-04-05", 24),
        (SANTIAGO, "2026-09-05", 24),
        (SANTIAGO, "2026-09-06", 23),
        (LISBON, "2026-10-25", 25),
        (SAO_PAULO, "2026-10-18", 24),
        ("America/Sao_Paulo", "2018-11-04", 23),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
    ],
)
def test_a_whole_day_is_as_long_as_it_is_there(zone: str, day: str, hours: float) -> None:
    window = Pace(zone=zone).window_on(date.fromisoformat(day))

    assert window is not None
    assert (window[1] - window[0]) / timedelta(hours=1) == hours


def test_cap_of_a_day_that_has_no_midnight_begins_with_its_first_hour() -> None:
    pace = Pace(daily_cap=5, zone=SANTIAGO)
    slot = next_slot(pace, at("2026-09-05 23:00", SANTIAGO), sent_today=5)

    assert slot is not None
    assert local(slot.opens, SANTIAGO) == "Sun 2026-09-06 01:00"
    assert pace.day_of(slot.opens) == date(2026, 9, 6)
    assert pace.day_of(slot.opens - timedelta(seconds=1)) == date(2026, 9, 5)


def test_repeated_hour_before_midnight_belongs_to_the_same_day() -> None:
    """23:30 comes twice in Santiago: whoever filled the cap before the first waits until the second is over, too."""
    pace, second = Pace(daily_cap=5, zone=SANTIAGO), at("2026-04-04 23:30", SANTIAGO, fold=1)
    slot = next_slot(pace, second, sent_today=5)

    assert pace.day_of(second) == date(2026, 4, 4)
    assert slot is not None
    assert local(slot.opens, SANTIAGO) == "Sun 2026-04-05 00:00"
    assert slot.opens - second == timedelta(minutes=30)


def test_window_that_the_clocks_swallow_opens_the_day_after() -> None:
    pace = Pace(window_from=time(2), window_to=time(3), zone=NEW_YORK)

    assert shown(next_slot(pace, at("2026-03-07 12:00", NEW_YORK), sent_today=0), NEW_YORK) == (
        "Mon 2026-03-09 02:00",
        "Mon 2026-03-09 03:00",
    )


@pytest.mark.parametrize(
    "pace",
    [Pace(window_days=frozenset()), Pace(daily_cap=0), Pace(window_from=time(18), window_to=time(9))],
    ids=["no day", "no message a day", "window that ends before it begins"],
)
def test_pace_that_is_never_open_says_so(pace: Pace) -> None:
    assert next_slot(pace, at("2026-11-30 12:00"), sent_today=0) is None
