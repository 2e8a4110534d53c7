"""Who signs in, and what they may see."""

from uuid import uuid4

import pytest
from sqlalchemy import func, select, update

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Invalid, NotFound
from portal.models import User
from portal.permissions import Role
from portal.services import accounts
from portal.services.accounts import Account
from portal.tenancy import across_tenants
from tests.companies import Company, make_company
from tests.factories import PASSWORD, make_unit, make_user


@pytest.fixture
def acme(database: None) -> Company:
    return make_company("acme")


@pytest.fixture
def rival(database: None) -> Company:
    return make_company("rival")


@pytest.fixture
def admin(acme: Company) -> Account:
    return account_of(acme.admin)


@pytest.fixture
def hashes_checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    checked: list[str] = []
    check = accounts.check_password_hash
    monkeypatch.setattr(accounts, "check_password_hash", lambda pw, given: checked.append(pw) or check(pw, given))
    return checked


def account_of(user: User) -> Account:
    account = accounts.find_account(user.id)
    assert account is not None
    return account


def change_user(user: User, **changes: object) -> None:
    with across_tenants("a test changes somebody"), atomic():
        db.session.execute(update(User).where(User.id == user.id).values(changes))


@pytest.mark.parametrize("email", ["admin@acme.test", " Admin@ACME.test "])
def test_right_password_signs_in(acme: Company, email: str) -> None:
    account = accounts.sign_in(email, PASSWORD)

    assert account is not None
    assert (account.id, account.tenant_slug, account.role) == (acme.admin.id, "acme", Role.TENANT_ADMIN)


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("admin@acme.test", "wrong"),
        ("admin@acme.test", ""),
        ("admin@acme.test", PASSWORD + " "),
        ("nobody@acme.test", PASSWORD),
        ("nobody@acme.test", "nobody"),
        ("", ""),
        ("\x00", PASSWORD),
        ("%", PASSWORD),
    ],
)
def test_anything_else_does_not(acme: Company, email: str, password: str) -> None:
    assert accounts.sign_in(email, password) is None


def test_disabled_person_does_not_sign_in(acme: Company) -> None:
    change_user(acme.admin, disabled_at=now())

    assert accounts.sign_in("admin@acme.test", PASSWORD) is None


@pytest.mark.slow_hashes
@pytest.mark.parametrize("email", ["admin@acme.test", "nobody@acme.test", "gone@acme.test"])
def test_answer_takes_one_check_of_a_hash_whoever_is_asked_for(
    acme: Company, hashes_checked: list[str], email: str
) -> None:
    change_user(make_user("gone@acme.test"), disabled_at=now())

    accounts.sign_in(email, "wrong")

    assert [stored.split(":")[0] for stored in hashes_checked] == ["scrypt"]


def test_endless_password_is_not_hashed_whole(acme: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []
    monkeypatch.setattr(accounts, "check_password_hash", lambda _, given: hashed.append(given) or False)

    accounts.sign_in("admin@acme.test", "x" * 1_000_000)

    assert max(map(len, hashed)) <= accounts.LONGEST_PASSWORD + 1


@pytest.mark.slow_hashes
def test_password_is_kept_as_a_slow_hash_only(acme: Company) -> None:
    user = make_user("eva@acme.test")

    assert user.password_hash.startswith("scrypt:")
    assert PASSWORD not in user.password_hash


def test_agent_may_see_the_units_they_answer_in_and_an_admin_all(acme: Company) -> None:
    make_unit(acme.scope, "praia")

    agent, admin = account_of(acme.agent), account_of(acme.admin)

    assert (agent.unit_ids, admin.unit_ids) == ({acme.unit.id}, None)
    assert accounts.scope_for(agent, "acme").unit_ids == {acme.unit.id}


def test_agent_of_no_unit_sees_none(acme: Company) -> None:
    agent = account_of(make_user("new@acme.test", role=Role.AGENT))

    assert accounts.own_scope(agent).unit_ids == frozenset()


def test_scope_says_who_acts_and_from_where(acme: Company, admin: Account) -> None:
    scope = accounts.scope_for(admin, "acme", address="192.0.2.1")

    assert (scope.tenant_id, scope.user_id, scope.role, scope.address) == (
        acme.scope.tenant_id,
        acme.admin.id,
        Role.TENANT_ADMIN,
        "192.0.2.1",
    )


@pytest.mark.parametrize("slug", ["rival", "nobody", "", "\x00"])
def test_stranger_finds_no_tenant(rival: Company, admin: Account, slug: str) -> None:
    with pytest.raises(NotFound):
        accounts.scope_for(admin, slug)


def test_stranger_finds_no_unit(rival: Company, admin: Account) -> None:
    for unit_id in (rival.unit.id, uuid4()):
        with pytest.raises(NotFound):
            accounts.scope_for_unit(admin, unit_id)


def test_operator_enters_every_tenant_but_has_none(acme: Company, rival: Company) -> None:
    operator = account_of(make_user("op@portal.test", role=Role.SUPER_ADMIN, tenant=None))

    assert accounts.scope_for(operator, "acme").tenant_id == acme.scope.tenant_id
    assert accounts.scope_for_unit(operator, rival.unit.id).tenant_id == rival.scope.tenant_id
    with pytest.raises(NotFound):
        accounts.own_scope(operator)


def test_account_is_made_whole_or_not_at_all(acme: Company) -> None:
    with pytest.raises(NotFound):
        make_user("eva@acme.test", role=Role.AGENT, unit_slugs=("centro", "nowhere"))

    with across_tenants("a test counts"):
        found = db.session.scalar(select(func.count()).select_from(User).where(User.email == "eva@acme.test"))
    assert found == 0


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "no address"}, "email"),
        ({"email": "a@" + "b" * 260}, "email"),
        ({"email": "a\x00@b.test"}, "email"),
        ({"email": "admin@acme.test"}, "email"),
        ({"email": "ADMIN@acme.test"}, "email"),
        ({"password": "x" * 11}, "password"),
        ({"password": "x" * 201}, "password"),
        ({"tenant_slug": None}, "tenant"),
        ({"role": Role.SUPER_ADMIN}, "tenant"),
        ({"unit_slugs": ("centro",)}, "unit"),
    ],
)
def test_account_that_cannot_be_says_which_field_is_wrong(
    acme: Company, changes: dict[str, object], field: str
) -> None:
    wanted = {"email": "eva@acme.test", "role": Role.TENANT_ADMIN, "password": PASSWORD, "tenant_slug": "acme"}

    with pytest.raises(Invalid) as refused:
        accounts.create_user(**{**wanted, **changes})  # type: ignore[arg-type]

    assert list(refused.value.fields) == [field]


def test_language_is_kept(acme: Company, admin: Account) -> None:
    accounts.choose_locale(admin, "en")
    db.session.expunge_all()

    assert account_of(acme.admin).locale == "en"
