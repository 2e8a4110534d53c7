"""The page of the JSON API: all of the description, in words, with examples that can be used as they stand."""

import ast
import json
import re
import shlex
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.web.api_description import Answer, Call, Description, Field, Status
from portal.web.reference import read_reference

OK = {"200": {"description": "OK"}}
CODE = re.compile(r'<code id="([^"]+)">(.*?)</code>', re.S)


@pytest.fixture
def page(client: FlaskClient) -> str:
    response = client.get("/reference", headers={"Accept-Language": "en"})
    assert response.status_code == 200
    return response.text


@pytest.fixture
def described(client: FlaskClient) -> dict[str, Any]:
    document: dict[str, Any] = client.get("/openapi.json").json
    return document


@pytest.fixture
def calls(app: Flask) -> dict[tuple[str, str], Call]:
    return {(call.method, call.path): call for group in read_reference(app).groups for call in group.calls}


def test_page_tells_of_every_call_that_is_described(described: dict[str, Any], calls: dict) -> None:
    in_description = {
        (method.upper(), path)
        for path, item in described["paths"].items()
        for method in item
        if method not in ("parameters", "summary", "description", "servers")
    }

    assert set(calls) == in_description


def test_page_tells_every_status_of_every_call(described: dict[str, Any], calls: dict) -> None:
    for (method, path), call in calls.items():
        told = [status.code for answer in call.answers for status in answer.statuses]
        told += [status.code for status in call.refusals]
        assert sorted(told) == sorted(described["paths"][path][method.lower()]["responses"])


def test_contents_lead_to_every_call(page: str, calls: dict) -> None:
    links = set(re.findall(r'href="#([^"]+)"', page))
    ids = re.findall(r'\bid="([^"]+)"', page)

    assert links >= {call.anchor for call in calls.values()}
    assert links <= set(ids)
    assert len(ids) == len(set(ids))


def test_every_call_that_needs_a_token_says_who_may(app: Flask, calls: dict) -> None:
    access = read_reference(app).access

    assert {key for key, call in calls.items() if not call.is_open} == set(access) & set(calls)
    assert access["POST", "/messages"].scopes == ("send",)
    assert access["POST", "/messages"].roles == ("tenant_admin", "agent")
    assert access["GET", "/admin/units"].is_for_all_scopes
    assert not access["GET", "/api/campaigns"].is_for_all_scopes


def test_every_example_in_curl_is_one_command_for_this_portal(calls: dict) -> None:
    for (method, _), call in calls.items():
        command, *arguments = shlex.split(call.example.curl)
        url = next(argument for argument in arguments if argument.startswith("http"))
        assert command == "curl"
        assert url.startswith("http://portal.test/")
        assert "{" not in url
        assert ("-X" in arguments) == (method != "GET")
        assert ("Authorization: Bearer $TOKEN" in arguments) == (not call.is_open)


def test_every_example_in_python_compiles_and_carries_the_same(calls: dict) -> None:
    for (method, _), call in calls.items():
        request = next(
            node for node in ast.walk(ast.parse(call.example.python)) if "requests." in ast.unparse(node)[:9]
        )
        assert ast.unparse(request).startswith(f"requests.{method.lower()}('{call.example.url}'")
        bodies = [one.value for one in request.keywords if one.arg == "json"]
        assert [ast.literal_eval(body) for body in bodies] == ([] if call.example.body is None else [call.example.body])


def test_examples_stand_on_the_page_ready_to_be_copied(page: str, calls: dict) -> None:
    blocks = {name: unescape(text) for name, text in CODE.findall(page)}

    for call in calls.values():
        assert blocks[f"{call.anchor}-curl"] == call.example.curl
        assert blocks[f"{call.anchor}-python"] == call.example.python
        assert f'data-copy="{call.anchor}-curl"' in page


@pytest.mark.parametrize(("language", "heading"), [("en", "How to begin"), ("pt-BR", "Como começar")])
def test_page_speaks_the_readers_language(client: FlaskClient, language: str, heading: str) -> None:
    response = client.get("/reference", headers={"Accept-Language": language})

    assert heading in response.text


