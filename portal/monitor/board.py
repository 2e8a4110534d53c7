"""What a release has to show: seven items that turn green by evidence, and the verdicts of its checkpoints."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from portal.models import Checkpoint, Evidence, EvidenceItem, Release
from portal.queries.metrics import look_age_s
from portal.queries.releases import checkpoints_of, evidence_for

# A worker looks at the running portal once a minute.
UNWATCHED_AFTER_S = 300.0
# What to do for each, in the words of commands.
TO_GET: Mapping[EvidenceItem, str] = {
    EvidenceItem.GATE: "run: flask --app wsgi release-gate",
    EvidenceItem.MIGRATION: "run: flask --app wsgi db upgrade, then: flask --app wsgi release-gate",
    EvidenceItem.RESTORE: "run: flask --app wsgi golive rehearse-restore --into URL",
    EvidenceItem.WORKER: "restart the worker: python -m portal.worker",
    EvidenceItem.WEBHOOK: "let anybody write to a connected unit",
    EvidenceItem.SMOKE: "run: flask --app wsgi smoke --url URL --email EMAIL --phone NUMBER",
    EvidenceItem.ALERT: "run: flask --app wsgi golive alert-test, then acknowledge it at /operator/alerts",
}


@dataclass(frozen=True)
class BoardItem:
    """One thing to show; `is_ok` None means that it was not shown yet. `record` is what a program said about it."""

    item: EvidenceItem
    is_ok: bool | None
    detail: str
    at: datetime | None
    record: dict[str, Any] | None = None


@dataclass(frozen=True)
class Board:
    """A release, its items in the order of EvidenceItem, its checkpoints in the order in which they are due."""

    release: Release
    items: tuple[BoardItem, ...]
    checkpoints: tuple[Checkpoint, ...]
    # Since a worker looked at the running portal last, whether a checkpoint was due or not.
    look_age_s: float

    @property
    def is_unwatched(self) -> bool:
        """No worker looks, so no alert is raised."""
        return self.look_age_s > UNWATCHED_AFTER_S

    @property
    def last_looked(self) -> Checkpoint | None:
        """The checkpoint whose verdict is the release's."""
        looked = [checkpoint for checkpoint in self.checkpoints if checkpoint.verdict is not None]
        return looked[-1] if looked else None

    @property
    def next_checkpoint(self) -> Checkpoint | None:
        """The one that is due next, or overdue."""
        return next((checkpoint for checkpoint in self.checkpoints if checkpoint.checked_at is None), None)


def make_board(release: Release) -> Board:
    """The release with the newest evidence of each item."""
    shown = evidence_for(release)
    items = tuple(_item(item, shown.get(item)) for item in EvidenceItem)
    return Board(release, items, tuple(checkpoints_of(release.id)), look_age_s())


def _item(item: EvidenceItem, evidence: Evidence | None) -> BoardItem:
    if evidence is None:
        return BoardItem(item, None, "", None)
    return BoardItem(item, evidence.is_ok, evidence.detail, evidence.created_at, evidence.record)
