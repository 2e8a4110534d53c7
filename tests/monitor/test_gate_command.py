"""The release gate as a command: what it says, how it ends, and what it leaves behind."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select

from local.services import Services
from portal.app import create_app
from portal.db import db
from portal.extensions import init_parts
from portal.models import Evidence, EvidenceItem
from portal.monitor import flusher, gate
from portal.monitor.gate.checks import Check
from portal.tenancy import across_tenants
from tests.conftest import make_config
from tests.evolution.little_servers import closed_port

ROOT = Path(__file__).resolve().parents[2]
HEAD = next(check for _, check in gate.checks_of(gate.Stage.RELEASE) if check.name == "migration head")
FINE = Check("fine", lambda application: (True, "as it should be"))
BAD = Check("bad", lambda application: (False, "as it should not be"))
LIVE = Check("live", lambda application: (True, "answers"), is_live=True)


@pytest.fixture(autouse=True)
def _nothing_else_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flusher, "start", lambda app_context: None)


@pytest.fixture
def run(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    def run_gate(*checks: Check, options: tuple[str, ...] = ()) -> Result:
        monkeypatch.setattr(gate, "GROUPS", {"schema": (HEAD,), "made up": checks})
        return app.test_cli_runner().invoke(args=["release-gate", *options])

    return run_gate


def evidence() -> dict[EvidenceItem, Evidence]:
    with across_tenants("a test looks"):
        return {row.item: row for row in db.session.scalars(select(Evidence))}


def test_one_line_for_each_check_and_the_number_that_passed(run: Callable[..., Result]) -> None:
    done = run(FINE, BAD, LIVE)

    lines = done.stdout.splitlines()
    assert [line.partition(" (")[0] for line in lines] == [
        "schema",
        f"  ok    migration head: at {head()}",
        "made up",
        "  ok    fine: as it should be",
        "  FAIL  bad: as it should not be",
        "  ok    live: answers",
        "3/4 checks passed",
    ]
    assert done.exit_code == 1


def test_ends_well_only_when_every_check_passes(run: Callable[..., Result]) -> None:
    done = run(FINE)

    assert done.stdout.endswith("2/2 checks passed\n")
    assert done.exit_code == 0


def test_stage_of_a_release_leaves_out_what_is_live(run: Callable[..., Result]) -> None:
    assert "live" not in run(FINE, LIVE, options=("--stage", "release")).stdout


def test_as_json_it_is_one_object(run: Callable[..., Result]) -> None:
    done = run(BAD, options=("--json",))

    told = json.loads(done.stdout)
    assert (told["passed"], told["total"], done.exit_code) == (1, 2, 1)
    bad = told["checks"][1]
    assert bad.pop("took_ms") >= 0
    assert bad == {"name": "bad", "ok": False, "detail": "as it should not be", "group": "made up"}


@pytest.mark.parametrize(("check", "is_ok"), [(FINE, True), (BAD, False)], ids=["passed", "failed"])
def test_what_came_out_is_kept_as_evidence(run: Callable[..., Result], check: Check, is_ok: bool) -> None:
    run(check, options=("--stage", "release"))

    kept = evidence()
    assert (kept[EvidenceItem.GATE].is_ok, kept[EvidenceItem.GATE].detail) == (is_ok, f"{1 + is_ok}/2 checks passed")
    record = kept[EvidenceItem.GATE].record or {}
    assert (record["stage"], [one["name"] for one in record["checks"]]) == ("release", ["migration head", check.name])
    assert (kept[EvidenceItem.MIGRATION].is_ok, kept[EvidenceItem.MIGRATION].detail) == (True, f"at {head()}")


@pytest.fixture
def without_database(app: Flask, services: Services) -> Iterator[Flask]:
    nowhere = f"postgresql://portal@127.0.0.1:{closed_port()}/portal"
    yield create_app(make_config(nowhere, services.redis_url, EVOLUTION_API_URL=f"http://127.0.0.1:{closed_port()}"))
    # The parts are one per process: give the other tests theirs back.
    init_parts(app, make_config(app.config["SQLALCHEMY_DATABASE_URI"], services.redis_url))


def test_without_the_database_the_other_checks_go_on(without_database: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = {group: tuple(check for check in checks if check.limit_s <= 10) for group, checks in gate.GROUPS.items()}
    monkeypatch.setattr(gate, "GROUPS", quick)

    # Inside another app's context the command would look at that one's database.
    with without_database.app_context():
        done = without_database.test_cli_runner().invoke(args=["release-gate", "--stage", "release"])
        db.session.remove()

    assert "FAIL  migration head: the database does not answer as it should (OperationalError)" in done.stdout
    assert "FAIL  evolution: evolution_unreachable" in done.stdout
    for name in ("SECRET_KEY", "redis", "encryption", "webhook door", "queue", "translations", "packages"):
        assert f"  ok    {name}: " in done.stdout
    assert "Not recorded as evidence" in done.stderr
    assert done.exit_code == 1


def test_settings_that_stop_the_start_are_named_and_the_command_fails(services: Services) -> None:
    settings = {"DATABASE_URL": services.database_url, "REDIS_URL": services.redis_url, "SECRET_KEY": "short"}
    line = [sys.executable, "-m", "flask", "--app", "wsgi", "release-gate", "--json"]

    done = subprocess.run(line, env={"PATH": os.environ["PATH"], **settings}, cwd=ROOT, capture_output=True, text=True)

    assert done.returncode != 0
    assert "The portal cannot start:" in done.stderr
    for problem in ("SECRET_KEY is shorter than 32 characters", "BASE_URL is not set", "EVOLUTION_API_KEY is not set"):
        assert f"  - {problem}" in done.stderr
    assert "short\n" not in done.stderr


def head() -> str:
    return str(max(path.name for path in (ROOT / "migrations" / "versions").glob("*.py"))[:4])
