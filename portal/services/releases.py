"""Registering a release that goes live, and noting what was shown for it."""

from datetime import datetime, timedelta
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import delete, func, select, update

from portal.clock import now
from portal.config import LONGEST_VERSION
from portal.db import atomic, db
from portal.errors import Invalid
from portal.extensions import parts
from portal.models import Checkpoint, Evidence, EvidenceItem, Release
from portal.queries import metrics
from portal.queries.releases import checkpoints_of
from portal.tenancy import across_tenants

WHY = "a release serves every tenant"
RETRIED_WITHIN = timedelta(hours=1)


def register(version: str) -> Release:
    """Begin to watch this release: what was counted so far, and when it is looked at. Raises Invalid.

    The same version again within an hour, before its first checkpoint was looked at, is a release process that was
    tried again: it stays one release, and its clock begins anew. Open checkpoints of a release before end.
    """
    version = version.strip()
    if not 1 <= len(version) <= LONGEST_VERSION:
        raise Invalid({"version": _("Give a version of 1 to %(longest)s characters.", longest=LONGEST_VERSION)})
    with across_tenants(WHY), atomic() as session:
        # Two processes that register at once would each see the release before.
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("releases", 0))))
        before = _locked_current()
        at = now()
        release = before if before and _is_tried_again(before, version, at) else _new_release(version, at)
        release.registered_at, release.totals = at, metrics.read_totals()
        session.add_all(
            Checkpoint(release_id=release.id, number=number, due_at=at + timedelta(minutes=minutes))
            for number, minutes in enumerate(parts.config.golive_checkpoint_minutes, start=1)
        )
    return release


def record_evidence(item: EvidenceItem, *, is_ok: bool, detail: str, record: dict[str, Any] | None = None) -> None:
    """Note that this was tried and what came of it. `detail`: one English line without secrets, names and numbers."""
    with across_tenants(WHY), atomic() as session:
        session.add(Evidence(item=item, is_ok=is_ok, detail=detail, record=record))


def _locked_current() -> Release | None:
    """Also who looks at a release locks it first, so neither waits for the other halfway."""
    newest = select(Release).order_by(Release.registered_at.desc(), Release.id.desc()).limit(1).with_for_update()
    return db.session.scalar(newest.execution_options(populate_existing=True))


def _is_tried_again(release: Release, version: str, at: datetime) -> bool:
    """Whether it is this release once more. Its checkpoints are made anew then."""
    if release.version != version or release.registered_at < at - RETRIED_WITHIN:
        return False
    if any(checkpoint.checked_at for checkpoint in checkpoints_of(release.id)):
        return False
    db.session.execute(delete(Checkpoint).where(Checkpoint.release_id == release.id))
    return True


def _new_release(version: str, at: datetime) -> Release:
    """With a time and no verdict a checkpoint counts as ended: it would look at the newer release."""
    unlooked = update(Checkpoint).where(Checkpoint.checked_at.is_(None)).values(checked_at=at)
    db.session.execute(unlooked.execution_options(synchronize_session=False))
    release = Release(version=version, totals={})
    db.session.add(release)
    db.session.flush()
    return release
