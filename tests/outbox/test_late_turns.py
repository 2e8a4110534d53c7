"""A campaign's turn that begins late is made good: the gaps after it are shorter, but never below the pace."""

from datetime import timedelta

import pytest

from portal.clock import now
from portal.models import Lane
from portal.outbox import lanes
from tests.outbox.campaigns import Run, feed, set_pace
from tests.outbox.conftest import Shop
from tests.outbox.sending import claim_one, record, sent_of

pytestmark = pytest.mark.commits

LEAST_S, MOST_S = 20.0, 30.0


def have_turn(shop: Shop, *, late_s: float) -> float:
    """Let the next recipient's message leave so long after its time; the seconds to the turn after it."""
    shop.change(Lane, campaign_at=now() - timedelta(seconds=late_s))
    assert feed() == 1
    began_at = now()
    claimed = claim_one()
    record(claimed, sent_of(claimed))
    return (shop.lane().campaign_at - began_at).total_seconds()


@pytest.fixture
def run(shop: Shop) -> Run:
    set_pace(shop, pace_min_s=LEAST_S, pace_max_s=MOST_S)
    return Run(shop, people=6).start()


def test_what_a_late_turn_saves_in_its_gap_is_no_longer_owed(shop: Shop, run: Run) -> None:
    gap_s = have_turn(shop, late_s=10)

    assert LEAST_S <= gap_s <= (LEAST_S + MOST_S) / 2 + 0.5
    # A gap of 20 and all of the 10 still owed, or one of 25 and 5 of them: whatever was drawn.
    assert gap_s + shop.lane().campaign_behind_s == pytest.approx(LEAST_S + 10, abs=0.5)


def test_delays_add_up_until_they_are_made_good(shop: Shop, run: Run) -> None:
    owed = []
    for late_s in (10, 10, 0, 0, 0):
        gap_s = have_turn(shop, late_s=late_s)
        assert gap_s >= LEAST_S
        owed.append(shop.lane().campaign_behind_s)

    assert 10 <= owed[1] <= 20.5
    assert owed[1] >= owed[2] >= owed[3] >= owed[4] - 0.5


def test_turn_on_time_owes_nothing(shop: Shop, run: Run) -> None:
    gap_s = have_turn(shop, late_s=0)

    assert shop.lane().campaign_behind_s < 0.2
    assert LEAST_S <= gap_s <= MOST_S + 0.5


def test_of_a_long_absence_only_a_little_is_made_good(shop: Shop, run: Run) -> None:
    have_turn(shop, late_s=86_400)

    assert lanes.MOST_BEHIND_S - (MOST_S - LEAST_S) / 2 <= shop.lane().campaign_behind_s <= lanes.MOST_BEHIND_S


def test_reply_leaves_what_is_owed_as_it_is(shop: Shop, run: Run) -> None:
    have_turn(shop, late_s=20)
    before = shop.lane()
    shop.reply()

    claimed = claim_one()
    record(claimed, sent_of(claimed))

    after = shop.lane()
    assert (after.campaign_behind_s, after.campaign_at) == (before.campaign_behind_s, before.campaign_at)
