"""Setting up a second factor, signing in with it, and getting rid of it."""

import html
import re

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from portal.models import User, UserSession
from portal.permissions import Role
from portal.services import own_account, passwords, second_factors
from portal.tenancy import TenantScope
from tests.factories import PASSWORD, make_user
from tests.ways_in import account_of, actions_of, change, code_at, sessions_of, turn_on_second_factor
from tests.web.conftest import OpenBrowser

PAGE = "/account/second-factor"
ANA = {"email": "ana@acme.test", "password": PASSWORD}
RECOVERY_CODE = re.compile(r"\b(?:[a-z2-7]{4}-){3}[a-z2-7]{4}\b")


@pytest.fixture
def ana(acme: TenantScope) -> User:
    return make_user()


@pytest.fixture
def client_of_ana(ana: User, browser: OpenBrowser) -> FlaskClient:
    return browser(ana)


@pytest.fixture
def secret(ana: User) -> str:
    """Of Ana's second factor, which is on."""
    return turn_on_second_factor(account_of(ana))[0]


def key_in(page: TestResponse) -> str:
    (key,) = re.findall(r'<code id="second-factor-key">([^<]+)</code>', page.text)
    return key.replace(" ", "")


def is_signed_in(client: FlaskClient) -> bool:
    return client.get("/account").status_code == 200


def test_nobody_is_asked_for_a_secret_before_it_is_wanted(client_of_ana: FlaskClient) -> None:
    page = client_of_ana.get(PAGE)

    assert "Show the QR code" in page.text
    assert "data:image" not in page.text


def test_second_factor_is_set_up_with_the_app(ana: User, client_of_ana: FlaskClient) -> None:
    begun = client_of_ana.post(PAGE)
    page = client_of_ana.get(begun.location)
    done = client_of_ana.post(f"{PAGE}/on", data={"code": code_at(key_in(page))})

    assert "data:image/svg+xml" in page.text
    assert done.status_code == 201
    assert done.headers["Cache-Control"] == "no-store"
    assert len(set(RECOVERY_CODE.findall(done.text))) == 10
    assert second_factors.is_on(ana.id)


def test_wrong_code_is_said_beside_the_field_and_the_key_stays(client_of_ana: FlaskClient) -> None:
    client_of_ana.post(PAGE)
    key = key_in(client_of_ana.get(PAGE))

    answer = client_of_ana.post(f"{PAGE}/on", data={"code": "12345x"})

    assert answer.status_code == 422
    assert 'id="code-error"' in answer.text
    assert key_in(answer) == key


def test_codes_are_shown_once(client_of_ana: FlaskClient, secret: str) -> None:
    shown = client_of_ana.post(f"{PAGE}/recovery-codes")
    again = client_of_ana.get(PAGE)

    assert shown.status_code == 201
    assert len(RECOVERY_CODE.findall(shown.text)) == 10
    assert RECOVERY_CODE.findall(again.text) == []
    assert "You have 10 recovery codes left." in again.text


def test_it_is_turned_off_after_being_asked(ana: User, client_of_ana: FlaskClient, secret: str) -> None:
    assert "Turn your second factor off?" in client_of_ana.get(f"{PAGE}/off").text
    assert second_factors.is_on(ana.id)

    answer = client_of_ana.post(f"{PAGE}/off")

    assert answer.location == "/account"
    assert not second_factors.is_on(ana.id)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("POST", ""),
        ("POST", "/on"),
        ("GET", "/recovery-codes"),
        ("POST", "/recovery-codes"),
        ("GET", "/off"),
        ("POST", "/off"),
    ],
)
def test_whoever_finds_a_browser_open_changes_nothing(
    ana: User, client_of_ana: FlaskClient, secret: str, method: str, path: str
) -> None:
    for session in sessions_of(ana):
        change(UserSession, session.id, confirmed_at=session.created_at.replace(year=2020))
    logged = actions_of(ana)

    answer = client_of_ana.open(PAGE + path, method=method)

    assert answer.location.startswith("/confirm")
    assert second_factors.is_on(ana.id)
    assert actions_of(ana) == logged


def test_password_alone_signs_nobody_in(visitor: FlaskClient, ana: User, secret: str) -> None:
    answer = visitor.post("/login", data=ANA, query_string={"next": "/t/acme/conversations"})

    assert answer.location == "/login/code?next=/t/acme/conversations"
    assert not is_signed_in(visitor)
    assert visitor.get("/t/acme/").status_code == 302
    assert sessions_of(ana) == []


