"""`golive begin`, `golive watch` and `golive alert-test`, as an operator types them."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from portal.cli import releases as commands
from portal.models import EvidenceItem
from portal.monitor import watch
from portal.monitor.metrics import METRICS
from portal.queries.alerts import open_alerts
from portal.queries.releases import list_releases
from portal.services.releases import record_evidence, register
from tests.monitor.watching import MANY, count, pass_time, start_workers, use_settings

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def _database(database: None) -> None:
    """Every test here has rows, and workers that live."""
    start_workers()


@pytest.fixture
def run(app: Flask) -> Run:
    return lambda *args: app.test_cli_runner().invoke(args=["golive", *args])


def look_json(result: Result) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(result.stdout.strip().splitlines()[-1])
    return read


def test_begin_registers_the_version_of_the_settings(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    use_settings(monkeypatch, release_version="abc123")

    result = run("begin")

    assert result.exit_code == 0, result.output
    assert result.output == "release abc123 is registered; it is looked at T+10, T+20, T+30, T+60 min\n"
    assert [release.version for release in list_releases(10)] == ["abc123"]


def test_begin_takes_a_version_and_refuses_what_is_none(run: Run) -> None:
    assert run("begin", "--version", "v9").exit_code == 0
    refused = run("begin", "--version", "v" * 81)

    assert (refused.exit_code, len(list_releases(10))) == (1, 1)
    assert refused.output.startswith("Error: version: ")


def test_watch_without_a_release_says_what_to_do(run: Run) -> None:
    result = run("watch", "--once")

    assert result.exit_code == 1
    assert "golive begin" in result.output


def test_one_look_shows_everything(run: Run) -> None:
    register("v1")
    record_evidence(EvidenceItem.GATE, is_ok=True, detail="27/27 checks passed")

    result = run("watch", "--once")

    assert result.exit_code == 0, result.output
    assert "release v1" in result.output
    assert "no verdict yet" in result.output
    assert all(metric in result.output for metric in METRICS)
    assert result.output.count("due at") == 4
    assert "27/27 checks passed" in result.output
    assert "run: flask --app wsgi smoke" in result.output
    assert "\x1b" not in result.output


@pytest.mark.parametrize(
    ("counted", "code"),
    [({}, 0), ({"http_5xx": 6}, 3), ({"http_5xx": MANY}, 1)],
    ids=["GO", "MONITOR", "NO-GO"],
)
def test_one_look_ends_with_its_verdict(run: Run, counted: dict[str, int], code: int) -> None:
    register("v1")
    count(**counted)

    assert run("watch", "--once").exit_code == code


def test_watch_ends_after_the_last_checkpoint_with_the_verdict_of_the_release(run: Run) -> None:
    register("v1")
    count(unknown_instances=MANY)
    pass_time(61)
    watch.work()

    result = run("watch")

    assert result.exit_code == 1
    assert "NO-GO" in result.output
    assert "unknown_instances" in result.output


def test_watch_goes_on_until_then(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    register("v1")
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        pass_time(61)
        watch.work()

    monkeypatch.setattr(commands.time, "sleep", sleep)

    result = run("watch", "--json")

    assert result.exit_code == 0, result.output
    assert len(slept) == 1
    assert [json.loads(line)["release"]["verdict"] for line in result.stdout.splitlines()] == [None, "GO"]


def test_overdue_checkpoint_says_that_no_worker_runs(run: Run) -> None:
    register("v1")
    pass_time(15)

    assert "NO WORKER LOOKS" in run("watch", "--once").output


def test_portal_that_no_worker_looks_at_is_said_so(run: Run) -> None:
    register("v1")
    watch.check_live()
    looked_at = run("watch", "--once").output
    pass_time(7)

    assert "NO WORKER HAS LOOKED" not in looked_at
    assert "NO WORKER HAS LOOKED FOR OVER 5 MINUTES" in run("watch", "--once").output
    assert 360 < look_json(run("watch", "--once", "--json"))["look_age_s"] < 500


def test_record_holds_what_the_lines_show(run: Run) -> None:
    register("v1")
    count(http_5xx=MANY)
    pass_time(10.5)
    watch.work()
    count(http_5xx=MANY)
    watch.check_live()

    read = look_json(run("watch", "--once", "--json"))

    assert (read["release"]["version"], read["release"]["verdict"]) == ("v1", "NO-GO")
    assert [one["state"] for one in read["checkpoints"]] == ["done", "waiting", "waiting", "waiting"]
    assert read["checkpoints"][0]["reasons"][0] == "http_5xx: 200"
    assert [one["metric"] for one in read["look"]["readings"]] == list(METRICS)
    assert {one["item"] for one in read["items"]} == set(EvidenceItem)
    assert read["look"]["verdict"] == "NO-GO"


def test_alert_test_opens_one_and_says_where_to_acknowledge_it(run: Run) -> None:
    result = run("alert-test")

    assert result.exit_code == 0, result.output
    assert [row.alert.metric for row in open_alerts()] == ["test"]
    assert "no channel is set" in result.output
    assert "/operator/alerts" in result.output
    assert run("alert-test").exit_code == 1
