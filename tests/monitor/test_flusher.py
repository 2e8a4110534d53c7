"""Counts become rows: of all processes together, and none is lost while the database is away."""

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from portal import counters
from portal.clock import now
from portal.counters import Counted
from portal.db import db
from portal.models import MetricMinute
from portal.monitor import database, flusher
from portal.monitor.flusher import Flusher
from portal.queries import metrics
from portal.tenancy import across_tenants
from tests.running.waiting import until

ROOT = Path(__file__).parent.parent.parent
Take = Callable[[], dict[str, int]]
# A process of its own that counts and flushes once.
OTHER = """
import sys
from portal import counters
from portal.app import create_app
from portal.config import Config
from portal.counters import Counted
from portal.monitor import flusher

app = create_app(Config.load({!r}))
with app.app_context():
    counters.count(Counted.SENDS_OK, int(sys.argv[1]))
    counters.count(Counted.SENDS_FAILED)
    print("ready", flush=True)
    sys.stdin.readline()
    flusher.flush()
"""


def minutes() -> list[MetricMinute]:
    with across_tenants("a test looks at the rows"):
        found = select(MetricMinute).where(MetricMinute.name.not_like("db_ms%")).order_by(MetricMinute.name)
    with across_tenants("a test looks at the rows"):
        return list(db.session.scalars(found))


def totals() -> dict[str, int]:
    """But for times: other tests of this process may have let statements be timed for good."""
    return {name: number for name, number in metrics.read_totals().items() if not name.startswith("db_ms")}


class Away:
    """A database that does not take it, so often."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
        self.left = times
        self._write = flusher._add_to_totals
        monkeypatch.setattr(flusher, "_add_to_totals", self)

    def __call__(self, counts: dict[str, int]) -> object:
        if self.left:
            self.left -= 1
            raise OperationalError("INSERT", {}, Exception("the database is away"))
        return self._write(counts)


def test_counts_are_added_to_their_minute_and_to_the_totals(counted: Take) -> None:
    counters.count(Counted.SENDS_OK, 3)
    flusher.flush()
    counters.count(Counted.SENDS_OK, 4)
    counters.count(Counted.HTTP_5XX)

    flusher.flush()

    assert totals() == {"sends_ok": 7, "http_5xx": 1}
    assert [(row.name, row.count) for row in minutes()] == [("http_5xx", 1), ("sends_ok", 7)]
    assert {row.minute.second for row in minutes()} == {0}
    assert now() - minutes()[0].minute < timedelta(minutes=2)
    assert not {"sends_ok", "http_5xx"} & counted().keys()


def test_nothing_is_written_where_nothing_was_counted(counted: Take) -> None:
    flusher.flush()

    assert totals() == {}


def test_writing_counts_makes_none(counted: Take) -> None:
    database.count_statements()
    counters.count(Counted.SENDS_OK)

    flusher.flush()

    assert counted() == {}


def test_what_the_database_does_not_take_is_written_later(counted: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    Away(monkeypatch, times=1)
    counters.count(Counted.SENDS_OK, 3)
    with pytest.raises(OperationalError):
        flusher.flush()
    counters.count(Counted.SENDS_OK, 4)

    flusher.flush()

    assert totals() == {"sends_ok": 7}
    assert [row.count for row in minutes()] == [7]


@pytest.mark.commits
def test_two_processes_flush_the_same_minute_at_once(app: Flask, counted: Take) -> None:
    env = {"DATABASE_URL": app.config["SQLALCHEMY_DATABASE_URI"], "REDIS_URL": "redis://127.0.0.1:1", "BASE_URL": "x"}
    secrets = {"SECRET_KEY": "a" * 32, "EVOLUTION_API_URL": "http://evolution.test", "EVOLUTION_API_KEY": "b" * 16}
    code = OTHER.format({**env, **secrets, "PORTAL_ENV": "development"})
    others = [
        subprocess.Popen(
            [sys.executable, "-c", code, number], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for number in ("5", "6")
    ]
    assert [other.stdout.readline() for other in others] == ["ready\n"] * 2
    for other in others:
        other.stdin.write("\n")
        other.stdin.flush()
    for other in others:
        other.communicate(timeout=30)

    assert [other.returncode for other in others] == [0, 0]
    assert totals() == {"sends_ok": 11, "sends_failed": 2}
    # The two may lie on either side of a minute's end.
    assert sum(row.count for row in minutes() if row.name == "sends_ok") == 11


@pytest.mark.commits
def test_many_flushes_at_once_wait_for_each_other_and_never_in_a_circle(app: Flask, counted: Take) -> None:
    def work(number: int) -> None:
        with app.app_context():
            # Each meets the names in another order.
            names = [*Counted][number:] + [*Counted][:number]
            for name in names:
                counters.count(name)
            flusher.flush()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(16)))

    assert totals() == dict.fromkeys(map(str, Counted), 16)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, app: Flask, counted: Take) -> Iterator[Flusher]:
    monkeypatch.setattr(flusher, "EVERY_S", 0.02)
    thread = Flusher(app.app_context)
    yield thread
    thread.finish()


@pytest.mark.commits
def test_thread_flushes_and_goes_on_after_the_database_was_away(
    quick: Flusher, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    away = Away(monkeypatch, times=5)
    counters.count(Counted.SENDS_OK, 3)
    quick.start()

    until(lambda: totals() == {"sends_ok": 3}, "flush", within_s=10)

    assert away.left == 0
    # One line when it goes away and one when it is back, however often it was tried.
    said = [json.dumps(record.msg) for record in caplog.records if "portal.monitor.flusher" in record.name]
    assert len([line for line in said if "counts not written yet" in line]) == 1
    assert len([line for line in said if "counts written again" in line]) == 1


@pytest.mark.commits
def test_end_of_a_process_flushes_once_more(app: Flask, counted: Take) -> None:
    thread = Flusher(app.app_context)
    thread.start()
    counters.count(Counted.SENDS_OK, 2)

    thread.finish()

    assert not thread.is_alive()
    assert totals() == {"sends_ok": 2}


def test_process_has_one_flusher_however_many_threads_ask_for_it(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flusher, "_flusher", None)
    monkeypatch.setattr(flusher.atexit, "register", lambda _: None)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(flusher.start, [app.app_context] * 32))

    assert [thread.name for thread in threading.enumerate()].count("flusher") == 1
    flusher._flusher.finish()


def test_process_that_never_started_one_has_nothing_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flusher, "_flusher", None)

    flusher.finish()


def test_totals_of_before_are_those_of_now_without_the_minutes_since(counted: Take) -> None:
    counters.count(Counted.SENDS_OK, 3)
    flusher.flush()

    assert metrics.read_totals_at(now() - timedelta(minutes=5)) == {"sends_ok": 0}
    assert metrics.read_totals_at(now() + timedelta(minutes=1)) == {"sends_ok": 3}


def test_minutes_are_found_by_how_their_names_begin(counted: Take) -> None:
    for name in (Counted.SENDS_OK, Counted.SENDS_FAILED, Counted.HTTP_5XX, Counted.HTTP_429):
        counters.count(name, 2)
    flusher.flush()

    found = metrics.minutes(["sends_", "http_5"], now() - timedelta(minutes=2), until=now())

    assert {name: sum(counts.values()) for name, counts in found.items()} == {
        "sends_ok": 2,
        "sends_failed": 2,
        "http_5xx": 2,
    }
    assert metrics.minutes(["sends_"], now() + timedelta(minutes=1), until=now() + timedelta(hours=1)) == {}
    assert metrics.minutes(["sends_"], now() - timedelta(hours=1), until=now() - timedelta(minutes=2)) == {}
