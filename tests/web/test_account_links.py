"""What strangers may open: links to a password, and the page that asks for one. It tells and leaks nothing."""

import logging
import re
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from portal.background.mail import Mails
from portal.clock import now
from portal.db import atomic, db
from portal.extensions import parts
from portal.logs import MASK, mask
from portal.models import AccountLink, User
from portal.services import account_links, accounts, members
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.architecture.walk import everything
from tests.factories import PASSWORD, make_user
from tests.mail_server import MailServer, running

CSRF = re.compile(r'(?<=name="csrf_token")[^>]*')
NEW = "four words nobody knows"
TYPED = {"password": NEW, "again": NEW}
ASK = "/password-reset"
EMAIL = "ana@acme.test"
UNKNOWN = "nobody@acme.test"


@pytest.fixture
def ana(acme: TenantScope) -> User:
    return make_user(EMAIL)


@pytest.fixture
def reset(ana: User) -> str:
    """The address of a link to a new password."""
    with across_tenants("a test makes a link"), atomic():
        address = account_links.make(ana, by_mail=False)
    return (address or "").removeprefix("http://portal.test")


@pytest.fixture
def invitation(acme: TenantScope) -> str:
    with acting_for(acme):
        _user, address = members.invite(acme, email="new@acme.test", role="tenant_admin")
    return (address or "").removeprefix("http://portal.test")


@pytest.fixture
def with_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"smtp_url": "smtp://mail.test", "mail_from": "portal@portal.test"}
    monkeypatch.setattr(parts, "config", replace(parts.config, **settings))


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_links, "ANSWERED_AFTER_S", 0.0)


def links() -> list[AccountLink]:
    with across_tenants("a test looks"):
        return list(db.session.scalars(select(AccountLink).order_by(AccountLink.id)))


def test_link_is_looked_at_as_often_as_one_likes(visitor: FlaskClient, reset: str) -> None:
    before = everything()
    answers = [visitor.open(reset, method=method) for method in ("GET", "HEAD", "GET")]

    assert [answer.status_code for answer in answers] == [200] * 3
    assert everything() == before
    assert visitor.post(reset, data=TYPED).status_code == 303


def test_page_of_a_link_is_kept_and_told_nowhere(visitor: FlaskClient, reset: str, invitation: str) -> None:
    for address in (reset, invitation, "/invitation/forged"):
        headers = visitor.get(address).headers

        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Robots-Tag"] == "noindex"


def test_link_works_over_https_where_no_referer_comes(app: Flask, visitor: FlaskClient, reset: str) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    try:
        answer = visitor.post(reset, data=TYPED, base_url="https://portal.test")
    finally:
        app.config["WTF_CSRF_ENABLED"] = False

    assert answer.status_code == 303
    assert accounts.sign_in(EMAIL, NEW) is not None


def test_nobody_is_signed_in_by_a_link(visitor: FlaskClient, reset: str) -> None:
    answer = visitor.post(reset, data=TYPED)

    assert answer.location == "/login"
    assert visitor.get("/t/acme/").status_code == 302


def test_invitation_greets_and_a_reset_does_not(visitor: FlaskClient, reset: str, invitation: str) -> None:
    assert "<h1>Choose a password</h1>" in visitor.get(invitation).text
    assert "<h1>Choose a new password</h1>" in visitor.get(reset).text


def test_refused_password_is_said_at_its_field_and_not_repeated(visitor: FlaskClient, reset: str) -> None:
    short = visitor.post(reset, data={"password": "tooshort", "again": "tooshort"})
    unlike = visitor.post(reset, data={"password": NEW, "again": "something else"})
    empty = visitor.post(reset)

    assert [answer.status_code for answer in (short, unlike, empty)] == [422] * 3
    assert "at least 12 characters" in short.text
    assert "tooshort" not in short.text
    assert re.findall(r'id="(\w+)-error"', unlike.text) == ["again"]
    assert visitor.post(reset, data=TYPED).status_code == 303


def test_link_that_is_over_says_what_to_do(visitor: FlaskClient, reset: str) -> None:
    visitor.post(reset, data=TYPED)

    answers = [visitor.get(reset), visitor.post(reset, data={**TYPED, "password": "yet another one of mine"})]

    assert [answer.status_code for answer in answers] == [410, 410]
    assert f'href="{ASK}"' in answers[0].text
    assert "ask an administrator" in answers[0].text
    assert accounts.sign_in(EMAIL, NEW) is not None


