"""What a person decides about a campaign that runs: nobody is lost by it, and nobody is written to twice."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import Flask

from portal.clock import now
from portal.errors import Conflict, Invalid, NotFound
from portal.evolution import errors
from portal.evolution.errors import EvolutionRejected, EvolutionUnavailable
from portal.models import (
    AuditEvent,
    CampaignState,
    Connection,
    ConnectionStatus,
    Lane,
    Message,
    MessageStatus,
    MissedStart,
    PauseReason,
    PlanState,
    RecipientState,
)
from portal.outbox import campaign_watch
from portal.services import campaign_states, undelivered, units
from portal.services.undelivered import Decision
from portal.tenancy import across_tenants, acting_for
from tests.outbox.campaigns import Run, feed, let_pass, queued
from tests.outbox.conftest import Shop, rows_of
from tests.outbox.sending import claim, claim_one, record, sent_of

pytestmark = pytest.mark.commits

HANDED, PENDING, CANCELLED = RecipientState.HANDED, RecipientState.PENDING, RecipientState.CANCELLED
AWAY = EvolutionUnavailable(errors.UNIT_AWAY, "")
REFUSED = EvolutionRejected(errors.INVALID_REQUEST, "")


def test_pause_takes_back_what_has_not_left_and_resume_goes_on_with_it(shop: Shop) -> None:
    run = Run(shop).start()
    run.have_turn()
    let_pass(shop)
    feed()

    run.pause()

    assert (run.campaign().state, run.campaign().pause_reason) == (CampaignState.PAUSED, PauseReason.PERSON)
    assert run.states() == [HANDED, PENDING, PENDING]
    assert claim() == []
    let_pass(shop)
    assert feed() == 0

    run.resume()
    second, third = run.have_turn(), run.have_turn()

    assert run.states() == [HANDED] * 3
    sent = [message for message in rows_of(Message) if message.status == MessageStatus.SENT]
    assert len({message.conversation_id for message in sent}) == len(sent) == 3
    assert {second, third} < {message.id for message in sent}
    taken_back = [message for message in rows_of(Message) if message.status == MessageStatus.CANCELLED]
    assert [message.error_code for message in taken_back] == [campaign_states.CAMPAIGN_PAUSED]


def test_pause_leaves_the_message_that_is_being_sent(shop: Shop) -> None:
    run = Run(shop).start()
    feed()
    claimed = claim_one()

    run.pause()
    record(claimed, sent_of(claimed))

    assert run.states() == [HANDED, PENDING, PENDING]
    assert [message.status for message in rows_of(Message)] == [MessageStatus.SENT]


@pytest.mark.parametrize(("act", "state"), [(Run.pause, PENDING), (Run.cancel, CANCELLED)], ids=["pause", "cancel"])
@pytest.mark.parametrize("is_server_away", [False, True])
def test_what_did_not_leave_before_that_never_leaves(
    shop: Shop, act: Callable[[Run], None], state: RecipientState, is_server_away: bool
) -> None:
    run = Run(shop, people=2).start()
    feed()
    claimed = claim_one()
    act(run)

    record(claimed, AWAY, is_server_away=is_server_away)

    assert [message.status for message in rows_of(Message)] == [MessageStatus.CANCELLED]
    assert run.states() == [state, state]
    assert [one.message_id for one in run.recipients()] == [None, None]


def test_what_a_person_tries_again_after_the_end_stays_in_the_queue(shop: Shop) -> None:
    run = Run(shop, people=1).start()
    feed()
    failed = claim_one()
    record(failed, REFUSED)
    with across_tenants("campaigns of every tenant are looked after"):
        assert campaign_watch.complete() == [run.campaign_id]
    with acting_for(shop.scope):
        undelivered.decide(shop.scope, Decision.TRY_AGAIN, [failed.id])
    let_pass(shop)

    record(claim_one(), AWAY)

    assert [message.id for message in queued()] == [failed.id]


def test_completed_campaign_goes_on_when_a_message_comes_back_after_all(shop: Shop) -> None:
    """A worker that was taken for dead says what became of its send."""
    run = Run(shop, people=1).start()
    feed()
    claimed = claim_one()
    shop.change_message(claimed.id, status=MessageStatus.UNCONFIRMED)
    shop.change(Lane, message_id=None)
    with across_tenants("campaigns of every tenant are looked after"):
        assert campaign_watch.complete() == [run.campaign_id]

    record(claimed, AWAY)

    assert (run.campaign().state, [message.id for message in queued()]) == (CampaignState.PROCESSING, [claimed.id])


def test_cancel_ends_it_for_everybody_who_was_not_written_to(shop: Shop) -> None:
    run = Run(shop).start()
    run.have_turn()
    let_pass(shop)
    feed()

    run.cancel()

    assert run.campaign().state == CampaignState.CANCELLED
    assert run.states() == [HANDED, CANCELLED, CANCELLED]
    assert queued() == []
    let_pass(shop)
    assert feed() == 0
    with pytest.raises(Conflict):
        run.resume()


def test_other_campaign_of_the_unit_goes_on(shop: Shop) -> None:
    run, other = Run(shop), Run(shop, area=21)
    run.start(), other.start()
    run.have_turn()

    run.cancel()
    other.have_turn()

    assert other.states().count(HANDED) >= 1


def test_only_a_planned_draft_with_people_starts(shop: Shop) -> None:
    with pytest.raises(Conflict, match="still being checked"):
        Run(shop, plan_state=PlanState.WAITING).start()
    with pytest.raises(Invalid):
        Run(shop, people=0).start()
    run = Run(shop, area=21).start()
    with pytest.raises(Conflict):
        run.start()


def test_numbers_that_changed_since_somebody_looked_are_looked_at_again(shop: Shop) -> None:
    run = Run(shop)
    with acting_for(shop.scope), pytest.raises(Conflict, match="have changed"):
        campaign_states.start(shop.scope, run.campaign_id, recipients=2)
    assert run.campaign().state == CampaignState.DRAFT


def test_campaign_is_scheduled_for_a_time_to_come(shop: Shop) -> None:
    run, at = Run(shop), now() + timedelta(hours=3)
    with acting_for(shop.scope):
        with pytest.raises(Invalid):
            campaign_states.start(shop.scope, run.campaign_id, at=now() - timedelta(seconds=1))
        campaign_states.start(shop.scope, run.campaign_id, at=at, if_missed=MissedStart.START)

    row = run.campaign()
    assert (row.state, row.scheduled_at, row.if_missed) == (CampaignState.SCHEDULED, at, MissedStart.START)
    assert feed() == 0
    run.pause()
    run.resume()
    assert (run.campaign().state, run.campaign().pause_reason, feed()) == (CampaignState.SCHEDULED, None, 0)


def test_whoever_failed_has_another_turn_and_nobody_else(shop: Shop) -> None:
    run = Run(shop).start()
    run.have_turn()
    let_pass(shop)
    feed()
    failed = claim_one()
    record(failed, REFUSED)
    run.have_turn()

    assert run.retry_failed() == 1
    assert run.states() == [HANDED, PENDING, HANDED]
    again = run.have_turn()

    assert run.recipients()[1].message_id == again
    rows = {message.id: message for message in rows_of(Message)}
    assert rows[again].conversation_id == rows[failed.id].conversation_id
    # It surely did not arrive, so the other one is no second.
    assert (rows[again].resend_of_id, rows[failed.id].handled_at is not None) == (None, True)
    with pytest.raises(Conflict):
        run.retry_failed()


def test_whoever_failed_last_has_another_turn_though_the_lane_rests(shop: Shop) -> None:
    run = Run(shop, people=1).start()
    feed()
    record(claim_one(), REFUSED)
    let_pass(shop)
    assert (feed(), shop.lane().campaign_at) == (0, None)

    run.retry_failed()

    assert feed() == 1


def test_second_message_says_so_where_whatsapp_had_taken_the_first(shop: Shop) -> None:
    run = Run(shop, people=1).start()
    first = run.have_turn()
    shop.change_message(first, status=MessageStatus.FAILED)

    run.retry_failed()
    let_pass(shop)
    feed()
    # Also the one that leaves when this one was taken back.
    run.pause(), run.resume()
    second = run.have_turn()

    assert next(m for m in rows_of(Message) if m.id == second).resend_of_id == first


def test_each_decision_is_in_the_audit_log(shop: Shop) -> None:
    run = Run(shop).start()
    run.pause()
    run.resume()
    run.cancel()

    actions = [event.action for event in rows_of(AuditEvent) if event.subject_id == run.campaign_id]
    assert actions == ["campaign.started", "campaign.paused", "campaign.resumed", "campaign.cancelled"]


def test_unit_is_not_archived_while_a_campaign_could_go_on_and_starts_none_afterwards(shop: Shop) -> None:
    run, draft = Run(shop).start(), Run(shop, area=21)
    shop.change(Connection, status=ConnectionStatus.DISCONNECTED)
    with acting_for(shop.scope):
        with pytest.raises(Conflict, match="campaigns"):
            units.archive_unit(shop.scope, shop.unit.id)
        campaign_states.cancel(shop.scope, run.campaign_id)
        units.archive_unit(shop.scope, shop.unit.id)

    with pytest.raises(NotFound):
        draft.start()
    assert draft.campaign().state == CampaignState.DRAFT


def test_two_who_press_send_at_once_start_it_once(app: Flask, shop: Shop) -> None:
    run = Run(shop)

    def press(_: int) -> str:
        with app.app_context():
            try:
                run.start()
            except Conflict as e:
                return e.code
            return "started"

    with ThreadPoolExecutor(4) as people:
        answers = sorted(people.map(press, range(4)))

    assert answers == ["campaign_processing"] * 3 + ["started"]
    assert [event.action for event in rows_of(AuditEvent) if event.subject_id == run.campaign_id] == [
        "campaign.started"
    ]
