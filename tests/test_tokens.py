"""Tokens of the API: how long they live, and what a stolen one is worth."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from portal.clock import now
from portal.db import atomic, db, first_id_at
from portal.models import ApiToken, TokenKind, User
from portal.secrets import fingerprint
from portal.services import accounts
from portal.services.accounts import Account
from portal.tenancy import across_tenants
from tests.companies import Company, make_company


@pytest.fixture
def acme(database: None) -> Company:
    return make_company("acme")


@pytest.fixture
def admin(acme: Company) -> Account:
    account = accounts.find_account(acme.admin.id)
    assert account is not None
    return account


def disable(user: User) -> None:
    with across_tenants("a test disables somebody"), atomic():
        db.session.execute(update(User).where(User.id == user.id).values(disabled_at=now()))


def change_tokens(*, of_kind: TokenKind, **changes: object) -> None:
    with across_tenants("a test lets time pass"), atomic():
        db.session.execute(update(ApiToken).where(ApiToken.kind == of_kind).values(changes))


def test_access_token_leads_to_its_person(admin: Account) -> None:
    tokens = accounts.issue_tokens(admin)

    assert accounts.account_of_token(tokens.access) == admin
    assert tokens.expires_in_s == 3600


@pytest.mark.parametrize("token", ["", "x", "é", "\x00"])
def test_unknown_token_leads_nowhere(admin: Account, token: str) -> None:
    accounts.issue_tokens(admin)

    assert accounts.account_of_token(token) is None
    assert accounts.refresh(token) is None


def test_fingerprint_of_a_token_is_no_token(admin: Account) -> None:
    tokens = accounts.issue_tokens(admin)

    assert accounts.account_of_token(fingerprint(tokens.access)) is None


def test_one_kind_of_token_does_not_pass_for_the_other(admin: Account) -> None:
    tokens = accounts.issue_tokens(admin)

    assert accounts.account_of_token(tokens.refresh) is None
    assert accounts.refresh(tokens.access) is None


@pytest.mark.parametrize("change", [{"expires_at": now() - timedelta(seconds=1)}, {"revoked_at": now()}])
def test_token_that_is_over_is_refused(admin: Account, change: dict[str, object]) -> None:
    tokens = accounts.issue_tokens(admin)
    change_tokens(of_kind=TokenKind.ACCESS, **change)
    change_tokens(of_kind=TokenKind.REFRESH, **change)

    assert accounts.account_of_token(tokens.access) is None
    assert accounts.refresh(tokens.refresh) is None


def test_disabled_person_loses_their_tokens_at_once(acme: Company, admin: Account) -> None:
    tokens = accounts.issue_tokens(admin)
    disable(acme.admin)
    db.session.expunge_all()

    assert accounts.account_of_token(tokens.access) is None
    assert accounts.refresh(tokens.refresh) is None
    assert accounts.find_account(acme.admin.id) is None


def test_refresh_token_is_exchanged_for_two_new_ones(admin: Account) -> None:
    first = accounts.issue_tokens(admin)

    renewed = accounts.refresh(first.refresh)

    assert renewed is not None
    account, second = renewed
    assert account == admin
    assert len({first.access, first.refresh, second.access, second.refresh}) == 4
    assert accounts.account_of_token(second.access) == admin
    assert accounts.refresh(second.refresh) is not None


@pytest.mark.parametrize(("days", "goes_on"), [(89, True), (91, False)])
def test_sign_in_that_is_renewed_again_and_again_ends_after_ninety_days(
    admin: Account, days: int, goes_on: bool
) -> None:
    tokens = accounts.issue_tokens(admin, family_id=first_id_at(now() - timedelta(days=days)))

    assert (accounts.refresh(tokens.refresh) is not None) is goes_on


def test_refresh_token_used_twice_ends_its_whole_family(admin: Account) -> None:
    first, of_another_sign_in = accounts.issue_tokens(admin), accounts.issue_tokens(admin)
    renewed = accounts.refresh(first.refresh)
    assert renewed is not None

    assert accounts.refresh(first.refresh) is None

    assert accounts.account_of_token(first.access) is None
    assert accounts.account_of_token(renewed[1].access) is None
    assert accounts.refresh(renewed[1].refresh) is None
    assert accounts.account_of_token(of_another_sign_in.access) == admin
