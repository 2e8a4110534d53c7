"""What a person decides about a campaign that is planned: start or schedule it, pause, resume, cancel, retry.

Each takes the unit first, as the feeding of its lane does, so that nobody is handed over after the decision.
"""

from datetime import datetime, timedelta
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, func

from portal import queue
from portal.clock import now
from portal.db import among, atomic, db, on_commit
from portal.errors import Conflict, Invalid, NotFound
from portal.models import (
    Campaign,
    CampaignRecipient,
    CampaignState,
    Connection,
    Message,
    MessageStatus,
    MissedStart,
    PauseReason,
    PlanState,
    RecipientState,
    Unit,
)
from portal.queries import campaigns as queries
from portal.services import audit, delivery, lanes
from portal.services.plan_problems import problem_words
from portal.tenancy import TenantScope

# What a campaign's message that was taken back before it left says of it.
CAMPAIGN_PAUSED = "campaign_paused"
CAMPAIGN_CANCELLED = "campaign_cancelled"
OPEN = (CampaignState.SCHEDULED, CampaignState.PROCESSING, CampaignState.PAUSED)
# A campaign may be scheduled for so long ahead.
FURTHEST = timedelta(days=365)


def start(
    scope: TenantScope,
    campaign_id: UUID,
    *,
    at: datetime | None = None,
    if_missed: MissedStart = MissedStart.ASK,
    recipients: int | None = None,
) -> Campaign:
    """Send the draft from now on, or from `at` on.

    `recipients` is how many were shown to whoever decides: raises Conflict when that many are not there any more, when
    it is no planned draft, and when its unit was never connected; Invalid for `at` that `check_time` refuses, and when
    there is nobody to send to. NotFound also when the unit is archived.
    """
    if at is not None:
        check_time(at)
    with atomic():
        campaign = lock(scope, campaign_id)
        _check_planned(campaign)
        check_in_use(scope, campaign.unit_id)
        _check_ever_connected(scope, campaign.unit_id)
        pending = count_pending(scope, campaign_id)
        if pending == 0:
            raise Invalid({"audience": _("Nobody is left to send to. Choose other people.")})
        if recipients is not None and recipients != pending:
            message = _("The recipients have changed since you looked. Check the numbers again.")
            raise Conflict(message, code="recipients_changed")
        campaign.started_by_id, campaign.if_missed, campaign.scheduled_at = scope.user_id, if_missed, at
        if at is None:
            begin(scope, campaign)
        else:
            campaign.state = CampaignState.SCHEDULED
        action = "campaign.started" if at is None else "campaign.scheduled"
        told = {"recipients": pending} | ({"at": at.isoformat()} if at else {})
        audit.record(scope, action, ("campaign", campaign_id), after=told)
    return campaign


def pause(
    scope: TenantScope,
    campaign_id: UUID,
    *,
    reason: PauseReason = PauseReason.PERSON,
    details: dict[str, object] | None = None,
) -> Campaign:
    """Let nobody more have their turn; whose message has not left yet is pending again. Raises Conflict."""
    with atomic():
        campaign = lock(scope, campaign_id)
        _check_state(campaign, CampaignState.PROCESSING, CampaignState.SCHEDULED)
        halt(scope, campaign, reason, details)
    return campaign


def resume(scope: TenantScope, campaign_id: UUID) -> Campaign:
    """Go on, or start what missed its time; what was paused before its time waits for that again.

    Raises Conflict unless it is paused.
    """
    with atomic():
        campaign = lock(scope, campaign_id)
        _check_state(campaign, CampaignState.PAUSED)
        before = {"reason": campaign.pause_reason}
        if campaign.started_at is None and campaign.scheduled_at is not None and campaign.scheduled_at > now():
            campaign.state = CampaignState.SCHEDULED
            campaign.paused_at = campaign.pause_reason = campaign.pause_details = None
        else:
            begin(scope, campaign)
        audit.record(
            scope, "campaign.resumed", ("campaign", campaign_id), before=before, after={"state": campaign.state}
        )
    return campaign


