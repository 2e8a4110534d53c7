"""Guessing passwords and codes gets nowhere, from however many addresses, and keeps its owner out of nothing."""

from dataclasses import replace

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from limits.storage import RedisStorage
from werkzeug.test import TestResponse

from portal.app import _flask_settings
from portal.extensions import limiter, parts
from portal.models import User
from portal.services import own_account, passwords, sessions
from portal.tenancy import TenantScope
from portal.web import throttling
from portal.web.access import group_of
from tests.factories import PASSWORD, make_user
from tests.ways_in import account_of, actions_of, begin_second_factor, code_at, turn_on_second_factor
from tests.web.conftest import Browser

ANA = "ana@acme.test"
ANOTHER = "five purple elephants"
HOME, CAFE = "198.51.100.7", "203.0.113.99"


@pytest.fixture(autouse=True)
def ana(acme: TenantScope) -> User:
    return make_user(ANA)


def cookie_of(client: FlaskClient) -> str:
    kept = client.get_cookie("known")
    assert kept is not None
    return kept.value


def attempt(client: FlaskClient, password: str, *, address: str, email: str = ANA) -> TestResponse:
    form = {"email": email, "password": password}
    return client.post("/login", data=form, environ_base={"REMOTE_ADDR": address})


def storm(app: Flask, *, email: str = ANA, addresses: int = 31) -> list[int]:
    """One wrong password from each of so many addresses, each in a browser that nobody knows."""
    clients = (Browser(app, app.response_class) for _ in range(addresses))
    return [
        attempt(client, "guess", address=f"10.0.{number // 250}.{number % 250}", email=email).status_code
        for number, client in enumerate(clients)
    ]


def fresh(app: Flask) -> FlaskClient:
    client = Browser(app, app.response_class)
    client.environ_base["HTTP_ACCEPT_LANGUAGE"] = "en"
    return client


def test_guessing_from_three_hundred_addresses_is_throttled(app: Flask, visitor: FlaskClient) -> None:
    statuses = storm(app, addresses=300)
    right = attempt(visitor, PASSWORD, address=CAFE)

    assert statuses == [401] * 30 + [429] * 270
    assert right.status_code == 429
    assert "a browser that you signed in with before" in right.text
    assert int(right.headers["Retry-After"]) == 900


def test_owner_still_gets_in_with_a_browser_of_theirs(app: Flask, visitor: FlaskClient) -> None:
    attempt(visitor, PASSWORD, address=HOME)
    visitor.post("/logout")
    storm(app)

    assert attempt(visitor, PASSWORD, address=CAFE).status_code == 303


def test_owner_still_gets_in_from_where_they_signed_in_lately(app: Flask, ana: User, visitor: FlaskClient) -> None:
    sessions.start(account_of(ana), address=HOME, user_agent="a browser that is lost")
    storm(app)

    assert attempt(visitor, PASSWORD, address=HOME).status_code == 303


def test_neighbour_in_the_same_network_of_ipv6_addresses_is_known_too(
    app: Flask, ana: User, visitor: FlaskClient
) -> None:
    sessions.start(account_of(ana), address="2001:db8::1", user_agent="a browser that is lost")
    storm(app)

    assert attempt(visitor, PASSWORD, address="2001:db8::2").status_code == 303


def test_colleagues_are_not_throttled(app: Flask, visitor: FlaskClient) -> None:
    make_user("bea@acme.test")
    storm(app)

    assert attempt(visitor, PASSWORD, address=CAFE, email="bea@acme.test").status_code == 303


def test_account_that_does_not_exist_is_answered_like_one_that_does(app: Flask) -> None:
    assert storm(app, email="nobody@acme.test") == storm(app)


def test_pages_and_api_count_together(app: Flask, client: FlaskClient) -> None:
    storm(app)

    answer = client.post("/admin/login", json={"email": ANA, "password": PASSWORD})

    assert answer.status_code == 429
    assert answer.json["error"]["code"] == "too_many_requests"
    assert 0 < int(answer.headers["Retry-After"]) <= 900


def test_api_lets_the_owner_in_from_where_they_signed_in_lately(app: Flask, ana: User, client: FlaskClient) -> None:
    sessions.start(account_of(ana), address=HOME, user_agent="a browser")
    storm(app)
    body = {"email": ANA, "password": PASSWORD}

    assert client.post("/admin/login", json=body, environ_base={"REMOTE_ADDR": HOME}).status_code == 200


