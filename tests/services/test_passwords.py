"""Which passwords are good enough, and what ends with another one."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Invalid
from portal.models import AccountLink, LinkKind, User
from portal.services import accounts, own_account, passwords, sessions
from portal.services.sessions import OpenSession
from portal.tenancy import TenantScope, across_tenants
from tests.factories import PASSWORD, make_tenant, make_user
from tests.ways_in import account_of, actions_of, change

ANOTHER = "five purple elephants"


@pytest.fixture
def scope(database: None) -> TenantScope:
    return make_tenant()


@pytest.fixture
def ana(scope: TenantScope) -> User:
    return make_user()


def sign_in(user: User) -> tuple[str, OpenSession]:
    token = sessions.start(account_of(user), address=None, user_agent="")
    session = sessions.find(token)
    assert session is not None
    return token, session


@pytest.mark.parametrize(
    "password",
    ["correct horse battery", "x7!kQp2#vM9z", "senha não é só isto", "a" * 100 + "bcdefgh"],
    ids=["words", "twelve characters", "accents", "long"],
)
def test_good_password_is_taken_as_it_is(password: str) -> None:
    assert passwords.checked_password(password, email="ana@acme.test") == password


@pytest.mark.parametrize(
    "password",
    [
        "",
        "elevenchars",
        "a" * 201,
        "aaaaaaaaaaaaaaaa",
        "abababababab",
        "ana@acme.test",
        "ANA@acme.test1",
        "acme.test12345",
    ],
)
def test_password_that_is_easily_guessed_is_refused(password: str) -> None:
    with pytest.raises(Invalid) as refused:
        passwords.checked_password(password, email="ana@acme.test")
    assert list(refused.value.fields) == ["password"]


def test_new_password_ends_whatever_else_the_person_was_signed_in_with(scope: TenantScope, ana: User) -> None:
    here, this = sign_in(ana)
    there, _ = sign_in(ana)
    tokens = accounts.issue_tokens(this.account)
    with across_tenants("a test makes a link"), atomic():
        link = AccountLink(
            tenant_id=scope.tenant_id,
            user_id=ana.id,
            kind=LinkKind.PASSWORD_RESET,
            expires_at=now() + timedelta(hours=1),
        )
        db.session.add(link)

    own_account.change_password(this, old=PASSWORD, new=ANOTHER, address=None)

    assert (sessions.find(here) is None, sessions.find(there) is None) == (False, True)
    assert accounts.account_of_token(tokens.access) is None
    assert accounts.refresh(tokens.refresh) is None
    with across_tenants("a test looks"):
        revoked_at = db.session.scalar(select(AccountLink.revoked_at).where(AccountLink.id == link.id))
    assert revoked_at is not None
    assert accounts.sign_in("ana@acme.test", PASSWORD) is None
    assert accounts.sign_in("ana@acme.test", ANOTHER) is not None
    assert actions_of(ana)[-1] == "user.password_changed"


def test_colleague_stays_signed_in(ana: User) -> None:
    _, this = sign_in(ana)
    theirs, _ = sign_in(make_user("bea@acme.test"))

    own_account.change_password(this, old=PASSWORD, new=ANOTHER, address=None)

    assert sessions.find(theirs) is not None


@pytest.mark.parametrize(
    ("old", "new", "fields"),
    [("wrong", ANOTHER, ["old"]), (PASSWORD, "short", ["password"]), ("wrong", "short", ["old", "password"])],
)
def test_password_is_not_changed_without_the_old_one_and_a_good_new_one(
    ana: User, old: str, new: str, fields: list[str]
) -> None:
    _, this = sign_in(ana)

    with pytest.raises(Invalid) as refused:
        own_account.change_password(this, old=old, new=new, address=None)

    assert list(refused.value.fields) == fields
    assert accounts.sign_in("ana@acme.test", PASSWORD) is not None


@pytest.mark.parametrize("happens", ["nothing", "time", "password", "disabled"])
def test_half_a_sign_in_holds_for_minutes_and_ends_with_the_password(ana: User, happens: str) -> None:
    half = dict(own_account.begin_half(account_of(ana)))
    if happens == "time":
        half["at"] -= 301
    if happens == "password":
        passwords.set_password(ana.id, ANOTHER)
    if happens == "disabled":
        change(User, ana.id, disabled_at=now())

    found = own_account.find_half(half)

    assert (found is not None) is (happens == "nothing")
