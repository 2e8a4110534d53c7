"""The description names every call that exists, and no other, and says all that a program needs to know of it."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.web.api import BLUEPRINTS
from tests.web_api.seed import call

CALLS = {
    ("get", "/health"),
    ("get", "/ready"),
    ("post", "/admin/login"),
    ("post", "/admin/refresh"),
    ("get", "/admin/units"),
    ("post", "/units/{unit_id}/whatsapp/connect"),
    ("get", "/units/{unit_id}/whatsapp/status"),
    ("get", "/units/{unit_id}/whatsapp/qrcode"),
    ("delete", "/units/{unit_id}/whatsapp/disconnect"),
    ("post", "/units/{unit_id}/whatsapp/send"),
    ("post", "/messages"),
    ("get", "/messages"),
    ("get", "/messages/{message_id}"),
    ("get", "/units/{unit_id}/conversations"),
    ("get", "/conversations/{conversation_id}"),
    ("get", "/conversations/{conversation_id}/messages"),
    ("get", "/contacts"),
    ("get", "/contacts/{contact_id}"),
    ("post", "/api/campaigns"),
    ("get", "/api/campaigns"),
    ("get", "/api/campaigns/{campaign_id}"),
    ("post", "/api/campaigns/{campaign_id}/dispatch"),
    ("post", "/api/campaigns/{campaign_id}/pause"),
    ("post", "/api/campaigns/{campaign_id}/resume"),
    ("post", "/api/campaigns/{campaign_id}/cancel"),
}


def test_description_names_the_calls_that_exist(app: Flask, client: FlaskClient) -> None:
    described = call(client, "GET", "/openapi.json").json

    assert described["openapi"].startswith("3.")
    assert {
        (method, path) for path, item in described["paths"].items() for method in item if method != "parameters"
    } == CALLS
    names = {blueprint.name for blueprint in BLUEPRINTS}
    assert len([rule for rule in app.url_map.iter_rules() if rule.endpoint.split(".")[0] in names]) == len(CALLS)


@pytest.fixture
def described(client: FlaskClient) -> dict[str, Any]:
    description: dict[str, Any] = call(client, "GET", "/openapi.json").json
    return description


def operations(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """`METHOD /path` -> the operation, with the parameters of its path among its own."""
    for path, item in described["paths"].items():
        for method in set(item) - {"parameters"}:
            own = item[method]
            yield (
                f"{method.upper()} {path}",
                {**own, "parameters": [*item.get("parameters", []), *own.get("parameters", [])]},
            )


def follow(described: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """The node, or the one that it refers to."""
    for step in node.get("$ref", "").split("/")[1:]:
        described = described[step]
    return described if "$ref" in node else node


def body_of(described: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    content = operation.get("requestBody", {}).get("content", {})
    return follow(described, content["application/json"]["schema"]) if content else {}


def test_every_call_has_a_name_of_its_own_and_a_sentence_about_it(described: dict[str, Any]) -> None:
    found = dict(operations(described))

    assert len({operation["operationId"] for operation in found.values()}) == len(CALLS)
    assert [name for name, operation in found.items() if not operation["summary"].endswith(".")] == []
    titles = {tag["name"] for tag in described["tags"] if tag["description"]}
    assert [name for name, operation in found.items() if not set(operation["tags"]) <= titles] == []


def test_every_status_is_described_with_its_body_and_its_headers(described: dict[str, Any]) -> None:
    for name, operation in operations(described):
        for status, answer in operation["responses"].items():
            answer = follow(described, answer)
            schema = answer["content"]["application/json"]["schema"]
            is_error = schema == {"$ref": "#/components/schemas/ErrorAnswer"}
            assert is_error == (int(status) >= 400 and (name, status) != ("GET /ready", "503")), (name, status)
            assert "X-Request-Id" in answer["headers"], (name, status)
            assert ("Retry-After" in answer["headers"]) == (status == "429"), (name, status)
            assert ("WWW-Authenticate" in answer["headers"]) == (status == "401"), (name, status)


def test_calls_say_how_they_refuse(described: dict[str, Any]) -> None:
    for name, operation in operations(described):
        statuses = {int(status) for status in operation["responses"]}
        assert {429, 500} <= statuses, name
        if operation.get("security") != []:
            assert {401, 403} <= statuses, name
        if "requestBody" in operation:
            assert {400, 413, 415, 422} <= statuses, name
        if any(parameter["in"] == "path" for parameter in operation["parameters"]):
            assert 404 in statuses, name


def test_parameters_say_what_they_are(described: dict[str, Any]) -> None:
    silent = [
        (name, parameter["name"])
        for name, operation in operations(described)
        for parameter in operation["parameters"]
        if not (parameter.get("description") or parameter["schema"].get("enum")) or "type" not in parameter["schema"]
    ]

    assert silent == []


def test_required_fields_have_an_example(described: dict[str, Any]) -> None:
    bodies = [body for _, operation in operations(described) if (body := body_of(described, operation))]

    required = [body["properties"][name] for body in bodies for name in body.get("required", [])]
    assert (len(bodies), len(required)) == (6, 7)
    assert [field for field in required if "example" not in field] == []


def test_lists_hand_out_the_cursor_that_they_take(described: dict[str, Any]) -> None:
    paged = 0
    for _, operation in operations(described):
        taken = {one["name"]: one["schema"] for one in operation["parameters"]}.get("cursor")
        if taken is not None:
            answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
            page = follow(described, answer)["properties"]
            page = page if "next" in page else follow(described, page["recipients"])["properties"]
            assert (page["next"]["type"], page["next"]["format"]) == (taken["type"], taken["format"])
            assert page["next"]["nullable"]
            paged += 1
    assert paged == 6


def test_answers_promise_every_field_and_bodies_take_others_too(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]

    assert set(schemas["MessageAnswer"]["required"]) == set(schemas["MessageAnswer"]["properties"])
    assert [name for name, schema in schemas.items() if "additionalProperties" in schema] == []


def test_null_may_stand_for_a_file_and_nothing_else_that_is_none(described: dict[str, Any]) -> None:
    media = described["components"]["schemas"]["SendBody"]["properties"]["media"]

    assert media["anyOf"] == [
        {"$ref": "#/components/schemas/MediaBody"},
        {"type": "object", "nullable": True, "enum": [None]},
    ]


def test_description_writes_names_as_the_calls_do(client: FlaskClient) -> None:
    schemas = call(client, "GET", "/openapi.json").json["components"]["schemas"]

    body = schemas["SendFromUnitBody"]
    assert set(body["properties"]) == {"phone", "message", "media", "clientMessageId", "answersTo", "unitId"}
    assert set(body["required"]) == {"phone"}
    assert set(schemas["MediaBody"]["required"]) == {"fileName", "content"}
    assert schemas["MediaBody"]["properties"]["content"]["format"] == "byte"
    assert set(schemas["MediaAnswer"]["properties"]) == {"fileName", "mimeType", "size", "state"}
    assert schemas["ErrorBody"]["required"] == ["code", "message"]


def test_description_says_which_calls_need_a_token(client: FlaskClient) -> None:
    described = call(client, "GET", "/openapi.json").json

    assert described["security"] == [{"bearer": []}]
    assert described["paths"]["/admin/login"]["post"]["security"] == []
    assert "security" not in described["paths"]["/messages"]["post"]
