"""Campaigns begin at their time and end when nobody is left, whichever worker looks."""

import threading
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import text

from portal.clock import now
from portal.db import atomic, db
from portal.models import (
    AuditEvent,
    CampaignState,
    Lane,
    MessageStatus,
    MissedStart,
    PauseReason,
    RecipientState,
)
from portal.outbox import campaign_watch
from portal.outbox.campaign_watch import CampaignWatch
from portal.outbox.relay import OutboxRelay
from portal.services import campaign_states
from portal.tenancy import across_tenants, acting_for
from tests.outbox.conftest import Shop, rows_of
from tests.outbox.runs import Run

pytestmark = pytest.mark.commits
WAITING_S = 10


@pytest.fixture
def run(shop: Shop) -> Run:
    return Run(shop.scope, shop.unit)


def look() -> None:
    CampaignWatch().look()


def look_at(monkeypatch: pytest.MonkeyPatch, at: datetime) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(campaign_watch, "now", lambda: at)
        look()


def schedule(run: Run, at: datetime, if_missed: MissedStart = MissedStart.ASK) -> None:
    run.change(state=CampaignState.SCHEDULED, scheduled_at=at, if_missed=if_missed)


def skip_everybody(run: Run) -> None:
    for recipient in run.recipients():
        run.change_recipient(recipient.position, state=RecipientState.SKIPPED, reason="opted_out")


def test_scheduled_campaign_begins_at_its_time(shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.change(Lane, campaign_at=None)
    at = now() + timedelta(hours=2)
    schedule(run, at)

    look_at(monkeypatch, at - timedelta(seconds=1))
    assert run.state() == CampaignState.SCHEDULED

    look_at(monkeypatch, at)
    campaign = run.campaign()
    assert campaign.state == CampaignState.PROCESSING
    assert None not in (campaign.started_at, campaign.resumed_at, shop.lane().campaign_at)


@pytest.mark.parametrize(
    ("late", "if_missed", "state"),
    [
        (timedelta(minutes=10), MissedStart.ASK, CampaignState.PROCESSING),
        (timedelta(minutes=10, seconds=1), MissedStart.ASK, CampaignState.PAUSED),
        (timedelta(days=2), MissedStart.START, CampaignState.PROCESSING),
    ],
    ids=["a little late", "missed and asked", "missed and started"],
)
def test_missed_start_follows_its_rule(
    run: Run, monkeypatch: pytest.MonkeyPatch, late: timedelta, if_missed: MissedStart, state: CampaignState
) -> None:
    at = now() - timedelta(days=3)
    schedule(run, at, if_missed)

    look_at(monkeypatch, at + late)

    assert run.state() == state


def test_missed_start_says_when_it_should_have_been_and_a_person_can_start_it(run: Run) -> None:
    at = now() - timedelta(hours=1)
    schedule(run, at)
    look()

    campaign = run.campaign()
    assert (campaign.pause_reason, campaign.pause_details) == (
        PauseReason.MISSED_START,
        {"scheduled_at": at.isoformat()},
    )
    assert campaign.started_at is None
    paused = next(event for event in rows_of(AuditEvent) if event.action == "campaign.paused")
    assert (paused.user_id, paused.subject_id) == (None, run.campaign_id)

    with acting_for(run.scope):
        campaign_states.resume(run.scope, run.campaign_id)
    look()
    assert run.state() == CampaignState.PROCESSING


@pytest.mark.parametrize(
    ("statuses", "state"),
    [
        ([MessageStatus.SENT, MessageStatus.FAILED, MessageStatus.UNCONFIRMED], CampaignState.COMPLETED),
        ([MessageStatus.SENT, MessageStatus.SENT, MessageStatus.CANCELLED], CampaignState.COMPLETED),
        ([MessageStatus.SENT, MessageStatus.SENT], CampaignState.PROCESSING),
        ([MessageStatus.SENT, MessageStatus.SENT, MessageStatus.QUEUED], CampaignState.PROCESSING),
        ([MessageStatus.SENT, MessageStatus.SENT, MessageStatus.SENDING], CampaignState.PROCESSING),
    ],
    ids=["all had their turn", "one was cancelled", "one is pending", "one waits in the lane", "one is on its way"],
)
def test_campaign_is_completed_when_nobody_is_pending_or_queued(
    run: Run, statuses: list[MessageStatus], state: CampaignState
) -> None:
    run.start()
    run.hand(statuses)

    look()

    assert run.state() == state


def test_completed_campaign_says_when_it_ended_and_when_it_is_looked_through(run: Run) -> None:
    run.change(number_check_at=now())
    run.start()
    skip_everybody(run)
    before = now()

    look()

    campaign = run.campaign()
    assert campaign.finished_at is not None
    assert campaign.recheck_at is not None
    assert before <= campaign.finished_at <= now()
    assert campaign.recheck_at - campaign.finished_at == timedelta(hours=1)
    assert campaign.number_check_at is None


def test_messages_of_other_campaigns_of_the_unit_keep_nobody_from_ending(shop: Shop, run: Run) -> None:
    other = Run(shop.scope, shop.unit, prefix="55119777")
    other.start()
    other.hand([MessageStatus.QUEUED])
    shop.reply("Pode sim")
    run.start()
    skip_everybody(run)

    look()

    assert (run.state(), other.state()) == (CampaignState.COMPLETED, CampaignState.PROCESSING)


def test_unit_that_somebody_holds_is_left_for_the_next_look(app: Flask, shop: Shop, run: Run) -> None:
    late = Run(shop.scope, shop.unit, prefix="55119777")
    schedule(late, now() - timedelta(seconds=5))
    run.start()
    skip_everybody(run)
    is_held, may_go = threading.Event(), threading.Event()

    def hold() -> None:
        with app.app_context(), across_tenants("a test holds a unit"), atomic():
            db.session.execute(text("SELECT FROM units FOR NO KEY UPDATE"))
            is_held.set()
            may_go.wait(WAITING_S)

    holder = threading.Thread(target=hold)
    holder.start()
    assert is_held.wait(WAITING_S)
    look()
    assert (run.state(), late.state()) == (CampaignState.PROCESSING, CampaignState.SCHEDULED)

    may_go.set()
    holder.join()
    look()
    assert (run.state(), late.state()) == (CampaignState.COMPLETED, CampaignState.PROCESSING)


def test_two_workers_at_once_decide_each_campaign_once(app: Flask, shop: Shop) -> None:
    runs = [Run(shop.scope, shop.unit, people=1, prefix=f"5511977{number}") for number in range(100, 106)]
    for run in runs:
        schedule(run, now() - timedelta(hours=1))
    start = threading.Barrier(2)

    def work() -> None:
        with app.app_context():
            start.wait(WAITING_S)
            look()
            db.session.remove()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    look()

    assert {run.state() for run in runs} == {CampaignState.PAUSED}
    paused = [event.subject_id for event in rows_of(AuditEvent) if event.action == "campaign.paused"]
    assert sorted(paused) == sorted(run.campaign_id for run in runs)


def test_relay_looks_after_campaigns(relay: OutboxRelay, run: Run) -> None:
    run.start()
    skip_everybody(run)

    relay.drain()

    assert run.state() == CampaignState.COMPLETED
