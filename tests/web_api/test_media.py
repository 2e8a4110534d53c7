"""Files by API: sent beside a text or alone, shown without their content, refused field by field."""

import base64
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from portal.services.media import LARGEST_FILE
from tests import files
from tests.web_api.seed import Company, call, count_messages

PHONE = "(11) 8888-0001"


def media(content: bytes = files.PNG, name: str = "foto.png") -> dict[str, str]:
    return {"fileName": name, "content": base64.b64encode(content).decode()}


def send(client: FlaskClient, acme: Company, *, path: str = "/messages", **body: Any) -> TestResponse:
    return call(client, "POST", path, acme.admin, json={"phone": PHONE, **body})


@pytest.mark.parametrize("path", ["/messages", "/units/centro/whatsapp/send"])
def test_file_is_queued_and_shown_without_its_content(client: FlaskClient, acme: Company, path: str) -> None:
    response = send(client, acme, path=path, message="Your photo", media=media())

    assert response.status_code == 202
    answer = response.json
    shown = call(client, "GET", f"/messages/{answer['messageId']}", acme.admin).json
    listed = call(client, "GET", f"/conversations/{answer['conversationId']}/messages", acme.admin).json["items"]
    assert (shown["kind"], shown["body"]) == ("image", "Your photo")
    assert shown["media"] == {
        "fileName": "foto.png",
        "mimeType": "image/png",
        "size": len(files.PNG),
        "state": "stored",
    }
    assert listed == [shown]


def test_repeated_photo_is_the_first_one(client: FlaskClient, acme: Company) -> None:
    photo = media(files.photo_with_place(), "foto.jpg")

    first, again = (send(client, acme, media=photo, clientMessageId="order-1").json for _ in range(2))

    assert (first["deduplicated"], again["deduplicated"]) == (False, True)
    assert again["messageId"] == first["messageId"]


def test_file_needs_no_text(client: FlaskClient, acme: Company) -> None:
    answer = send(client, acme, media=media(files.PDF, "boleto.pdf")).json

    shown = call(client, "GET", f"/messages/{answer['messageId']}", acme.admin).json
    conversation = call(client, "GET", f"/units/{acme.unit_id}/conversations", acme.admin).json["items"][0]
    assert (shown["kind"], shown["body"], shown["media"]["mimeType"]) == ("document", "", "application/pdf")
    assert (conversation["lastMessageKind"], conversation["lastMessagePreview"]) == ("document", "boleto.pdf")


def test_text_shows_no_file(client: FlaskClient, acme: Company) -> None:
    answer = send(client, acme, message="Hello", media=None).json

    shown = call(client, "GET", f"/messages/{answer['messageId']}", acme.admin).json
    assert (shown["kind"], shown["media"]) == ("text", None)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "message"),
        ({"message": None}, "message"),
        ({"message": "x" * 1025, "media": media()}, "message"),
        ({"message": "Listen", "media": media(files.MP3)}, "message"),
        ({"media": "foto.png"}, "media"),
        ({"media": {"content": media()["content"]}}, "media.fileName"),
        ({"media": {**media(), "fileName": 7}}, "media.fileName"),
        ({"media": {"fileName": "foto.png"}}, "media.content"),
        ({"media": {**media(), "content": None}}, "media.content"),
        ({"media": {**media(), "content": 7}}, "media.content"),
        ({"media": {**media(), "content": "data:image/png;base64,AAAA"}}, "media.content"),
        ({"media": {**media(), "content": "AAAA\nAAAA"}}, "media.content"),
        ({"media": {**media(), "content": "AAA"}}, "media.content"),
        ({"media": {**media(), "content": "café"}}, "media.content"),
        ({"media": media(b"")}, "media"),
        ({"media": media(files.EXE)}, "media"),
        ({"media": media(files.SVG)}, "media"),
        ({"media": media(files.JPEG[:-200])}, "media"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_file_that_cannot_be_sent_names_the_field(
    client: FlaskClient, acme: Company, body: dict[str, object], field: str
) -> None:
    response = send(client, acme, **body)

    assert response.status_code == 422
    assert list(response.json["error"]["details"]) == [field]
    assert count_messages(acme.scope) == 0


def test_largest_file_passes_and_one_byte_more_does_not(client: FlaskClient, acme: Company) -> None:
    largest = files.PDF.ljust(LARGEST_FILE, b"\n")

    taken = send(client, acme, media=media(largest, "a.pdf"))
    refused = send(client, acme, media=media(largest + b"\n", "a.pdf"))
    too_much = send(client, acme, media=media(largest + bytes(2 * 1024 * 1024), "a.pdf"))

    assert taken.status_code == 202
    assert (refused.status_code, list(refused.json["error"]["details"])) == (422, ["media"])
    assert (too_much.status_code, too_much.json["error"]["code"]) == (413, "too_large")


def test_repeat_answers_with_the_first_file(client: FlaskClient, acme: Company) -> None:
    first = send(client, acme, media=media(), clientMessageId="order-1").json
    second = send(client, acme, media=media(files.PDF, "boleto.pdf"), clientMessageId="order-1").json

    assert (second["deduplicated"], second["messageId"]) == (True, first["messageId"])
    assert call(client, "GET", f"/messages/{first['messageId']}", acme.admin).json["kind"] == "image"
