"""`flask diagnose`: what it says, what it does with `--fix`, and its status."""

import json
import threading
from collections.abc import Callable, Iterator

import pytest
from click.testing import Result
from flask import Flask

from portal.cli import diagnose as command
from portal.monitor.diagnose import CAUSES_OF, Incident
from tests.factories import make_parked_event, make_tenant, make_unit
from tests.monitor.diagnose.patient import Patient

pytestmark = pytest.mark.commits

Run = Callable[..., Result]


@pytest.fixture
def run(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(command, "LOOK_S", 0.1)
    return lambda *args: app.test_cli_runner().invoke(args=["diagnose", *args])


@pytest.fixture
def worker(app: Flask, linked: Patient) -> Iterator[None]:
    """One that works meanwhile."""
    stopping = threading.Event()

    def work() -> None:
        while not stopping.wait(0.05):
            with app.app_context():
                linked.work()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield
    stopping.set()
    thread.join(timeout=10)


def test_unit_that_works_is_said_to(run: Run, linked: Patient) -> None:
    result = run("acme/centro")

    assert result.exit_code == 0, result.output
    assert result.output.endswith("Nothing is wrong.\n")
    assert result.output.count("FOUND") == 0
    assert "ok: no campaign is under way" in result.output


def test_cause_is_said_with_its_fix_and_ends_with_status_1(run: Run, linked: Patient) -> None:
    linked.instance.webhook = None

    result = run("centro")

    assert result.exit_code == 1
    assert "  FOUND webhook_wrong: wrong: missing → check\n" in result.output
    assert linked.instance.webhook is None


def test_what_can_be_fixed_is_fixed_and_verified(run: Run, linked: Patient, worker: None) -> None:
    linked.instance.webhook = None
    make_parked_event(linked.scope, linked.unit, event="presence.update")

    result = run("acme/centro", "--fix")

    assert result.exit_code == 0, result.output
    assert linked.instance.webhook is not None
    assert "  fixed webhook_wrong: wrong: missing\n" in result.output
    assert "  fixed events_parked: 1 events\n" in result.output
    assert result.output.endswith("All that was found is put right.\n")


def test_what_a_fix_does_not_help_needs_a_person(run: Run, linked: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "FIXED_WITHIN_S", 0.3)
    linked.evolution.simulator.store.instances.clear()

    result = run("acme/centro", "--fix")

    # No worker is there, so the row is not told either.
    assert result.exit_code == 1
    assert "FOUND instance_missing" in result.output
    assert "found that `--fix` may put right." in result.output


def test_json_has_every_cause_and_what_was_fixed(run: Run, linked: Patient, worker: None) -> None:
    linked.instance.webhook = None

    result = run("acme/centro", "--fix", "--json")

    told = json.loads(result.stdout)
    assert (told["unit"], told["ok"]) == ("acme/centro", True)
    assert {(one["incident"], one["cause"]) for one in told["fixed"]} == {
        ("unconnected", "webhook_wrong"),
        ("inbound", "webhook_wrong"),
    }
    unconnected = [one["cause"] for one in told["findings"] if one["incident"] == "unconnected"]
    assert unconnected == list(CAUSES_OF[Incident.UNCONNECTED])


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("acme/nowhere", "There is no unit acme/nowhere."), ("norte", "Several tenants have a unit norte.")],
)
def test_name_of_no_one_unit_is_refused(run: Run, database: None, name: str, sentence: str) -> None:
    for tenant in ("rival", "third"):
        make_unit(make_tenant(tenant), "norte")

    result = run(name)

    assert result.exit_code == 1
    assert sentence in result.output