def test_page_is_written_once(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    monkeypatch.setattr("portal.web.reference.read_reference", lambda _: pytest.fail("it was read again"))

    assert client.get("/reference", headers={"Accept-Language": "en"}).text == page


def test_fields_are_told_with_their_place_their_type_and_their_limits() -> None:
    call = read(
        body={
            "type": "object",
            "required": ["phone"],
            "properties": {
                "phone": {"type": "string", "description": "Whom.", "maxLength": 20},
                "kind": {"type": "string", "enum": ["a", "b", None], "nullable": True, "default": "a"},
                "content": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
                "media": {"anyOf": [{"$ref": "#/components/schemas/Media"}, {"type": "object", "nullable": True}]},
                "items": {"type": "array", "items": {"$ref": "#/components/schemas/Media"}},
            },
        }
    )

    assert call.body == (
        field("phone", description="Whom.", is_required=True, limits="At most 20 characters"),
        field("kind", is_nullable=True, choices=("a", "b"), default='"a"'),
        field("content", type="string or array of string"),
        field("media", type="object", is_nullable=True),
        field("media.size", type="integer", limits="From 1 to 9"),
        field("items", type="array of object"),
        field("items[].size", type="integer", limits="From 1 to 9"),
    )


def test_headers_of_every_answer_are_told_once_and_others_with_their_status() -> None:
    always = {"X-Request-Id": {}}
    responses = {
        "200": {"description": "OK", "headers": always},
        "429": {"description": "Too many.", "headers": {**always, "Retry-After": {}}},
    }
    call = read(body={}, responses=responses)

    assert call.headers == ("X-Request-Id",)
    assert call.answers == (Answer((Status("200", "OK", ()), Status("429", "Too many.", ("Retry-After",))), fields=()),)


@pytest.mark.parametrize(
    ("properties", "body"),
    [
        ({"a": {"type": "string", "example": "x"}, "b": {"type": "integer"}}, {"a": "x"}),
        ({"must": {"type": "boolean"}}, {"must": True}),
        ({"must": {"$ref": "#/components/schemas/Media"}}, {"must": {}}),
        ({"must": {"type": "array", "example": ["+55", {"n": None}]}}, {"must": ["+55", {"n": None}]}),
        ({"it's": {"example": 'Ana\'s “ç” "q" $HOME `x` \\n\n'}}, {"it's": 'Ana\'s “ç” "q" $HOME `x` \\n\n'}),
    ],
    ids=["what has an example", "what must be there", "an object in it", "a list in it", "hard to quote"],
)
def test_example_body_is_made_of_what_the_description_gives(properties: dict[str, Any], body: dict[str, Any]) -> None:
    example = read(body={"type": "object", "required": ["must"], "properties": properties}).example

    in_curl = shlex.split(example.curl)
    in_python = re.search(r"json=(.*),\n    timeout", example.python, re.S)
    assert example.body == body
    assert json.loads(in_curl[in_curl.index("-d") + 1]) == body
    assert in_python is not None
    assert ast.literal_eval(in_python[1]) == body


def read(*, body: dict[str, Any], responses: dict[str, Any] = OK) -> Call:
    """The one call of a description, with this body."""
    operation = {
        "tags": ["t"],
        "requestBody": {"content": {"application/json": {"schema": body}}},
        "responses": responses,
    }
    document = {
        "tags": [{"name": "t"}],
        "paths": {"/x": {"post": operation}},
        "components": {
            "schemas": {
                "Media": {"type": "object", "properties": {"size": {"type": "integer", "minimum": 1, "maximum": 9}}}
            }
        },
    }
    (group,) = Description(document, base_url="http://portal.test").groups()
    (call,) = group.calls
    return call


def field(name: str, **changes: Any) -> Field:
    usual = {
        "type": "string",
        "description": "",
        "is_required": False,
        "is_nullable": False,
        "choices": (),
        "limits": "",
        "default": None,
    }
    return Field(name=name, **{**usual, **changes})
