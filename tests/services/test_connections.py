"""What may be asked of a connection, how it moves, and who may see its code without signing in."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Conflict, Invalid, NotFound
from portal.extensions import parts
from portal.models import AuditEvent, Connection, ConnectionStatus, Lane, ScanLink, StatusReason, Unit
from portal.services import connections
from portal.services.connections import lock_connection, set_status
from portal.tenancy import TenantScope, across_tenants, acting_for, tenant_transaction
from tests.factories import SECRET, connection_of, make_connected_unit, make_tenant, make_unit


@pytest.fixture
def scope(database: None) -> TenantScope:
    return make_tenant()


@pytest.fixture
def unit(scope: TenantScope) -> Unit:
    return make_unit(scope)


@pytest.fixture
def linked(scope: TenantScope) -> Unit:
    return make_connected_unit(scope, "praia")


def ask(scope: TenantScope, wish: Callable[..., object], unit: Unit, **options: object) -> None:
    with acting_for(scope):
        wish(scope, unit.id, **options)


def move(scope: TenantScope, unit: Unit, status: ConnectionStatus, reason: StatusReason | None = None) -> Connection:
    with tenant_transaction(scope):
        set_status(lock_connection(scope, unit.id), status, reason)
    return connection_of(scope, unit.id)


def change(scope: TenantScope, unit: Unit, **columns: object) -> None:
    with acting_for(scope), atomic():
        this = scope.update(Connection).where(Connection.unit_id == unit.id)
        db.session.execute(this.values(columns).execution_options(synchronize_session=False))


def lane_of(scope: TenantScope, unit: Unit) -> Lane:
    with acting_for(scope):
        found = scope.select(Lane).where(Lane.unit_id == unit.id).execution_options(populate_existing=True)
        lane: Lane = db.session.scalars(found).one()
        return lane


def test_a_wish_to_connect_begins_a_fresh_instance(scope: TenantScope, unit: Unit) -> None:
    ask(scope, connections.request_connect, unit)

    connection = connection_of(scope, unit.id)
    assert (connection.action, connection.status, connection.status_reason) == (
        "connect",
        "connecting",
        "initializing",
    )
    assert (connection.instance_name or "").startswith("unit_")
    assert connection.webhook_secret_hash is not None
    assert connection.previous_instance_name is None


def test_the_webhook_secret_is_stored_in_clear_nowhere(scope: TenantScope, unit: Unit) -> None:
    ask(scope, connections.request_connect, unit)

    connection = connection_of(scope, unit.id)
    secret = parts.vault.decrypt(connection.webhook_secret_encrypted or "")
    assert len(secret) >= 32
    assert secret not in (connection.webhook_secret_hash, connection.webhook_secret_encrypted)


def test_a_code_that_got_old_is_replaced_by_a_new_instance(scope: TenantScope, unit: Unit) -> None:
    ask(scope, connections.request_connect, unit)
    first = connection_of(scope, unit.id)
    name, secret_hash = first.instance_name, first.webhook_secret_hash
    old = now() - timedelta(seconds=61)
    change(scope, unit, action=None, instance_made_at=old, qr_updated_at=old, status="qr", status_reason="waiting_scan")

    ask(scope, connections.request_connect, unit)

    second = connection_of(scope, unit.id)
    assert second.instance_name != name
    assert (second.previous_instance_name, second.previous_webhook_secret_hash) == (name, secret_hash)
    assert second.previous_accepted_until is not None
    assert timedelta(minutes=29) < second.previous_accepted_until - now() <= timedelta(minutes=30)


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"action": None, "instance_made_at": "now"},
        {
            "action": None,
            "instance_made_at": "now",
            "qr_updated_at": "now",
            "status": "qr",
            "status_reason": "waiting_scan",
        },
    ],
    ids=["asked", "being_made", "code_shown"],
)
def test_a_second_wish_while_a_code_is_on_its_way_changes_nothing(
    scope: TenantScope, unit: Unit, columns: dict[str, object]
) -> None:
    ask(scope, connections.request_connect, unit)
    name = connection_of(scope, unit.id).instance_name
    if columns:
        change(scope, unit, **{column: now() if value == "now" else value for column, value in columns.items()})

    ask(scope, connections.request_connect, unit)

    assert connection_of(scope, unit.id).instance_name == name


def test_another_pairing_number_begins_anew(scope: TenantScope, unit: Unit) -> None:
    ask(scope, connections.request_connect, unit)
    name = connection_of(scope, unit.id).instance_name

    ask(scope, connections.request_connect, unit, pairing_number="(11) 99999-0001")

    connection = connection_of(scope, unit.id)
    assert connection.instance_name != name
    assert connection.pairing_number == "5511999990001"


def test_an_impossible_pairing_number_is_refused(scope: TenantScope, unit: Unit) -> None:
    with pytest.raises(Invalid) as refused:
        ask(scope, connections.request_connect, unit, pairing_number="12")

    assert list(refused.value.fields) == ["pairing_number"]
    assert connection_of(scope, unit.id).action is None


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        (connections.request_connect, ConnectionStatus.CONNECTED),
        (connections.request_disconnect, ConnectionStatus.DISCONNECTED),
        (connections.request_disconnect, ConnectionStatus.NOT_CONFIGURED),
        (connections.request_restart, ConnectionStatus.DISCONNECTED),
        (connections.request_restart, ConnectionStatus.QR),
    ],
)
def test_a_wish_that_the_state_does_not_allow_is_refused(
    scope: TenantScope, linked: Unit, wish: Callable[..., object], status: ConnectionStatus
) -> None:
    unit_id = linked.id
    move(scope, linked, status)

    with pytest.raises(Conflict):
        ask(scope, wish, linked)

    assert connection_of(scope, unit_id).action is None


def test_what_was_never_connected_cannot_be_deleted(scope: TenantScope, unit: Unit) -> None:
    with pytest.raises(Conflict):
        ask(scope, connections.request_delete, unit)


@pytest.mark.parametrize("what", ["disconnect", "restart", "delete"])
def test_a_wish_is_noted_for_the_workers_and_in_the_audit_log(scope: TenantScope, linked: Unit, what: str) -> None:
    change(scope, linked, action_attempts=3)

    ask(scope, getattr(connections, f"request_{what}"), linked)

    connection = connection_of(scope, linked.id)
    assert (connection.action, connection.action_attempts, connection.action_relay_id) == (what, 0, None)
    with across_tenants("a test looks at the audit log"):
        last = db.session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc())).first()
    assert last is not None
    assert (last.action, last.subject_id, last.before) == (f"connection.{what}", linked.id, {"status": "connected"})


def test_the_lane_is_open_while_the_unit_is_connected(scope: TenantScope, linked: Unit) -> None:
    opened = [lane_of(scope, linked).is_open]
    for status in (ConnectionStatus.CONNECTING, ConnectionStatus.CONNECTED, ConnectionStatus.DISCONNECTED):
        move(scope, linked, status)
        opened.append(lane_of(scope, linked).is_open)

    assert opened == [True, False, True, False]


def test_the_times_are_those_of_the_last_change(scope: TenantScope, linked: Unit) -> None:
    first = connection_of(scope, linked.id).connected_at
    same = move(scope, linked, ConnectionStatus.CONNECTED).connected_at
    gone = move(scope, linked, ConnectionStatus.DISCONNECTED)
    gone_at = gone.disconnected_at
    still_gone_at = move(scope, linked, ConnectionStatus.DISCONNECTED).disconnected_at
    back = move(scope, linked, ConnectionStatus.CONNECTED)

    assert first == same
    assert gone_at is not None
    assert still_gone_at == gone_at
    assert back.disconnected_at is None
    assert back.connected_at is not None
    assert back.connected_at > gone_at


def test_a_code_is_gone_when_it_is_of_no_use(scope: TenantScope, linked: Unit) -> None:
    change(scope, linked, qr_code="2@abc", pairing_code="ABCD1234", status="qr")

    connection = move(scope, linked, ConnectionStatus.CONNECTED)

    assert (connection.qr_code, connection.pairing_code) == (None, None)


def make_link(scope: TenantScope, unit: Unit) -> str:
    with acting_for(scope):
        return connections.create_scan_link(scope, unit.id)


def test_a_scan_link_opens_its_one_unit(scope: TenantScope, unit: Unit, linked: Unit) -> None:
    seen, link = connections.open_scan_link(make_link(scope, unit), address="203.0.113.9")

    assert (seen.tenant_id, seen.unit_ids, seen.address) == (scope.tenant_id, frozenset({unit.id}), "203.0.113.9")
    assert link.unit_id == unit.id
    with acting_for(seen), pytest.raises(NotFound):
        seen.get(Unit, linked.id)


def test_a_forged_scan_link_opens_nothing(scope: TenantScope, unit: Unit) -> None:
    token = make_link(scope, unit)

    for forged in ("", "x", token[:-1], token + "x", token.split(".")[0], "." + token, token.swapcase(), SECRET):
        with pytest.raises(NotFound):
            connections.open_scan_link(forged)


def test_an_expired_scan_link_opens_nothing(scope: TenantScope, unit: Unit) -> None:
    token = make_link(scope, unit)
    with acting_for(scope), atomic():
        db.session.execute(scope.update(ScanLink).values(expires_at=now() - timedelta(seconds=1)))

    with pytest.raises(NotFound):
        connections.open_scan_link(token)


def test_a_revoked_scan_link_opens_nothing(scope: TenantScope, unit: Unit) -> None:
    token = make_link(scope, unit)
    with acting_for(scope):
        connections.end_scan_link(scope, unit.id)

    with pytest.raises(NotFound):
        connections.open_scan_link(token)


def test_a_second_scan_link_ends_the_first(scope: TenantScope, unit: Unit) -> None:
    first, second = make_link(scope, unit), make_link(scope, unit)

    assert connections.open_scan_link(second)[1].unit_id == unit.id
    with pytest.raises(NotFound):
        connections.open_scan_link(first)


def test_a_scan_link_that_ended_by_connecting_can_still_say_so(scope: TenantScope, unit: Unit) -> None:
    token = make_link(scope, unit)
    with acting_for(scope), atomic():
        db.session.execute(scope.update(ScanLink).values(ended_at=now(), ended_by_connecting=True))

    assert connections.open_scan_link(token)[1].ended_by_connecting is True


def test_another_tenants_unit_gets_no_scan_link(scope: TenantScope, unit: Unit) -> None:
    rival = make_tenant("rival")

    with pytest.raises(NotFound):
        make_link(rival, unit)
