"""A new webhook secret in both places, while a customer goes on writing: nothing is lost, and the old one ends."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
import requests
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from portal.extensions import parts
from portal.models import WebhookEvent
from portal.monitor.diagnose import Fix, Incident
from tests.inbox.conftest import signature
from tests.monitor.diagnose.patient import Patient, ago
from tests.outbox.conftest import rows_of
from tests.outbox.desk import until
from tests.outbox.rounds import bodies, repairs

pytestmark = pytest.mark.commits

CUSTOMER = "5511999990002"


@pytest.fixture
def served(app: Flask, patient: Patient, monkeypatch: pytest.MonkeyPatch) -> Iterator[Patient]:
    """A linked unit of a portal that Evolution reaches."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=WSGIRequestHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr(parts, "config", replace(parts.config, base_url=f"http://127.0.0.1:{server.server_port}"))
    yield patient.link()
    server.shutdown()
    thread.join(timeout=10)
    server.server_close()


def address(patient: Patient) -> str:
    """Where Evolution posts to now."""
    webhook = patient.instance.webhook
    assert webhook is not None
    return webhook.url


def write(patient: Patient, text: str) -> None:
    """The customer writes; returns once the portal has taken it in."""
    patient.evolution.act(patient.desk.name, "messages", **{"from": CUSTOMER}, text=text)

    def is_here() -> bool:
        patient.work()
        return text in bodies()

    until(is_here)


def post_again(patient: Patient, url: str) -> int:
    """What Evolution does with an event that it began under that address: the answer's status."""
    newest = next(event for event in reversed(rows_of(WebhookEvent)) if event.event == "messages.upsert")
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {signature(patient.desk.name)}"}
    return requests.post(url, data=newest.body.encode(), headers=headers, timeout=10).status_code


def test_nothing_is_lost_while_the_secret_is_renewed(served: Patient) -> None:
    old = address(served)
    write(served, "antes")

    served.apply(Fix.ROTATE)
    # Evolution does not know yet: it posts under the old one.
    served.evolution.act(served.desk.name, "messages", **{"from": CUSTOMER}, text="durante")
    until(lambda: any("durante" in event.body for event in rows_of(WebhookEvent)))
    assert address(served) == old
    served.work()
    write(served, "depois")

    assert address(served) not in (old, "")
    assert bodies() == ["antes", "durante", "depois"]
    # No hole was found, and nobody had meddled.
    assert repairs() == []
    assert served.trouble(Incident.INBOUND) == set()


def test_old_secret_is_taken_for_half_an_hour_and_no_longer(served: Patient) -> None:
    old = address(served)
    served.apply(Fix.ROTATE)
    served.work()
    write(served, "Oi")

    assert [post_again(served, url) for url in (old, address(served))] == [200, 200]
    served.change(previous_accepted_until=ago(seconds=1))
    assert [post_again(served, url) for url in (old, address(served))] == [401, 200]
    assert bodies() == ["Oi"]
