"""Imports as a worker carries them out: stage by stage, each in one transaction.

The row says what is left to do and who is at it. A worker that dies takes its transaction with it, and whoever takes
the row next begins the stage anew.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from uuid import UUID

import structlog
from psycopg.errors import DeadlockDetected
from sqlalchemy import func, or_, select
from sqlalchemy.exc import OperationalError

from portal.background.import_merging import check, merge
from portal.background.import_reading import read
from portal.background.import_undoing import undo
from portal.background.import_watch import Cancelled, Interrupted, Watch
from portal.db import atomic, db
from portal.models import Import, ImportState
from portal.services import imports
from portal.tables.problems import BrokenTable
from portal.tenancy import TenantScope, across_tenants, acting_for, tenant_transaction

log = structlog.get_logger(__name__)

MOST_ATTEMPTS = 3
GAVE_UP = "gave_up"
Stage = Callable[[TenantScope, UUID, Watch], None]
STAGES: Mapping[ImportState, Stage] = MappingProxyType(
    {
        ImportState.READING: read,
        ImportState.CHECKING: check,
        ImportState.IMPORTING: merge,
        ImportState.UNDOING: undo,
    }
)
# A list that waited for its person until its content is to be forgotten is not imported any more.
WAITING_FOR_A_PERSON = (ImportState.MAPPING, ImportState.CHECKED)


@dataclass(frozen=True)
class _Claimed:
    """An import that this process, and no other, is at; `attempt`: the how-manieth time it is begun."""

    scope: TenantScope
    import_id: UUID
    state: ImportState
    owner_id: UUID
    attempt: int


def work(owner_id: UUID, is_stopping: Callable[[], bool]) -> bool:
    """Carry out the next stage of one import that waits; False when none does."""
    claimed = _claim(owner_id)
    if claimed is None:
        return _forget_expired()
    if claimed.attempt > MOST_ATTEMPTS:
        _give_up(claimed)
    else:
        _carry_out(claimed, is_stopping)
    log.info("import stage ended", import_id=str(claimed.import_id), stage=claimed.state, attempt=claimed.attempt)
    return True


def _claim(owner_id: UUID) -> _Claimed | None:
    """The smallest import that waits; what an error of this process left unfinished counts as waiting."""
    is_free = or_(Import.relay_id.is_(None), Import.relay_id == owner_id)
    waiting = select(Import).where(Import.state.in_(tuple(STAGES)), is_free).order_by(Import.size, Import.id)
    with across_tenants("imports of every tenant are carried out"), atomic():
        listed = db.session.scalar(waiting.limit(1).with_for_update(skip_locked=True, key_share=True))
        if listed is None:
            return None
        listed.relay_id, listed.attempts = owner_id, listed.attempts + 1
        return _Claimed(TenantScope(listed.tenant_id), listed.id, listed.state, owner_id, listed.attempts)


def _carry_out(claimed: _Claimed, is_stopping: Callable[[], bool]) -> None:
    scope, import_id = claimed.scope, claimed.import_id
    watch = Watch(scope, import_id, claimed.owner_id, is_stopping)
    try:
        with acting_for(scope):
            STAGES[claimed.state](scope, import_id, watch)
    except BrokenTable as e:
        _end(claimed, ImportState.REFUSED, problem=e.problem, details=e.details)
    except Cancelled:
        _end(claimed, ImportState.CANCELLED)
    except Interrupted:
        _release(claimed)
    except OperationalError as e:
        if not isinstance(e.orig, DeadlockDetected):
            raise
        # Somebody else, say the inbox, was adding the same people in another order, and went on with it.
        _release(claimed)


def _give_up(claimed: _Claimed) -> None:
    """What ended with its worker, or with an error, each time; an import that cannot be undone stays done."""
    if claimed.state == ImportState.UNDOING:
        _release(claimed, state=ImportState.DONE, problem=GAVE_UP)
    else:
        _end(claimed, ImportState.FAILED, problem=GAVE_UP)


def _end(
    claimed: _Claimed, state: ImportState, *, problem: str | None = None, details: dict[str, Any] | None = None
) -> None:
    mine = claimed.scope.select(Import).where(Import.id == claimed.import_id, Import.relay_id == claimed.owner_id)
    with tenant_transaction(claimed.scope) as scope:
        listed = db.session.scalar(mine.with_for_update(key_share=True).execution_options(populate_existing=True))
        if listed is not None:
            listed.problem, listed.problem_details = problem, details
            imports.end(scope, listed, state)


def _release(claimed: _Claimed, **values: object) -> None:
    """Let go of it as it was before; this was no attempt that failed."""
    mine = claimed.scope.update(Import).where(Import.id == claimed.import_id, Import.relay_id == claimed.owner_id)
    free = {"relay_id": None, "attempts": claimed.attempt - 1, "done": 0, **values}
    with tenant_transaction(claimed.scope):
        db.session.execute(mine.values(free).execution_options(synchronize_session=False))


def _forget_expired() -> bool:
    """Drop the content of one list that was kept long enough; False when there is none."""
    expired = select(Import.tenant_id, Import.id).where(
        Import.content_until <= func.now(), Import.state.not_in(tuple(STAGES))
    )
    with across_tenants("lists of every tenant are forgotten"):
        found = db.session.execute(expired.limit(1)).first()
    if found is None:
        return False
    with tenant_transaction(TenantScope(found.tenant_id)) as scope:
        this = scope.select(Import).where(Import.id == found.id).with_for_update(key_share=True)
        listed = db.session.scalars(this).one()
        if listed.state in WAITING_FOR_A_PERSON:
            imports.end(scope, listed, ImportState.CANCELLED)
        elif listed.state not in STAGES:
            imports.drop_content(scope, listed)
    return True