def cancel(scope: TenantScope, campaign_id: UUID) -> Campaign:
    """Stop for good: whoever was not written to yet never will be. Raises Conflict unless it is under way."""
    with atomic():
        campaign = lock(scope, campaign_id)
        _check_state(campaign, *OPEN)
        before = {"state": campaign.state}
        campaign.state, campaign.finished_at = CampaignState.CANCELLED, func.clock_timestamp()
        campaign.number_check_at = None
        _take_back(scope, campaign, RecipientState.CANCELLED, CAMPAIGN_CANCELLED)
        left = scope.update(CampaignRecipient).where(
            CampaignRecipient.campaign_id == campaign_id, CampaignRecipient.state == RecipientState.PENDING
        )
        db.session.execute(left.values(state=RecipientState.CANCELLED).execution_options(synchronize_session=False))
        audit.record(scope, "campaign.cancelled", ("campaign", campaign_id), before=before)
    return campaign


def retry_failed(scope: TenantScope, campaign_id: UUID) -> int:
    """Let everybody whose message failed have another turn; how many they are.

    Raises Conflict while it is a draft, scheduled, cancelled or could not be planned, and when nobody failed; NotFound
    also when the unit is archived.
    """
    with atomic():
        campaign = lock(scope, campaign_id)
        _check_state(campaign, CampaignState.PROCESSING, CampaignState.PAUSED, CampaignState.COMPLETED)
        check_in_use(scope, campaign.unit_id)
        failed = queries.retryable(scope, campaign_id).order_by(Message.id).with_for_update(of=Message)
        ids = list(db.session.scalars(failed))
        if not ids:
            raise Conflict(_("Nobody's message failed: there is nothing to try again."), code="nothing_failed")
        _run(scope, Message, among(Message.id, ids), handled_at=now())
        _run(scope, CampaignRecipient, among(CampaignRecipient.message_id, ids), state=RecipientState.PENDING)
        if campaign.state == CampaignState.COMPLETED:
            begin(scope, campaign)
        elif campaign.state == CampaignState.PROCESSING:
            # Its lane rests if everybody had their turn.
            _expect_turns(scope, campaign)
        audit.record(scope, "campaign.retried", ("campaign", campaign_id), after={"recipients": len(ids)})
    return len(ids)


def check_time(at: datetime) -> None:
    """Raises Invalid for `at` when no campaign can be scheduled for then."""
    if at <= now():
        raise Invalid({"at": _("This is in the past. Choose a time to come, or start now.")})
    if at > now() + FURTHEST:
        raise Invalid({"at": _("Choose a time within a year from now.")})


def begin(scope: TenantScope, campaign: Campaign) -> None:
    """Let the locked campaign have its turns from now on."""
    at = now()
    campaign.state, campaign.started_at, campaign.resumed_at = CampaignState.PROCESSING, campaign.started_at or at, at
    campaign.paused_at = campaign.pause_reason = campaign.pause_details = None
    campaign.finished_at = campaign.recheck_at = None
    db.session.flush()
    _expect_turns(scope, campaign)


def halt(scope: TenantScope, campaign: Campaign, reason: PauseReason, details: dict[str, object] | None = None) -> None:
    """Pause the locked campaign, whoever or whatever decided it."""
    before = {"state": campaign.state}
    campaign.state, campaign.paused_at = CampaignState.PAUSED, func.clock_timestamp()
    campaign.pause_reason, campaign.pause_details = reason, details
    _take_back(scope, campaign, RecipientState.PENDING, CAMPAIGN_PAUSED)
    audit.record(scope, "campaign.paused", ("campaign", campaign.id), before=before, after={"reason": reason})


