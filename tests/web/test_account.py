"""The page of one's own account: where one is signed in, ending that, and another password."""

import re

import pytest
from flask.testing import FlaskClient

from portal.models import User
from portal.permissions import Role
from portal.services import accounts, own_account
from portal.tenancy import TenantScope
from portal.web.browser_words import browser_words
from tests.factories import PASSWORD, make_user
from tests.ways_in import account_of, actions_of, sessions_of
from tests.web.conftest import OpenBrowser

ANOTHER = "five purple elephants"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5"
CHROME = "Mozilla/5.0 ({}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"


@pytest.fixture
def ana(acme: TenantScope) -> User:
    return make_user()


@pytest.fixture
def here(ana: User, browser: OpenBrowser) -> FlaskClient:
    return browser(ana)


@pytest.fixture
def there(here: FlaskClient, ana: User, browser: OpenBrowser) -> FlaskClient:
    """Another browser of Ana's, in which she signed in later."""
    return browser(ana)


def is_signed_in(client: FlaskClient) -> bool:
    return client.get("/account").status_code == 200


@pytest.mark.parametrize(
    ("email", "role", "tenant", "shown"),
    [
        ("admin@acme.test", Role.TENANT_ADMIN, "acme", "Administrator"),
        ("agent@acme.test", Role.AGENT, "acme", "Agent"),
        ("op@portal.test", Role.SUPER_ADMIN, None, "Operator of the portal"),
    ],
)
def test_everybody_who_is_signed_in_has_the_page(
    acme: TenantScope, browser: OpenBrowser, email: str, role: Role, tenant: str | None, shown: str
) -> None:
    page = browser(make_user(email, role=role, tenant=tenant)).get("/account")

    assert page.status_code == 200
    assert email in page.text
    assert shown in page.text


def test_pages_lead_to_it(here: FlaskClient) -> None:
    assert 'href="/account"' in here.get("/t/acme/").text


def test_stranger_is_asked_to_sign_in(visitor: FlaskClient) -> None:
    assert visitor.get("/account").location == "/login?next=/account"


def test_all_browsers_are_listed_and_this_one_is_marked(here: FlaskClient, there: FlaskClient) -> None:
    page = here.get("/account").text

    assert page.count('class="sign-in"') == 2
    assert page.count("This one") == 1
    assert len(re.findall(r'action="/account/sessions/[0-9a-f-]{36}/end"', page)) == 1


def test_another_browser_is_signed_out(ana: User, here: FlaskClient, there: FlaskClient) -> None:
    answer = here.post(f"/account/sessions/{sessions_of(ana)[1].id}/end", follow_redirects=True)

    assert "That browser is signed out." in answer.text
    assert (is_signed_in(here), is_signed_in(there)) == (True, False)
    assert actions_of(ana)[-1] == "user.sessions_ended"


def test_browser_in_use_is_left_by_signing_out(ana: User, here: FlaskClient) -> None:
    answer = here.post(f"/account/sessions/{sessions_of(ana)[0].id}/end")

    assert answer.status_code == 409
    assert is_signed_in(here)


def test_all_other_browsers_are_signed_out_at_once(
    ana: User, here: FlaskClient, there: FlaskClient, browser: OpenBrowser
) -> None:
    third = browser(ana)

    answer = here.post("/account/sessions/end-others", follow_redirects=True)

    assert "2 other browsers were signed out." in answer.text
    assert [is_signed_in(client) for client in (here, there, third)] == [True, False, False]


def test_colleagues_browser_is_nowhere(ana: User, here: FlaskClient, browser: OpenBrowser) -> None:
    bea = make_user("bea@acme.test")
    theirs = browser(bea)

    answer = here.post(f"/account/sessions/{sessions_of(bea)[0].id}/end")
    here.post("/account/sessions/end-others")

    assert answer.status_code == 404
    assert is_signed_in(theirs)


