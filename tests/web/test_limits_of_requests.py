"""How much a stranger may send: every address that takes anything refuses more than it needs, however it is sent."""

import gzip
import io
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from portal.app import LARGEST_PAGE_REQUEST
from portal.inbox.receive import LARGEST_BODY_OF_A_STRANGER
from portal.web.uploads import LARGEST_FORM
from tests.architecture import walk
from tests.architecture.walk import apart
from tests.companies import Company, make_company
from tests.web.conftest import OpenBrowser

TOO_MUCH = LARGEST_PAGE_REQUEST + 1
FORM = "application/x-www-form-urlencoded"
# Says nothing about the size of what it refuses, so that Evolution does not send it again.
DOORS = {"webhooks.take": 400}
REFUSED = {400, 401, 403, 404, 413, 415}


@pytest.fixture
def acme(database: None) -> Company:
    return apart(make_company("acme"))


@pytest.fixture
def person(acme: Company, browser: OpenBrowser) -> FlaskClient:
    return browser(acme.admin)


@pytest.fixture
def forgery_checked(app: Flask) -> Iterator[None]:
    """As in production: the check against forgery reads the form before anything else does."""
    app.config["WTF_CSRF_ENABLED"] = True
    yield
    app.config["WTF_CSRF_ENABLED"] = False


def takes_a_body(app: Flask) -> list[tuple[Rule, str]]:
    rules = [(rule, method) for rule in app.url_map.iter_rules() for method in ("POST", "PUT", "PATCH", "DELETE")]
    return [(rule, method) for rule, method in rules if method in (rule.methods or ())]


def send(client: FlaskClient, url: str, method: str, size: int, *, is_chunked: bool, content_type: str) -> TestResponse:
    body = b"a=" + b"x" * (size - 2)
    if not is_chunked:
        return client.open(url, method=method, data=body, content_type=content_type)
    # As gunicorn hands on what does not say how long it is.
    return client.open(
        url,
        method=method,
        input_stream=io.BytesIO(body),
        content_type=content_type,
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )


def form(fields: dict[str, str]) -> dict[str, Any]:
    parts = [f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in fields.items()]
    return {"data": "".join([*parts, "--x--\r\n"]), "content_type": "multipart/form-data; boundary=x"}


@pytest.mark.usefixtures("forgery_checked")
@pytest.mark.parametrize("is_chunked", [False, True], ids=["told", "chunked"])
def test_stranger_may_send_no_more_than_a_page_needs(
    app: Flask, visitor: FlaskClient, acme: Company, is_chunked: bool
) -> None:
    answers = {}
    for rule, method in takes_a_body(app):
        is_page = not rule.rule.startswith(("/admin", "/units", "/messages", "/conversations", "/contacts", "/api"))
        url, kind = walk.address(app, rule, acme), FORM if is_page else "application/json"
        size = LARGEST_BODY_OF_A_STRANGER + 1 if rule.endpoint in DOORS else TOO_MUCH
        answers[f"{method} {rule.rule}"] = send(
            visitor, url, method, size, is_chunked=is_chunked, content_type=kind
        ).status_code

    assert {call: status for call, status in answers.items() if status not in REFUSED} == {}
    assert {status for call, status in answers.items() if call.startswith("POST /t/")} == {413}
    assert len(answers) > 40


@pytest.mark.parametrize("is_chunked", [False, True], ids=["told", "chunked"])
def test_a_person_may_send_a_file_and_no_more(person: FlaskClient, acme: Company, is_chunked: bool) -> None:
    url = f"/t/acme/conversations/{acme.conversation.id}/messages"

    answer = send(person, url, "POST", LARGEST_FORM + 1, is_chunked=is_chunked, content_type=FORM)

    assert answer.status_code == 413


def test_fields_of_a_form_are_no_way_around_the_limit_of_files(person: FlaskClient, acme: Company) -> None:
    url = f"/t/acme/conversations/{acme.conversation.id}/messages"

    many, long = form({f"field{n}": "x" for n in range(1_100)}), form({"text": "x" * 600_000})

    assert [person.post(url, **sent).status_code for sent in (many, long)] == [413, 413]


def test_packed_body_is_not_unpacked(visitor: FlaskClient) -> None:
    bomb = gzip.compress(bytes(50 * 1024 * 1024))

    for path in ("/login", "/admin/login", "/webhooks/whatsapp/evolution/guessed"):
        answer = visitor.post(path, data=bomb, content_type="application/json", headers={"Content-Encoding": "gzip"})
        assert answer.status_code in (400, 415, 422), path


def test_body_of_exactly_the_limit_is_taken(visitor: FlaskClient) -> None:
    for is_chunked in (False, True):
        url, size = "/language", LARGEST_PAGE_REQUEST
        assert send(visitor, url, "POST", size, is_chunked=is_chunked, content_type=FORM).status_code == 303
        assert send(visitor, url, "POST", size + 1, is_chunked=is_chunked, content_type=FORM).status_code == 413


@pytest.mark.parametrize("length", ["abc", "1e9", "99999999999999999999"])
def test_length_that_is_none_is_refused(visitor: FlaskClient, length: str) -> None:
    answer = visitor.post("/login", data=b"a=b", content_type=FORM, environ_overrides={"CONTENT_LENGTH": length})

    assert answer.status_code in (400, 413, 422)
