"""Completed campaigns are looked through again: whoever was left goes on, and nobody is lost without a word."""

from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from portal.clock import now
from portal.db import db
from portal.models import CampaignRecipient, CampaignState, MessageStatus, RecipientState
from portal.outbox.campaign_watch import CampaignWatch
from portal.tenancy import acting_for, tenant_transaction
from tests.outbox.conftest import Shop
from tests.outbox.runs import Run

pytestmark = pytest.mark.commits


@pytest.fixture
def run(shop: Shop) -> Run:
    """A campaign whose three messages left an hour ago."""
    run = Run(shop.scope, shop.unit)
    run.start()
    run.hand([MessageStatus.DELIVERED] * 3)
    look()
    run.change(finished_at=now() - timedelta(hours=1), recheck_at=now())
    return run


def look() -> list[dict[str, Any]]:
    """What it said of ledgers."""
    with capture_logs() as logs:
        CampaignWatch().look()
    return [dict(entry) for entry in logs if entry["event"].startswith("ledger")]


def test_whole_ledger_is_looked_at_again_after_a_day_and_then_never(run: Run) -> None:
    assert look() == []
    campaign = run.campaign()
    assert campaign.state == CampaignState.COMPLETED
    assert campaign.rechecked_at is not None
    assert (campaign.finished_at, campaign.recheck_found) == (campaign.recheck_at - timedelta(hours=24), 0)

    run.change(finished_at=now() - timedelta(hours=24), recheck_at=now())
    look()
    campaign = run.campaign()
    assert (campaign.state, campaign.recheck_at) == (CampaignState.COMPLETED, None)


def test_recheck_that_is_not_due_waits(run: Run) -> None:
    run.change(recheck_at=now() + timedelta(minutes=1))

    look()

    assert run.campaign().rechecked_at is None


def test_whoever_was_left_goes_on(run: Run) -> None:
    run.change_recipient(2, state=RecipientState.PENDING, message_id=None, handed_at=None)

    told = look()

    campaign = run.campaign()
    assert (campaign.state, campaign.recheck_found) == (CampaignState.PROCESSING, 1)
    assert (campaign.rechecked_at is not None, campaign.finished_at, campaign.recheck_at) == (True, None, None)
    assert [(entry["pending"], entry["lines"], entry["total"]) for entry in told] == [(1, 3, 3)]


def test_lines_that_are_missing_are_told(run: Run) -> None:
    with tenant_transaction(run.scope) as scope:
        gone = scope.delete(CampaignRecipient).where(CampaignRecipient.position == 3)
        db.session.execute(gone.execution_options(synchronize_session=False))

    told = look()

    assert [(entry["lines"], entry["total"]) for entry in told] == [(2, 3)]
    assert run.state() == CampaignState.COMPLETED


def test_message_that_is_gone_without_a_word_is_told(run: Run) -> None:
    run.change_recipient(1, message_id=None)
    run.change_recipient(2, message_id=None, outcome="delivered")

    assert [entry["lost"] for entry in look()] == [1]


def test_campaign_that_goes_on_by_a_persons_wish_is_not_looked_through(run: Run) -> None:
    run.change(state=CampaignState.PROCESSING)
    run.change_recipient(2, state=RecipientState.PENDING)

    look()

    with acting_for(run.scope):
        assert run.campaign().rechecked_at is None
