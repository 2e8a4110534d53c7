"""Registering a release: what is counted from, when it is looked at, and what evidence counts for it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask

from portal.errors import Invalid, NotFound
from portal.models import EvidenceItem
from portal.monitor import watch
from portal.queries import releases as queries
from portal.queries.releases import CheckpointState, checkpoints_of, evidence_for, list_releases, state_of
from portal.services.releases import record_evidence, register
from tests.monitor.watching import count, pass_time, the_release, use_settings


@pytest.fixture(autouse=True)
def _database(database: None) -> None:
    """Every test here has rows."""


def states(release_id: UUID) -> list[CheckpointState]:
    return [state_of(one) for one in checkpoints_of(release_id)]


def test_release_begins_with_all_that_was_counted_and_four_checkpoints() -> None:
    count(http_5xx=3, sends_ok=40)

    release = register("v1")

    after = [one.due_at - release.registered_at for one in checkpoints_of(release.id)]
    assert after == [timedelta(minutes=minutes) for minutes in (10, 20, 30, 60)]
    assert (release.totals["http_5xx"], release.totals["sends_ok"]) == (3, 40)
    assert (the_release().id, release.verdict) == (release.id, None)


def test_checkpoints_are_as_the_setting_says(monkeypatch: pytest.MonkeyPatch) -> None:
    use_settings(monkeypatch, golive_checkpoint_minutes=(0.2, 1.5))

    release = register("v1")

    assert [(one.due_at - release.registered_at).total_seconds() for one in checkpoints_of(release.id)] == [12, 90]


def test_release_process_that_is_tried_again_stays_one_release_whose_clock_begins_anew() -> None:
    first = register("v1")
    pass_time(5)
    count(http_5xx=2)

    again = register("v1")

    assert [release.id for release in list_releases(10)] == [first.id]
    assert again.totals["http_5xx"] == 2
    assert [one.due_at - again.registered_at for one in checkpoints_of(again.id)][0] == timedelta(minutes=10)
    assert len(checkpoints_of(again.id)) == 4


@pytest.mark.parametrize(
    ("minutes", "look"),
    [(11, watch.check_release), (61, lambda: None)],
    ids=["it was looked at meanwhile", "an hour later"],
)
def test_same_version_is_another_release_once_it_was(minutes: float, look: Callable[[], None]) -> None:
    first = register("v1")
    pass_time(minutes)
    look()

    second = register("v1")

    assert [release.id for release in list_releases(10)] == [second.id, first.id]


def test_open_checkpoints_end_with_the_release_after_it() -> None:
    first = register("v1")
    pass_time(10.5)
    watch.check_release()
    register("v2")
    pass_time(60)

    watch.check_release()

    assert states(first.id) == [CheckpointState.DONE, *[CheckpointState.ENDED] * 3]
    assert {one.verdict for one in checkpoints_of(first.id)[1:]} == {None}
    assert states(the_release().id) == [CheckpointState.DONE_LATE] * 3 + [CheckpointState.DONE]


@pytest.mark.parametrize("version", ["", "  ", "v" * 81], ids=["empty", "blank", "too long"])
def test_version_that_cannot_be_kept_is_refused(version: str) -> None:
    with pytest.raises(Invalid):
        register(version)

    assert list_releases(10) == []


def test_unknown_release_is_not_found() -> None:
    register("v1")

    with pytest.raises(NotFound):
        queries.get(uuid4())


@pytest.mark.commits
def test_two_processes_that_register_at_once_make_one_release(app: Flask) -> None:
    def begin(version: str) -> None:
        with app.app_context():
            register(version)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(begin, ["v1"] * 4))

    assert len(list_releases(10)) == 1
    assert len(checkpoints_of(the_release().id)) == 4


def shown() -> dict[EvidenceItem, tuple[bool, str]]:
    return {item: (one.is_ok, one.detail) for item, one in evidence_for(the_release()).items()}


def test_evidence_of_its_own_release_process_counts_for_a_release() -> None:
    record_evidence(EvidenceItem.GATE, is_ok=True, detail="27/27", record={"stage": "release"})
    pass_time(1)

    register("v1")

    assert shown() == {EvidenceItem.GATE: (True, "27/27")}


def test_evidence_of_the_next_release_process_does_not_count_for_the_release_before() -> None:
    register("v1")
    record_evidence(EvidenceItem.GATE, is_ok=True, detail="by hand", record={"stage": "full"})
    pass_time(1)
    record_evidence(EvidenceItem.GATE, is_ok=False, detail="26/27", record={"stage": "release"})

    assert shown() == {EvidenceItem.GATE: (True, "by hand")}


def test_newest_evidence_counts() -> None:
    register("v1")
    record_evidence(EvidenceItem.GATE, is_ok=True, detail="27/27")
    pass_time(1)
    record_evidence(EvidenceItem.GATE, is_ok=False, detail="26/27")

    assert shown() == {EvidenceItem.GATE: (False, "26/27")}


@pytest.mark.parametrize(
    ("item", "hours", "counts"),
    [
        (EvidenceItem.GATE, 0.9, True),
        (EvidenceItem.GATE, 1.1, False),
        (EvidenceItem.MIGRATION, 0.9, True),
        (EvidenceItem.RESTORE, 24 * 6.9, True),
        (EvidenceItem.RESTORE, 24 * 7.1, False),
        (EvidenceItem.ALERT, 24 * 6.9, True),
        (EvidenceItem.WORKER, 0.01, False),
        (EvidenceItem.SMOKE, 0.01, False),
    ],
)
def test_evidence_from_before_counts_as_long_as_it_says_something(
    item: EvidenceItem, hours: float, counts: bool
) -> None:
    record_evidence(item, is_ok=True, detail="before")
    pass_time(hours * 60)

    register("v1")

    assert (item in shown()) == counts


def test_gate_of_the_release_before_does_not_count_for_the_next() -> None:
    record_evidence(EvidenceItem.GATE, is_ok=True, detail="of v1", record={"stage": "release"})
    pass_time(1)
    first = register("v1")
    pass_time(20)

    register("v2")

    assert shown() == {}
    assert evidence_for(queries.get(first.id))[EvidenceItem.GATE].detail == "of v1"


def test_checkpoint_that_no_worker_looks_at_is_overdue() -> None:
    register("v1")
    assert states(the_release().id)[0] == CheckpointState.WAITING

    pass_time(11.5)

    assert states(the_release().id)[:2] == [CheckpointState.OVERDUE, CheckpointState.WAITING]
    assert checkpoints_of(the_release().id)[0].checked_at is None
