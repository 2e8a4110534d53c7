"""Whoever is let in at the moment in which all that a person is signed in with ends is let in no further."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from portal.clock import now
from portal.db import db
from portal.errors import Conflict
from portal.models import ApiToken, User
from portal.permissions import Role
from portal.secrets import fingerprint
from portal.services import accounts, members, own_account, passwords, people, sessions
from portal.services.accounts import Account, Tokens
from portal.services.audit import Actor
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.factories import PASSWORD, make_tenant, make_user
from tests.locks import wait_until_one_waits
from tests.ways_in import account_of, actions_of, change, sessions_of, turn_on_second_factor

ANOTHER = "five purple elephants"


@pytest.fixture
def scope(database: None) -> TenantScope:
    return make_tenant()


@pytest.fixture
def ana(scope: TenantScope) -> User:
    return make_user()


def signed_in(user: User) -> Account:
    account = accounts.sign_in(user.email, PASSWORD)
    assert account is not None
    return account


def start(account: Account) -> str:
    return sessions.start(account, address=None, user_agent="a browser")


def sign_out_by_administrator(scope: TenantScope, user_id: UUID) -> None:
    with acting_for(scope):
        members.sign_out(scope, user_id)


# What ends a program's sign-in, given the company, the account, and the tokens that it had one after the other.
ENDS: dict[str, Callable[[TenantScope, Account, list[Tokens]], Any]] = {
    "another password": lambda scope, account, tokens: passwords.set_password(account.id, ANOTHER),
    "administrator": lambda scope, account, tokens: sign_out_by_administrator(scope, account.id),
    "operator": lambda scope, account, tokens: people.sign_out(account.id, by=operator()),
    "owner": lambda scope, account, tokens: own_account.end_api_sign_in(account, family_of(tokens[0]), address=None),
    "second use of a token": lambda scope, account, tokens: accounts.refresh(tokens[0].refresh),
}


def operator() -> Actor:
    return Actor(make_user("operator@portal.test", role=Role.SUPER_ADMIN, tenant=None).id)


def family_of(tokens: Tokens) -> UUID:
    with across_tenants("a test looks"):
        family = select(ApiToken.family_id).where(ApiToken.token_hash == fingerprint(tokens.refresh))
        return db.session.scalars(family).one()


class Gate:
    """Stops whoever comes through it until it is opened."""

    def __init__(self, before: Callable[..., Any]) -> None:
        self.reached, self.opened, self.before = Event(), Event(), before

    def __call__(self, *args: Any, **words: Any) -> Any:
        self.reached.set()
        assert self.opened.wait(20)
        return self.before(*args, **words)


def beside(app: Flask, act: Callable[[], Any]) -> Any:
    with app.app_context():
        return act()


@pytest.mark.commits
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_tokens_that_are_renewed_while_all_ends_end_too(
    app: Flask, scope: TenantScope, ana: User, end: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    account = account_of(ana)
    first = accounts.issue_tokens(account)
    renewed = accounts.refresh(first.refresh)
    assert renewed is not None
    tokens = [first, renewed[1]]
    gate = Gate(accounts.new_secret)
    monkeypatch.setattr(accounts, "new_secret", gate)

    with ThreadPoolExecutor(2) as pool:
        renewing = pool.submit(beside, app, lambda: accounts.refresh(tokens[1].refresh))
        assert gate.reached.wait(20)
        ending = pool.submit(beside, app, lambda: end(scope, account, tokens))
        wait_until_one_waits(ending)
        gate.opened.set()
        third = renewing.result(20)
        ending.result(20)

    assert third is not None
    assert accounts.account_of_token(third[1].access) is None
    assert accounts.refresh(third[1].refresh) is None


@pytest.mark.commits
def test_browser_that_is_let_in_with_the_old_password_is_signed_out_with_the_others(
    app: Flask, ana: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = signed_in(ana)
    gate = Gate(sessions.audit.record_own)
    monkeypatch.setattr(sessions.audit, "record_own", gate)

    with ThreadPoolExecutor(2) as pool:
        letting_in = pool.submit(beside, app, lambda: start(account))
        assert gate.reached.wait(20)
        ending = pool.submit(beside, app, lambda: passwords.set_password(ana.id, ANOTHER))
        wait_until_one_waits(ending)
        gate.opened.set()
        cookie = letting_in.result(20)
        ending.result(20)

    assert sessions.find(cookie) is None


@pytest.mark.parametrize("happens", ["password", "second factor", "disabled"])
def test_what_was_right_a_moment_ago_lets_nobody_in(ana: User, happens: str) -> None:
    account = signed_in(ana)
    if happens == "password":
        passwords.set_password(ana.id, ANOTHER)
    if happens == "second factor":
        turn_on_second_factor(account)
    if happens == "disabled":
        change(User, ana.id, disabled_at=now())

    with pytest.raises(Conflict):
        start(account)
    with pytest.raises(Conflict):
        own_account.sign_in_program(account, address=None)

    assert sessions_of(ana) == []
    assert "user.signed_in" not in actions_of(ana)


def test_password_is_not_taken_back_by_whoever_gave_the_old_one_before(
    ana: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = sessions.find(start(signed_in(ana)))
    assert session is not None
    monkeypatch.setattr(own_account, "has_password", lambda *given: True)
    passwords.set_password(ana.id, ANOTHER)

    with pytest.raises(Conflict):
        own_account.change_password(session, old=PASSWORD, new="four green herons", address=None)

    assert accounts.sign_in(ana.email, ANOTHER) is not None


def test_half_a_sign_in_that_began_with_the_old_password_is_none(ana: User) -> None:
    account = signed_in(ana)
    passwords.set_password(ana.id, ANOTHER)

    assert own_account.find_half(own_account.begin_half(account)) is None
