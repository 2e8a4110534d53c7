"""One round of the watch over a release and the running portal; each look happens once, however many workers run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from portal.clock import now
from portal.db import atomic, db
from portal.models import MetricMinute, Release
from portal.monitor import alerts, checkpoints, evidence, live
from portal.queries.metrics import LIVE_LOOKS
from portal.tenancy import across_tenants

log = structlog.get_logger(__name__)

WHY = "the watch looks at the whole portal"
ROUND_S = 5.0
# A worker that froze within its transaction holds what it locked: the others go without, and have their next turn.
LONGEST_LOCK_WAIT = "2s"
LONGEST_STATEMENT = "30s"


def work() -> None:
    """Do what is due: checkpoints, evidence, and the look that alerts come from."""
    for step in STEPS:
        try:
            step()
        except Exception:
            # One that fails, say since the database is away, keeps none of the others from being done.
            log.exception("watch step failed", step=step.__name__)


def check_release() -> None:
    """Look at the newest release when a checkpoint is due."""
    with _step():
        release = _locked_release()
        if release is not None:
            checkpoints.check_due(release)


def record_evidence() -> None:
    """Note what the newest release has shown since."""
    with _step():
        release = _locked_release()
        if release is not None:
            evidence.record_shown(release)


def check_live() -> None:
    """Let alerts follow from the metrics of the last minutes, once in each minute."""
    with _step():
        if _claims_look():
            alerts.note(live.look_now())


@contextmanager
def _step() -> Iterator[None]:
    """A transaction of the whole portal that waits for nobody for long."""
    limits = {"lock_timeout": LONGEST_LOCK_WAIT, "statement_timeout": LONGEST_STATEMENT}
    with across_tenants(WHY), atomic():
        db.session.execute(select(*(func.set_config(name, limit, True) for name, limit in limits.items())))
        yield


def _locked_release() -> Release | None:
    """The newest one; None when there is none, or when another worker is at it."""
    newest = select(Release.id).order_by(Release.registered_at.desc(), Release.id.desc()).limit(1)
    # By its id: what is locked must not make an older one the newest.
    release_id = db.session.scalar(newest)
    locked = select(Release).where(Release.id == release_id).with_for_update(skip_locked=True)
    return db.session.scalar(locked.execution_options(populate_existing=True))


def _claims_look() -> bool:
    """Whoever writes the row looks. Another worker waits for it, and goes without unless the look fails."""
    row = insert(MetricMinute).values(minute=live.slot(now()), name=LIVE_LOOKS, count=1)
    claimed = row.on_conflict_do_nothing().returning(MetricMinute.name)
    return db.session.scalar(claimed) is not None


STEPS: tuple[Callable[[], None], ...] = (check_release, record_evidence, check_live)