def test_api_lets_the_owner_in_from_where_a_program_of_theirs_signed_in(
    app: Flask, ana: User, client: FlaskClient
) -> None:
    own_account.sign_in_program(account_of(ana), address=HOME)
    storm(app)
    body = {"email": ANA, "password": PASSWORD}

    assert client.post("/admin/login", json=body, environ_base={"REMOTE_ADDR": HOME}).status_code == 200


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("2001:db8::1", "2001:db8::/64"),
        ("x", "unknown"),
        (None, "unknown"),
    ],
)
def test_address_counts_by_itself_or_with_its_network(address: str | None, group: str) -> None:
    assert group_of(address) == group


def test_stolen_cookie_gains_no_more_guesses_than_anybody_has(app: Flask, visitor: FlaskClient) -> None:
    attempt(visitor, PASSWORD, address=HOME)
    stolen = visitor.get_cookie("known")
    assert stolen is not None
    statuses = []
    for number in range(20):
        thief = fresh(app)
        thief.set_cookie("known", stolen.value)
        statuses.append(attempt(thief, "guess", address=f"10.1.0.{number}").status_code)

    assert statuses == [401] * 10 + [429] * 10


@pytest.mark.parametrize("changed", ["password", "second factor"])
def test_browser_is_forgotten_with_the_password_and_the_second_factor(
    app: Flask, ana: User, visitor: FlaskClient, changed: str
) -> None:
    attempt(visitor, PASSWORD, address=HOME)
    visitor.post("/logout")
    if changed == "password":
        passwords.set_password(ana.id, ANOTHER)
    else:
        turn_on_second_factor(account_of(ana))
    storm(app)

    right = ANOTHER if changed == "password" else PASSWORD
    assert attempt(visitor, right, address=CAFE).status_code == 429


def test_browser_in_which_the_password_is_changed_stays_known(app: Flask, visitor: FlaskClient) -> None:
    attempt(visitor, PASSWORD, address=HOME)
    visitor.post("/account/password", data={"old": PASSWORD, "password": ANOTHER})
    visitor.post("/logout")
    storm(app)

    assert attempt(visitor, ANOTHER, address=CAFE).status_code == 303


def test_browser_in_which_the_second_factor_is_turned_on_and_off_stays_known(
    app: Flask, ana: User, visitor: FlaskClient
) -> None:
    attempt(visitor, PASSWORD, address=HOME)
    secret = begin_second_factor(account_of(ana))
    visitor.post("/account/second-factor/on", data={"code": code_at(secret)})
    while_on = cookie_of(visitor)
    visitor.post("/account/second-factor/off")
    visitor.post("/logout")
    storm(app)

    assert while_on != cookie_of(visitor)
    assert attempt(visitor, PASSWORD, address=CAFE).status_code == 303


def test_cookie_of_one_account_says_nothing_about_another(app: Flask, visitor: FlaskClient) -> None:
    make_user("mallory@acme.test")
    attempt(visitor, PASSWORD, address=HOME, email="mallory@acme.test")
    storm(app)

    assert attempt(visitor, PASSWORD, address=CAFE).status_code == 429


@pytest.mark.parametrize("value", ["", "x", "WyJhIiwiYiJd.aaaaaa.bbbbbbbbbbbbbbbbbbbb", "\xff", "[]"])
def test_forged_cookie_is_none(app: Flask, visitor: FlaskClient, value: str) -> None:
    storm(app)
    visitor.set_cookie("known", value)

    assert attempt(visitor, PASSWORD, address=CAFE).status_code == 429


def test_somebody_at_the_same_address_does_not_lock_out_a_known_browser(app: Flask, visitor: FlaskClient) -> None:
    attempt(visitor, PASSWORD, address=HOME)
    guesses = [attempt(fresh(app), "guess", address=HOME).status_code for _ in range(20)]
    others = [attempt(fresh(app), "x", address=HOME, email=f"{number}@x.test").status_code for number in range(100)]

    assert (guesses[-1], others[-1]) == (429, 429)
    assert attempt(visitor, PASSWORD, address=HOME).status_code == 303


def test_right_passwords_do_not_count_against_the_account(app: Flask) -> None:
    statuses = [attempt(fresh(app), PASSWORD, address=f"10.2.0.{number}").status_code for number in range(40)]

    assert set(statuses) == {303}


