"""Every answer is counted by its class; those to whoever only watches are not."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.extensions import parts
from portal.inbox import receive
from portal.inbox.receive import Reception
from portal.monitor import flusher
from portal.permissions import Role
from portal.queries import operator_home
from tests.factories import make_tenant, make_user, sign_in

Take = Callable[[], dict[str, int]]
DOOR = "/webhooks/whatsapp/evolution/a-secret"


def of_answers(counted: Take) -> dict[str, int]:
    return {name: number for name, number in counted().items() if name.startswith("http_")}


def fail(*args: object, **kwargs: object) -> None:
    raise RuntimeError("nobody foresaw this")


def test_page_is_counted(client: FlaskClient, counted: Take) -> None:
    client.get("/login")

    assert of_answers(counted) == {"http_requests": 1, "http_2xx": 1}


def test_redirect_is_counted(client: FlaskClient, counted: Take) -> None:
    assert client.get("/operator/").status_code == 302

    assert of_answers(counted) == {"http_requests": 1, "http_3xx": 1}


def test_page_that_is_not_there_is_counted(client: FlaskClient, counted: Take) -> None:
    client.get("/nowhere")

    assert of_answers(counted) == {"http_requests": 1, "http_4xx": 1}


def test_error_that_nobody_foresaw_is_counted(
    client: FlaskClient, counted: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_user("op@portal.test", role=Role.SUPER_ADMIN, tenant=None)
    sign_in(client, make_user("op2@portal.test", role=Role.SUPER_ADMIN, tenant=None))
    monkeypatch.setattr(operator_home, "list_companies", fail)
    counted()

    assert client.get("/operator/").status_code == 500

    assert of_answers(counted) == {"http_requests": 1, "http_5xx": 1}


def test_missing_token_is_counted_as_denied(client: FlaskClient, counted: Take) -> None:
    assert client.get("/admin/units").status_code == 401

    assert of_answers(counted) == {"http_requests": 1, "http_4xx": 1, "http_denied": 1}


def test_missing_right_is_counted_as_denied(client: FlaskClient, counted: Take) -> None:
    make_tenant()
    sign_in(client, make_user(role=Role.TENANT_ADMIN))
    counted()

    assert client.get("/operator/").status_code == 403

    assert of_answers(counted) == {"http_requests": 1, "http_4xx": 1, "http_denied": 1}


def test_too_many_attempts_are_counted(client: FlaskClient, counted: Take, redis_server: object) -> None:
    statuses = [client.post("/login", data={"email": "x@y.test", "password": "wrong"}).status_code for _ in range(40)]
    throttled = statuses.count(429)

    found = of_answers(counted)
    assert throttled > 0
    assert (found["http_429"], found["http_denied"]) == (throttled, statuses.count(401))
    assert found["http_requests"] == found["http_4xx"] == 40


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics"])
def test_whoever_watches_is_not_counted(
    client: FlaskClient, counted: Take, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(parts, "config", replace(parts.config, metrics_token="a-token-of-sixteen"))

    client.get(path)

    assert of_answers(counted) == {}


@pytest.mark.parametrize(
    ("reception", "expected"),
    [
        (Reception.STORED, {"http_requests": 1, "http_2xx": 1, "webhooks_stored": 1}),
        (Reception.UNKNOWN_INSTANCE, {"http_requests": 1, "http_2xx": 1, "unknown_instances": 1}),
        (Reception.REFUSED, {"http_requests": 1, "http_4xx": 1, "http_denied": 1, "webhooks_refused": 1}),
    ],
)
def test_webhook_is_counted_by_what_became_of_it(
    client: FlaskClient,
    counted: Take,
    monkeypatch: pytest.MonkeyPatch,
    reception: Reception,
    expected: dict[str, int],
) -> None:
    monkeypatch.setattr(receive, "receive", lambda *_: reception)

    client.post(DOOR, json={"event": "messages.upsert", "instance": "unit_1", "data": {}})

    found = counted()
    assert {name: number for name, number in found.items() if not name.startswith("db_")} == expected


def test_flusher_begins_with_the_first_request(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    monkeypatch.setattr(flusher, "start", started.append)
    monkeypatch.setattr(app, "testing", False)

    app.test_client().get("/health")

    assert started == [app.app_context]


def test_flusher_does_not_begin_in_a_test(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flusher, "start", fail)

    assert client.get("/health").status_code == 200
