"""Campaigns that stand still: those that could send are found, and those that wait by a rule are not."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from portal.clock import now
from portal.db import atomic, db
from portal.models import Connection, EvolutionServer, Lane, RecipientState, Tenant
from portal.queries import stuck_campaigns
from portal.queries.stuck_campaigns import list_stuck_campaigns
from portal.tenancy import across_tenants
from tests.outbox.campaigns import Run, feed, let_pass, set_pace
from tests.outbox.conftest import Shop
from tests.outbox.sending import claim_one

LONG_AGO = timedelta(minutes=11)
# A Wednesday at noon in São Paulo.
NOON = datetime(2026, 12, 2, 15, 0, tzinfo=UTC)
Act = Callable[[Run], Any]


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on the hour at which it runs."""
    monkeypatch.setattr(stuck_campaigns, "now", lambda: NOON)


@pytest.fixture
def run(shop: Shop) -> Run:
    """A campaign that has stood still for eleven minutes, with nothing to explain it."""
    run = Run(shop).start()
    run.change(resumed_at=NOON - LONG_AGO, created_at=NOON - LONG_AGO)
    shop.change(Connection, connected_at=NOON - timedelta(hours=5))
    shop.change(Lane, campaign_at=NOON - LONG_AGO, next_send_at=NOON - LONG_AGO)
    return run


def change_all(model: Any, **columns: object) -> None:
    with across_tenants("a test changes what is above a unit"), atomic():
        db.session.execute(update(model).values(columns).execution_options(synchronize_session=False))


def test_campaign_that_could_send_and_has_not_is_stuck(run: Run) -> None:
    (stuck,) = list_stuck_campaigns()

    assert (stuck.id, stuck.unit_id, stuck.since) == (run.campaign_id, run.unit.id, NOON - LONG_AGO)


STUCK: dict[str, Act] = {
    "its lane was never woken": lambda run: run.shop.change(Lane, campaign_at=None),
    "its turn is set to tomorrow": lambda run: run.shop.change(Lane, campaign_at=NOON + timedelta(days=1)),
    "a message of it is claimed for ever": lambda run: run.shop.change(Lane, message_id=run.campaign_id),
    "a rest is over long ago": lambda run: run.shop.change(Lane, held_until=NOON - LONG_AGO),
    "today's share is not used up": lambda run: (
        set_pace(run.shop, daily_cap=5),
        run.shop.change(Lane, campaign_day=NOON.date(), campaign_count=4),
    ),
    "yesterday's share was used up": lambda run: (
        set_pace(run.shop, daily_cap=5),
        run.shop.change(Lane, campaign_day=date(2026, 12, 1), campaign_count=5),
    ),
    "its window is open for long": lambda run: set_pace(run.shop, window_from=time(8), window_to=time(18)),
}


@pytest.mark.parametrize("change", STUCK.values(), ids=STUCK)
def test_campaign_is_stuck_when(run: Run, change: Act) -> None:
    change(run)

    assert len(list_stuck_campaigns()) == 1


WAITING: dict[str, Act] = {
    "it had a turn lately": lambda run: run.change(fed_at=NOON - timedelta(minutes=9)),
    "it was resumed lately": lambda run: run.change(resumed_at=NOON - timedelta(minutes=9)),
    "it is paused": lambda run: run.change(state="paused"),
    "nobody is left": lambda run: [run.change_recipient(n, state=RecipientState.SKIPPED) for n in (1, 2, 3)],
    "the unit is away": lambda run: run.shop.change(Lane, is_open=False),
    "the unit came back lately": lambda run: run.shop.change(Connection, connected_at=NOON - timedelta(minutes=9)),
    "the lane is held": lambda run: run.shop.change(Lane, held_until=NOON + timedelta(seconds=5)),
    "the lane was held until lately": lambda run: run.shop.change(Lane, held_until=NOON - timedelta(minutes=9)),
    "new chats are paused": lambda run: run.shop.change(Lane, cold_paused_until=NOON + timedelta(hours=1)),
    "new chats are slow": lambda run: run.shop.change(Lane, next_cold_at=NOON + timedelta(minutes=1)),
    "its gap is not over": lambda run: run.shop.change(Lane, campaign_at=NOON + timedelta(seconds=4)),
    "its gap is long": lambda run: (
        set_pace(run.shop, pace_min_s=600, pace_max_s=1200),
        run.shop.change(Lane, campaign_at=NOON + timedelta(seconds=1100)),
    ),
    "its gap was over lately": lambda run: run.shop.change(Lane, campaign_at=NOON - timedelta(minutes=9)),
    "it is night": lambda run: set_pace(run.shop, window_from=time(18), window_to=time(22)),
    "it is no day for it": lambda run: set_pace(run.shop, window_days=[6, 7]),
    "no day is one for it": lambda run: set_pace(run.shop, window_days=[]),
    "its window opened lately": lambda run: set_pace(run.shop, window_from=time(11, 51), window_to=time(22)),
    "today's share is used up": lambda run: (
        set_pace(run.shop, daily_cap=5),
        run.shop.change(Lane, campaign_day=NOON.date(), campaign_count=5),
    ),
    "the server is away": lambda run: change_all(EvolutionServer, pause_reason="unreachable"),
    "the company is suspended": lambda run: change_all(Tenant, suspended_at=NOON),
}


@pytest.mark.parametrize("change", WAITING.values(), ids=WAITING)
def test_campaign_is_not_stuck_when(run: Run, change: Act) -> None:
    change(run)

    assert list_stuck_campaigns() == []


def test_turn_of_another_campaign_of_the_unit_is_movement(run: Run) -> None:
    other = Run(run.shop, area=21).start()
    other.change(fed_at=NOON - timedelta(minutes=1))

    assert list_stuck_campaigns() == []


def test_last_message_that_never_leaves_is_stuck_though_nobody_is_pending(run: Run) -> None:
    run.change_recipient(2, state=RecipientState.SKIPPED)
    run.change_recipient(3, state=RecipientState.SKIPPED)
    let_pass(run.shop)
    assert feed() == 1
    run.change(fed_at=NOON - LONG_AGO)

    assert [stuck.id for stuck in list_stuck_campaigns()] == [run.campaign_id]


def test_campaign_that_runs_is_not_stuck(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stuck_campaigns, "now", now)
    run = Run(shop).start()
    run.have_turn()
    let_pass(shop)
    feed()

    assert claim_one().id is not None
    assert run.recipients()[1].state == RecipientState.HANDED
    assert list_stuck_campaigns() == []
