"""The door over HTTP: which answer makes Evolution stop, try again, or lose the event (contract §10.2)."""

import io
import json
from collections.abc import Iterator
from datetime import timedelta

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.exc import OperationalError, TimeoutError
from werkzeug.test import TestResponse

from portal.clock import now
from portal.db import atomic, db
from portal.extensions import parts
from portal.inbox import receive as receive_module
from portal.models import Connection, Unit, WebhookEvent
from portal.secrets import fingerprint, webhook_jwt_purpose
from portal.tenancy import across_tenants
from tests.factories import SECRET, make_connected_unit, make_tenant
from tests.inbox.payloads import as_bytes, message, webhook

NAME = "unit_3f0c8c1e-0000-4000-8000-000000000001"
DOOR = f"/webhooks/whatsapp/evolution/{SECRET}"
JSON = "application/json"
MIB = 1024 * 1024


@pytest.fixture
def unit(database: None) -> Unit:
    return make_connected_unit(make_tenant(), instance_name=NAME)


def body_of(instance: str = NAME, text: str = "Bom dia") -> bytes:
    return as_bytes(webhook("messages.upsert", message(text=text), instance=instance))


def signature(instance: str = NAME) -> str:
    made_at = int(now().timestamp())
    claims = {"iat": made_at, "exp": made_at + 600, "app": "evolution", "action": "webhook"}
    return "Bearer " + jwt.encode(claims, parts.vault.derived(webhook_jwt_purpose(instance))[0], algorithm="HS256")


def post(client: FlaskClient, path: str = DOOR, body: bytes | None = None, *, content_type: str = JSON) -> TestResponse:
    headers = {"Authorization": signature()}
    return client.post(path, data=body_of() if body is None else body, content_type=content_type, headers=headers)


def stored() -> list[WebhookEvent]:
    with across_tenants("a test looks at what was stored"):
        return list(db.session.scalars(select(WebhookEvent)))


@pytest.mark.parametrize(
    "path", [DOOR, f"{DOOR}/", f"{DOOR}/messages-upsert", f"{DOOR}/messages-upsert/", f"{DOOR}//messages-upsert"]
)
def test_a_delivery_is_stored_and_answered_200(client: FlaskClient, unit: Unit, path: str) -> None:
    answer = post(client, path)

    assert (answer.status_code, answer.json) == (200, {"status": "stored"})
    assert [event.unit_id for event in stored()] == [unit.id]


def test_a_delivery_with_a_charset_is_json_too(client: FlaskClient, unit: Unit) -> None:
    assert post(client, content_type="application/json; charset=utf-8").status_code == 200


def test_a_retry_that_comes_by_another_path_is_one_row(client: FlaskClient, unit: Unit) -> None:
    post(client, DOOR)
    post(client, f"{DOOR}/messages-upsert")

    assert len(stored()) == 1


@pytest.mark.parametrize("provider", ["meta", "Evolution", "evolution2"])
def test_an_unknown_provider_is_refused_for_good(client: FlaskClient, unit: Unit, provider: str) -> None:
    answer = post(client, f"/webhooks/whatsapp/{provider}/{SECRET}")

    assert answer.status_code == 400
    assert stored() == []


def test_an_unknown_instance_is_told_so_and_stops(client: FlaskClient, unit: Unit) -> None:
    answer = post(client, body=body_of("unit_of_nobody"))

    assert (answer.status_code, answer.json) == (200, {"warning": "unknown_instance"})


@pytest.mark.parametrize("secret", ["wrong", "%C3%A9", "%FF", "a" * 2_000])
def test_a_wrong_secret_is_401(client: FlaskClient, unit: Unit, secret: str) -> None:
    answer = post(client, f"/webhooks/whatsapp/evolution/{secret}")

    assert answer.status_code == 401
    assert stored() == []


@pytest.mark.parametrize(
    "header", [{}, {"Authorization": "Bearer"}, {"Authorization": "Bearer x"}, {"Authorization": "Basic x"}]
)
def test_a_missing_or_broken_signature_is_401(client: FlaskClient, unit: Unit, header: dict[str, str]) -> None:
    answer = client.post(DOOR, data=body_of(), content_type=JSON, headers=header)

    assert answer.status_code == 401
    assert stored() == []


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_another_content_type_is_400(client: FlaskClient, unit: Unit, content_type: str) -> None:
    assert post(client, content_type=content_type).status_code == 400
    assert stored() == []


@pytest.mark.parametrize(
    "body", [b"", b"x", b"[]", b'{"event": NaN}', b"[" * 100_000, b'{"event": "messages.upsert"}'], ids=range(6)
)
def test_what_will_never_be_valid_is_400(client: FlaskClient, unit: Unit, body: bytes) -> None:
    answer = post(client, body=body)

    assert answer.status_code == 400
    assert answer.json
    assert stored() == []


