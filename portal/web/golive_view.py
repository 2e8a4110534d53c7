"""What the go-live board shows of a release: its verdict and why, its items, its checkpoints and their readings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from flask_babel import gettext, ngettext
from flask_babel import lazy_gettext as _

from portal.models import Checkpoint, Level, Release
from portal.monitor.board import UNWATCHED_AFTER_S, Board, BoardItem
from portal.monitor.metrics import METRICS
from portal.monitor.thresholds import Metric
from portal.queries.releases import CheckpointState, state_of
from portal.web.golive_words import ITEMS, SHOWN, ItemWords
from portal.web.metric_words import LEVELS, MetricWords, metric_words, verdict_state
from portal.web.moments import moment
from portal.web.words import State, Tone

WITHOUT_VERDICT: Mapping[CheckpointState, State] = {
    CheckpointState.WAITING: State(_("Not due yet"), "", "", Tone.CALM),
    CheckpointState.OVERDUE: State(_("Overdue"), "", "", Tone.WARNING),
    CheckpointState.ENDED: State(_("Not done"), "", "", Tone.CALM),
}


@dataclass(frozen=True)
class Check:
    """One check of the release gate."""

    name: str
    is_ok: bool
    detail: str


@dataclass(frozen=True)
class ItemRow:
    """An item of the board; what to do about it stands there while the release is the newest."""

    key: str
    words: ItemWords
    state: State
    detail: str
    at: datetime | None
    checks: Sequence[Check]
    is_wanted: bool


@dataclass(frozen=True)
class Column:
    """A checkpoint: how long after the release it is, what came of it, and when it is or was looked at."""

    name: str
    state: State
    when: str


@dataclass(frozen=True)
class Cell:
    """What a metric showed at a checkpoint."""

    name: str
    state: State
    value: str
    detail: str


@dataclass(frozen=True)
class MetricRow:
    """A metric with its cell for each checkpoint; None for those that were not looked at."""

    words: MetricWords
    cells: Sequence[Cell | None]


@dataclass(frozen=True)
class BoardView:
    """One release on its board."""

    id: UUID
    version: str
    registered_at: datetime
    is_current: bool
    verdict: State
    reasons: Sequence[Cell]
    next_words: str
    # Empty while a worker looks.
    unwatched_words: str
    items: Sequence[ItemRow]
    columns: Sequence[Column]
    rows: Sequence[MetricRow]

    @property
    def shown(self) -> int:
        return sum(row.state.tone == Tone.GOOD for row in self.items)


def make_view(board: Board, zone: str, *, is_current: bool) -> BoardView:
    release, last = board.release, board.last_looked
    cells = [_cells(checkpoint) for checkpoint in board.checkpoints]
    last_cells = _cells(last) if last else {}
    return BoardView(
        id=release.id,
        version=release.version,
        registered_at=release.registered_at,
        is_current=is_current,
        verdict=verdict_state(last.verdict if last else None),
        reasons=[cell for key, cell in last_cells.items() if key != Metric.OVERALL and cell.state.tone != Tone.GOOD],
        next_words=_next_words(board, zone),
        unwatched_words=_unwatched_words() if is_current and board.is_unwatched else "",
        items=[_item(item, is_current=is_current) for item in board.items],
        columns=[_column(release, checkpoint, zone) for checkpoint in board.checkpoints],
        rows=[MetricRow(metric_words(key), [found.get(key) for found in cells]) for key in METRICS],
    )


def make_cell(metric: str, level: str, value: str, detail: str) -> Cell:
    return Cell(str(metric_words(metric).name), LEVELS[Level(level)], value, detail)


def _cells(checkpoint: Checkpoint) -> dict[str, Cell]:
    """Metric -> what it showed."""
    readings: list[dict[str, Any]] = checkpoint.readings or []
    return {
        reading["metric"]: make_cell(reading["metric"], reading["level"], reading["value"], reading["detail"])
        for reading in readings
    }


def _next_words(board: Board, zone: str) -> str:
    following = board.next_checkpoint
    if following is None:
        if any(state_of(checkpoint) == CheckpointState.ENDED for checkpoint in board.checkpoints):
            return str(gettext("A newer release came before the rest of the checkpoints was done."))
        return str(gettext("All checkpoints are done."))
    at = moment(following.due_at, zone)
    if state_of(following) == CheckpointState.OVERDUE:
        return str(gettext("A checkpoint was due at %(time)s, and no worker has done it.", time=at))
    left = sum(checkpoint.checked_at is None for checkpoint in board.checkpoints)
    return str(ngettext("Last checkpoint: %(time)s.", "Next of %(num)s checkpoints: %(time)s.", left, time=at))


def _unwatched_words() -> str:
    minutes = int(UNWATCHED_AFTER_S // 60)
    return str(
        gettext(
            "No worker has looked at the metrics for over %(minutes)s minutes: no alert is raised. Start the worker.",
            minutes=minutes,
        )
    )


def _item(item: BoardItem, *, is_current: bool) -> ItemRow:
    return ItemRow(
        key=item.item.value,
        words=ITEMS[item.item],
        state=SHOWN[item.is_ok],
        detail=item.detail,
        at=item.at,
        checks=_checks(item.record),
        is_wanted=is_current and not item.is_ok,
    )


def _checks(record: dict[str, Any] | None) -> list[Check]:
    """Those that failed come first."""
    listed: list[dict[str, Any]] = (record or {}).get("checks", [])
    checks = [Check(check["name"], bool(check["ok"]), check["detail"]) for check in listed]
    return sorted(checks, key=lambda check: check.is_ok)


def _column(release: Release, checkpoint: Checkpoint, zone: str) -> Column:
    name = f"T+{round((checkpoint.due_at - release.registered_at).total_seconds() / 60, 1):g} min"
    standing = state_of(checkpoint)
    if standing in (CheckpointState.DONE, CheckpointState.DONE_LATE):
        return Column(name, verdict_state(checkpoint.verdict), _done_words(checkpoint, standing, zone))
    if standing == CheckpointState.ENDED:
        return Column(name, WITHOUT_VERDICT[standing], str(gettext("A newer release came before.")))
    due = gettext("Due at %(time)s", time=moment(checkpoint.due_at, zone))
    return Column(name, WITHOUT_VERDICT[standing], str(due))


def _done_words(checkpoint: Checkpoint, standing: CheckpointState, zone: str) -> str:
    at = moment(checkpoint.checked_at or checkpoint.due_at, zone)
    if standing == CheckpointState.DONE_LATE:
        return str(gettext("Late, at %(time)s: no worker ran before", time=at))
    return str(gettext("Done at %(time)s", time=at))