def test_known_browser_is_remembered_out_of_reach_of_scripts(visitor: FlaskClient) -> None:
    answer = attempt(visitor, PASSWORD, address=HOME)

    (kept,) = [cookie for cookie in answer.headers.getlist("Set-Cookie") if cookie.startswith("known=")]
    assert "HttpOnly" in kept
    assert "SameSite=Lax" in kept
    assert "Max-Age=31536000" in kept
    assert ANA not in kept


def test_cookies_in_production_are_of_this_host_alone_and_over_https(
    visitor: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "https://portal.example.com"
    monkeypatch.setattr(parts, "config", replace(parts.config, portal_env="production", base_url=url))

    answer = visitor.post("/login", data={"email": ANA, "password": PASSWORD}, base_url=url)
    settings = _flask_settings(parts.config)

    (kept,) = [cookie for cookie in answer.headers.getlist("Set-Cookie") if "known" in cookie]
    assert kept.startswith("__Host-known=")
    assert {"Secure", "HttpOnly", "Path=/"} <= set(kept.split("; "))
    assert "Domain" not in kept
    assert (settings["SESSION_COOKIE_NAME"], settings["SESSION_COOKIE_SECURE"]) == ("__Host-session", True)


def test_guessing_codes_is_throttled_for_the_account(app: Flask, ana: User) -> None:
    turn_on_second_factor(account_of(ana))
    statuses = []
    for number in range(12):
        client = fresh(app)
        address = {"REMOTE_ADDR": f"10.3.0.{number}"}
        client.post("/login", data={"email": ANA, "password": PASSWORD}, environ_base=address)
        statuses.append(client.post("/login/code", data={"code": f"{number:06}x"}, environ_base=address).status_code)

    assert statuses == [401] * 10 + [429] * 2
    assert actions_of(ana).count("user.code_refused") == 10


def test_guessing_codes_keeps_a_known_browser_out_of_nothing(app: Flask, ana: User, visitor: FlaskClient) -> None:
    _, recovery_codes = turn_on_second_factor(account_of(ana))
    attempt(visitor, PASSWORD, address=HOME)
    visitor.post("/login/code", data={"code": recovery_codes[1]})
    visitor.post("/logout")
    thief = fresh(app)
    attempt(thief, PASSWORD, address=CAFE)
    guesses = [thief.post("/login/code", data={"code": "000000x"}).status_code for _ in range(11)]

    attempt(visitor, PASSWORD, address=HOME)
    answer = visitor.post("/login/code", data={"code": recovery_codes[0]})

    assert guesses[-1] == 429
    assert answer.status_code == 303


def test_guessing_codes_in_many_known_browsers_is_throttled_for_the_account(
    app: Flask, ana: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttling, "WRONG_CODES_FOR_AN_ACCOUNT", "12 per day")
    _, recovery_codes = turn_on_second_factor(account_of(ana))
    known = [fresh(app) for _ in range(3)]
    for client in known:
        attempt(client, PASSWORD, address=HOME)
        assert client.post("/login/code", data={"code": recovery_codes.pop()}).status_code == 303
    statuses = []
    for client in known:
        attempt(client, PASSWORD, address=HOME)
        statuses += [client.post("/login/code", data={"code": "000000x"}).status_code for _ in range(5)]
    refused = client.post("/login/code", data={"code": recovery_codes.pop()})

    assert statuses == [401] * 12 + [429] * 3
    assert refused.status_code == 429
    assert "Try again tomorrow" in refused.text


def test_guessing_codes_at_the_api_is_throttled(ana: User, client: FlaskClient) -> None:
    turn_on_second_factor(account_of(ana))
    statuses = [
        client.post(
            "/admin/login",
            json={"email": ANA, "password": PASSWORD, "code": "000000x"},
            environ_base={"REMOTE_ADDR": f"10.4.0.{number}"},
        ).status_code
        for number in range(12)
    ]

    assert statuses == [401] * 10 + [429] * 2


def test_keys_of_limits_name_no_address_of_a_person() -> None:
    assert "acme" not in throttling.email_key(ANA)
    assert throttling.email_key(" ANA@acme.test ") == throttling.email_key(ANA)


def test_guessing_is_throttled_while_redis_is_away(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise redis.ConnectionError

    for name in ("incr", "get", "get_expiry"):
        monkeypatch.setattr(RedisStorage, name, fail)
    monkeypatch.setattr(RedisStorage, "check", lambda storage: False)
    # What the limiter learns of it ends with the test.
    monkeypatch.setattr(limiter, "_storage_dead", False)

    assert storm(app, email="anna@acme.test") == [401] * 30 + [429]