def test_code_completes_the_sign_in_and_leads_on(visitor: FlaskClient, ana: User, secret: str) -> None:
    asked = visitor.post("/login", data=ANA, query_string={"next": "/t/acme/conversations"})
    page = visitor.get(asked.location)
    answer = visitor.post(asked.location, data={"code": code_at(secret)})

    assert 'autocomplete="one-time-code"' in page.text
    assert (answer.status_code, answer.location) == (303, "/t/acme/conversations")
    assert is_signed_in(visitor)
    assert actions_of(ana)[-1] == "user.signed_in"


def test_recovery_code_stands_in_once(visitor: FlaskClient, elsewhere: FlaskClient, ana: User) -> None:
    _, codes = turn_on_second_factor(account_of(ana))
    for client in (visitor, elsewhere):
        client.post("/login", data=ANA)

    answers = [client.post("/login/code", data={"code": codes[3]}).status_code for client in (visitor, elsewhere)]

    assert answers == [303, 401]
    assert (is_signed_in(visitor), is_signed_in(elsewhere)) == (True, False)


@pytest.mark.parametrize(("code", "status"), [("", 422), ("000000x", 401), ("abcd-efgh-ijkl-mnop", 401)])
def test_anything_else_does_not(visitor: FlaskClient, secret: str, code: str, status: int) -> None:
    visitor.post("/login", data=ANA)

    answer = visitor.post("/login/code", data={"code": code})

    assert answer.status_code == status
    assert 'id="code-error"' in answer.text
    assert not is_signed_in(visitor)


def test_code_without_the_password_leads_to_the_sign_in(visitor: FlaskClient, secret: str) -> None:
    assert visitor.get("/login/code").location == "/login"
    assert visitor.post("/login/code", data={"code": code_at(secret)}).location == "/login"


def test_half_a_sign_in_ends_with_the_password_it_began_with(visitor: FlaskClient, ana: User, secret: str) -> None:
    visitor.post("/login", data=ANA)
    passwords.set_password(ana.id, "another long password")

    assert visitor.post("/login/code", data={"code": code_at(secret)}).location == "/login"
    assert not is_signed_in(visitor)


def test_half_a_sign_in_is_over_after_five_minutes(
    visitor: FlaskClient, ana: User, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor.post("/login", data=ANA)
    started = own_account.now()
    monkeypatch.setattr(own_account, "now", lambda: started.replace(year=started.year + 1))

    assert visitor.post("/login/code", data={"code": code_at(secret)}).location == "/login"


def test_half_a_sign_in_keeps_nobody_else_signed_in(admin: FlaskClient, ana: User, secret: str) -> None:
    admin.post("/login", data=ANA)

    assert not is_signed_in(admin)


def test_cookie_between_both_tells_nothing_of_the_password(visitor: FlaskClient, ana: User, secret: str) -> None:
    visitor.post("/login", data=ANA)
    with visitor.session_transaction() as cookie:
        told = repr(dict(cookie))

    assert str(ana.id) in told
    assert (ana.password_hash or "")[-40:] not in told


def test_operator_signs_in_with_one_too(visitor: FlaskClient) -> None:
    operator = make_user("operator@portal.test", role=Role.SUPER_ADMIN, tenant=None)
    secret, _ = turn_on_second_factor(account_of(operator))

    visitor.post("/login", data={"email": "operator@portal.test", "password": PASSWORD})
    answer = visitor.post("/login/code", data={"code": code_at(secret)})

    assert answer.location == "/operator/"
    assert visitor.get("/operator/").status_code == 200


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [(None, 401, "second_factor_required"), ("", 401, "second_factor_required"), ("000000x", 401, "wrong_code")],
)
def test_program_needs_the_code_too(client: FlaskClient, secret: str, code: str | None, status: int, said: str) -> None:
    answer = client.post("/admin/login", json=ANA if code is None else {**ANA, "code": code})

    assert (answer.status_code, answer.json["error"]["code"]) == (status, said)


def test_program_with_the_code_gets_its_tokens(client: FlaskClient, secret: str) -> None:
    answer = client.post("/admin/login", json={**ANA, "code": code_at(secret)})

    assert answer.status_code == 200
    assert (
        client.get("/admin/units", headers={"Authorization": f"Bearer {answer.json['accessToken']}"}).status_code == 200
    )


def test_wrong_password_at_the_api_says_nothing_of_a_second_factor(client: FlaskClient, secret: str) -> None:
    answer = client.post("/admin/login", json={**ANA, "password": "wrong", "code": code_at(secret)})

    assert answer.json["error"]["code"] == "wrong_credentials"


def test_qr_code_holds_what_apps_read(client_of_ana: FlaskClient) -> None:
    client_of_ana.post(PAGE)
    page = client_of_ana.get(PAGE)

    (picture,) = re.findall(r'<img src="(data:[^"]+)" alt="QR code', page.text)
    assert html.unescape(picture).startswith("data:image/svg+xml")
