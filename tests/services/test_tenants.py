"""Companies as the operator runs them: which steps are allowed when, and what each leaves behind."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Conflict, Forbidden, Invalid, NotFound
from portal.models import AuditEvent, CampaignState, ConnectionAction, Tenant, Unit
from portal.permissions import Role
from portal.services import access_grants, accounts, campaign_states, connections, tenants
from portal.services.accounts import Account
from portal.services.audit import Actor
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.factories import (
    connection_of,
    make_api_token,
    make_campaign,
    make_connected_unit,
    make_conversation,
    make_tenant,
    make_unit,
    make_user,
)


@pytest.fixture
def scope(database: None) -> TenantScope:
    return make_tenant()


@pytest.fixture
def by(database: None) -> Actor:
    return Actor(make_user("op@portal.test", role=Role.SUPER_ADMIN, tenant=None).id, "192.0.2.1")


def current(scope: TenantScope) -> Tenant:
    return tenants.get_tenant(scope.tenant_id)


def change(scope: TenantScope, **columns: object) -> None:
    with across_tenants("a test lets time pass"), atomic():
        tenant = db.session.get(Tenant, scope.tenant_id, populate_existing=True)
        for name, value in columns.items():
            setattr(tenant, name, value)


def account_of(email: str, **options: object) -> Account:
    account = accounts.find_account(make_user(email, **options).id)  # type: ignore[arg-type]
    assert account is not None
    return account


def again(account: Account) -> Account:
    """The same person at their next request."""
    assert account.id is not None
    found = accounts.find_account(account.id)
    assert found is not None
    return found


def logged(tenant_id: UUID | None) -> list[tuple[str, UUID | None]]:
    with across_tenants("a test reads the log"):
        events = db.session.query(AuditEvent).where(AuditEvent.tenant_id == tenant_id).order_by(AuditEvent.id)
        return [(event.action, event.user_id) for event in events if event.subject_type == "tenant"]


def test_suspended_company_lets_nobody_of_it_in_but_operators(scope: TenantScope, by: Actor) -> None:
    person, operator = account_of("ana@acme.test"), accounts.find_account(by.user_id or uuid4())
    unit = make_unit(scope)
    assert operator is not None

    tenants.suspend(scope.tenant_id, by=by)

    for refused in (
        lambda: accounts.scope_for(again(person), "acme"),
        lambda: accounts.own_scope(again(person)),
        lambda: accounts.scope_for_unit(again(person), unit.id),
    ):
        with pytest.raises(Forbidden) as refusal:
            refused()
        assert refusal.value.code == "suspended"
    assert accounts.scope_for(operator, "acme").tenant_id == scope.tenant_id
    assert accounts.scope_for_unit(operator, unit.id).tenant_id == scope.tenant_id


def test_token_of_a_suspended_company_is_refused(scope: TenantScope, by: Actor) -> None:
    secret = make_api_token(scope)

    tenants.suspend(scope.tenant_id, by=by)

    account = accounts.account_of_token(secret)
    assert account is not None
    with pytest.raises(Forbidden):
        accounts.own_scope(account)


def test_stranger_does_not_learn_that_a_company_is_suspended(scope: TenantScope, by: Actor) -> None:
    make_tenant("rival")
    stranger = account_of("bia@rival.test", tenant="rival")

    tenants.suspend(scope.tenant_id, by=by)

    with pytest.raises(NotFound):
        accounts.scope_for(stranger, "acme")


def test_others_work_on_while_one_is_suspended(scope: TenantScope, by: Actor) -> None:
    rival = make_tenant("rival")
    person = account_of("bia@rival.test", tenant="rival")

    tenants.suspend(scope.tenant_id, by=by)

    assert accounts.own_scope(again(person)).tenant_id == rival.tenant_id


def test_resumed_company_is_as_before(scope: TenantScope, by: Actor) -> None:
    person = account_of("ana@acme.test")
    tenants.suspend(scope.tenant_id, by=by)

    tenants.resume(scope.tenant_id, by=by)

    assert accounts.scope_for(again(person), "acme").tenant_id == scope.tenant_id


def test_scan_link_of_a_suspended_company_is_gone(scope: TenantScope, by: Actor) -> None:
    unit = make_unit(scope)
    with acting_for(scope):
        token = connections.create_scan_link(scope, unit.id)

    tenants.suspend(scope.tenant_id, by=by)

    with pytest.raises(NotFound):
        connections.open_scan_link(token)
    tenants.resume(scope.tenant_id, by=by)
    assert connections.open_scan_link(token)[0].tenant_id == scope.tenant_id


def test_each_step_is_in_the_companys_log_and_in_the_operators(scope: TenantScope, by: Actor) -> None:
    tenants.suspend(scope.tenant_id, by=by)
    tenants.resume(scope.tenant_id, by=by)
    tenants.close(scope.tenant_id, days=30, by=by)
    tenants.reopen(scope.tenant_id, by=by)
    tenants.close(scope.tenant_id, days=30, by=by)
    tenants.erase_now(scope.tenant_id, typed="acme", by=by)

    steps = ["suspended", "resumed", "suspended", "closed", "reopened", "closed", "erasure_hurried"]
    told = [(f"tenant.{step}", by.user_id) for step in steps]
    assert logged(scope.tenant_id) == told
    assert logged(None) == told


def test_opening_a_company_is_in_the_log(by: Actor) -> None:
    tenant = tenants.create_tenant(name="Acme", slug="acme", by=by)

    assert logged(tenant.id) == logged(None) == [("tenant.created", by.user_id)]


def test_short_name_is_taken_once(scope: TenantScope, by: Actor) -> None:
    with pytest.raises(Invalid) as refusal:
        tenants.create_tenant(name="Another", slug="acme", by=by)

    assert set(refusal.value.fields) == {"slug"}


@pytest.mark.parametrize("days", [None, 0, 6, 91])
def test_impossible_number_of_days_closes_nothing(scope: TenantScope, by: Actor, days: int | None) -> None:
    with pytest.raises(Invalid):
        tenants.close(scope.tenant_id, days=days, by=by)

    assert (current(scope).closed_at, current(scope).suspended_at) == (None, None)


def test_closed_company_is_erased_after_its_days(scope: TenantScope, by: Actor) -> None:
    tenants.close(scope.tenant_id, days=7, by=by)

    closed = current(scope)
    assert closed.closed_at is not None
    assert closed.erase_at == closed.closed_at + timedelta(days=7)
    assert closed.suspended_at is not None


@pytest.mark.parametrize("step", ["suspend", "close"])
def test_leave_to_read_ends_when_nobody_can_end_it(scope: TenantScope, by: Actor, step: str) -> None:
    with acting_for(scope):
        grant = access_grants.give(scope, reason="A fault", hours=72)

    if step == "suspend":
        tenants.suspend(scope.tenant_id, by=by)
    else:
        tenants.close(scope.tenant_id, days=30, by=by)

    operator = accounts.find_account(by.user_id or uuid4())
    assert operator is not None
    assert not accounts.scope_for(operator, "acme").is_granted
    with across_tenants("a test reads the log"):
        (event,) = db.session.query(AuditEvent).where(AuditEvent.action == "access_grant.ended")
    assert (event.tenant_id, event.user_id, event.subject_id) == (scope.tenant_id, by.user_id, grant.id)


def test_company_that_somebody_resumes_while_it_is_closed_is_suspended_again(
    scope: TenantScope, by: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenants, "_unlink_numbers", lambda _scope: tenants.resume(scope.tenant_id, by=by))

    tenants.close(scope.tenant_id, days=30, by=by)

    assert current(scope).closed_at is not None
    assert current(scope).suspended_at is not None


def test_of_two_closings_at_once_the_first_one_counts(
    scope: TenantScope, by: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlink = tenants._unlink_numbers

    def close_first(unlinked: TenantScope) -> None:
        monkeypatch.setattr(tenants, "_unlink_numbers", unlink)
        tenants.close(scope.tenant_id, days=7, by=by)

    monkeypatch.setattr(tenants, "_unlink_numbers", close_first)
    with pytest.raises(Conflict):
        tenants.close(scope.tenant_id, days=90, by=by)

    erase_at = current(scope).erase_at
    assert erase_at is not None
    assert erase_at < now() + timedelta(days=8)


def test_closing_cancels_campaigns_and_unlinks_numbers(scope: TenantScope, by: Actor) -> None:
    unit = make_connected_unit(scope)
    never_linked = make_unit(scope, "praia")
    campaign = running_campaign(scope, unit)

    tenants.close(scope.tenant_id, days=30, by=by)

    with acting_for(scope):
        assert scope.get(type(campaign), campaign.id).state == CampaignState.CANCELLED
    assert connection_of(scope, unit.id).action == ConnectionAction.DISCONNECT
    assert connection_of(scope, never_linked.id).action is None


def running_campaign(scope: TenantScope, unit: Unit):  # type: ignore[no-untyped-def]
    campaign = make_campaign(scope, unit, [make_conversation(scope, unit).contact_id])
    with acting_for(scope):
        campaign_states.start(scope, campaign.id)
    return campaign


def test_closing_touches_no_other_company(scope: TenantScope, by: Actor) -> None:
    rival = make_tenant("rival")
    unit = make_connected_unit(rival)
    campaign = running_campaign(rival, unit)

    tenants.close(scope.tenant_id, days=30, by=by)

    with acting_for(rival):
        assert rival.get(type(campaign), campaign.id).state == CampaignState.PROCESSING
    assert connection_of(rival, unit.id).action is None
    assert current(rival).suspended_at is None


def test_administrators_of_a_closed_company_reach_its_export_and_nothing_else(scope: TenantScope, by: Actor) -> None:
    person = account_of("ana@acme.test")

    tenants.close(scope.tenant_id, days=30, by=by)

    assert accounts.scope_for(again(person), "acme", is_export=True).tenant_id == scope.tenant_id
    with pytest.raises(Forbidden):
        accounts.scope_for(again(person), "acme")


def test_suspended_company_has_no_export_for_its_people(scope: TenantScope, by: Actor) -> None:
    person = account_of("ana@acme.test")

    tenants.suspend(scope.tenant_id, by=by)

    with pytest.raises(Forbidden):
        accounts.scope_for(again(person), "acme", is_export=True)


def test_closing_is_taken_back_and_leaves_the_company_suspended(scope: TenantScope, by: Actor) -> None:
    tenants.close(scope.tenant_id, days=30, by=by)

    tenants.reopen(scope.tenant_id, by=by)

    assert (current(scope).closed_at, current(scope).erase_at) == (None, None)
    assert current(scope).suspended_at is not None
    tenants.resume(scope.tenant_id, by=by)
    assert current(scope).suspended_at is None


def test_erasure_that_has_begun_is_not_taken_back(scope: TenantScope, by: Actor) -> None:
    tenants.close(scope.tenant_id, days=30, by=by)
    change(scope, erase_at=now() - timedelta(minutes=1))

    with pytest.raises(Conflict):
        tenants.reopen(scope.tenant_id, by=by)
    with pytest.raises(Conflict):
        tenants.erase_now(scope.tenant_id, typed="acme", by=by)

    assert current(scope).closed_at is not None


@pytest.mark.parametrize("typed", ["", "acm", "rival"])
def test_nothing_is_erased_now_under_another_name(scope: TenantScope, by: Actor, typed: str) -> None:
    tenants.close(scope.tenant_id, days=30, by=by)
    erase_at = current(scope).erase_at

    with pytest.raises(Invalid):
        tenants.erase_now(scope.tenant_id, typed=typed, by=by)

    assert current(scope).erase_at == erase_at


def test_only_a_closed_company_is_erased_now(scope: TenantScope, by: Actor) -> None:
    tenants.suspend(scope.tenant_id, by=by)

    with pytest.raises(Conflict):
        tenants.erase_now(scope.tenant_id, typed="acme", by=by)


def test_steps_that_do_not_fit_change_nothing(scope: TenantScope, by: Actor) -> None:
    with pytest.raises(Conflict):
        tenants.resume(scope.tenant_id, by=by)
    with pytest.raises(Conflict):
        tenants.reopen(scope.tenant_id, by=by)
    tenants.suspend(scope.tenant_id, by=by)
    with pytest.raises(Conflict):
        tenants.suspend(scope.tenant_id, by=by)
    tenants.close(scope.tenant_id, days=30, by=by)
    with pytest.raises(Conflict):
        tenants.close(scope.tenant_id, days=30, by=by)
    with pytest.raises(Conflict):
        tenants.resume(scope.tenant_id, by=by)

    assert [step for step, _ in logged(scope.tenant_id)] == ["tenant.suspended", "tenant.closed"]


def test_erased_company_stays_erased(scope: TenantScope, by: Actor) -> None:
    tenants.close(scope.tenant_id, days=30, by=by)
    change(scope, erased_at=now())

    for step in (
        lambda: tenants.suspend(scope.tenant_id, by=by),
        lambda: tenants.resume(scope.tenant_id, by=by),
        lambda: tenants.close(scope.tenant_id, days=30, by=by),
        lambda: tenants.reopen(scope.tenant_id, by=by),
        lambda: tenants.erase_now(scope.tenant_id, typed="acme", by=by),
    ):
        with pytest.raises(Conflict):
            step()


def test_nobody_suspends_a_company_that_is_not_there(by: Actor) -> None:
    with pytest.raises(NotFound):
        tenants.suspend(uuid4(), by=by)
