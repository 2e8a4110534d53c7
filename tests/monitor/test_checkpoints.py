"""Looks at a release: once each, counted since the one before, with a verdict that names its reasons."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from flask import Flask

from portal.models import Level, Verdict
from portal.monitor import metrics, watch
from portal.queries.releases import CheckpointState, checkpoints_of, state_of
from portal.services.releases import register
from tests.monitor.watching import MANY, checkpoint, count, make_look, pass_time, start_workers, the_release


@pytest.fixture(autouse=True)
def _database(database: None) -> None:
    """Every test here has rows, and workers that live."""
    start_workers()


def value_of(metric: str, number: int = 1) -> str:
    return {reading["metric"]: reading["value"] for reading in checkpoint(number).readings or []}[metric]


def bad_at(number: int = 1) -> dict[str, str]:
    """Metric -> level of those that were not OK, but for the verdict itself."""
    readings = checkpoint(number).readings or []
    return {one["metric"]: one["level"] for one in readings if one["level"] != "ok" and one["metric"] != "overall"}


def test_nothing_is_looked_at_before_it_is_due() -> None:
    register("v1")
    pass_time(9.9)

    watch.check_release()

    assert checkpoint().checked_at is None
    assert the_release().verdict is None


def test_without_a_release_there_is_nothing_to_look_at() -> None:
    watch.work()


def test_all_metrics_are_read_at_a_checkpoint() -> None:
    register("v1")
    pass_time(10.1)

    watch.check_release()

    first = checkpoint()
    assert [reading["metric"] for reading in first.readings or []] == list(metrics.METRICS)
    assert (first.verdict, the_release().verdict, state_of(first)) == (Verdict.GO, Verdict.GO, CheckpointState.DONE)
    assert checkpoint(2).checked_at is None


def test_what_was_counted_before_the_release_does_not_count() -> None:
    count(http_5xx=MANY)
    register("v1")
    pass_time(10.1)

    watch.check_release()

    assert value_of("http_5xx") == "0"


def test_each_checkpoint_counts_since_the_one_before() -> None:
    register("v1")
    count(http_5xx=16, http_requests=100)
    pass_time(10.1)
    watch.check_release()
    count(http_5xx=3)
    pass_time(10)

    watch.check_release()

    assert [value_of("http_5xx", number) for number in (1, 2)] == ["16", "3"]
    assert [checkpoint(number).verdict for number in (1, 2)] == [Verdict.NO_GO, Verdict.GO]
    assert the_release().verdict == Verdict.GO


VERDICTS: dict[str, tuple[dict[str, int], Verdict, dict[str, str]]] = {
    "all well": ({"http_5xx": 5, "sends_ok": 10}, Verdict.GO, {}),
    "one warning": ({"http_5xx": 6}, Verdict.MONITOR, {"http_5xx": "warning"}),
    "two warnings": (
        {"http_5xx": 15, "http_429": 20},
        Verdict.MONITOR,
        {"http_5xx": "warning", "http_429": "warning"},
    ),
    "three warnings": (
        {"http_5xx": 6, "http_429": 6, "http_denied": 20},
        Verdict.NO_GO,
        {"http_5xx": "warning", "http_429": "warning", "http_denied": "warning"},
    ),
    "one critical": ({"unknown_instances": 6}, Verdict.NO_GO, {"unknown_instances": "critical"}),
    "a secret in the log": ({"secrets_in_logs": 1}, Verdict.NO_GO, {"secrets_in_logs": "critical"}),
    "sends that fail": (
        {"sends_ok": 4, "sends_failed": 6},
        Verdict.NO_GO,
        {"outbound_success": "critical"},
    ),
}


@pytest.mark.parametrize(("counted", "verdict", "bad"), VERDICTS.values(), ids=VERDICTS)
def test_verdict_follows_from_what_was_counted_and_names_it(
    counted: dict[str, int], verdict: Verdict, bad: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    register("v1")
    count(**counted)
    pass_time(10.1)

    with caplog.at_level("INFO"):
        watch.check_release()

    assert (checkpoint().verdict, bad_at()) == (verdict, bad)
    assert the_release().verdict == verdict
    assert all(metric in caplog.text for metric in bad)


def test_checkpoints_that_were_missed_share_one_look_and_are_late() -> None:
    register("v1")
    count(http_429=7)
    pass_time(32)

    watch.check_release()

    assert [state_of(checkpoint(number)) for number in (1, 2, 3, 4)] == [
        CheckpointState.DONE_LATE,
        CheckpointState.DONE_LATE,
        CheckpointState.DONE_LATE,
        CheckpointState.WAITING,
    ]
    assert [value_of("http_429", number) for number in (1, 2, 3)] == ["7", "7", "7"]
    assert len({checkpoint(number).checked_at for number in (1, 2, 3)}) == 1


def test_checkpoint_is_looked_at_once() -> None:
    register("v1")
    pass_time(10.1)
    watch.check_release()
    at = checkpoint().checked_at
    count(http_5xx=MANY)

    watch.check_release()

    assert (checkpoint().checked_at, checkpoint().verdict) == (at, Verdict.GO)


@pytest.mark.commits
def test_two_workers_look_at_a_checkpoint_once(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    register("v1")
    pass_time(10.1)
    looks, start = [], Barrier(4)

    def look(*_: object) -> metrics.Look:
        looks.append(make_look({"retries": Level.WARNING}))
        return looks[-1]

    monkeypatch.setattr(metrics, "look", look)

    def work() -> None:
        with app.app_context():
            start.wait(5)
            for _round in range(5):
                watch.check_release()

    with ThreadPoolExecutor(4) as pool:
        for worker in [pool.submit(work) for _worker in range(4)]:
            worker.result()

    assert len(looks) == 1
    assert checkpoint().verdict == Verdict.MONITOR


@pytest.mark.commits
def test_release_that_another_worker_looks_at_is_left_alone(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no older release is taken for the newest."""
    old = register("v1")
    pass_time(10.1)
    register("v2")
    pass_time(10.1)

    def look(*_: object) -> metrics.Look:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(_check_beside, app).result(10)
        return make_look()

    monkeypatch.setattr(metrics, "look", look)

    watch.check_release()

    assert checkpoint().verdict == Verdict.GO
    assert {state_of(one) for one in checkpoints_of(old.id)} == {CheckpointState.ENDED}


def _check_beside(app: Flask) -> None:
    with app.app_context():
        watch.check_release()
