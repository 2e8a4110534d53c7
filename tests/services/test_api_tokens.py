"""API tokens of a company: what may be made, what it is worth, and how it ends."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Conflict, Invalid, NotFound
from portal.models import ApiToken, AuditEvent, Unit, User
from portal.permissions import ApiScope, Permission
from portal.queries import api_tokens as queries
from portal.services import accounts, api_tokens
from portal.services.accounts import Account
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_tenant, make_unit, make_user

WANTED = {"name": "CRM", "kind": "live", "scopes": ["send", "read"]}


@pytest.fixture
def admin(scope: TenantScope) -> User:
    return make_user("admin@acme.test")


@pytest.fixture
def acting(scope: TenantScope, admin: User) -> TenantScope:
    return TenantScope(scope.tenant_id, user_id=admin.id)


def create(scope: TenantScope, **changes: Any) -> tuple[ApiToken, str]:
    with acting_for(scope):
        return api_tokens.create(scope, **{**WANTED, **changes})


def problems(scope: TenantScope, **changes: Any) -> set[str]:
    with pytest.raises(Invalid) as refused:
        create(scope, **changes)
    return set(refused.value.fields)


def audited(scope: TenantScope) -> list[tuple[str, Any, Any]]:
    with acting_for(scope):
        events = db.session.scalars(scope.select(AuditEvent).order_by(AuditEvent.id)).all()
    return [(event.action, event.before, event.after) for event in events if event.subject_type == "api_token"]


def change(scope: TenantScope, token_id: UUID, **changes: object) -> None:
    with acting_for(scope), atomic():
        db.session.execute(scope.update(ApiToken).where(ApiToken.id == token_id).values(changes))


def account_of(secret: str) -> Account:
    account = accounts.account_of_token(secret)
    assert account is not None
    return account


def since_use(scope: TenantScope, token_id: UUID) -> timedelta:
    with acting_for(scope):
        used_at = queries.get_working(scope, token_id).used_at
    assert used_at is not None
    return now() - used_at


def test_token_acts_for_its_company_with_its_scopes_and_for_nobody(acting: TenantScope) -> None:
    token, secret = create(acting)

    account = account_of(secret)
    assert (account.tenant_id, account.id, account.unit_ids) == (acting.tenant_id, None, None)
    assert (account.allows(Permission.SEND), account.allows(Permission.CONNECT)) == (True, False)
    assert token.scopes == [ApiScope.READ, ApiScope.SEND]


@pytest.mark.parametrize("kind", ["live", "test"])
def test_secret_says_what_it_is_and_its_end_is_the_hint(acting: TenantScope, kind: str) -> None:
    token, secret = create(acting, kind=kind)

    assert secret.startswith(f"evp_{kind}_")
    assert secret.endswith(token.hint or "?")


@pytest.mark.parametrize(("kind", "is_test"), [("live", False), ("test", True)])
def test_only_a_test_token_rehearses(acting: TenantScope, kind: str, is_test: bool) -> None:
    used = account_of(create(acting, kind=kind)[1]).token

    assert used is not None
    assert used.is_test is is_test


def test_token_for_some_units_sees_these_only(acting: TenantScope, unit: Unit) -> None:
    make_unit(acting, "praia")

    _, secret = create(acting, unit_ids=[unit.id, unit.id])

    assert account_of(secret).unit_ids == {unit.id}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "  "}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"kind": "access"}, "kind"),
        ({"kind": ""}, "kind"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["read", "operate"]}, "scopes"),
        ({"expires_on": "yesterday"}, "expires_on"),
        ({"expires_on": "2020-01-01"}, "expires_on"),
        ({"expires_on": "9999-12-31"}, "expires_on"),
        ({"expires_on": "0001-01-01"}, "expires_on"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(acting: TenantScope, changes: dict[str, Any], field: str) -> None:
    assert problems(acting, **changes) == {field}


def test_all_that_is_wrong_is_said_at_once(acting: TenantScope) -> None:
    assert problems(acting, name="", kind="", scopes=[], expires_on="x") == {"name", "kind", "scopes", "expires_on"}


def test_token_works_through_the_end_of_its_last_day_by_the_clock_of_the_zone(acting: TenantScope) -> None:
    token, _ = create(acting, expires_on="2099-12-31", zone="America/Sao_Paulo")

    assert token.expires_at is not None
    assert token.expires_at.astimezone(UTC) == datetime(2100, 1, 1, 3, tzinfo=UTC)


def test_today_may_be_the_last_day(acting: TenantScope) -> None:
    _, secret = create(acting, expires_on=now().date().isoformat(), zone="UTC")

    assert accounts.account_of_token(secret) is not None


def test_units_of_others_and_archived_ones_are_nowhere(acting: TenantScope, unit: Unit) -> None:
    foreign = make_unit(make_tenant("rival"), "norte")
    with acting_for(acting), atomic():
        db.session.execute(acting.update(Unit).where(Unit.id == unit.id).values(archived_at=now()))

    for unit_id in (foreign.id, unit.id, uuid4()):
        with pytest.raises(NotFound):
            create(acting, unit_ids=[unit_id])

    assert audited(acting) == []


def test_revoked_token_is_over_at_once_and_for_good(acting: TenantScope) -> None:
    token, secret = create(acting)

    with acting_for(acting):
        api_tokens.revoke(acting, token.id)
        api_tokens.revoke(acting, token.id)

    assert accounts.account_of_token(secret) is None
    assert [action for action, _, _ in audited(acting)] == ["api_token.created", "api_token.revoked"]


def test_what_is_noted_of_a_token_holds_no_secret(acting: TenantScope, unit: Unit) -> None:
    _, secret = create(acting, unit_ids=[unit.id], expires_on="2099-12-31")

    ((action, before, after),) = audited(acting)
    assert (action, before) == ("api_token.created", None)
    assert after == {
        "name": "CRM",
        "kind": "live",
        "scopes": ["read", "send"],
        "units": [str(unit.id)],
        "expiresAt": after["expiresAt"],
    }
    assert secret[-10:] not in str(after)


def test_tokens_of_others_and_those_of_a_sign_in_cannot_be_revoked(acting: TenantScope, admin: User) -> None:
    rival = make_tenant("rival")
    foreign, secret = create(rival)
    account = accounts.find_account(admin.id)
    assert account is not None
    access = accounts.issue_tokens(account).access
    with acting_for(acting):
        of_a_person = db.session.scalars(acting.select(ApiToken, ApiToken.id)).first()

    for token_id in (foreign.id, of_a_person, uuid4()):
        with pytest.raises(NotFound), acting_for(acting):
            api_tokens.revoke(acting, token_id)

    assert accounts.account_of_token(secret) is not None
    assert accounts.account_of_token(access) is not None


def test_only_tokens_that_work_use_up_the_number_a_company_may_have(
    acting: TenantScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_tokens, "MOST_TOKENS", 2)
    (first, _), (second, _) = create(acting), create(acting)

    assert problems(acting) == {"name"}
    change(acting, first.id, expires_at=now() - timedelta(seconds=1))
    change(acting, second.id, revoked_at=now())
    create(acting)


def test_use_is_noted_to_the_minute(acting: TenantScope) -> None:
    token, secret = create(acting)
    account_of(secret)
    change(acting, token.id, used_at=now() - timedelta(seconds=50))
    account_of(secret)
    within_the_minute = since_use(acting, token.id)
    change(acting, token.id, used_at=now() - timedelta(seconds=70))
    account_of(secret)

    assert within_the_minute > timedelta(seconds=45)
    assert since_use(acting, token.id) < timedelta(seconds=45)


def test_lists_tell_tokens_that_work_from_those_that_are_over(acting: TenantScope, unit: Unit) -> None:
    create(make_tenant("rival"), name="Foreign")
    working, _ = create(acting, name="Shop", unit_ids=[unit.id])
    revoked, _ = create(acting, name="Old")
    expired, _ = create(acting, name="Older")
    change(acting, revoked.id, revoked_at=now())
    change(acting, expired.id, expires_at=now() - timedelta(seconds=1))

    with acting_for(acting):
        rows, over = queries.list_working(acting), queries.list_ended(acting)
        with pytest.raises(NotFound):
            queries.get_working(acting, expired.id)

    assert [(row.token.id, row.units, row.made_by) for row in rows] == [(working.id, [unit.name], "admin@acme.test")]
    assert [row.token.name for row in over] == ["Older", "Old"]


def rotate(scope: TenantScope, token_id: UUID, grace: str = "24h") -> tuple[ApiToken, str]:
    with acting_for(scope):
        return api_tokens.rotate(scope, token_id, grace=grace)


@pytest.mark.parametrize(("grace", "hours"), [("1h", 1), ("24h", 24), ("7d", 168)])
def test_rotated_token_may_do_the_same_and_the_old_secret_goes_on_for_a_while(
    acting: TenantScope, unit: Unit, grace: str, hours: int
) -> None:
    old, old_secret = create(acting, unit_ids=[unit.id], kind="test")

    new, secret = rotate(acting, old.id, grace)

    before, after = account_of(old_secret), account_of(secret)
    assert (after.unit_ids, new.kind, new.name, new.scopes) == (before.unit_ids, old.kind, old.name, old.scopes)
    assert (new.expires_at, new.created_by_id) == (None, acting.user_id)
    with acting_for(acting):
        end = queries.get_working(acting, old.id).expires_at
    assert end is not None
    assert abs(end - now() - timedelta(hours=hours)) < timedelta(minutes=1)


def test_old_secret_is_over_when_its_time_is(acting: TenantScope) -> None:
    old, old_secret = create(acting)
    _, secret = rotate(acting, old.id, "1h")
    change(acting, old.id, expires_at=now() - timedelta(seconds=1))

    assert accounts.account_of_token(old_secret) is None
    assert accounts.account_of_token(secret) is not None


def test_rotation_keeps_the_last_day(acting: TenantScope) -> None:
    old, _ = create(acting, expires_on="2099-12-31")
    last_day = old.expires_at

    assert rotate(acting, old.id)[0].expires_at == last_day


def test_second_click_makes_no_second_secret(acting: TenantScope) -> None:
    old, _ = create(acting)
    rotate(acting, old.id)

    with pytest.raises(Conflict):
        rotate(acting, old.id)

    with acting_for(acting):
        assert len(queries.list_working(acting)) == 2


def test_what_is_no_grace_rotates_nothing(acting: TenantScope) -> None:
    old, _ = create(acting)

    with pytest.raises(Invalid) as refused:
        rotate(acting, old.id, "forever")

    assert set(refused.value.fields) == {"grace"}
    assert [action for action, _, _ in audited(acting)] == ["api_token.created"]


def test_revoked_tokens_and_those_of_others_are_not_rotated(acting: TenantScope) -> None:
    own, _ = create(acting)
    foreign, _ = create(make_tenant("rival"))
    with acting_for(acting):
        api_tokens.revoke(acting, own.id)

    for token_id, refusal in ((own.id, Conflict), (foreign.id, NotFound), (uuid4(), NotFound)):
        with pytest.raises(refusal):
            rotate(acting, token_id)


def test_company_with_as_many_tokens_as_it_may_have_can_rotate_each(
    acting: TenantScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_tokens, "MOST_TOKENS", 1)
    old, _ = create(acting)

    new, _ = rotate(acting, old.id)

    with pytest.raises(Invalid):
        rotate(acting, new.id)


def test_rotation_is_noted_without_the_secret(acting: TenantScope) -> None:
    old, old_secret = create(acting)
    _, secret = rotate(acting, old.id)

    notes = audited(acting)
    assert [action for action, _, _ in notes] == ["api_token.created", "api_token.rotated", "api_token.created"]
    assert [part for part in (secret[-10:], old_secret[-10:]) if part in str(notes)] == []