def lock(scope: TenantScope, campaign_id: UUID) -> Campaign:
    """The campaign, held with its unit until the transaction ends.

    Raises NotFound, and Conflict when a test token asks for one that really reaches people.
    """
    delivery.lock_unit(scope, scope.get(Campaign, campaign_id).unit_id)
    # The weaker lock: the planning of a draft adds lines that name it, and nobody should wait for that.
    this = scope.select(Campaign).where(Campaign.id == campaign_id).with_for_update(key_share=True)
    campaign: Campaign = db.session.scalars(this.execution_options(populate_existing=True)).one()
    if scope.is_test and not campaign.is_test:
        raise Conflict(_("This is a real campaign. A test token decides only about campaigns of test tokens."))
    return campaign


def check_in_use(scope: TenantScope, unit_id: UUID) -> None:
    """Raises NotFound when the unit is archived, or not there: nothing would ever leave."""
    if scope.get(Unit, unit_id).archived_at is not None:
        raise NotFound("this unit is archived")


def has_open(scope: TenantScope, unit_id: UUID) -> bool:
    """Whether a campaign of the unit is under way."""
    is_open = Campaign.state.in_(OPEN)
    return bool(db.session.scalar(scope.select(Campaign, func.count()).where(Campaign.unit_id == unit_id, is_open)))


def count_pending(scope: TenantScope, campaign_id: UUID) -> int:
    """How many still wait for their turn."""
    pending = scope.select(CampaignRecipient, func.count()).where(
        CampaignRecipient.campaign_id == campaign_id, CampaignRecipient.state == RecipientState.PENDING
    )
    return db.session.scalar(pending) or 0


def _expect_turns(scope: TenantScope, campaign: Campaign) -> None:
    lanes.expect_campaign(scope, campaign.unit_id)
    on_commit(queue.wake_outbox)


def _take_back(scope: TenantScope, campaign: Campaign, state: RecipientState, code: str) -> None:
    """Cancel what waits in the lane, and say so of its recipients; what is being sent goes on to its end."""
    lanes.hold(scope, [campaign.unit_id])
    theirs = scope.select(CampaignRecipient, CampaignRecipient.message_id).where(
        CampaignRecipient.campaign_id == campaign.id, CampaignRecipient.state == RecipientState.HANDED
    )
    waiting = scope.select(Message, Message.id).where(
        Message.unit_id == campaign.unit_id,
        Message.status == MessageStatus.QUEUED,
        Message.id.in_(theirs),
    )
    ids = list(db.session.scalars(waiting))
    if ids:
        _run(scope, Message, among(Message.id, ids), status=MessageStatus.CANCELLED, error_code=code)
        # Of whom the first was to be a second message, the next one still is.
        first = scope.select(Message, Message.resend_of_id).where(Message.id == CampaignRecipient.message_id)
        _run(
            scope,
            CampaignRecipient,
            among(CampaignRecipient.message_id, ids),
            state=state,
            message_id=first.scalar_subquery(),
            handed_at=None,
        )


def _run(
    scope: TenantScope, model: type[Message] | type[CampaignRecipient], which: ColumnElement[bool], **values: object
) -> None:
    statement = scope.update(model).where(which)
    db.session.execute(statement.values(values).execution_options(synchronize_session=False))


def _check_planned(campaign: Campaign) -> None:
    _check_state(campaign, CampaignState.DRAFT)
    if campaign.plan_state != PlanState.DONE:
        raise Conflict(_("The recipients are still being checked. Try again in a moment."), code="not_planned")
    if campaign.plan_problem is not None:
        raise Invalid({"message": problem_words(campaign)})


def _check_ever_connected(scope: TenantScope, unit_id: UUID) -> None:
    """Nothing would ever leave, and nobody would notice."""
    linked_at = scope.select(Connection, Connection.connected_at).where(Connection.unit_id == unit_id)
    if db.session.scalar(linked_at) is None:
        raise Conflict(_("This unit was never connected to WhatsApp. Connect it first."), code="never_connected")


def _check_state(campaign: Campaign, *states: CampaignState) -> None:
    if campaign.state not in states:
        raise Conflict(_("The campaign's state does not allow this any more."), code=f"campaign_{campaign.state}")
