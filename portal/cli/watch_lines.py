"""What the watch shows at a terminal, and as a record for programs."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import click

from portal.models import Alert, Checkpoint, Level, Verdict
from portal.monitor.board import TO_GET, UNWATCHED_AFTER_S, Board
from portal.monitor.metrics import Look
from portal.monitor.thresholds import Metric
from portal.queries.releases import CheckpointState, state_of

COLOURS: Mapping[str, str] = {
    Level.OK: "green",
    Level.WARNING: "yellow",
    Level.CRITICAL: "red",
    Verdict.GO: "green",
    Verdict.MONITOR: "yellow",
    Verdict.NO_GO: "red",
}
SHOWN: Mapping[bool | None, str] = {True: "ok", False: "FAILED", None: "not yet"}
NAME_WIDTH = 18


@dataclass(frozen=True)
class Seen:
    """The newest release, the running portal, and the alerts that are open, at one moment."""

    board: Board
    look: Look
    alerts: tuple[Alert, ...]

    @property
    def is_over(self) -> bool:
        """Whether every checkpoint was looked at, so that there is a verdict."""
        return self.board.next_checkpoint is None and self.board.last_looked is not None

    @property
    def verdict(self) -> Verdict:
        """Of the release; before its first checkpoint, of the running portal."""
        last = self.board.last_looked
        return Verdict(last.verdict) if last and last.verdict else self.look.verdict


def lines(seen: Seen) -> Iterator[str]:
    """Everything, line by line."""
    release = seen.board.release
    verdict = _coloured(release.verdict) if release.verdict else "no verdict yet"
    yield f"release {release.version}, registered {_time(release.registered_at)}: {verdict}"
    yield ""
    for checkpoint in seen.board.checkpoints:
        yield from _checkpoint(checkpoint, release.registered_at)
    yield ""
    yield from _items(seen.board)
    yield ""
    yield f"now, counted since {_time(seen.look.since)}: {_coloured(seen.look.verdict)}"
    for reading in seen.look.readings:
        yield f"  {reading.metric:<{NAME_WIDTH}} {_coloured(reading.level, 8)}  {reading.value}  ({reading.detail})"
    yield ""
    if seen.board.is_unwatched:
        minutes = int(UNWATCHED_AFTER_S // 60)
        yield f"NO WORKER HAS LOOKED FOR OVER {minutes} MINUTES: no alert is raised. Start one: python -m portal.worker"
    yield f"open alerts: {len(seen.alerts)}"
    for alert in seen.alerts:
        acknowledged = ", acknowledged" if alert.acknowledged_at else ""
        opened = _time(alert.opened_at)
        yield f"  {alert.metric:<{NAME_WIDTH}} {_coloured(alert.level, 8)}  {alert.value}  since {opened}{acknowledged}"


def as_record(seen: Seen) -> dict[str, Any]:
    """The same for programs."""
    board, look = seen.board, seen.look
    return {
        "at": look.at.isoformat(),
        "release": {
            "id": str(board.release.id),
            "version": board.release.version,
            "registered_at": board.release.registered_at.isoformat(),
            "verdict": board.release.verdict,
        },
        "checkpoints": [_checkpoint_record(checkpoint) for checkpoint in board.checkpoints],
        "items": [{"item": one.item, "ok": one.is_ok, "detail": one.detail} for one in board.items],
        "look": {
            "since": look.since.isoformat(),
            "verdict": look.verdict,
            "reasons": list(look.reasons),
            "readings": [asdict(reading) for reading in look.readings],
        },
        "look_age_s": round(board.look_age_s),
        "alerts": [_alert_record(alert) for alert in seen.alerts],
    }


def in_minutes(after: timedelta) -> str:
    return f"{after / timedelta(minutes=1):g}"


def _checkpoint(checkpoint: Checkpoint, registered_at: datetime) -> Iterator[str]:
    name = f"T+{in_minutes(checkpoint.due_at - registered_at)} min"
    yield f"  checkpoint {name:<10} {_how(checkpoint)}"
    for reading in _bad(checkpoint):
        yield f"    {reading['metric']:<{NAME_WIDTH}} {_coloured(reading['level'], 8)}  {reading['value']}"


def _how(checkpoint: Checkpoint) -> str:
    match state_of(checkpoint):
        case CheckpointState.WAITING:
            return f"due at {_time(checkpoint.due_at)}"
        case CheckpointState.OVERDUE:
            return f"was due at {_time(checkpoint.due_at)}: NO WORKER LOOKS. Start one: python -m portal.worker"
        case CheckpointState.ENDED:
            return "not done: a newer release came before"
    late = " (late: no worker ran before)" if state_of(checkpoint) is CheckpointState.DONE_LATE else ""
    return f"{_coloured(checkpoint.verdict or '')} at {_time(checkpoint.checked_at or checkpoint.due_at)}{late}"


def _items(board: Board) -> Iterator[str]:
    for one in board.items:
        said = one.detail if one.is_ok else "; ".join(part for part in (one.detail, TO_GET[one.item]) if part)
        yield f"  {one.item:<{NAME_WIDTH}} {SHOWN[one.is_ok]:<8}  {said}"


def _bad(checkpoint: Checkpoint) -> list[dict[str, Any]]:
    """Why the verdict is what it is."""
    of_metrics = (reading for reading in checkpoint.readings or [] if reading["metric"] != Metric.OVERALL)
    return [reading for reading in of_metrics if reading["level"] != Level.OK]


def _checkpoint_record(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "number": checkpoint.number,
        "due_at": checkpoint.due_at.isoformat(),
        "checked_at": checkpoint.checked_at.isoformat() if checkpoint.checked_at else None,
        "state": state_of(checkpoint),
        "verdict": checkpoint.verdict,
        "reasons": [f"{reading['metric']}: {reading['value']}" for reading in _bad(checkpoint)],
    }


def _alert_record(alert: Alert) -> dict[str, Any]:
    return {
        "id": str(alert.id),
        "metric": alert.metric,
        "level": alert.level,
        "value": alert.value,
        "opened_at": alert.opened_at.isoformat(),
        "is_acknowledged": alert.acknowledged_at is not None,
    }


def _coloured(word: str, width: int = 0) -> str:
    return click.style(f"{word:<{width}}", fg=COLOURS.get(word))


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
