"""Showing again who one is, before what is dangerous."""

from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.models import Conversation, User, UserSession, WebhookEndpoint
from portal.tenancy import TenantScope
from portal.web.confirming import CONFIRMED_FOR
from tests.factories import PASSWORD, make_user
from tests.ways_in import account_of, actions_of, change, code_at, sessions_of, turn_on_second_factor
from tests.web.conftest import OpenBrowser

GUARDED = "/account/second-factor"


@pytest.fixture
def ana(acme: TenantScope) -> User:
    return make_user()


@pytest.fixture
def late(ana: User, browser: OpenBrowser) -> FlaskClient:
    """Ana's browser, some time after she showed who she is."""
    client = browser(ana)
    forget_confirmation(ana)
    return client


def forget_confirmation(user: User) -> None:
    for session in sessions_of(user):
        change(UserSession, session.id, confirmed_at=now() - CONFIRMED_FOR - timedelta(seconds=1))


def test_whoever_signed_in_lately_is_not_asked(ana: User, browser: OpenBrowser) -> None:
    assert browser(ana).get(GUARDED).status_code == 200


def test_after_a_while_the_password_is_asked_for_and_leads_back(late: FlaskClient) -> None:
    asked = late.get(GUARDED)
    confirmed = late.post(asked.location, data={"password": PASSWORD})

    assert asked.location == "/confirm?next=/account/second-factor"
    assert late.get(asked.location).status_code == 200
    assert (confirmed.status_code, confirmed.location) == (303, GUARDED)
    assert late.get(GUARDED).status_code == 200


def test_form_that_comes_too_late_leads_back_to_its_page(late: FlaskClient) -> None:
    asked = late.post(f"{GUARDED}/off", headers={"Referer": f"http://portal.test{GUARDED}/off"})

    assert asked.location == "/confirm?next=/account/second-factor/off"


@pytest.mark.parametrize(
    ("method", "page"),
    [
        ("GET", "webhooks/new"),
        ("POST", "webhooks"),
        ("GET", "webhooks/{endpoint}/edit"),
        ("POST", "webhooks/{endpoint}/edit"),
        ("GET", "webhooks/{endpoint}/secret"),
        ("POST", "webhooks/{endpoint}/secret"),
        ("GET", "contacts.csv"),
        ("GET", "contacts/{contact}/erase"),
        ("POST", "contacts/{contact}/erase"),
        ("GET", "settings/data"),
        ("POST", "settings/data"),
    ],
)
def test_what_lets_data_out_or_ends_it_asks_again(
    late: FlaskClient, endpoint: WebhookEndpoint, conversation: Conversation, method: str, page: str
) -> None:
    path = f"/t/acme/{page.format(endpoint=endpoint.id, contact=conversation.contact_id)}"

    asked = late.open(path, method=method, headers={"Referer": f"http://portal.test{path}"})

    assert (asked.status_code, asked.location) == (303, f"/confirm?next={path}")


@pytest.mark.parametrize(
    ("given", "said"),
    [("wrong", "This is not your password."), ("", "Give your password.")],
)
def test_wrong_password_confirms_nothing(late: FlaskClient, given: str, said: str) -> None:
    answer = late.post("/confirm", data={"password": given})

    assert answer.status_code == 422
    assert said in answer.text
    assert late.get(GUARDED).status_code == 303


def test_code_is_asked_for_too_where_a_second_factor_is_on(ana: User, late: FlaskClient) -> None:
    secret, _ = turn_on_second_factor(account_of(ana))

    page = late.get("/confirm")
    without = late.post("/confirm", data={"password": PASSWORD})
    wrong = late.post("/confirm", data={"password": PASSWORD, "code": "000000x"})
    right = late.post("/confirm", data={"password": PASSWORD, "code": code_at(secret)})

    assert 'name="code"' in page.text
    assert [answer.status_code for answer in (without, wrong, right)] == [422, 422, 303]
    assert 'id="code-error"' in wrong.text
    assert actions_of(ana).count("user.code_refused") == 2


def test_code_is_not_used_up_by_a_wrong_password(ana: User, late: FlaskClient) -> None:
    secret, _ = turn_on_second_factor(account_of(ana))
    code = code_at(secret)

    late.post("/confirm", data={"password": "wrong", "code": code})

    assert late.post("/confirm", data={"password": PASSWORD, "code": code}).status_code == 303


def test_leading_back_stays_within_the_portal(late: FlaskClient) -> None:
    answer = late.post("/confirm", query_string={"next": "//evil.test/"}, data={"password": PASSWORD})

    assert answer.location == "/"


def test_guessing_in_a_browser_that_was_left_open_is_throttled_and_keeps_out_nobody_else(
    ana: User, late: FlaskClient, browser: OpenBrowser
) -> None:
    elsewhere = browser(ana)
    forget_confirmation(ana)

    guesses = [late.post("/confirm", data={"password": "guess"}).status_code for _ in range(11)]
    with_the_right_one = late.post("/confirm", data={"password": PASSWORD})

    assert guesses == [422] * 10 + [429]
    assert with_the_right_one.status_code == 429
    assert elsewhere.post("/confirm", data={"password": PASSWORD}).status_code == 303


def test_stranger_is_asked_to_sign_in(visitor: FlaskClient) -> None:
    assert visitor.get("/confirm").location == "/login?next=/confirm"
    assert visitor.post("/confirm", data={"password": PASSWORD}).location == "/login"
