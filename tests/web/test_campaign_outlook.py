"""When a campaign ends and how fast it goes, in words."""

from datetime import UTC, date, datetime, time

import pytest
from flask import Flask
from flask_babel import force_locale

from portal.pacing import Pace
from portal.web import campaign_outlook
from portal.web.campaign_cautions import is_at_quiet_hours

# A Wednesday, 12:00 in São Paulo.
NOW = datetime(2026, 12, 2, 15, tzinfo=UTC)
ZONE = "America/Sao_Paulo"


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A time in São Paulo in December."""
    return datetime(2026, 12, day, hour + 3 if hour < 21 else hour - 21, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ends_at", "english", "portuguese"),
    [
        (at(2, 14, 23), "Ends today about 2:25 PM", "14:25"),
        (at(3, 11, 18), "Ends tomorrow about 11:20 AM", "11:20"),
        (at(8, 9), "Ends Tuesday about 9:00 AM", "terça-feira"),
        (at(9, 9), "Ends Wednesday, December 9, 2026 about 9:00 AM", "9 de dezembro de 2026"),
    ],
    ids=["today", "tomorrow", "this week", "later"],
)
def test_end_is_told_as_people_say_it(
    app: Flask, monkeypatch: pytest.MonkeyPatch, ends_at: datetime, english: str, portuguese: str
) -> None:
    monkeypatch.setattr(campaign_outlook, "now", lambda: NOW)

    with force_locale("en"):
        in_english = campaign_outlook.ends_words(ends_at, ZONE).replace("\u202f", " ")
    with force_locale("pt_BR"):
        in_portuguese = campaign_outlook.ends_words(ends_at, ZONE)

    assert in_english == english
    assert portuguese in in_portuguese


def test_pace_is_told_rule_by_rule(app: Flask) -> None:
    pace = Pace(
        daily_cap=200,
        window_from=time(9),
        window_to=time(18),
        window_days=frozenset({1, 2, 3, 4, 5}),
        skips_holidays=True,
    )

    with force_locale("en"):
        told = [sentence.replace("\u202f", " ") for sentence in campaign_outlook.pace_words(pace, date(2026, 12, 2))]

    assert told == [
        "One message every 2 to 5 s: about 1,030 an hour.",
        "Only from 9:00 AM to 6:00 PM.",
        "Only on these days: Monday, Tuesday, Wednesday, Thursday, Friday.",
        "Not on Brazil's national holidays.",
        "Today at most 200 messages.",
    ]


@pytest.mark.parametrize(
    ("starts_at", "ends_at", "is_quiet"),
    [
        (at(2, 12), at(2, 19, 59), False),
        (at(2, 12), at(2, 20), True),
        (at(2, 8), at(2, 9), False),
        (at(2, 7, 59), at(2, 9), True),
        (at(2, 22), at(2, 22, 30), True),
        (at(2, 12), at(3, 12), True),
        (at(6, 12), at(6, 13), True),
    ],
    ids=["day", "into the evening", "morning", "too early", "night", "over night", "Sunday"],
)
def test_quiet_hours(starts_at: datetime, ends_at: datetime, is_quiet: bool) -> None:
    assert is_at_quiet_hours(Pace(), starts_at, ends_at) == is_quiet


def test_whoever_set_hours_is_not_asked_again() -> None:
    pace = Pace(window_from=time(6), window_to=time(23))

    assert not is_at_quiet_hours(pace, at(2, 22), at(2, 22, 30))
