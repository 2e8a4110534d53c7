"""What is reported of an error: where it happened. Nothing of whoever was there, of what they wrote, and no secret."""

import json
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import sentry_sdk
import structlog
from flask import Flask
from flask.testing import FlaskClient
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from portal import error_reports, jobs
from portal.logs import MASK
from portal.queries import unit_lists
from portal.web import auth
from tests.factories import make_tenant, make_user, sign_in

NUMBER = "5511987654321"
TEXT = "Maria pays on Friday"
WORD = "a-password-that-nobody-may-read"
COOKIE = "eyJhIjoiYiJ9.a-cookie-of-somebody"
TOKEN = "evp_live_" + "k" * 40
EVERYTHING = (NUMBER, TEXT, WORD, COOKIE, TOKEN, "ana@acme.test", "203.0.113.9")


class Outbox(Transport):
    """Takes what would leave for Sentry."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[dict[str, Any]] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.sent += [item.payload.json for item in envelope.items if item.type == "event"]


@pytest.fixture
def outbox() -> Iterator[Outbox]:
    root, box = logging.getLogger(), Outbox()
    before = list(root.handlers)
    error_reports.start("https://key@sentry.test/1", environment="production", release="1", transport=box)
    yield box
    root.handlers = before
    sentry_sdk.get_global_scope().set_client(None)


def fail(*_: object, **__: object) -> None:
    phone, password, body = NUMBER, WORD, {"text": TEXT}
    raise ValueError(f"{phone} {password} {body} {TOKEN}")


def leaks(outbox: Outbox) -> list[str]:
    return [secret for secret in EVERYTHING if secret in json.dumps(outbox.sent, default=str)]


def places(event: dict[str, Any]) -> list[str]:
    return [frame["function"] for error in event["exception"]["values"] for frame in error["stacktrace"]["frames"]]


@pytest.fixture
def ana(app: Flask, database: None) -> FlaskClient:
    make_tenant("acme")
    client = app.test_client()
    sign_in(client, make_user("ana@acme.test"))
    return client


def test_error_of_a_page_is_reported_without_anything_of_the_request(
    ana: FlaskClient, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit_lists, "list_units", fail)

    answer = ana.get(
        f"/t/acme/?token={TOKEN}&phone={NUMBER}",
        headers={"Authorization": f"Bearer {TOKEN}", "X-Note": TEXT, "Referer": f"https://portal.test/scan/{WORD}"},
        environ_base={"REMOTE_ADDR": "203.0.113.9"},
    )

    (event,) = outbox.sent
    assert answer.status_code == 500
    assert leaks(outbox) == []
    assert event["message"] == "request failed"
    assert event["exception"]["values"][-1]["type"] == "ValueError"
    assert places(event)[-1] == "fail"
    assert event["extra"]["endpoint"] == "tenant.units.index"
    assert event["extra"]["request_id"] == answer.headers["X-Request-Id"]


def test_error_after_a_form_is_reported_without_what_was_typed(
    ana: FlaskClient, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "LoginForm", fail)

    answer = ana.post("/login", data={"email": "ana@acme.test", "password": WORD}, headers={"Cookie": f"c={COOKIE}"})

    assert (answer.status_code, len(outbox.sent)) == (500, 1)
    assert leaks(outbox) == []


def test_error_of_a_job_is_reported_with_its_queue(app: Flask, outbox: Outbox) -> None:
    here: Any = SimpleNamespace(name="outbox", app_context=app.app_context)

    jobs._step(here, fail)

    (event,) = outbox.sent
    assert leaks(outbox) == []
    assert (event["message"], event["extra"]["queue"], event["environment"]) == (
        "relay round failed",
        "outbox",
        "production",
    )


def test_report_has_no_local_variables_requests_people_machines_or_breadcrumbs(outbox: Outbox) -> None:
    log = logging.getLogger("somebody.else")
    log.warning("a breadcrumb with %s", TEXT)
    with sentry_sdk.isolation_scope() as scope:
        scope.set_user({"email": EVERYTHING[5]})
        scope.add_breadcrumb({"message": TEXT})
        try:
            fail()
        except ValueError:
            log.exception("failed for %s", NUMBER)

    (event,) = outbox.sent
    frames = [frame for error in event["exception"]["values"] for frame in error["stacktrace"]["frames"]]
    assert [frame for frame in frames if "vars" in frame] == []
    assert {"request", "user", "breadcrumbs", "server_name", "modules"} & event.keys() == set()
    assert {error["value"] for error in event["exception"]["values"]} == {MASK}
    assert leaks(outbox) == []


def test_what_a_library_says_is_told_without_its_arguments(outbox: Outbox) -> None:
    logging.getLogger("gunicorn.error").error("Error handling request %s", f"/scan/{WORD}")

    assert [event["message"] for event in outbox.sent] == ["Error handling request %s"]


def test_fields_of_a_log_line_are_masked_by_name_and_by_look(outbox: Outbox) -> None:
    structlog.get_logger("portal.test").error("not sent", api_key="k-1234", about=f"to {NUMBER}", unit_id="u1")

    (event,) = outbox.sent
    assert (event["extra"]["about"], event["extra"]["unit_id"]) == ("to ****4321", "u1")
    assert "k-1234" not in json.dumps(outbox.sent)


def test_cause_of_an_error_is_cleaned_as_well(outbox: Outbox) -> None:
    try:
        try:
            fail()
        except ValueError as e:
            raise RuntimeError(TEXT) from e
    except RuntimeError:
        logging.getLogger("portal.test").exception("failed")

    (event,) = outbox.sent
    assert {error["type"] for error in event["exception"]["values"]} == {"ValueError", "RuntimeError"}
    assert leaks(outbox) == []


@pytest.mark.parametrize("level", ["info", "warning"])
def test_what_is_no_error_is_not_reported(outbox: Outbox, level: str) -> None:
    getattr(structlog.get_logger("portal.test"), level)("all is well")

    assert outbox.sent == []


def test_starting_again_reports_each_error_once(outbox: Outbox) -> None:
    error_reports.start("https://key@sentry.test/1", environment="production", release="1", transport=outbox)

    logging.getLogger("portal.test").error("failed")

    assert len(outbox.sent) == 1


def test_nothing_is_reported_without_an_address_to_report_to(app: Flask) -> None:
    assert app.extensions["portal"].config.sentry_dsn == ""
    assert not sentry_sdk.get_client().is_active()
