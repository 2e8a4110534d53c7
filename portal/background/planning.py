"""The plans of campaigns as a worker makes them: each in one transaction, of which nothing stays unless all of it does.

The row says which of them wait and who is at one. A worker that dies takes its transaction with it, and whoever takes
the row next begins anew.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import structlog
from psycopg.errors import DeadlockDetected
from sqlalchemy import func, or_, select
from sqlalchemy.exc import OperationalError

from portal.db import atomic, db
from portal.errors import Conflict, Invalid, NotFound
from portal.models import Campaign, CampaignState, PlanProblem, PlanState
from portal.services import planning
from portal.tenancy import TenantScope, across_tenants, acting_for, apart, tenant_transaction

log = structlog.get_logger(__name__)

MOST_ATTEMPTS = 3
# Progress is written this often.
LOOK_S = 0.5


class Interrupted(Exception):
    """This process ends: the plan begins anew elsewhere."""


@dataclass(frozen=True)
class _Claimed:
    """A campaign that this process, and no other, plans; `attempt`: the how-manieth time it begins."""

    scope: TenantScope
    campaign_id: UUID
    owner_id: UUID
    attempt: int


def work(owner_id: UUID, is_stopping: Callable[[], bool]) -> bool:
    """Plan one campaign that waits for it; False when none does."""
    claimed = _claim(owner_id)
    if claimed is None:
        return False
    if claimed.attempt > MOST_ATTEMPTS:
        _give_up(claimed)
    else:
        _carry_out(claimed, is_stopping)
    return True


def _claim(owner_id: UUID) -> _Claimed | None:
    """The oldest that waits; what an error of this process left unfinished counts as waiting."""
    is_waiting = (Campaign.plan_state == PlanState.WAITING) & (Campaign.state == CampaignState.DRAFT)
    is_free = or_(Campaign.relay_id.is_(None), Campaign.relay_id == owner_id)
    waiting = select(Campaign).where(is_waiting, is_free).order_by(Campaign.id).limit(1)
    with across_tenants("campaigns of every tenant are planned"), atomic():
        campaign = db.session.scalar(waiting.with_for_update(skip_locked=True, key_share=True))
        if campaign is None:
            return None
        campaign.relay_id, campaign.plan_attempts = owner_id, campaign.plan_attempts + 1
        return _Claimed(TenantScope(campaign.tenant_id), campaign.id, owner_id, campaign.plan_attempts)


def _carry_out(claimed: _Claimed, is_stopping: Callable[[], bool]) -> None:
    began_at = time.monotonic()
    try:
        with acting_for(claimed.scope):
            planning.plan(claimed.scope, claimed.campaign_id, on_progress=_Progress(claimed, is_stopping))
    except Invalid:
        # The campaign says so itself.
        log.info("campaign has too many recipients", campaign_id=str(claimed.campaign_id))
    except (Conflict, NotFound, Interrupted):
        # Somebody changed it, or this process ends: that was no attempt that failed.
        _release(claimed)
    except OperationalError as e:
        if not isinstance(e.orig, DeadlockDetected):
            raise
        # Somebody else, say the inbox, was adding the same people in another order, and went on with it.
        _release(claimed)
    else:
        log.info(
            "campaign planned", campaign_id=str(claimed.campaign_id), seconds=round(time.monotonic() - began_at, 2)
        )


class _Progress:
    """Shows how far the plan is, beside its long transaction, and looks whether to go on."""

    def __init__(self, claimed: _Claimed, is_stopping: Callable[[], bool]) -> None:
        self._claimed, self._is_stopping = claimed, is_stopping
        self._next_look = 0.0

    def __call__(self, done: int, total: int) -> None:
        if self._is_stopping():
            raise Interrupted
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_S
        scope = self._claimed.scope
        # Never waiting: whoever holds the row may wait for the plan.
        free = scope.select(Campaign, Campaign.id).where(Campaign.id == self._claimed.campaign_id)
        this = scope.update(Campaign).where(Campaign.id.in_(free.with_for_update(skip_locked=True, key_share=True)))
        with apart(scope) as session:
            noted = this.values(plan_done=done, plan_total=total)
            session.execute(noted.execution_options(synchronize_session=False))


def _give_up(claimed: _Claimed) -> None:
    """What ended with its worker, or with an error, each time."""
    ended = {"state": CampaignState.FAILED, "plan_state": PlanState.NONE, "plan_problem": PlanProblem.GAVE_UP}
    _put(claimed, relay_id=None, plan_attempts=0, **ended)
    log.warning("campaign could not be planned", campaign_id=str(claimed.campaign_id))


def _release(claimed: _Claimed) -> None:
    """Let go of it as it was; of one that was changed meanwhile the attempts are counted anew already."""
    _put(claimed, relay_id=None, plan_attempts=func.greatest(Campaign.plan_attempts - 1, 0))


def _put(claimed: _Claimed, **values: object) -> None:
    scope = claimed.scope
    mine = scope.update(Campaign).where(Campaign.id == claimed.campaign_id, Campaign.relay_id == claimed.owner_id)
    with tenant_transaction(scope):
        db.session.execute(mine.values(values).execution_options(synchronize_session=False))
