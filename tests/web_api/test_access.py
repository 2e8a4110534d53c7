"""Who may call what: every call, with no token, with another company's ids, and with the wrong role."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.web.api import BLUEPRINTS
from portal.web.uploads import LARGEST_BODY
from tests.web_api.seed import Company, call, make_message

SEND = {"phone": "11988880001", "message": "Hello"}
UNIT_CALLS = [
    ("POST", "/units/{unit}/whatsapp/connect", {"provider": "evolution", "credentials": {}}),
    ("GET", "/units/{unit}/whatsapp/status", None),
    ("GET", "/units/{unit}/whatsapp/qrcode", None),
    ("DELETE", "/units/{unit}/whatsapp/disconnect", None),
    ("POST", "/units/{unit}/whatsapp/send", SEND),
    ("GET", "/units/{unit}/conversations", None),
]
OTHER_CALLS = [
    ("GET", "/messages/{message}", None),
    ("GET", "/conversations/{conversation}/messages", None),
]
OWN_CALLS = [("GET", "/admin/units", None), ("POST", "/messages", SEND)]


def names(value: object) -> str | None:
    return value if isinstance(value, str) else None


@pytest.mark.parametrize(("method", "path", "body"), [*UNIT_CALLS, *OTHER_CALLS, *OWN_CALLS], ids=names)
@pytest.mark.parametrize("header", ["", "Bearer wrong", "Bearer ", "Basic dXNlcjpwYXNz", "nonsense"])
def test_call_without_a_valid_token_answers_401(
    client: FlaskClient, acme: Company, method: str, path: str, body: object, header: str
) -> None:
    message = make_message(acme)
    url = path.format(unit=acme.unit_id, message=message.id, conversation=message.conversation_id)

    response = call(client, method, url, json=body, headers={"Authorization": header})

    assert response.status_code == 401
    assert response.json["error"]["code"] == "unauthorized"
    assert response.headers["WWW-Authenticate"].lower().startswith("bearer")


@pytest.mark.parametrize(("method", "path", "body"), [*UNIT_CALLS, *OTHER_CALLS], ids=names)
@pytest.mark.parametrize("person", ["admin", "agent"])
def test_another_companys_ids_answer_404(
    client: FlaskClient, acme: Company, rival: Company, method: str, path: str, body: object, person: str
) -> None:
    message = make_message(rival)
    url = path.format(unit=rival.unit_id, message=message.id, conversation=message.conversation_id)

    response = call(client, method, url, getattr(acme, person), json=body)

    assert response.status_code == 404
    assert response.json["error"]["code"] == "not_found"


def test_another_companys_unit_in_the_body_answers_404(client: FlaskClient, acme: Company, rival: Company) -> None:
    response = call(client, "POST", "/messages", acme.admin, json={**SEND, "unitId": str(rival.unit_id)})

    assert response.status_code == 404


def test_slug_names_the_callers_own_unit(client: FlaskClient, acme: Company, rival: Company) -> None:
    connection = call(client, "GET", "/units/centro/whatsapp/status", acme.admin).json

    assert connection == call(client, "GET", f"/units/{acme.unit_id}/whatsapp/status", acme.admin).json


@pytest.mark.parametrize("reference", ["nothing-here", "%00", "centro%00x", "0", "🙈", "x" * 500])
def test_unit_that_is_not_there_answers_404(client: FlaskClient, acme: Company, reference: str) -> None:
    response = call(client, "GET", f"/units/{reference}/whatsapp/status", acme.admin)

    assert response.status_code == 404


def test_agent_sees_only_the_units_assigned(client: FlaskClient, acme: Company, other_unit: Callable[[], str]) -> None:
    unit_id = other_unit()

    listed = call(client, "GET", "/admin/units", acme.agent).json
    response = call(client, "GET", f"/units/{unit_id}/whatsapp/status", acme.agent)

    assert [unit["slug"] for unit in listed] == ["centro"]
    assert response.status_code == 404


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "connect"), ("GET", "qrcode"), ("DELETE", "disconnect")], ids=names
)
def test_agent_may_not_change_the_connection(client: FlaskClient, acme: Company, method: str, path: str) -> None:
    response = call(client, method, f"/units/{acme.unit_id}/whatsapp/{path}", acme.agent)

    assert response.status_code == 403
    assert response.json["error"]["code"] == "forbidden"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/messages", SEND),
        ("POST", "/units/{unit}/whatsapp/send", SEND),
        ("GET", "/messages/{message}", None),
        ("GET", "/units/{unit}/conversations", None),
        ("GET", "/conversations/{conversation}/messages", None),
    ],
    ids=names,
)
def test_operator_neither_reads_nor_sends_messages(
    client: FlaskClient, acme: Company, operator: str, method: str, path: str, body: object
) -> None:
    message = make_message(acme)
    url = path.format(unit=acme.unit_id, message=message.id, conversation=message.conversation_id)

    response = call(client, method, url, operator, json=body)

    assert response.status_code == 403


def test_operator_runs_any_unit_by_its_id_but_not_by_its_short_name(
    client: FlaskClient, acme: Company, operator: str
) -> None:
    by_id = call(client, "GET", f"/units/{acme.unit_id}/whatsapp/status", operator)
    by_slug = call(client, "GET", "/units/centro/whatsapp/status", operator)

    assert (by_id.status_code, by_slug.status_code) == (200, 404)
    assert by_id.json["phone"] == "****0001"


def test_operator_lists_the_units_of_every_company_with_masked_numbers(
    client: FlaskClient, acme: Company, rival: Company, operator: str
) -> None:
    response = call(client, "GET", "/admin/units", operator)

    assert isinstance(response.json, list)
    assert {(unit["tenant"], unit["id"]) for unit in response.json} == {
        ("acme", str(acme.unit_id)),
        ("rival", str(rival.unit_id)),
    }
    assert {unit["phone"] for unit in response.json} == {"****0001"}


def test_admin_lists_the_units_of_their_company(client: FlaskClient, acme: Company, rival: Company) -> None:
    response = call(client, "GET", "/admin/units", acme.admin)

    unit = response.json[0]
    assert len(response.json) == 1
    assert {name: unit[name] for name in ("id", "name", "slug", "status", "phone")} == {
        "id": str(acme.unit_id),
        "name": "Centro",
        "slug": "centro",
        "status": "connected",
        "phone": "5511977770001",
    }


def test_every_call_says_who_may_make_it(app: Flask) -> None:
    prefixes = tuple(f"{blueprint.name}." for blueprint in BLUEPRINTS)
    views = {name: view for name, view in app.view_functions.items() if name.startswith((*prefixes, "api-docs."))}

    assert len(views) >= 15
    assert [name for name, view in views.items() if not getattr(view, "access", None)] == []


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"data": b"[1, 2]", "content_type": "application/json"}, 400),
        ({"data": b"null", "content_type": "application/json"}, 400),
        ({"data": b"{", "content_type": "application/json"}, 400),
        ({"data": b"\xff\xfe{", "content_type": "application/json"}, 400),
        ({"data": b"[" * 200_000, "content_type": "application/json"}, 400),
        ({"data": b'{"n": ' + b"9" * 6000 + b"}", "content_type": "application/json"}, 400),
        ({"data": b'{"phone": "11988880001"}', "content_type": "text/plain"}, 415),
        ({"data": {"phone": "11988880001"}}, 415),
        ({}, 422),
    ],
    ids=["list", "null", "broken", "not-utf-8", "deep", "huge-number", "text", "form", "empty"],
)
@pytest.mark.parametrize("path", ["/messages", "/admin/login"])
def test_body_that_is_no_json_object_is_refused_in_the_envelope(
    client: FlaskClient, acme: Company, path: str, sent: dict[str, object], status: int
) -> None:
    response = call(client, "POST", path, acme.admin, **sent)

    assert response.status_code == status
    assert set(response.json["error"]) >= {"code", "message"}


@pytest.mark.parametrize(("path", "largest"), [("/messages", LARGEST_BODY), ("/admin/login", 1024 * 1024)])
def test_body_that_is_larger_than_its_call_takes_is_refused_in_the_envelope(
    client: FlaskClient, acme: Company, path: str, largest: int
) -> None:
    response = call(client, "POST", path, acme.admin, data=b" " * (largest + 1), content_type="application/json")

    assert (response.status_code, response.json["error"]["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/messages/not-a-uuid", 404, "not_found"),
        ("GET", "/api/nothing", 404, "not_found"),
        ("PUT", "/messages", 405, "method_not_allowed"),
        ("POST", "/health", 405, "method_not_allowed"),
    ],
)
def test_unknown_address_or_method_answers_in_the_envelope(
    client: FlaskClient, acme: Company, method: str, path: str, status: int, code: str
) -> None:
    response = call(client, method, path, acme.admin)

    assert (response.status_code, response.json["error"]["code"]) == (status, code)


def test_what_integrators_are_promised_is_not_throttled(client: FlaskClient, acme: Company) -> None:
    statuses = {call(client, "GET", "/admin/units", acme.admin).status_code for _ in range(300)}

    assert statuses == {200}


def test_disabled_person_is_out_at_once(client: FlaskClient, acme: Company, disable: Callable[[str], None]) -> None:
    disable("admin@acme.test")

    assert call(client, "GET", "/admin/units", acme.admin).status_code == 401
