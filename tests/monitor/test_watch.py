"""A round of the watch: alerts come from one look a minute, and no step keeps another from its turn."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from flask import Flask
from sqlalchemy import func, insert, select

from portal.db import db
from portal.models import Level, MetricMinute, Verdict
from portal.monitor import alerts, live, watch
from portal.monitor.metrics import Look
from portal.queries.alerts import open_alerts
from portal.queries.metrics import LIVE_LOOKS
from portal.services.releases import register
from tests.monitor.watching import MANY, checkpoint, count, make_look, pass_time, start_workers, use_settings


@pytest.fixture(autouse=True)
def _database(database: None) -> None:
    """Every test here has rows, and workers that live."""
    start_workers()


def open_metrics() -> list[str]:
    return [row.alert.metric for row in open_alerts()]


def test_what_was_counted_in_the_window_is_seen_without_any_release() -> None:
    count(http_5xx=MANY)

    watch.work()

    assert open_metrics() == ["http_5xx"]


def test_what_was_counted_before_the_window_is_forgotten() -> None:
    count(http_5xx=MANY)
    pass_time(12)

    look = live.look_now()

    assert look.verdict == Verdict.GO
    assert timedelta(minutes=10) <= look.at - look.since < timedelta(minutes=11)


def test_window_is_as_long_as_the_first_checkpoint_and_a_minute_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    use_settings(monkeypatch, golive_checkpoint_minutes=(0.2, 0.4))

    assert live.window() == timedelta(minutes=1)


def test_looks_are_a_minute_apart_or_less_where_checkpoints_are_close(monkeypatch: pytest.MonkeyPatch) -> None:
    at = datetime(2026, 5, 1, 12, 0, 50, tzinfo=UTC)
    by_minute = live.slot(at)
    use_settings(monkeypatch, golive_checkpoint_minutes=(0.2, 0.4))

    assert by_minute == at.replace(second=0)
    assert live.slot(at) == at.replace(second=48)


def test_within_a_minute_there_is_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    monkeypatch.setattr(live, "slot", lambda at: datetime(2026, 5, 1, tzinfo=UTC))
    monkeypatch.setattr(alerts, "note", looks.append)

    watch.check_live()
    watch.check_live()

    assert len(looks) == 1


@pytest.mark.commits
def test_workers_share_one_look_a_minute(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Look] = []
    start = Barrier(4)
    monkeypatch.setattr(live, "slot", lambda at: datetime(2026, 5, 1, tzinfo=UTC))
    monkeypatch.setattr(alerts, "note", looks.append)

    def work() -> None:
        with app.app_context():
            start.wait(5)
            watch.check_live()

    with ThreadPoolExecutor(4) as pool:
        for worker in [pool.submit(work) for _worker in range(4)]:
            worker.result()

    assert len(looks) == 1


@pytest.mark.commits
def test_worker_that_froze_in_its_look_keeps_no_other_from_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    slot = datetime(2026, 5, 1, tzinfo=UTC)
    monkeypatch.setattr(watch, "LONGEST_LOCK_WAIT", "100ms")
    monkeypatch.setattr(live, "slot", lambda at: slot)
    monkeypatch.setattr(live, "look_now", lambda: make_look({"retries": Level.CRITICAL}))
    with db.engine.connect() as frozen:
        frozen.execute(insert(MetricMinute).values(minute=slot, name=LIVE_LOOKS, count=1))
        began_at = time.monotonic()
        watch.work()
        took_s = time.monotonic() - began_at
        seen = open_metrics()
        frozen.rollback()

    watch.work()

    assert (seen, open_metrics()) == ([], ["retries"])
    assert took_s < 3


def test_no_statement_of_a_step_takes_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[str] = []
    settings = select(func.current_setting("lock_timeout"), func.current_setting("statement_timeout"))
    steps = [watch.check_release, watch.record_evidence, watch.check_live]
    monkeypatch.setattr(watch, "_locked_release", lambda: found.extend(db.session.execute(settings).one()))
    monkeypatch.setattr(alerts, "note", lambda look: found.extend(db.session.execute(settings).one()))

    for step in steps:
        step()

    assert found == ["2s", "30s"] * 3


def test_look_that_failed_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Look:
        raise ValueError("the database is away")

    with monkeypatch.context() as patch:
        patch.setattr(live, "look_now", fail)
        watch.work()
    monkeypatch.setattr(live, "look_now", lambda: make_look({"retries": Level.CRITICAL}))

    watch.work()

    assert open_metrics() == ["retries"]


def test_step_that_fails_keeps_no_other_from_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    register("v1")
    pass_time(10.1)

    def fail(_: object) -> None:
        raise ValueError("something is broken")

    monkeypatch.setattr(watch.evidence, "record_shown", fail)
    monkeypatch.setattr(live, "look_now", lambda: make_look({"retries": Level.CRITICAL}))

    watch.work()

    assert checkpoint().verdict == Verdict.GO
    assert open_metrics() == ["retries"]
