"""Running campaigns are kept true: they begin at their time, end when nobody is left, and stop when they do harm.

Any number of workers look: whoever holds a unit decides about its campaigns, and the others leave them out.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import structlog

from portal.clock import now
from portal.db import atomic, db
from portal.models import Campaign, CampaignState, MissedStart, PauseReason
from portal.outbox import watch_statements as statements
from portal.services import campaign_states, delivery
from portal.tenancy import TenantScope, across_tenants

log = structlog.get_logger(__name__)

NOBODY = UUID(int=0)
# A start that is later than this was missed: the portal was down.
LATE = timedelta(minutes=10)
MOST_STARTS = 50
# Receipts and what went wrong at the end are there by then; once more when everybody had a day.
FIRST_RECHECK = timedelta(hours=1)
LAST_RECHECK = timedelta(hours=24)
MOST_RECHECKS = 5
# Campaigns whose signs one look reads; the next look goes on behind them.
MOST_JUDGED = 50

# Of the last so many, and when at least so many tell something.
LAST, ENOUGH = 50, 20
MOST_FAILED = 0.2
LAST_ASKED, FEWEST_OPT_OUTS = 100, 5
MOST_OPT_OUTS = 0.05
MOST_UNDELIVERED = 0.5


class Signs(Protocol):
    """What `READ_SIGNS` tells of one campaign."""

    ended: int
    failed: int
    code: str | None
    handed: int
    opted_out: int
    due: int
    undelivered: int
    limited_until: datetime | None


@dataclass(frozen=True)
class Alarm:
    """Why a campaign must not go on, with what the sentence about it needs."""

    reason: PauseReason
    details: dict[str, object]


class CampaignWatch:
    """Looks after the campaigns of all tenants; remembers whose signs come next."""

    def __init__(self) -> None:
        self._judged_to = NOBODY

    def look(self) -> None:
        """Everything that is due now: starts, ends, alarms, re-checks."""
        with across_tenants("campaigns of every tenant are looked after"):
            start_due()
            complete()
            self._judged_to = pause_harmful(self._judged_to)
            recheck_due()


def start_due() -> int:
    """Start the scheduled campaigns whose time has come, or pause those that missed it; how many they were."""
    at = now()
    with atomic():
        due = db.session.execute(statements.LOCK_DUE_CAMPAIGNS, {"at": at, "most": MOST_STARTS}).all()
        return sum(_start(TenantScope(row.tenant_id), row.id, at) for row in due)


def complete() -> list[UUID]:
    """End the campaigns whose last message has left; which they are."""
    with atomic():
        ids = list(db.session.scalars(statements.LOCK_FINISHED))
        if not ids:
            return []
        values = {"ids": ids, "at": now(), "recheck_s": FIRST_RECHECK.total_seconds()}
        done: list[UUID] = list(db.session.scalars(statements.COMPLETE, values))
    log.info("campaigns completed", campaigns=len(done))
    return done


def pause_harmful(after: UUID = NOBODY) -> UUID:
    """Pause those of the next campaigns behind that one which do harm; the last one looked at, for the next call."""
    values = {"after": after, "at": now(), "most": MOST_JUDGED, "last": LAST, "last_asked": LAST_ASKED}
    with atomic():
        rows = db.session.execute(statements.READ_SIGNS, values).all()
    for row in rows:
        alarm = judge(row)
        if alarm is not None:
            _pause(row, alarm)
    return rows[-1].id if len(rows) == MOST_JUDGED else NOBODY


def judge(signs: Signs) -> Alarm | None:
    """The worst that these signs tell, if it is bad enough."""
    if signs.limited_until is not None:
        return Alarm(PauseReason.NUMBER_LIMITED, {"until": signs.limited_until.isoformat()})
    if signs.ended >= ENOUGH and signs.failed > MOST_FAILED * signs.ended:
        return Alarm(PauseReason.FAILURES, {"failed": signs.failed, "of": signs.ended, "code": signs.code})
    if signs.opted_out >= FEWEST_OPT_OUTS and signs.opted_out > MOST_OPT_OUTS * signs.handed:
        return Alarm(PauseReason.OPT_OUTS, {"opted_out": signs.opted_out, "of": signs.handed})
    if signs.due >= ENOUGH and signs.undelivered > MOST_UNDELIVERED * signs.due:
        return Alarm(PauseReason.BLOCKS, {"undelivered": signs.undelivered, "of": signs.due})
    return None


def recheck_due() -> int:
    """Look through the ledgers of completed campaigns whose re-check is due; how many they were."""
    with atomic():
        due = db.session.execute(statements.LOCK_RECHECKS, {"at": now(), "most": MOST_RECHECKS}).all()
        for row in due:
            _recheck(TenantScope(row.tenant_id), row.id)
    return len(due)


def _start(scope: TenantScope, campaign_id: UUID, at: datetime) -> bool:
    campaign = campaign_states.lock(scope, campaign_id)
    if campaign.state != CampaignState.SCHEDULED or campaign.scheduled_at is None or campaign.scheduled_at > at:
        return False
    if campaign.if_missed == MissedStart.ASK and campaign.scheduled_at < at - LATE:
        details: dict[str, object] = {"scheduled_at": campaign.scheduled_at.isoformat()}
        campaign_states.halt(scope, campaign, PauseReason.MISSED_START, details)
    else:
        campaign_states.begin(scope, campaign)
    return True


def _pause(row: Any, alarm: Alarm) -> None:
    scope = TenantScope(row.tenant_id)
    with atomic():
        if not delivery.lock_unit(scope, row.unit_id, skip_locked=True):
            return
        campaign = campaign_states.lock(scope, row.id)
        # Somebody may have paused it, or resumed it in spite of this, since its signs were read.
        if campaign.state != CampaignState.PROCESSING or campaign.resumed_at != row.resumed_at:
            return
        campaign_states.halt(scope, campaign, alarm.reason, alarm.details)
    log.warning("campaign paused itself", campaign_id=str(row.id), reason=alarm.reason, **alarm.details)


def _recheck(scope: TenantScope, campaign_id: UUID) -> None:
    campaign, at = campaign_states.lock(scope, campaign_id), now()
    if campaign.state != CampaignState.COMPLETED or campaign.recheck_at is None or campaign.recheck_at > at:
        return
    ledger = db.session.execute(statements.READ_LEDGER, {"campaign_id": campaign_id}).one()
    campaign.rechecked_at, campaign.recheck_at = at, _next_recheck(campaign, at)
    campaign.recheck_found += ledger.pending
    if ledger.pending:
        campaign_states.begin(scope, campaign)
    if ledger.pending or ledger.lost or ledger.lines != campaign.total:
        _tell(campaign, ledger)


def _next_recheck(campaign: Campaign, at: datetime) -> datetime | None:
    last = campaign.finished_at and campaign.finished_at + LAST_RECHECK
    return last if last is not None and last > at else None


def _tell(campaign: Campaign, ledger: Any) -> None:
    log.warning(
        "ledger of a completed campaign differs",
        campaign_id=str(campaign.id),
        total=campaign.total,
        lines=ledger.lines,
        pending=ledger.pending,
        lost=ledger.lost,
    )