def test_link_runs_out(visitor: FlaskClient, reset: str) -> None:
    with across_tenants("a test lets time pass"), atomic():
        db.session.execute(update(AccountLink).values(expires_at=now() - timedelta(seconds=1)))

    assert visitor.get(reset).status_code == 410
    assert visitor.post(reset, data=TYPED).status_code == 410
    assert accounts.sign_in(EMAIL, PASSWORD) is not None


def test_forged_link_leads_nowhere(visitor: FlaskClient, reset: str, invitation: str) -> None:
    token = reset.rpartition("/")[2]

    for address in ("/invitation/forged", "/password-reset/%00", f"/invitation/{token}", f"{reset}x"):
        assert visitor.get(address).status_code == 404
        assert visitor.post(address, data=TYPED).status_code == 404


def test_guessing_links_is_throttled(visitor: FlaskClient) -> None:
    for number in range(30):
        visitor.get(f"/invitation/guess-{number}")

    answer = visitor.get("/invitation/guess")

    assert answer.status_code == 429
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_token_is_not_logged(visitor: FlaskClient, reset: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    visitor.get(reset)
    visitor.post(reset, data=TYPED)

    assert reset.rpartition("/")[2] not in caplog.text


@pytest.mark.parametrize("path", ["invitation", "password-reset", "scan"])
def test_address_of_a_link_is_masked_wherever_it_is_logged(path: str) -> None:
    assert mask(f"GET https://portal.test/{path}/ab-c_1?x=1") == f"GET https://portal.test/{path}/{MASK}?x=1"


def test_sign_in_page_leads_to_the_page_that_asks(visitor: FlaskClient) -> None:
    assert f'href="{ASK}"' in visitor.get("/login").text


def test_forgotten_password_is_made_anew_by_mail(
    ana: User, visitor: FlaskClient, monkeypatch: pytest.MonkeyPatch, at_once: None
) -> None:
    with running(MailServer()) as server:
        server.use(monkeypatch)
        answer = visitor.post(ASK, data={"email": f" {EMAIL.upper()}"})
        Mails().work()
    link = re.search(r"http://portal\.test(/password-reset/\S+)", server.mails[0].text)
    assert link is not None
    visitor.post(link[1], data=TYPED)
    signed_in = visitor.post("/login", data={"email": EMAIL, "password": NEW})

    assert answer.status_code == 200
    assert (signed_in.status_code, signed_in.location) == (303, "/t/acme/home")
    assert accounts.sign_in(EMAIL, PASSWORD) is None


def test_answer_is_the_same_whether_or_not_there_is_an_account(
    ana: User, visitor: FlaskClient, with_mail: None, at_once: None
) -> None:
    answers = [visitor.post(ASK, data={"email": email}) for email in (EMAIL, UNKNOWN)]

    assert {answer.status_code for answer in answers} == {200}
    # Its mark against forgery bears the second in which it was made.
    assert CSRF.sub("", answers[0].text) == CSRF.sub("", answers[1].text)
    assert [dict(answer.headers).keys() for answer in answers][0] == dict(answers[1].headers).keys()
    assert [link.user_id for link in links()] == [ana.id]


def test_answer_takes_about_as_long_whether_or_not_there_is_an_account(
    ana: User, visitor: FlaskClient, with_mail: None
) -> None:
    def took(act: Callable[[], object]) -> float:
        began_at = time.monotonic()
        act()
        return time.monotonic() - began_at

    known = took(lambda: visitor.post(ASK, data={"email": EMAIL}))
    unknown = took(lambda: visitor.post(ASK, data={"email": UNKNOWN}))

    assert min(known, unknown) >= account_links.ANSWERED_AFTER_S


def test_without_a_mail_server_the_page_says_whom_to_ask(ana: User, visitor: FlaskClient, at_once: None) -> None:
    shown = visitor.get(ASK).text
    answer = visitor.post(ASK, data={"email": EMAIL}).text

    assert "Ask an administrator of your company" in shown
    assert "<form" not in shown.split("<main")[1]
    assert "Ask an administrator of your company" in answer
    assert links() == []


def test_asking_without_an_address_says_so(visitor: FlaskClient, with_mail: None) -> None:
    answer = visitor.post(ASK, data={"email": ""})

    assert answer.status_code == 422
    assert 'aria-describedby="email-error"' in answer.text


def test_asking_is_throttled(visitor: FlaskClient, with_mail: None, at_once: None) -> None:
    answers = [visitor.post(ASK, data={"email": f"{number}@acme.test"}).status_code for number in range(6)]

    assert answers == [200] * 5 + [429]
