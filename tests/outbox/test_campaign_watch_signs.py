"""A campaign that does harm pauses itself: just below each threshold it goes on, just above it stops and says why."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from portal.clock import now
from portal.db import atomic, db
from portal.models import (
    CampaignState,
    ColdReason,
    Connection,
    ConnectionStatus,
    Conversation,
    Lane,
    Message,
    MessageStatus,
    PauseReason,
    RecipientState,
)
from portal.outbox import campaign_watch
from portal.outbox.campaign_watch import NOBODY, CampaignWatch, judge
from portal.services import campaign_states
from portal.tenancy import across_tenants, acting_for
from tests.factories import make_tenant
from tests.outbox.conftest import Shop, rows_of
from tests.outbox.runs import Run

pytestmark = pytest.mark.commits

GOOD, BAD = MessageStatus.DELIVERED, MessageStatus.FAILED
QUIET = {
    "ended": 50,
    "failed": 0,
    "code": None,
    "handed": 100,
    "opted_out": 0,
    "due": 50,
    "undelivered": 0,
    "limited_until": None,
}


@pytest.mark.parametrize(
    ("signs", "reason"),
    [
        ({}, None),
        ({"failed": 10}, None),
        ({"failed": 11}, PauseReason.FAILURES),
        ({"ended": 19, "failed": 19}, None),
        ({"ended": 20, "failed": 4}, None),
        ({"ended": 20, "failed": 5}, PauseReason.FAILURES),
        ({"handed": 5, "opted_out": 4}, None),
        ({"handed": 5, "opted_out": 5}, PauseReason.OPT_OUTS),
        ({"handed": 100, "opted_out": 5}, None),
        ({"handed": 100, "opted_out": 6}, PauseReason.OPT_OUTS),
        ({"due": 50, "undelivered": 25}, None),
        ({"due": 50, "undelivered": 26}, PauseReason.BLOCKS),
        ({"due": 19, "undelivered": 19}, None),
        ({"due": 20, "undelivered": 11}, PauseReason.BLOCKS),
        ({"limited_until": now()}, PauseReason.NUMBER_LIMITED),
    ],
)
def test_thresholds(signs: dict[str, object], reason: PauseReason | None) -> None:
    alarm = judge(SimpleNamespace(**{**QUIET, **signs}))

    assert (alarm and alarm.reason) == reason


def look() -> None:
    CampaignWatch().look()


def start(shop: Shop, people: int) -> Run:
    run = Run(shop.scope, shop.unit, people)
    run.start()
    return run


def details_of(run: Run, reason: PauseReason) -> dict[str, object]:
    campaign = run.campaign()
    assert (campaign.state, campaign.pause_reason) == (CampaignState.PAUSED, reason)
    assert campaign.pause_details is not None
    return campaign.pause_details


def test_failures_of_the_last_fifty_pause_it_and_say_which_error_it_mostly_was(shop: Shop) -> None:
    run = start(shop, 60)
    run.hand([BAD, BAD, *[GOOD] * 42])
    run.hand([BAD] * 7, first=45, at=now() + timedelta(minutes=1), error_code="number_not_on_whatsapp")
    run.hand([BAD] * 3, first=52, at=now() + timedelta(minutes=2))
    look()
    assert run.state() == CampaignState.PROCESSING

    run.hand([BAD], first=55, at=now() + timedelta(minutes=3))
    look()

    # The two that failed first are not among the last fifty any more.
    expected = {"failed": 11, "of": 50, "code": "number_not_on_whatsapp"}
    assert details_of(run, PauseReason.FAILURES) == expected


def test_paused_campaign_takes_back_who_waits_in_the_lane(shop: Shop) -> None:
    run = start(shop, 30)
    run.hand([BAD] * 20)
    waiting_id = run.hand([MessageStatus.QUEUED], first=21, at=now() + timedelta(minutes=1))[0]

    look()

    assert run.recipients()[20].state == RecipientState.PENDING
    assert shop.message(waiting_id).error_code == campaign_states.CAMPAIGN_PAUSED


def test_what_failed_before_it_was_resumed_does_not_pause_it_again(shop: Shop) -> None:
    run = start(shop, 60)
    run.hand([BAD] * 20, at=now())
    look()
    details_of(run, PauseReason.FAILURES)
    run.change(resumed_at=now() - timedelta(hours=1))
    with acting_for(run.scope):
        campaign_states.resume(run.scope, run.campaign_id)
    run.change(resumed_at=now() + timedelta(minutes=1))

    run.hand([BAD] * 19, first=21, at=now() + timedelta(minutes=2))
    look()
    assert run.state() == CampaignState.PROCESSING

    run.hand([BAD], first=40, at=now() + timedelta(minutes=3))
    look()
    assert details_of(run, PauseReason.FAILURES)["of"] == 20


def test_campaign_that_was_resumed_since_its_signs_were_read_goes_on(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(shop, 30)
    run.hand([BAD] * 20)

    def resume_meanwhile(signs: campaign_watch.Signs) -> campaign_watch.Alarm | None:
        run.change(resumed_at=now() + timedelta(minutes=5))
        return judge(signs)

    monkeypatch.setattr(campaign_watch, "judge", resume_meanwhile)
    with across_tenants("a test looks"):
        campaign_watch.pause_harmful()

    assert run.state() == CampaignState.PROCESSING


def test_people_who_want_no_more_pause_it(shop: Shop) -> None:
    run = start(shop, 110)
    run.hand([GOOD] * 100)
    # Who had asked for no more before the campaign wrote says nothing about it.
    run.opt_out([90, 91, 92], at=now() - timedelta(days=1))
    run.opt_out([1, 2, 3, 4, 5])
    look()
    assert run.state() == CampaignState.PROCESSING

    run.opt_out([6])
    look()
    assert details_of(run, PauseReason.OPT_OUTS) == {"opted_out": 6, "of": 100}


def test_messages_that_never_arrive_pause_it(shop: Shop) -> None:
    run = start(shop, 60)
    sent_at = now() - timedelta(minutes=15)
    run.change(resumed_at=now() - timedelta(hours=1))
    shop.change(Connection, connected_at=now() - timedelta(hours=2))
    # Those that were sent a moment ago may still arrive.
    run.hand([MessageStatus.SENT] * 19, at=sent_at)
    run.hand([MessageStatus.SENT] * 10, first=20, at=now())
    look()
    assert run.state() == CampaignState.PROCESSING

    run.hand([MessageStatus.SENT], first=30, at=sent_at)
    shop.change(Connection, connected_at=now() - timedelta(minutes=9))
    look()
    assert run.state() == CampaignState.PROCESSING, "the unit was away until a moment ago"

    shop.change(Connection, connected_at=now() - timedelta(hours=2), status=ConnectionStatus.DISCONNECTED)
    look()
    assert run.state() == CampaignState.PROCESSING, "the unit is away"

    shop.change(Connection, status=ConnectionStatus.CONNECTED)
    look()
    assert details_of(run, PauseReason.BLOCKS) == {"undelivered": 20, "of": 20}


def test_whoever_failed_or_got_it_is_not_blocked(shop: Shop) -> None:
    run = start(shop, 60)
    at = now() - timedelta(minutes=30)
    run.change(resumed_at=now() - timedelta(hours=1))
    shop.change(Connection, connected_at=now() - timedelta(hours=2))

    run.hand([*[MessageStatus.SENT] * 20, *[GOOD] * 12, *[BAD] * 8], at=at)
    look()

    assert run.state() == CampaignState.PROCESSING


def limit(shop: Shop, until: timedelta = timedelta(hours=1)) -> str:
    at = now() + until
    shop.change(Lane, cold_reason=ColdReason.NEW_CHATS_REFUSED, cold_paused_until=at, next_cold_at=at)
    return at.isoformat()


def warm(run: Run, position: int) -> None:
    """They wrote to the unit at some time."""
    with acting_for(run.scope), atomic():
        theirs = Conversation.contact_id == run.contact_ids[position - 1]
        db.session.execute(run.scope.update(Conversation).where(theirs).values(last_inbound_at=now()))


def test_limit_of_new_chats_pauses_it_until_whatsapp_lets_them_through(shop: Shop) -> None:
    run = start(shop, 3)
    until = limit(shop)

    look()

    assert details_of(run, PauseReason.NUMBER_LIMITED) == {"until": until}


def test_limit_that_is_over_pauses_nothing(shop: Shop) -> None:
    run = start(shop, 3)
    limit(shop, -timedelta(seconds=1))

    look()

    assert run.state() == CampaignState.PROCESSING


def test_limit_of_new_chats_lets_those_go_on_who_wrote_before(shop: Shop) -> None:
    run = start(shop, 3)
    message_id = run.hand([MessageStatus.QUEUED, GOOD])[0]
    run.change_recipient(2, state=RecipientState.PENDING)
    warm(run, 2)
    limit(shop)
    look()
    assert run.state() == CampaignState.PAUSED, "the message that waits is to a new chat"

    with acting_for(run.scope):
        campaign_states.resume(run.scope, run.campaign_id)
    run.hand([MessageStatus.QUEUED])
    warm(run, 1)
    waiting = next(one for one in rows_of(Message) if one.status == MessageStatus.QUEUED and one.id != message_id)
    shop.change_message(waiting.id, is_cold=False)
    look()
    assert run.state() == CampaignState.PROCESSING


def test_signs_are_those_of_the_campaign_itself(shop: Shop) -> None:
    rival = Shop(make_tenant("rival"))
    bad, good = start(rival, 30), start(shop, 30)
    bad.hand([BAD] * 20)
    good.hand([GOOD] * 20)

    look()

    assert (bad.state(), good.state()) == (CampaignState.PAUSED, CampaignState.PROCESSING)


def test_looks_go_round_all_campaigns(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign_watch, "MOST_JUDGED", 2)
    runs = [Run(shop.scope, shop.unit, 1, prefix=f"5511977{number}") for number in range(100, 103)]
    for run in runs:
        run.start()

    with across_tenants("a test looks"):
        first = campaign_watch.pause_harmful()
        assert first == runs[1].campaign_id
        assert campaign_watch.pause_harmful(first) == NOBODY
