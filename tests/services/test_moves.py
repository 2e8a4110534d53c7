"""A unit moves from one Evolution server to another: what its rows say before any worker has looked."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Conflict, NotFound
from portal.models import AuditEvent, Connection, ConnectionStatus, StatusReason, Unit
from portal.outbox.servers import default_server_id
from portal.services import connections
from portal.services.connections import lock_connection, set_status
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.factories import connection_of, make_connected_unit, make_server, make_tenant, make_unit


@pytest.fixture
def scope(database: None) -> TenantScope:
    return make_tenant()


@pytest.fixture
def linked(scope: TenantScope) -> Unit:
    return make_connected_unit(scope)


def change(scope: TenantScope, unit: Unit, **columns: object) -> None:
    with acting_for(scope), atomic():
        this = scope.update(Connection).where(Connection.unit_id == unit.id)
        db.session.execute(this.values(columns).execution_options(synchronize_session=False))


def last_audited() -> AuditEvent:
    with across_tenants("a test looks at the audit log"):
        return db.session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc()).limit(1)).one()


def test_linked_unit_begins_a_new_instance_and_remembers_the_old_one_with_its_server(
    scope: TenantScope, linked: Unit
) -> None:
    before, second = connection_of(scope, linked.id), make_server()
    old_name, old_hash = before.instance_name, before.webhook_secret_hash

    connections.request_move(scope, linked.id, second.id)

    after = connection_of(scope, linked.id)
    assert (after.status, after.status_reason, after.action) == ("connecting", "initializing", "connect")
    assert after.evolution_server_id == second.id
    assert after.instance_name != old_name
    assert (after.previous_instance_name, after.previous_webhook_secret_hash) == (old_name, old_hash)
    assert after.previous_evolution_server_id == default_server_id()
    assert after.previous_accepted_until is not None
    assert after.previous_accepted_until > now()


def test_unit_that_was_never_connected_only_gets_the_server(scope: TenantScope) -> None:
    unit, second = make_unit(scope), make_server()

    connections.request_move(scope, unit.id, second.id)

    after = connection_of(scope, unit.id)
    assert (after.status, after.action, after.instance_name) == ("not_configured", None, None)
    assert after.evolution_server_id == second.id


def test_unit_that_found_no_room_gets_its_code_where_there_is_some(scope: TenantScope) -> None:
    unit, second = make_unit(scope), make_server()
    with acting_for(scope):
        connections.request_connect(scope, unit.id)
    change(scope, unit, action=None, status="disconnected", status_reason="evolution_full")

    connections.request_move(scope, unit.id, second.id)

    after = connection_of(scope, unit.id)
    assert (after.action, after.evolution_server_id, after.previous_instance_name) == ("connect", second.id, None)


def test_move_is_in_the_tenants_audit_log_with_both_servers(scope: TenantScope, linked: Unit) -> None:
    second = make_server()

    connections.request_move(replace(scope, address="192.0.2.7"), linked.id, second.id)

    event = last_audited()
    assert (event.action, event.tenant_id, event.subject_id, event.address) == (
        "connection.move",
        scope.tenant_id,
        linked.id,
        "192.0.2.7",
    )
    assert event.before == {"server": "default", "status": "connected"}
    assert event.after == {"server": "second"}


def refuse(scope: TenantScope, unit: Unit, server_id: UUID) -> str:
    name = connection_of(scope, unit.id).instance_name
    with pytest.raises(Conflict) as refused:
        connections.request_move(scope, unit.id, server_id)
    assert connection_of(scope, unit.id).instance_name == name
    return refused.value.message


def test_move_to_where_it_is_is_refused(scope: TenantScope, linked: Unit) -> None:
    assert "on this server already" in refuse(scope, linked, default_server_id())


def test_move_to_no_server_is_refused(scope: TenantScope, linked: Unit) -> None:
    assert "not there any more" in refuse(scope, linked, uuid4())


def test_move_to_a_server_that_accepts_none_is_refused(scope: TenantScope, linked: Unit) -> None:
    assert "accepts no new units" in refuse(scope, linked, make_server(accepts_units=False).id)


def test_move_to_a_full_server_is_refused(scope: TenantScope, linked: Unit) -> None:
    second = make_server(capacity=1)
    connections.request_move(scope, make_unit(scope, "norte").id, second.id)

    assert "no room" in refuse(scope, linked, second.id)


def test_another_tenants_unit_is_not_there(scope: TenantScope, linked: Unit) -> None:
    with pytest.raises(NotFound):
        connections.request_move(make_tenant("rival"), linked.id, make_server().id)


def test_new_code_before_a_scan_does_not_forget_the_linked_instance_that_is_still_to_go(
    scope: TenantScope, linked: Unit
) -> None:
    old_name, second = connection_of(scope, linked.id).instance_name, make_server()
    connections.request_move(scope, linked.id, second.id)
    change(scope, linked, action=None, instance_made_at=now(), status="disconnected", status_reason="qr_expired")

    with acting_for(scope):
        connections.request_connect(scope, linked.id)

    after = connection_of(scope, linked.id)
    assert (after.previous_instance_name, after.previous_evolution_server_id) == (old_name, default_server_id())


def test_new_code_after_a_scan_replaces_what_is_to_go(scope: TenantScope, linked: Unit) -> None:
    second = make_server()
    connections.request_move(scope, linked.id, second.id)
    change(scope, linked, action=None, instance_made_at=now())
    newer_name = connection_of(scope, linked.id).instance_name
    for status in (ConnectionStatus.CONNECTED, ConnectionStatus.DISCONNECTED):
        with acting_for(scope), atomic():
            set_status(lock_connection(scope, linked.id), status, StatusReason.LOGGED_OUT)

    with acting_for(scope):
        connections.request_connect(scope, linked.id)

    after = connection_of(scope, linked.id)
    assert (after.previous_instance_name, after.previous_evolution_server_id) == (newer_name, second.id)
