"""Each change made by a person leaves one row: who, what, when, from where; no number and no secret."""

import json
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import delete

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Conflict, DomainError, Invalid, NotFound
from portal.models import AuditEvent
from portal.permissions import Role
from portal.services import audit, connections, units
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.companies import Company, make_company
from tests.factories import connection_of, make_unit

NUMBER = "5511988887777"
AS_BEFORE = {"message_lifetime_h": 24, "receipt_wait_min": 10}
Act = Callable[[TenantScope, UUID], object]
ON_A_CONNECTED_UNIT: dict[str, Act] = {
    "connection.disconnect": connections.request_disconnect,
    "connection.restart": connections.request_restart,
    "connection.delete": connections.request_delete,
    "scan_link.created": connections.create_scan_link,
    "scan_link.revoked": connections.end_scan_link,
    "unit.changed": lambda scope, unit_id: units.change_unit(scope, unit_id, name="Novo", **AS_BEFORE),
}
ON_AN_EMPTY_UNIT: dict[str, Act] = {
    "connection.connect": lambda scope, unit_id: connections.request_connect(scope, unit_id, pairing_number=NUMBER),
    "unit.archived": units.archive_unit,
}
REFUSED: dict[str, tuple[Act, type[DomainError]]] = {
    "connect": (connections.request_connect, Conflict),
    "archive": (units.archive_unit, Conflict),
    "change": (lambda scope, unit_id: units.change_unit(scope, unit_id, name="", **AS_BEFORE), Invalid),
    "create": (lambda scope, _: units.create_unit(scope, name="Again", slug="centro"), Invalid),
    "unknown unit": (lambda scope, _: units.change_unit(scope, scope.tenant_id, name="Novo", **AS_BEFORE), NotFound),
}


@pytest.fixture
def acme(database: None) -> Company:
    return make_company("acme")


@pytest.fixture
def by_admin(acme: Company) -> TenantScope:
    """The admin at some address; what made the company is out of the log."""
    clear_log()
    return replace(acme.scope, user_id=acme.admin.id, address="192.0.2.1")


def clear_log() -> None:
    """Only a superuser can, past the trigger that lets the log only grow; so not as any of the portal's roles."""
    with across_tenants("a test begins with an empty log"), atomic():
        connection = db.session.connection()
        connection.exec_driver_sql("SET LOCAL ROLE NONE")
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        connection.execute(delete(AuditEvent))
        connection.exec_driver_sql("SET LOCAL session_replication_role = origin")
        connection.exec_driver_sql("SET LOCAL ROLE portal_system")


def log_of(scope: TenantScope) -> list[AuditEvent]:
    with acting_for(scope):
        return list(db.session.scalars(scope.select(AuditEvent).order_by(AuditEvent.id)))


def as_text(event: AuditEvent) -> str:
    return json.dumps([event.action, event.subject_type, event.before, event.after, event.address])


@pytest.mark.parametrize("action", ON_A_CONNECTED_UNIT)
def test_act_on_a_connected_unit_leaves_one_row(acme: Company, by_admin: TenantScope, action: str) -> None:
    with acting_for(by_admin):
        ON_A_CONNECTED_UNIT[action](by_admin, acme.unit.id)

    (event,) = log_of(by_admin)
    assert (event.action, event.subject_type, event.subject_id) == (action, "unit", acme.unit.id)
    assert (event.tenant_id, event.user_id, event.address) == (acme.scope.tenant_id, acme.admin.id, "192.0.2.1")
    assert abs((event.created_at - now()).total_seconds()) < 60


@pytest.mark.parametrize("action", ON_AN_EMPTY_UNIT)
def test_act_on_an_unconnected_unit_leaves_one_row(acme: Company, by_admin: TenantScope, action: str) -> None:
    unit = make_unit(acme.scope, "norte")
    clear_log()

    with acting_for(by_admin):
        ON_AN_EMPTY_UNIT[action](by_admin, unit.id)

    (event,) = log_of(by_admin)
    assert (event.action, event.subject_id, event.user_id) == (action, unit.id, acme.admin.id)


def test_new_unit_leaves_one_row_that_says_what_it_is(by_admin: TenantScope) -> None:
    with acting_for(by_admin):
        unit = units.create_unit(by_admin, name="Norte", slug="norte")

    (event,) = log_of(by_admin)
    assert (event.action, event.subject_id) == ("unit.created", unit.id)
    assert (event.before, event.after) == (None, {"name": "Norte", "slug": "norte"})


def test_change_of_a_name_shows_both(acme: Company, by_admin: TenantScope) -> None:
    with acting_for(by_admin):
        units.change_unit(by_admin, acme.unit.id, name="Novo", **AS_BEFORE)

    (event,) = log_of(by_admin)
    assert (event.before, event.after) == ({"name": "Centro"}, {"name": "Novo"})


def test_request_shows_the_state_it_was_made_in(acme: Company, by_admin: TenantScope) -> None:
    with acting_for(by_admin):
        connections.request_disconnect(by_admin, acme.unit.id)

    (event,) = log_of(by_admin)
    assert event.before == {"status": "connected"}


@pytest.mark.parametrize("action", [*ON_A_CONNECTED_UNIT, *ON_AN_EMPTY_UNIT])
def test_row_holds_no_number_and_no_secret(acme: Company, by_admin: TenantScope, action: str) -> None:
    is_connected = action in ON_A_CONNECTED_UNIT
    unit = acme.unit if is_connected else make_unit(acme.scope, "norte")
    before = connection_of(acme.scope, unit.id)
    secrets = {before.phone, before.webhook_secret_hash, before.webhook_secret_encrypted, before.profile_name, NUMBER}

    with acting_for(by_admin):
        given = {**ON_A_CONNECTED_UNIT, **ON_AN_EMPTY_UNIT}[action](by_admin, unit.id)

    written = as_text(log_of(by_admin)[-1])
    assert [secret for secret in secrets | {given} if isinstance(secret, str) and secret in written] == []


@pytest.mark.parametrize("act", REFUSED)
def test_refused_act_leaves_no_row(acme: Company, by_admin: TenantScope, act: str) -> None:
    attempt, refusal = REFUSED[act]

    with acting_for(by_admin), pytest.raises(refusal):
        attempt(by_admin, acme.unit.id)

    assert log_of(by_admin) == []


def test_second_click_on_connect_leaves_no_second_row(acme: Company, by_admin: TenantScope) -> None:
    unit = make_unit(acme.scope, "norte")
    clear_log()

    with acting_for(by_admin):
        connections.request_connect(by_admin, unit.id)
        connections.request_connect(by_admin, unit.id)

    assert [event.action for event in log_of(by_admin)] == ["connection.connect"]


def test_row_is_lost_with_the_change_it_tells_of(by_admin: TenantScope) -> None:
    def fail() -> None:
        with acting_for(by_admin), atomic():
            audit.record(by_admin, "unit.renamed", ("unit", None))
            raise ValueError("lost")

    with pytest.raises(ValueError, match="lost"):
        fail()

    assert log_of(by_admin) == []


def test_operators_act_is_in_the_log_of_the_tenant(acme: Company, by_admin: TenantScope) -> None:
    by_operator = replace(by_admin, role=Role.SUPER_ADMIN, user_id=None)

    with acting_for(by_operator):
        connections.request_restart(by_operator, acme.unit.id)

    assert [event.action for event in log_of(acme.scope)] == ["connection.restart"]
