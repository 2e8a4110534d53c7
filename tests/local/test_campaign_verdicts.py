"""The judge of campaigns in tests of running portals sees what is wrong with a ledger."""

from datetime import UTC, datetime

import pytest

from tests.running.campaigns import OPEN, Left, Line, Verdict, rung_of

ID = "01a22704-07b0-74e0-853c-6739b513b929"
NUMBER = "5511999990002"


def verdict(rung: str, *, times: int = 1, is_resent: bool = False, to: str = NUMBER) -> Verdict:
    left = Left("offer", to, datetime(2026, 11, 29, tzinfo=UTC))
    return Verdict([Line(ID, NUMBER, "offer", rung, is_resent)], [left] * times)


def problems(seen: Verdict) -> set[str]:
    return {name for name in ("open", "lost", "unsaid", "repeated", "astray") if getattr(seen, name)}


@pytest.mark.parametrize(
    ("seen", "problem"),
    [
        *((verdict(rung, times=0), "open") for rung in OPEN),
        *((verdict(rung, times=0), "lost") for rung in ("sent", "delivered", "read", "replied")),
        *((verdict(rung), "unsaid") for rung in ("skipped", "cancelled", "failed")),
        (verdict("read", times=2), "repeated"),
        (verdict("read", to="5511999990003"), "astray"),
    ],
)
def test_each_wrong_is_seen(seen: Verdict, problem: str) -> None:
    assert problems(seen) == {problem}


@pytest.mark.parametrize(
    "seen",
    [
        verdict("read"),
        verdict("unconfirmed", times=0),
        verdict("unconfirmed", times=2),
        verdict("read", times=2, is_resent=True),
        verdict("cancelled", times=0),
    ],
)
def test_what_is_right_or_marked_is_no_problem(seen: Verdict) -> None:
    assert problems(seen) == set()


@pytest.mark.parametrize(
    ("row", "rung"),
    [
        ({"state": "pending"}, "pending"),
        ({"status": "sending"}, "queued"),
        ({"status": "delivered", "replied_at": datetime(2026, 11, 29, tzinfo=UTC)}, "replied"),
        ({"status": "cancelled", "error_code": "opted_out"}, "skipped"),
        ({"status": "failed"}, "failed"),
    ],
)
def test_a_line_has_one_rung(row: dict[str, object], rung: str) -> None:
    empty = {"state": "handed", "status": None, "replied_at": None, "error_code": None}

    assert rung_of({**empty, **row}) == rung
