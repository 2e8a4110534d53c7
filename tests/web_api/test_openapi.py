"""The description names every call that exists, and no other."""

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
    ("get", "/messages/{message_id}"),
    ("get", "/units/{unit_id}/conversations"),
    ("get", "/conversations/{conversation_id}/messages"),
}


def test_description_names_the_calls_that_exist(app: Flask, client: FlaskClient) -> None:
    described = call(client, "GET", "/openapi.json").json

    assert described["openapi"].startswith("3.")
    assert {
        (method, path) for path, item in described["paths"].items() for method in item if method != "parameters"
    } == CALLS
    names = {blueprint.name for blueprint in BLUEPRINTS}
    assert len([rule for rule in app.url_map.iter_rules() if rule.endpoint.split(".")[0] in names]) == len(CALLS)


def test_description_writes_names_as_the_calls_do(client: FlaskClient) -> None:
    schemas = call(client, "GET", "/openapi.json").json["components"]["schemas"]

    body = schemas["SendFromUnitBody"]
    assert set(body["properties"]) == {"phone", "message", "media", "clientMessageId", "unitId"}
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