def test_a_body_of_just_under_16_mib_is_taken(client: FlaskClient, unit: Unit) -> None:
    room = receive_module.LARGEST_BODY - len(body_of(text=""))

    answer = post(client, body=body_of(text="x" * room))

    assert answer.status_code == 200
    assert len(stored()[0].body) > 15 * MIB


def test_a_body_that_says_it_is_too_large_is_400_and_not_413(client: FlaskClient, unit: Unit) -> None:
    assert post(client, body=body_of(text="x" * (17 * MIB))).status_code == 400
    assert stored() == []


def test_a_body_that_does_not_say_how_large_it_is_is_400_and_not_413(client: FlaskClient, unit: Unit) -> None:
    stream = io.BytesIO(body_of(text="x" * (17 * MIB)))

    answer = client.post(
        DOOR,
        input_stream=stream,
        content_type=JSON,
        headers={"Authorization": signature(), "Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )

    assert answer.status_code == 400
    assert stored() == []


def test_a_large_body_of_a_stranger_is_not_even_read(client: FlaskClient, unit: Unit) -> None:
    path, most = "/webhooks/whatsapp/evolution/guessed", receive_module.LARGEST_BODY_OF_A_STRANGER
    large = body_of(text="x" * (most - len(body_of(text="")) + 1))
    stream = io.BytesIO(large)

    told = client.post(path, input_stream=stream, content_type=JSON, content_length=len(large))
    read_of_it = stream.tell()
    chunked = client.post(
        path,
        data=large,
        content_type=JSON,
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    allowed = post(client, path, large.replace(b"xx", b"x", 1))

    assert (told.status_code, read_of_it) == (400, 0)
    assert chunked.status_code == 400
    assert allowed.status_code == 401
    assert stored() == []


def test_a_large_body_under_the_secret_before_is_taken(client: FlaskClient, unit: Unit) -> None:
    old_name, old_path = "unit_before", "/webhooks/whatsapp/evolution/before"
    with across_tenants("a test pairs anew"), atomic():
        connection = db.session.scalars(select(Connection)).one()
        connection.previous_instance_name, connection.previous_webhook_secret_hash = old_name, fingerprint("before")
        connection.previous_accepted_until = now() + timedelta(minutes=1)

    large = body_of(old_name, text="x" * receive_module.LARGEST_BODY_OF_A_STRANGER)
    answer = client.post(old_path, data=large, content_type=JSON, headers={"Authorization": signature(old_name)})

    assert answer.status_code == 200
    assert len(stored()) == 1


def test_a_chunked_body_is_taken(client: FlaskClient, unit: Unit) -> None:
    answer = client.post(
        DOOR,
        input_stream=io.BytesIO(body_of()),
        content_type=JSON,
        headers={"Authorization": signature(), "Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )

    assert answer.status_code == 200
    assert len(stored()) == 1


@pytest.fixture(params=["lost", "full"])
def storage_down(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The database is gone, or has no connection left."""
    errors = {"lost": OperationalError("INSERT", {}, Exception("the server closed")), "full": TimeoutError("no room")}

    def fail(*args: object, **options: object) -> None:
        raise errors[request.param]

    with monkeypatch.context() as patched:
        patched.setattr(db.session(), "execute", fail)
        yield


@pytest.mark.usefixtures("unit", "storage_down")
def test_an_event_that_cannot_be_stored_is_503_so_that_it_comes_again(client: FlaskClient) -> None:
    assert post(client).status_code == 503


@pytest.mark.parametrize("path", [DOOR, f"{DOOR}/", f"{DOOR}/messages-upsert", f"{DOOR}//messages-upsert"])
@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD"])
def test_another_method_is_refused_and_never_led_elsewhere(
    client: FlaskClient, unit: Unit, method: str, path: str
) -> None:
    assert client.open(path, method=method).status_code == 405


def test_nothing_is_led_to_https(app: Flask, client: FlaskClient, unit: Unit) -> None:
    answer = client.post(
        DOOR,
        data=body_of(),
        content_type=JSON,
        headers={"Authorization": signature()},
        base_url="http://elsewhere.test",
    )

    assert answer.status_code == 200


@pytest.mark.parametrize("name", ["Ma\x00ria", "Ma\ud83dria"], ids=ascii)
def test_any_push_name_gets_in(client: FlaskClient, unit: Unit, name: str) -> None:
    payload = webhook("messages.upsert", message(pushName=name), instance=NAME)

    assert post(client, body=json.dumps(payload).encode()).status_code == 200
    assert json.loads(stored()[0].body)["data"]["pushName"] == name


def test_the_door_needs_no_cookie_and_sets_none(client: FlaskClient, unit: Unit) -> None:
    assert "Set-Cookie" not in post(client).headers
