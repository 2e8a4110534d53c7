"""Campaigns that do not move: each cause is made, recognised, and put right where that can be done."""

from datetime import datetime, time
from zoneinfo import ZoneInfo

import pytest

from portal.clock import now
from portal.db import atomic, db
from portal.evolution import errors
from portal.models import (
    AuditEvent,
    Campaign,
    CampaignState,
    ColdReason,
    ConnectionStatus,
    Lane,
    Message,
    MessageStatus,
    PauseReason,
    PlanProblem,
    PlanState,
    Relay,
    StatusReason,
)
from portal.monitor.diagnose import Cause, Fix, Incident
from portal.outbox import feeding, owners, servers
from portal.services import campaign_states
from portal.tenancy import across_tenants, acting_for
from tests.monitor.diagnose.patient import Patient, ago
from tests.outbox.conftest import rows_of
from tests.outbox.runs import Run

pytestmark = pytest.mark.commits

CAMPAIGN = Incident.CAMPAIGN
ZONE = "America/Sao_Paulo"


@pytest.fixture
def run(linked: Patient) -> Run:
    """A campaign that runs, and whose first turn is due."""
    return Run(linked.scope, linked.unit).start()


def feed() -> int:
    return feeding.feed([server.id for server in servers.list_servers()])


def pause(run: Run, reason: PauseReason, **details: object) -> None:
    with acting_for(run.scope):
        campaign_states.pause(run.scope, run.campaign_id, reason=reason, details=details)


def test_nothing_is_found_where_no_campaign_is_to_move(linked: Patient) -> None:
    assert linked.look().of(CAMPAIGN) == []


def test_nothing_is_found_at_a_campaign_that_has_just_begun(linked: Patient, run: Run) -> None:
    assert linked.trouble(CAMPAIGN) == set()


def test_campaign_that_somebody_paused_is_no_trouble(linked: Patient, run: Run) -> None:
    pause(run, PauseReason.PERSON)

    finding = linked.find(CAMPAIGN, Cause.PAUSED_BY_PERSON)

    assert (finding.is_found, finding.is_trouble, finding.fix) == (True, False, None)
    assert finding.campaign_id == run.campaign_id


@pytest.mark.parametrize(
    ("reason", "details", "is_safe"),
    [
        (PauseReason.NUMBER_LIMITED, {}, True),
        (PauseReason.FAILURES, {"code": errors.UNREACHABLE}, True),
        (PauseReason.FAILURES, {"code": errors.NOT_ON_WHATSAPP}, False),
        (PauseReason.OPT_OUTS, {}, False),
        (PauseReason.BLOCKS, {}, False),
    ],
)
def test_campaign_that_paused_itself_goes_on_where_the_reason_is_over(
    linked: Patient, run: Run, reason: PauseReason, details: dict[str, object], is_safe: bool
) -> None:
    pause(run, reason, **details)
    finding = linked.find(CAMPAIGN, Cause.PAUSED_BY_ITSELF)
    assert (finding.is_trouble, finding.fix) == (True, Fix.RESUME if is_safe else None)

    linked.apply(Fix.RESUME)

    assert run.state() == (CampaignState.PROCESSING if is_safe else CampaignState.PAUSED)


def test_campaign_does_not_go_on_while_the_number_is_limited(linked: Patient, run: Run) -> None:
    until = ago(hours=-1)
    linked.change(Lane, cold_reason=ColdReason.NEW_CHATS_REFUSED, cold_paused_until=until, next_cold_at=until)
    pause(run, PauseReason.NUMBER_LIMITED)

    assert linked.find(CAMPAIGN, Cause.PAUSED_BY_ITSELF).fix is None
    linked.apply(Fix.RESUME)
    assert run.state() == CampaignState.PAUSED


def test_missed_start_asks_a_person(linked: Patient, run: Run) -> None:
    pause(run, PauseReason.MISSED_START)

    assert linked.trouble(CAMPAIGN) == {Cause.START_MISSED}
    assert linked.find(CAMPAIGN, Cause.START_MISSED).fix is None


def test_start_that_is_overdue_is_the_workers(linked: Patient) -> None:
    run = Run(linked.scope, linked.unit)
    run.change(state=CampaignState.SCHEDULED, scheduled_at=ago(minutes=5))
    with across_tenants("a test lets a worker die"), atomic():
        db.session.query(Relay).filter(Relay.queue == "outbox").update({"heartbeat_at": ago(minutes=2)})

    assert linked.trouble(CAMPAIGN) == {Cause.WORKER_AWAY, Cause.START_OVERDUE}


def test_plan_of_a_dead_worker_is_given_to_another(linked: Patient) -> None:
    dead = owners.new_owner()
    owners.beat(dead, "background")
    run = Run(linked.scope, linked.unit, plan_state=PlanState.WAITING, relay_id=dead)
    assert linked.trouble(CAMPAIGN) == set()
    with across_tenants("a test lets a worker die"), atomic():
        db.session.query(Relay).filter(Relay.id == dead).update({"heartbeat_at": ago(minutes=2)})
    assert linked.trouble(CAMPAIGN) == {Cause.PLANNING_DIED}

    assert linked.fix(CAMPAIGN, Cause.PLANNING_DIED).is_found is False
    assert run.campaign().relay_id is None


