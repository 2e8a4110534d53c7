"""How often a token and an address may call, what an answer says about it, and who is never slowed down."""

import time
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient
from limits.storage import RedisStorage

from portal.extensions import CalledLimits
from portal.extensions import limiter as limiter_of_pages
from portal.services import accounts
from portal.web.api import limits
from tests.factories import make_api_token
from tests.web_api.seed import PASSWORD, Company, call

UNITS = "/admin/units"
ELSEWHERE = {"REMOTE_ADDR": "203.0.113.9"}
COUNTED = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
DOOR = "/webhooks/whatsapp/evolution/guessed/messages-upsert"


@pytest.fixture
def few_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PER_TOKEN", "3/minute")


@pytest.fixture
def few_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PER_ADDRESS", "3/minute")


@pytest.fixture
def few_wrong_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REFUSED_PER_ADDRESS", "3/minute")


@pytest.fixture
def redis_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise redis.ConnectionError

    for name in ("incr", "get", "get_expiry"):
        monkeypatch.setattr(RedisStorage, name, fail)
    monkeypatch.setattr(RedisStorage, "check", lambda storage: False)
    # What the limiter learns of it ends with the test.
    monkeypatch.setattr(limits.limiter, "_storage_dead", False)


def statuses(client: FlaskClient, times: int, path: str, token: str = "", **options: Any) -> list[int]:
    method = "POST" if "json" in options else "GET"
    return [call(client, method, path, token, **options).status_code for _ in range(times)]


def refresh_token(email: str) -> str:
    account = accounts.sign_in(email, PASSWORD)
    assert account is not None
    return accounts.issue_tokens(account).refresh


@pytest.mark.usefixtures("few_a_token")
def test_token_that_calls_too_often_has_to_wait_and_others_do_not(client: FlaskClient, acme: Company) -> None:
    answers = statuses(client, 4, UNITS, acme.admin)
    throttled = call(client, "GET", "/api/campaigns", acme.admin)
    colleague = call(client, "GET", UNITS, acme.agent)

    assert answers == [200, 200, 200, 429]
    assert (throttled.status_code, throttled.json["error"]["code"]) == (429, "too_many_requests")
    assert 0 < int(throttled.headers["Retry-After"]) <= 60
    assert colleague.status_code == 200


@pytest.mark.usefixtures("few_a_token")
def test_token_of_a_company_is_counted_like_that_of_a_person(client: FlaskClient, acme: Company) -> None:
    live, test = make_api_token(acme.scope), make_api_token(acme.scope, kind="test")

    assert statuses(client, 4, UNITS, live) == [200, 200, 200, 429]
    assert statuses(client, 4, UNITS, test) == [200, 200, 200, 429]


@pytest.mark.usefixtures("few_an_address")
def test_all_calls_of_an_address_are_counted_together(client: FlaskClient, acme: Company) -> None:
    signed_in = call(client, "POST", "/admin/login", json={"email": "admin@acme.test", "password": PASSWORD})
    answers = [call(client, "GET", UNITS, token).status_code for token in (acme.admin, acme.agent, acme.admin)]
    again = call(client, "POST", "/admin/login", json={"email": "admin@acme.test", "password": PASSWORD})
    elsewhere = call(client, "GET", UNITS, acme.admin, environ_base=ELSEWHERE)

    assert signed_in.status_code == 200
    assert answers == [200, 200, 429]
    assert (again.status_code, elsewhere.status_code) == (429, 200)


@pytest.mark.usefixtures("few_wrong_ones", "few_a_token")
def test_address_that_brings_wrong_tokens_has_to_wait_but_goes_on_with_its_good_ones(
    client: FlaskClient, acme: Company
) -> None:
    guesses = [call(client, "GET", UNITS, f"guess-{number}") for number in range(5)]
    good = statuses(client, 4, UNITS, acme.admin)
    elsewhere = call(client, "GET", UNITS, "guess", environ_base=ELSEWHERE)

    assert [answer.status_code for answer in guesses] == [401, 401, 401, 429, 429]
    assert guesses[-1].json["error"]["code"] == "too_many_requests"
    assert 0 < int(guesses[-1].headers["Retry-After"]) <= 60
    assert good == [200, 200, 200, 429]
    assert elsewhere.status_code == 401


