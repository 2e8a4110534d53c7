"""Releases that went live, the looks at them, and what was shown for each."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.dialects.postgresql import distinct_on

from portal.clock import now
from portal.db import db
from portal.errors import NotFound
from portal.models import Checkpoint, Evidence, EvidenceItem, Release
from portal.tenancy import across_tenants

WHY = "a release serves every tenant"
# A look that was due longer ago than this came late: no worker ran.
LATE_AFTER = timedelta(minutes=1)
HOUR, WEEK = timedelta(hours=1), timedelta(days=7)
# What was shown so long before a release counts for it too: its own release process runs the gate before it registers
# it, and neither a backup nor an alert depends on one version.
COUNTS_BEFORE: Mapping[EvidenceItem, timedelta] = {
    EvidenceItem.GATE: HOUR,
    EvidenceItem.MIGRATION: HOUR,
    EvidenceItem.RESTORE: WEEK,
    EvidenceItem.ALERT: WEEK,
}
# Shown by the release process, so for the release that it registers, and for no one before.
OF_THE_RELEASE_PROCESS = "release"


class CheckpointState(StrEnum):
    """Whether a checkpoint was looked at, and in time."""

    WAITING = "waiting"
    OVERDUE = "overdue"
    DONE = "done"
    DONE_LATE = "done_late"
    # A newer release came before it was due.
    ENDED = "ended"


def state_of(checkpoint: Checkpoint) -> CheckpointState:
    if checkpoint.checked_at is None:
        is_overdue = checkpoint.due_at + LATE_AFTER < now()
        return CheckpointState.OVERDUE if is_overdue else CheckpointState.WAITING
    if checkpoint.verdict is None:
        return CheckpointState.ENDED
    is_late = checkpoint.checked_at > checkpoint.due_at + LATE_AFTER
    return CheckpointState.DONE_LATE if is_late else CheckpointState.DONE


def current() -> Release | None:
    """The release that was registered last."""
    releases = list_releases(1)
    return releases[0] if releases else None


def get(release_id: UUID) -> Release:
    """Raises NotFound."""
    with across_tenants(WHY):
        release = db.session.scalar(select(Release).where(Release.id == release_id))
    if release is None:
        raise NotFound("no such release")
    return release


def list_releases(limit: int) -> list[Release]:
    """The newest first."""
    with across_tenants(WHY):
        return list(db.session.scalars(_newest_first().limit(limit)))


def checkpoints_of(release_id: UUID) -> list[Checkpoint]:
    """In the order in which they are due."""
    theirs = select(Checkpoint).where(Checkpoint.release_id == release_id).order_by(Checkpoint.number)
    with across_tenants(WHY):
        return list(db.session.scalars(theirs.execution_options(populate_existing=True)))


def evidence_for(release: Release) -> dict[EvidenceItem, Evidence]:
    """The newest of each item that was shown for this release; what was not shown yet is left out."""
    with across_tenants(WHY):
        ends_at = _ends_at(release)
        shown = or_(*(_is_for(release, item, since) for item, since in counts_since(release).items()))
        newest = select(Evidence).ext(distinct_on(Evidence.item)).where(shown)
        if ends_at is not None:
            newest = newest.where(Evidence.created_at < ends_at)
        found = db.session.scalars(newest.order_by(Evidence.item, Evidence.created_at.desc(), Evidence.id.desc()))
        return {EvidenceItem(evidence.item): evidence for evidence in found}


def counts_since(release: Release) -> dict[EvidenceItem, datetime]:
    """From when on evidence of each item counts for this release."""
    before = _newest_first().where(Release.registered_at < release.registered_at).limit(1)
    with across_tenants(WHY):
        previous = db.session.scalar(before)
    since = {item: release.registered_at - COUNTS_BEFORE.get(item, timedelta(0)) for item in EvidenceItem}
    if previous is not None:
        for item in (EvidenceItem.GATE, EvidenceItem.MIGRATION):
            since[item] = max(since[item], previous.registered_at)
    return since


def _is_for(release: Release, item: EvidenceItem, since: datetime) -> ColumnElement[bool]:
    stage = Evidence.record["stage"].as_string()
    is_own = or_(Evidence.created_at < release.registered_at, stage.is_distinct_from(OF_THE_RELEASE_PROCESS))
    return (Evidence.item == item) & (Evidence.created_at >= since) & is_own


def _ends_at(release: Release) -> datetime | None:
    """When the release after it was registered."""
    after = select(Release.registered_at).where(Release.registered_at > release.registered_at)
    return db.session.scalar(after.order_by(Release.registered_at).limit(1))


def _newest_first() -> Select[Any]:
    newest = select(Release).order_by(Release.registered_at.desc(), Release.id.desc())
    return newest.execution_options(populate_existing=True)