def test_programs_that_signed_in_are_listed_and_ended(ana: User, here: FlaskClient) -> None:
    first = own_account.sign_in_program(account_of(ana), address="192.0.2.1")
    renewed = accounts.refresh(first.refresh)
    assert renewed is not None
    page = here.get("/account").text
    (action,) = re.findall(r'action="(/account/api-sign-ins/[^"]+)"', page)

    here.post(action)

    assert accounts.account_of_token(renewed[1].access) is None
    assert accounts.refresh(renewed[1].refresh) is None
    assert "Programs that signed in as you" not in here.get("/account").text
    assert actions_of(ana)[-1] == "user.api_sign_in_ended"


def test_program_of_a_colleague_is_nowhere(ana: User, here: FlaskClient) -> None:
    bea = account_of(make_user("bea@acme.test"))
    tokens = own_account.sign_in_program(bea, address=None)
    (theirs,) = own_account.list_api_sign_ins(bea)

    answer = here.post(f"/account/api-sign-ins/{theirs.family_id}/end")

    assert answer.status_code == 404
    assert accounts.account_of_token(tokens.access) is not None
    assert "Programs that signed in as you" not in here.get("/account").text


def test_password_is_changed_with_the_old_one(ana: User, here: FlaskClient, there: FlaskClient) -> None:
    answer = here.post("/account/password", data={"old": PASSWORD, "password": ANOTHER})

    assert (answer.status_code, answer.location) == (303, "/account")
    assert (is_signed_in(here), is_signed_in(there)) == (True, False)
    assert accounts.sign_in("ana@acme.test", ANOTHER) is not None


@pytest.mark.parametrize(
    ("old", "new", "beside"),
    [("wrong", ANOTHER, {"old"}), (PASSWORD, "short", {"password"}), ("", "", {"old", "password"})],
)
def test_wrong_fields_are_named_and_nothing_that_was_typed_comes_back(
    here: FlaskClient, old: str, new: str, beside: set[str]
) -> None:
    answer = here.post("/account/password", data={"old": old, "password": new})

    assert answer.status_code == 422
    assert set(re.findall(r'id="([a-z]+)-error"', answer.text)) == beside
    assert PASSWORD not in answer.text
    assert ANOTHER not in answer.text


def test_guessing_the_old_password_is_throttled(here: FlaskClient) -> None:
    form = {"old": "guess", "password": ANOTHER}
    statuses = [here.post("/account/password", data=form).status_code for _ in range(11)]

    assert statuses == [422] * 10 + [429]


def test_signing_out_is_in_the_log(ana: User, here: FlaskClient) -> None:
    here.post("/logout")

    assert actions_of(ana) == ["user.signed_in", "user.signed_out"]


def test_signing_in_as_somebody_else_ends_the_session_of_before(ana: User, here: FlaskClient) -> None:
    make_user("bea@acme.test")

    here.post("/login", data={"email": "bea@acme.test", "password": PASSWORD})

    assert [session.revoked_at is None for session in sessions_of(ana)] == [False]
    assert "bea@acme.test" in here.get("/account").text


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (FIREFOX, "Firefox on Windows"),
        (f"{IPHONE} Mobile/15E148 Safari/604.1", "Safari on iPhone"),
        (f"{IPHONE} CriOS/126.0 Mobile/15E148 Safari/604.1", "Chrome on iPhone"),
        (CHROME.format("X11; Linux x86_64"), "Chrome on Linux"),
        (CHROME.format("Linux; Android 14; K"), "Chrome on Android"),
        (CHROME.format("Windows NT 10.0") + " Edg/126.0.0.0", "Edge on Windows"),
        (CHROME.format("Macintosh; Intel Mac OS X 10_15_7") + " OPR/111.0.0.0", "Opera on Mac"),
        (CHROME.format("X11; CrOS x86_64 14541.0.0"), "Chrome on ChromeOS"),
        ("curl/8.5.0", "Another browser"),
        ("", "Another browser"),
        (None, "Another browser"),
        ("Linux", "Linux"),
    ],
)
def test_browser_is_named_as_people_know_it(user_agent: str | None, words: str) -> None:
    assert browser_words(user_agent) == words
