"""Leave to read: for how long, what is noted of its use, and what it does not reach."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Conflict, Invalid
from portal.models import AccessGrant, AuditEvent
from portal.permissions import Permission, Role
from portal.queries import access_grants as queries
from portal.services import access_grants, accounts
from portal.services.accounts import Account
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.factories import make_tenant, make_unit, make_user

READ = (Permission.READ_MESSAGES, Permission.READ_CAMPAIGNS)


@pytest.fixture
def acme(database: None) -> TenantScope:
    tenant = make_tenant("acme")
    return TenantScope(tenant.tenant_id, user_id=make_user("admin@acme.test").id)


@pytest.fixture
def operator(database: None) -> Account:
    account = accounts.find_account(make_user("op@portal.test", role=Role.SUPER_ADMIN, tenant=None).id)
    assert account is not None
    return account


def give(scope: TenantScope, **changes: Any) -> AccessGrant:
    with acting_for(scope):
        return access_grants.give(scope, **{"reason": "A fault", "hours": 8, **changes})


def note(scope: TenantScope, page: str = "tenant.units.index", operator: str = "op@portal.test") -> None:
    with acting_for(scope):
        access_grants.note_use(scope, operator=operator, page=page)


def age(hours: int) -> None:
    """Let every grant be that much older."""
    with across_tenants("a test lets time pass"), atomic():
        earlier = {name: getattr(AccessGrant, name) - timedelta(hours=hours) for name in ("created_at", "expires_at")}
        db.session.execute(update(AccessGrant).values(earlier))


def log(action: str) -> list[AuditEvent]:
    with across_tenants("a test looks"):
        return list(db.session.scalars(select(AuditEvent).where(AuditEvent.action == action)))


@pytest.mark.parametrize("hours", [1, 8, 24, 72])
def test_grant_lasts_for_the_hours_that_were_chosen(acme: TenantScope, hours: int) -> None:
    grant = give(acme, reason="  A fault ", hours=hours)

    assert abs(grant.expires_at - now() - timedelta(hours=hours)) < timedelta(minutes=1)
    assert (grant.reason, grant.granted_by_id) == ("A fault", acme.user_id)
    (event,) = log("access_grant.given")
    assert (event.tenant_id, event.subject_id, event.user_id) == (acme.tenant_id, grant.id, acme.user_id)


@pytest.mark.parametrize(
    ("typed", "fields"),
    [
        ({"reason": "  "}, {"reason"}),
        ({"reason": "x" * 201}, {"reason"}),
        ({"reason": "a\x00b"}, {"reason"}),
        ({"hours": 2}, {"hours"}),
        ({"hours": None, "reason": ""}, {"reason", "hours"}),
    ],
)
def test_grant_without_a_reason_or_for_another_time_is_refused(
    acme: TenantScope, typed: dict[str, Any], fields: set[str]
) -> None:
    with pytest.raises(Invalid) as refused:
        give(acme, **typed)

    assert set(refused.value.fields) == fields
    assert log("access_grant.given") == []


def test_second_grant_waits_for_the_end_of_the_first(acme: TenantScope) -> None:
    give(acme)
    with pytest.raises(Conflict):
        give(acme)
    age(8)

    assert give(acme).revoked_at is None


def test_operator_reads_while_it_runs_and_nobody_elses_rows(app: Flask, acme: TenantScope, operator: Account) -> None:
    make_tenant("rival")
    give(acme)

    granted, elsewhere = accounts.scope_for(operator, "acme"), accounts.scope_for(operator, "rival")

    assert [granted.allows(permission) for permission in READ] == [True, True]
    assert [elsewhere.allows(permission) for permission in READ] == [False, False]
    assert {permission for permission in Permission if granted.allows(permission)} == {
        *READ,
        *(permission for permission in Permission if elsewhere.allows(permission)),
    }


def test_grant_ends_by_itself_or_when_somebody_ends_it(acme: TenantScope, operator: Account) -> None:
    give(acme, hours=1)
    age(1)
    after_its_time = accounts.scope_for(operator, "acme").is_granted
    give(acme)
    while_it_runs = accounts.scope_for(operator, "acme").is_granted
    with acting_for(acme):
        ended = (access_grants.end(acme), access_grants.end(acme))

    assert (after_its_time, while_it_runs) == (False, True)
    assert not accounts.scope_for(operator, "acme").is_granted
    assert ended == (1, 0)
    assert len(log("access_grant.ended")) == 1


def test_ways_of_the_api_and_of_the_companys_own_people_know_no_grant(acme: TenantScope, operator: Account) -> None:
    unit = make_unit(acme)
    give(acme)
    admin = accounts.find_account(acme.user_id) if acme.user_id else None
    assert admin is not None

    assert not accounts.scope_for_unit(operator, unit.id).is_granted
    assert not accounts.scope_for(admin, "acme").is_granted


def test_first_look_of_an_hour_is_noted_for_each_person_and_kind_of_page(acme: TenantScope, operator: Account) -> None:
    grant = give(acme)
    other = make_user("op2@portal.test", role=Role.SUPER_ADMIN, tenant=None)
    first, second = (TenantScope(acme.tenant_id, user_id=id_, role=Role.SUPER_ADMIN) for id_ in (operator.id, other.id))

    for _ in range(3):
        note(first)
    note(first, page="tenant.conversations.show")
    note(second, operator="op2@portal.test")

    uses = log("access_grant.used")
    assert [(event.user_id, event.after) for event in uses] == [
        (operator.id, {"operator": "op@portal.test", "page": "tenant.units.index"}),
        (operator.id, {"operator": "op@portal.test", "page": "tenant.conversations.show"}),
        (other.id, {"operator": "op2@portal.test", "page": "tenant.units.index"}),
    ]
    assert {(event.tenant_id, event.subject_id) for event in uses} == {(acme.tenant_id, grant.id)}


def test_look_in_the_next_hour_is_noted_again(
    acme: TenantScope, operator: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(acme)
    scope = TenantScope(acme.tenant_id, user_id=operator.id, role=Role.SUPER_ADMIN)
    note(scope)
    monkeypatch.setattr(queries, "USE_NOTED_EVERY", timedelta(0))

    note(scope)

    assert len(log("access_grant.used")) == 2


def test_uses_stand_with_their_grant_the_first_look_first(acme: TenantScope, operator: Account) -> None:
    give(acme, reason="The first")
    note(TenantScope(acme.tenant_id, user_id=operator.id), page="tenant.units.index")
    note(TenantScope(acme.tenant_id, user_id=operator.id), page="tenant.contacts.show")
    with acting_for(acme):
        access_grants.end(acme)
    give(acme, reason="The second")

    with acting_for(acme):
        running, past = queries.list_running(acme), queries.list_past(acme)

    assert [(row.grant.reason, row.uses) for row in running] == [("The second", [])]
    (row,) = past
    assert row.given_by == "admin@acme.test"
    assert [(use.operator, use.page) for use in row.uses] == [
        ("op@portal.test", "tenant.units.index"),
        ("op@portal.test", "tenant.contacts.show"),
    ]
    assert row.ended_at == row.grant.revoked_at


def test_nothing_is_noted_once_no_grant_runs(acme: TenantScope, operator: Account) -> None:
    give(acme, hours=1)
    age(1)

    note(TenantScope(acme.tenant_id, user_id=operator.id))

    assert log("access_grant.used") == []
