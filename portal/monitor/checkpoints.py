"""The looks at a release at set times after it: what all metrics say, counted since the look before."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import structlog

from portal.clock import now
from portal.models import Checkpoint, Release
from portal.monitor import metrics
from portal.monitor.metrics import Look
from portal.queries.releases import checkpoints_of

log = structlog.get_logger(__name__)


def check_due(release: Release) -> None:
    """Look at the metrics if a checkpoint is due; in the transaction that locked the release.

    Checkpoints that were missed while no worker ran share one look over the whole time: a second one at the same
    moment would count nothing and find everything well.
    """
    checkpoints = checkpoints_of(release.id)
    due = [one for one in checkpoints if one.checked_at is None and one.due_at <= now()]
    if not due:
        return
    look = metrics.look(*_counted_from(release, checkpoints))
    for checkpoint in due:
        checkpoint.checked_at, checkpoint.verdict = look.at, look.verdict
        checkpoint.readings = [asdict(reading) for reading in look.readings]
        checkpoint.totals = look.totals
        _log(release, checkpoint, look)
    release.verdict = look.verdict


def _counted_from(release: Release, checkpoints: list[Checkpoint]) -> tuple[datetime, Mapping[str, Any]]:
    """When the metrics were read last, and what had been counted then."""
    for checkpoint in reversed(checkpoints):
        if checkpoint.checked_at is not None and checkpoint.totals is not None:
            return checkpoint.checked_at, checkpoint.totals
    return release.registered_at, release.totals


def _log(release: Release, checkpoint: Checkpoint, look: Look) -> None:
    log.info(
        "checkpoint",
        release=release.version,
        number=checkpoint.number,
        verdict=look.verdict,
        reasons=list(look.reasons),
        late_s=round((look.at - checkpoint.due_at).total_seconds()),
    )
