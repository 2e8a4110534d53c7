"""Whatever goes wrong is said in the same envelope, under a request id by which the log knows it."""

import logging
import re
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from portal.services import operators
from portal.web.api import limits
from tests.web_api.seed import Company, call

JSON = "application/json"
UNKNOWN = ["/admin/x", "/api/x", "/units/x", "/messages/x", "/conversations/x", "/contacts/x", "/webhooks/x"]


def assert_enveloped(response: TestResponse, status: int, code: str) -> None:
    assert (response.status_code, response.content_type) == (status, JSON)
    assert set(response.json) == {"error"}
    error = response.json["error"]
    assert error["code"] == code
    assert isinstance(error["message"], str)
    assert error["message"]
    assert set(error) <= {"code", "message", "details"}
    assert ("details" in error) == (status == 422)
    assert re.fullmatch("[0-9a-f]{32}", response.headers["X-Request-Id"])


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "code"),
    [
        ("POST", "/messages", {"data": b"{", "content_type": JSON}, 400, "bad_request"),
        ("PUT", "/messages", {}, 405, "method_not_allowed"),
        ("POST", "/messages", {"data": b"x=1", "content_type": "text/plain"}, 415, "unsupported_media_type"),
        ("POST", "/admin/login", {"data": b" " * 1_048_577, "content_type": JSON}, 413, "too_large"),
        ("POST", "/messages", {"json": {}}, 422, "invalid"),
        ("GET", "/messages?status=lost", {}, 422, "invalid"),
        *(("GET", path, {}, 404, "not_found") for path in UNKNOWN),
    ],
)
def test_refusal_is_enveloped(
    client: FlaskClient, acme: Company, method: str, path: str, sent: dict[str, Any], status: int, code: str
) -> None:
    assert_enveloped(call(client, method, path, acme.admin, **sent), status, code)


def test_call_without_a_token_is_told_how_to_sign_in(client: FlaskClient) -> None:
    response = call(client, "GET", "/contacts")

    assert_enveloped(response, 401, "unauthorized")
    assert response.headers["WWW-Authenticate"].lower().startswith("bearer")


def test_call_to_an_address_that_takes_another_method_is_told_which(client: FlaskClient) -> None:
    response = call(client, "PUT", "/messages")

    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


def test_call_too_many_is_told_when_to_come_back(
    client: FlaskClient, acme: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PER_TOKEN", "1/minute")
    call(client, "GET", "/contacts", acme.admin)

    response = call(client, "GET", "/contacts", acme.admin)

    assert_enveloped(response, 429, "too_many_requests")
    assert 0 < int(response.headers["Retry-After"]) <= 60


def test_failure_of_ours_tells_nothing_of_what_failed(
    client: FlaskClient, acme: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("of the inside")

    monkeypatch.setattr(operators, "list_units_for", fail)

    response = call(client, "GET", "/admin/units", acme.admin)

    assert_enveloped(response, 500, "internal_error")
    assert "inside" not in response.text


@pytest.mark.parametrize(("path", "status"), [("/contacts", 200), ("/contacts/x", 404), ("/messages?limit=0", 422)])
def test_log_knows_the_request_by_the_id_that_the_answer_carries(
    client: FlaskClient, acme: Company, caplog: pytest.LogCaptureFixture, path: str, status: int
) -> None:
    caplog.set_level(logging.INFO)
    response = call(client, "GET", path, acme.admin)

    lines = [record.msg for record in caplog.records if record.name == "portal.web.headers"]
    told = [(line["request_id"], line["status"]) for line in lines if isinstance(line, dict)]
    assert told == [(response.headers["X-Request-Id"], status)]