def test_plan_that_was_given_up_needs_a_person(linked: Patient) -> None:
    Run(linked.scope, linked.unit, state=CampaignState.FAILED, plan_problem=PlanProblem.GAVE_UP)

    assert linked.trouble(CAMPAIGN) == {Cause.PLANNING_GAVE_UP}


def test_campaign_waits_for_its_unit(linked: Patient, run: Run) -> None:
    linked.desk.move(ConnectionStatus.DISCONNECTED, StatusReason.LOGGED_OUT)

    assert linked.trouble(CAMPAIGN) == {Cause.UNIT_UNCONNECTED}


def test_hours_in_which_nothing_leaves_are_no_trouble(linked: Patient, run: Run) -> None:
    opens = 20 if datetime.now(ZoneInfo(ZONE)).hour < 12 else 1
    linked.set_unit(window_from=time(opens), window_to=time(opens + 1))

    finding = linked.find(CAMPAIGN, Cause.OUTSIDE_HOURS)

    assert (finding.is_found, finding.is_trouble) == (True, False)
    assert finding.until is not None
    assert finding.until > now()


def test_day_whose_share_is_used_up_is_no_trouble(linked: Patient, run: Run) -> None:
    linked.set_unit(daily_cap=1)
    linked.change(Lane, campaign_day=datetime.now(ZoneInfo(ZONE)).date(), campaign_count=1)

    assert linked.find(CAMPAIGN, Cause.DAY_IS_FULL).is_found is True
    assert linked.find(CAMPAIGN, Cause.OUTSIDE_HOURS).is_found is False
    assert linked.trouble(CAMPAIGN) == set()


def test_pace_by_which_nothing_ever_leaves_needs_a_person(linked: Patient, run: Run) -> None:
    linked.set_unit(window_days=[])

    assert linked.trouble(CAMPAIGN) == {Cause.NEVER_OPENS}


def test_turns_that_nobody_expects_are_expected_again(linked: Patient, run: Run) -> None:
    run.change(resumed_at=ago(minutes=3))
    linked.change(Lane, campaign_at=None)
    assert feed() == 0
    assert linked.trouble(CAMPAIGN) == {Cause.TURNS_STOPPED}

    assert linked.fix(CAMPAIGN, Cause.TURNS_STOPPED).is_found is False
    linked.apply(Fix.WAKE)
    assert (feed(), feed()) == (1, 0)


def test_campaign_of_which_nobody_is_left_is_ended(linked: Patient, run: Run) -> None:
    run.hand([MessageStatus.DELIVERED] * 3)
    run.change(resumed_at=ago(minutes=3))
    assert linked.trouble(CAMPAIGN) == {Cause.NOBODY_LEFT}

    linked.apply(Fix.COMPLETE)

    assert run.state() == CampaignState.COMPLETED
    assert linked.look().of(CAMPAIGN) == []


@pytest.mark.parametrize("stop", ["person", "opt_outs", "cancel"])
def test_failed_messages_of_a_campaign_that_was_stopped_stay_where_they_are(
    linked: Patient, run: Run, stop: str
) -> None:
    run.hand([MessageStatus.FAILED] * 2, error_code=errors.UNREACHABLE)
    assert Fix.REQUEUE in linked.look().offered
    if stop == "cancel":
        with acting_for(run.scope):
            campaign_states.cancel(run.scope, run.campaign_id)
    else:
        pause(run, PauseReason(stop))

    found = linked.look()
    linked.apply(Fix.REQUEUE)

    assert Fix.REQUEUE not in found.offered
    assert {message.status for message in rows_of(Message)} == {MessageStatus.FAILED}
    run.change(state=CampaignState.PROCESSING)
    assert linked.find(Incident.OUTBOUND, Cause.FAILED_FOR_NOW).count == 2
    linked.apply(Fix.REQUEUE)
    assert {message.status for message in rows_of(Message)} == {MessageStatus.QUEUED}


def test_what_is_done_for_all_units_is_noted_at_the_one_that_needed_it(linked: Patient, run: Run) -> None:
    for fix in (Fix.CHECK_SERVER, Fix.SETTLE, Fix.COMPLETE):
        linked.apply(fix)

    noted = [event for event in rows_of(AuditEvent) if event.action == "unit.fix_applied"]
    assert {event.subject_id for event in noted} == {linked.unit.id}
    assert [event.after for event in noted] == [{"fix": "check_server"}, {"fix": "settle"}, {"fix": "complete"}]


def test_campaigns_of_other_units_are_left_alone(linked: Patient, run: Run) -> None:
    pause(run, PauseReason.NUMBER_LIMITED)
    other = Patient(linked.scope, linked.other_unit(), linked.evolution)

    assert other.look().of(CAMPAIGN) == []
    other.apply(Fix.RESUME)
    assert [campaign.state for campaign in rows_of(Campaign)] == [CampaignState.PAUSED]
