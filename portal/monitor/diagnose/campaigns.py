"""Incident: a campaign does not move."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from portal import queue
from portal.clock import now
from portal.models import Campaign, CampaignState, ConnectionStatus, PauseReason, PlanState
from portal.monitor.diagnose import shared
from portal.monitor.diagnose.facts import Facts
from portal.monitor.diagnose.findings import Cause, Finding, Incident, instant
from portal.monitor.diagnose.outbound import FOR_NOW
from portal.pacing import Pace, next_slot
from portal.queries.campaigns import Rung
from portal.queries.pacing import pace_of

CAMPAIGN = Incident.CAMPAIGN
# A worker starts, feeds and ends campaigns within seconds.
LATE_AFTER = timedelta(seconds=60)
OF_PAUSE = {PauseReason.PERSON: Cause.PAUSED_BY_PERSON, PauseReason.MISSED_START: Cause.START_MISSED}


def look(facts: Facts) -> Iterator[Finding]:
    """Every cause for it, of each campaign that is to move; nothing when none is."""
    if not facts.campaigns:
        return
    yield from _look_at_unit(facts)
    for campaign in facts.campaigns:
        yield from _OF_STATE[CampaignState(campaign.state)](facts, campaign)


def resumable(facts: Facts) -> list[Campaign]:
    """Those that paused themselves for a reason that is over: to go on with them harms nobody."""
    return [campaign for campaign in facts.campaigns if _may_go_on(facts, campaign)]


def _look_at_unit(facts: Facts) -> Iterator[Finding]:
    yield shared.suspension(CAMPAIGN, facts)
    yield shared.workers(CAMPAIGN, facts, queue.OUTBOX, queue.BACKGROUND)
    if any(campaign.state == CampaignState.PROCESSING for campaign in facts.campaigns):
        yield shared.link(CAMPAIGN, facts)
        yield shared.server_pause(CAMPAIGN, facts)
        yield from shared.new_chats(CAMPAIGN, facts)


def _planning(facts: Facts, campaign: Campaign) -> Iterator[Finding]:
    relay_id = campaign.relay_id
    is_dead = campaign.plan_state == PlanState.WAITING and relay_id is not None and relay_id not in facts.living_relays
    detail = f"{campaign.plan_done} of {campaign.plan_total} people, attempt {campaign.plan_attempts}"
    yield _of(campaign, Cause.PLANNING_DIED, is_dead, detail)


def _given_up(facts: Facts, campaign: Campaign) -> Iterator[Finding]:
    yield _of(campaign, Cause.PLANNING_GAVE_UP, True, "the planning ended with an error each time")


def _scheduled(facts: Facts, campaign: Campaign) -> Iterator[Finding]:
    at = campaign.scheduled_at
    is_late = at is not None and at < facts.at - LATE_AFTER
    yield _of(campaign, Cause.START_OVERDUE, is_late, f"planned for {instant(at)}" if at else "", since=at)


def _paused(facts: Facts, campaign: Campaign) -> Iterator[Finding]:
    reason = PauseReason(campaign.pause_reason or PauseReason.PERSON)
    cause = OF_PAUSE.get(reason, Cause.PAUSED_BY_ITSELF)
    detail = f"{reason} since {instant(campaign.paused_at)}" if campaign.paused_at else str(reason)
    is_wanted = cause == Cause.PAUSED_BY_PERSON
    yield Finding(
        CAMPAIGN,
        cause,
        True,
        f"campaign {campaign.id}: {detail}",
        can_fix=_may_go_on(facts, campaign),
        passes=is_wanted,
        campaign_id=campaign.id,
        since=campaign.paused_at,
        codes=(str(reason),),
    )


def _running(facts: Facts, campaign: Campaign) -> Iterator[Finding]:
    pace = pace_of(facts.unit)
    slot = next_slot(pace, facts.at, sent_today=_sent_today(facts, pace))
    is_left = facts.counts[campaign.id][Rung.PENDING] > 0
    opens = slot.opens if slot is not None and slot.opens > facts.at and is_left else None
    is_full = opens is not None and _is_full(facts, pace, pace.day_of(facts.at))
    yield _of_pace(campaign, Cause.OUTSIDE_HOURS, None if is_full else opens)
    yield _of_pace(campaign, Cause.DAY_IS_FULL, opens if is_full else None)
    yield _of(campaign, Cause.NEVER_OPENS, slot is None and is_left, "by its pace no message may ever leave")
    yield _turns(facts, campaign, may_leave=is_left and slot is not None and opens is None)
    yield _end(facts, campaign)


def _turns(facts: Facts, campaign: Campaign, *, may_leave: bool) -> Finding:
    """Whether somebody could have their turn now, and nobody does."""
    lane, first = facts.gates.lane, facts.next_message
    is_due = lane.campaign_at is None or lane.campaign_at < facts.at - LATE_AFTER
    is_behind_others = first is not None and not first.is_of_campaign
    is_idle = is_due and lane.message_id is None and not is_behind_others
    is_free = may_leave and facts.gates.hold(is_cold=True) is None and _is_settled(campaign, facts.at)
    detail = f"the next turn: {instant(lane.campaign_at)}" if lane.campaign_at else "no turn is expected"
    return _of(campaign, Cause.TURNS_STOPPED, is_free and is_idle, detail)


def _end(facts: Facts, campaign: Campaign) -> Finding:
    counts = facts.counts[campaign.id]
    pending, queued = counts[Rung.PENDING], counts[Rung.QUEUED]
    is_over = pending + queued == 0 and _is_settled(campaign, facts.at)
    return _of(campaign, Cause.NOBODY_LEFT, is_over, f"{pending} pending, {queued} on their way")


_OF_STATE = {
    CampaignState.DRAFT: _planning,
    CampaignState.FAILED: _given_up,
    CampaignState.SCHEDULED: _scheduled,
    CampaignState.PAUSED: _paused,
    CampaignState.PROCESSING: _running,
}


def _may_go_on(facts: Facts, campaign: Campaign) -> bool:
    is_linked = facts.connection.status == ConnectionStatus.CONNECTED
    if campaign.state != CampaignState.PAUSED or not is_linked or facts.gates.hold(is_cold=True) is not None:
        return False
    if campaign.pause_reason == PauseReason.NUMBER_LIMITED:
        return True
    code = (campaign.pause_details or {}).get("code")
    return campaign.pause_reason == PauseReason.FAILURES and code in FOR_NOW


def _is_settled(campaign: Campaign, at: datetime) -> bool:
    """Whether it runs for so long that the first turn must have been."""
    return campaign.resumed_at is not None and campaign.resumed_at < at - LATE_AFTER


def _sent_today(facts: Facts, pace: Pace) -> int:
    lane, first = facts.gates.lane, facts.next_message
    counted = lane.campaign_count if lane.campaign_day == pace.day_of(now()) else 0
    return max(0, counted - bool(first and first.is_of_campaign))


def _is_full(facts: Facts, pace: Pace, day: date) -> bool:
    cap = pace.cap_on(day)
    return cap is not None and _sent_today(facts, pace) >= cap


def _of_pace(campaign: Campaign, cause: Cause, opens: datetime | None) -> Finding:
    detail = f"campaign {campaign.id}: " + (f"goes on {instant(opens)}" if opens else "no")
    return Finding(CAMPAIGN, cause, opens is not None, detail, passes=True, campaign_id=campaign.id, until=opens)


def _of(
    campaign: Campaign,
    cause: Cause,
    is_found: bool,
    detail: str,
    *,
    since: datetime | None = None,
) -> Finding:
    told = f"campaign {campaign.id}: {detail}"
    return Finding(CAMPAIGN, cause, is_found, told, campaign_id=campaign.id, since=since)