@pytest.mark.usefixtures("few_wrong_ones")
def test_address_that_brings_wrong_refresh_tokens_has_to_wait_but_goes_on_with_its_good_ones(
    client: FlaskClient, acme: Company
) -> None:
    good = refresh_token("admin@acme.test")

    guesses = statuses(client, 4, "/admin/refresh", json={"refreshToken": "guess"})
    renewed = call(client, "POST", "/admin/refresh", json={"refreshToken": good})

    assert guesses == [401, 401, 401, 429]
    assert renewed.status_code == 200


@pytest.mark.usefixtures("few_wrong_ones")
def test_address_that_tries_one_password_on_many_accounts_has_to_wait(client: FlaskClient, acme: Company) -> None:
    bodies = [{"email": f"somebody-{number}@acme.test", "password": PASSWORD} for number in range(4)]

    guesses = [call(client, "POST", "/admin/login", json=body).status_code for body in bodies]
    by_token = call(client, "GET", UNITS, acme.admin)

    assert guesses == [401, 401, 401, 429]
    assert by_token.status_code == 200


def test_answer_says_what_the_token_has_left(client: FlaskClient, acme: Company) -> None:
    call(client, "GET", UNITS, acme.admin)

    answer = call(client, "GET", "/api/campaigns", acme.admin)

    assert (answer.headers["X-RateLimit-Limit"], answer.headers["X-RateLimit-Remaining"]) == ("1200", "1198")
    assert 0 <= int(answer.headers["X-RateLimit-Reset"]) - time.time() <= 61
    assert "Retry-After" not in answer.headers


def test_refusal_says_how_many_wrong_tokens_are_left(client: FlaskClient, acme: Company) -> None:
    answer = call(client, "GET", UNITS, "guess")

    assert (answer.headers["X-RateLimit-Limit"], answer.headers["X-RateLimit-Remaining"]) == ("100", "99")
    assert "Retry-After" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/login"), ("POST", "/login"), ("GET", "/t/acme/"), ("GET", "/health"), ("POST", DOOR)],
)
def test_only_calls_of_the_api_tell_of_limits(client: FlaskClient, acme: Company, method: str, path: str) -> None:
    answer = call(client, method, path)

    assert [name for name in (*COUNTED, "Retry-After") if name in answer.headers] == []


@pytest.mark.usefixtures("few_a_token", "few_an_address", "few_wrong_ones")
@pytest.mark.parametrize(("method", "path"), [("POST", DOOR), ("GET", "/health"), ("GET", "/ready")])
def test_webhooks_and_health_are_never_slowed_down(client: FlaskClient, acme: Company, method: str, path: str) -> None:
    answers = [call(client, method, path, json={"event": "messages.upsert"}) for _ in range(20)]

    assert [answer.status_code for answer in answers if answer.status_code == 429] == []


@pytest.mark.usefixtures("redis_away", "few_a_token")
def test_api_goes_on_and_counts_by_itself_while_redis_is_away(client: FlaskClient, acme: Company) -> None:
    answers = [call(client, "GET", UNITS, acme.admin) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]


@pytest.mark.usefixtures("redis_away")
def test_wrong_token_is_refused_while_redis_is_away(client: FlaskClient, acme: Company) -> None:
    assert call(client, "GET", UNITS, "guess").status_code == 401


@pytest.mark.parametrize("name", ["incr", "get_expiry"])
def test_request_that_notices_second_that_redis_is_away_goes_on(
    client: FlaskClient, acme: Company, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        # Another one has noticed it meanwhile.
        limits.limiter._storage_dead = True
        raise redis.ConnectionError

    monkeypatch.setattr(limits.limiter, "_storage_dead", False)
    monkeypatch.setattr(RedisStorage, "check", lambda storage: False)
    monkeypatch.setattr(RedisStorage, name, fail)

    assert call(client, "GET", UNITS, acme.admin).status_code == 200


@pytest.mark.parametrize("limiter", [limiter_of_pages, limits.limiter], ids=["pages", "API"])
def test_no_limit_is_one_that_would_be_looked_for_before_a_view(client: FlaskClient, limiter: CalledLimits) -> None:
    """Nobody does: such a limit would hold nobody back."""
    manager = limiter.limit_manager

    assert [*manager.application_limits, *manager.default_limits, *manager._blueprint_limits] == []
