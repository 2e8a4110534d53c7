"""Signing in, renewing, and being slowed down."""

import pytest
from flask.testing import FlaskClient

from tests.web_api.seed import PASSWORD, Company, call

ADMIN = {"email": "admin@acme.test", "password": PASSWORD}


def test_right_password_is_answered_with_two_tokens_and_the_person(client: FlaskClient, acme: Company) -> None:
    response = call(client, "POST", "/admin/login", json={**ADMIN, "email": " Admin@Acme.test "})

    assert response.status_code == 200
    assert set(response.json) == {"accessToken", "refreshToken", "expiresIn", "user"}
    assert response.json["expiresIn"] == 3600
    user = response.json["user"]
    assert (user["email"], user["role"], user["tenant"]) == ("admin@acme.test", "tenant_admin", "acme")
    assert call(client, "GET", "/admin/units", response.json["accessToken"]).status_code == 200


@pytest.mark.parametrize(
    "body",
    [{**ADMIN, "password": "wrong"}, {**ADMIN, "email": "nobody@acme.test"}, {**ADMIN, "email": "\x00"}],
    ids=["password", "address", "nul"],
)
def test_wrong_credentials_answer_401_whatever_is_wrong(
    client: FlaskClient, acme: Company, body: dict[str, str]
) -> None:
    response = call(client, "POST", "/admin/login", json=body)

    assert response.status_code == 401
    assert response.json["error"]["code"] == "wrong_credentials"
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"password": PASSWORD}, "email"),
        ({"email": "admin@acme.test"}, "password"),
        ({**ADMIN, "email": 7}, "email"),
        ({**ADMIN, "email": None}, "email"),
        ({**ADMIN, "password": ["x"]}, "password"),
        ({**ADMIN, "password": "\ud83d"}, "password"),
    ],
    ids=["no-email", "no-password", "number", "null", "list", "half-an-emoji"],
)
def test_incomplete_sign_in_names_the_field(
    client: FlaskClient, acme: Company, body: dict[str, object], field: str
) -> None:
    response = call(client, "POST", "/admin/login", json=body)

    assert response.status_code == 422
    assert list(response.json["error"]["details"]) == [field]


def test_guessing_is_slowed_down_for_that_address_and_person_only(client: FlaskClient, acme: Company) -> None:
    wrong = {**ADMIN, "password": "wrong"}

    statuses = [call(client, "POST", "/admin/login", json=wrong).status_code for _ in range(11)]
    throttled = call(client, "POST", "/admin/login", json=ADMIN)
    somebody_else = call(client, "POST", "/admin/login", json={**ADMIN, "email": "agent@acme.test"})
    elsewhere = call(client, "POST", "/admin/login", json=ADMIN, environ_base={"REMOTE_ADDR": "203.0.113.9"})

    assert statuses == [401] * 10 + [429]
    assert throttled.status_code == 429
    assert throttled.json["error"]["code"] == "too_many_requests"
    assert int(throttled.headers["Retry-After"]) > 0
    assert (somebody_else.status_code, elsewhere.status_code) == (200, 200)


@pytest.mark.parametrize("written", ["admin@acme.test ", " ADMIN@acme.test", "ad\x00min@acme.test"])
def test_guessing_is_slowed_down_however_the_address_is_written(
    client: FlaskClient, acme: Company, written: str
) -> None:
    wrong = {**ADMIN, "password": "wrong"}
    for _ in range(10):
        call(client, "POST", "/admin/login", json=wrong)

    assert call(client, "POST", "/admin/login", json={**wrong, "email": written}).status_code == 429


def test_guessing_from_one_network_of_ipv6_counts_as_one(client: FlaskClient, acme: Company) -> None:
    wrong = {**ADMIN, "password": "wrong"}
    neighbours = [{"REMOTE_ADDR": f"2001:db8::{number}"} for number in range(1, 12)]

    statuses = [call(client, "POST", "/admin/login", json=wrong, environ_base=one).status_code for one in neighbours]
    elsewhere = call(client, "POST", "/admin/login", json=wrong, environ_base={"REMOTE_ADDR": "2001:db8:0:1::1"})

    assert statuses == [401] * 10 + [429]
    assert elsewhere.status_code == 401


def test_signing_in_often_with_the_right_password_is_not_slowed_down(client: FlaskClient, acme: Company) -> None:
    statuses = {call(client, "POST", "/admin/login", json=ADMIN).status_code for _ in range(12)}

    assert statuses == {200}


def test_refresh_token_is_exchanged_for_new_ones(client: FlaskClient, acme: Company) -> None:
    first = call(client, "POST", "/admin/login", json=ADMIN).json

    second = call(client, "POST", "/admin/refresh", json={"refreshToken": first["refreshToken"]})

    assert second.status_code == 200
    assert second.json["accessToken"] != first["accessToken"]
    assert second.json["refreshToken"] != first["refreshToken"]
    assert call(client, "GET", "/admin/units", second.json["accessToken"]).status_code == 200


def test_refresh_token_used_twice_ends_every_token_of_that_sign_in(client: FlaskClient, acme: Company) -> None:
    first = call(client, "POST", "/admin/login", json=ADMIN).json
    body = {"refreshToken": first["refreshToken"]}
    second = call(client, "POST", "/admin/refresh", json=body).json

    again = call(client, "POST", "/admin/refresh", json=body)

    assert again.status_code == 401
    assert again.json["error"]["code"] == "refresh_token_refused"
    assert call(client, "GET", "/admin/units", second["accessToken"]).status_code == 401


def test_one_kind_of_token_does_not_pass_for_the_other(client: FlaskClient, acme: Company) -> None:
    tokens = call(client, "POST", "/admin/login", json=ADMIN).json

    renewed = call(client, "POST", "/admin/refresh", json={"refreshToken": tokens["accessToken"]})
    listed = call(client, "GET", "/admin/units", tokens["refreshToken"])

    assert (renewed.status_code, listed.status_code) == (401, 401)
