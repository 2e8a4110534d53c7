"""How a connection moves: its times, its losses, whose number it may be."""

from datetime import timedelta

import pytest

from portal.clock import now
from portal.db import atomic, db
from portal.models import (
    AuditEvent,
    Connection,
    ConnectionAction,
    ConnectionStatus,
    StatusReason,
    Unit,
)
from portal.queries import checked_states
from portal.queries.checked_states import CheckedState
from portal.services.connections import COMPARE_SOON, lock_connection, set_status
from portal.services.linking import show_open
from portal.tenancy import TenantScope, across_tenants, acting_for, tenant_transaction
from tests.factories import connection_of, make_connected_unit, make_tenant, make_unit

NUMBER, OTHER = "5511999990001", "5511999990077"
CONNECTED, CONNECTING = ConnectionStatus.CONNECTED, ConnectionStatus.CONNECTING
DISCONNECTED = ConnectionStatus.DISCONNECTED
LOST = (CONNECTING, StatusReason.CONNECTION_LOST)
BACK = (CONNECTED, StatusReason.SCAN_COMPLETED)


@pytest.fixture
def scope(database: None) -> TenantScope:
    return make_tenant()


@pytest.fixture
def unit(scope: TenantScope) -> Unit:
    return make_connected_unit(scope)


def move(scope: TenantScope, unit: Unit, *states: tuple[ConnectionStatus, StatusReason | None]) -> Connection:
    for status, reason in states:
        with tenant_transaction(scope):
            set_status(lock_connection(scope, unit.id), status, reason)
    return connection_of(scope, unit.id)


def change(scope: TenantScope, unit: Unit, **columns: object) -> None:
    with acting_for(scope), atomic():
        this = scope.update(Connection).where(Connection.unit_id == unit.id)
        db.session.execute(this.values(columns).execution_options(synchronize_session=False))


def open_(scope: TenantScope, unit: Unit, owner: str | None = NUMBER) -> bool:
    with tenant_transaction(scope):
        return show_open(lock_connection(scope, unit.id), owner=owner, profile_name=None)


def expect(scope: TenantScope, unit: Unit, number: str) -> None:
    with acting_for(scope), atomic():
        db.session.execute(scope.update(Unit).where(Unit.id == unit.id).values(expected_number=number))


def checked(scope: TenantScope, unit: Unit) -> CheckedState:
    with acting_for(scope):
        return checked_states.find(scope, unit.id)


def test_the_time_of_a_state_is_that_of_its_last_change(scope: TenantScope, unit: Unit) -> None:
    first = move(scope, unit, LOST).status_at
    same = move(scope, unit, LOST).status_at
    other = move(scope, unit, (CONNECTING, StatusReason.RESTARTING)).status_at

    assert first is not None
    assert same == first
    assert other is not None
    assert other > first


def test_a_new_link_is_checked_at_once_and_compared_soon_from_where_it_was(scope: TenantScope, unit: Unit) -> None:
    before = now() - timedelta(hours=1)
    change(scope, unit, compared_until=before)

    lost = move(scope, unit, LOST)
    check_at = lost.check_at
    back = move(scope, unit, BACK)

    assert check_at is not None
    assert 25 < (check_at - now()).total_seconds() <= 30
    assert back.check_at is not None
    assert back.compare_at is not None
    assert back.check_at <= now()
    assert now() < back.compare_at <= now() + COMPARE_SOON
    assert back.compared_until == before


def test_what_came_before_the_first_link_is_not_compared(scope: TenantScope) -> None:
    unit = make_unit(scope)

    linked = move(scope, unit, BACK)

    assert linked.compared_until is not None
    assert now() - linked.compared_until < timedelta(seconds=10)


def test_another_number_has_another_history(scope: TenantScope, unit: Unit) -> None:
    long_ago = now() - timedelta(hours=1)
    change(scope, unit, compared_until=long_ago)
    move(scope, unit, (DISCONNECTED, StatusReason.LOGGED_OUT))

    open_(scope, unit, OTHER)

    connection = connection_of(scope, unit.id)
    assert connection.phone == OTHER
    assert connection.compared_until is not None
    assert connection.compared_until > long_ago


def test_a_number_that_is_lost_again_and_again_is_told_so(scope: TenantScope, unit: Unit) -> None:
    move(scope, unit, *[LOST, BACK] * 3)
    three = checked(scope, unit)
    move(scope, unit, LOST)
    four = checked(scope, unit)

    assert (three.losses, three.is_flapping) == (3, False)
    assert (four.losses, four.is_flapping) == (4, True)
    assert four.losses_since is not None


def test_losses_of_an_hour_ago_count_no_more(scope: TenantScope, unit: Unit) -> None:
    move(scope, unit, *[LOST, BACK] * 4)
    change(scope, unit, losses_since=now() - timedelta(minutes=61))
    old = checked(scope, unit)
    move(scope, unit, LOST)

    assert (old.losses, old.losses_since, old.is_flapping) == (0, None, False)
    assert connection_of(scope, unit.id).losses == 1


@pytest.mark.parametrize(
    ("action", "state"),
    [
        (ConnectionAction.DISCONNECT, (DISCONNECTED, StatusReason.LOGGED_OUT)),
        (ConnectionAction.RESTART, LOST),
        (None, (CONNECTING, StatusReason.RESTARTING)),
        (None, (CONNECTING, StatusReason.INITIALIZING)),
        (None, (ConnectionStatus.NOT_CONFIGURED, None)),
        (None, (DISCONNECTED, StatusReason.WRONG_NUMBER)),
    ],
)
def test_an_end_that_was_asked_for_is_no_loss(
    scope: TenantScope,
    unit: Unit,
    action: ConnectionAction | None,
    state: tuple[ConnectionStatus, StatusReason | None],
) -> None:
    change(scope, unit, action=action)

    assert move(scope, unit, state).losses == 0


@pytest.mark.parametrize("status", [CONNECTED, CONNECTING, DISCONNECTED])
def test_a_number_that_the_unit_does_not_expect_is_refused(
    scope: TenantScope, unit: Unit, status: ConnectionStatus, caplog: pytest.LogCaptureFixture
) -> None:
    expect(scope, unit, OTHER)
    move(scope, unit, (status, StatusReason.CONNECTION_LOST))

    assert open_(scope, unit) is False

    connection = connection_of(scope, unit.id)
    assert (connection.status, connection.status_reason) == ("disconnected", "wrong_number")
    assert connection.action == ConnectionAction.DISCONNECT
    assert NUMBER not in caplog.text
    assert "****0001" in caplog.text
    assert audited() == []


def audited() -> list[str]:
    with across_tenants("a test looks at the audit log"):
        found = db.session.query(AuditEvent.action).filter(AuditEvent.action == "connection.disconnect")
        return [action for (action,) in found]


def test_the_number_that_the_unit_expects_is_taken(scope: TenantScope, unit: Unit) -> None:
    expect(scope, unit, NUMBER)
    move(scope, unit, LOST)

    assert open_(scope, unit) is True
    assert connection_of(scope, unit.id).status == "connected"


@pytest.mark.parametrize("status", [CONNECTED, CONNECTING])
@pytest.mark.parametrize("slug", ["acme", "rival"])
def test_a_number_that_another_unit_has_is_refused(
    scope: TenantScope, unit: Unit, status: ConnectionStatus, slug: str
) -> None:
    other_scope = scope if slug == "acme" else make_tenant(slug)
    move(other_scope, make_connected_unit(other_scope, "praia", phone=NUMBER), (status, None))
    move(scope, unit, (DISCONNECTED, StatusReason.LOGGED_OUT))

    assert open_(scope, unit) is False
    connection = connection_of(scope, unit.id)
    assert (connection.status_reason, connection.action) == ("number_in_use", "disconnect")


def test_a_number_that_another_unit_had_is_taken(scope: TenantScope, unit: Unit) -> None:
    move(scope, make_connected_unit(scope, "praia", phone=NUMBER), (DISCONNECTED, StatusReason.LOGGED_OUT))
    move(scope, unit, (DISCONNECTED, StatusReason.LOGGED_OUT))

    assert open_(scope, unit) is True


def test_who_has_the_number_keeps_it_when_another_unit_has_it_too(scope: TenantScope, unit: Unit) -> None:
    make_connected_unit(scope, "praia", phone=NUMBER)

    assert open_(scope, unit) is True


def test_a_refusal_does_not_disturb_the_worker_that_unlinks_it(scope: TenantScope, unit: Unit) -> None:
    expect(scope, unit, OTHER)
    open_(scope, unit)
    asked_at = now() - timedelta(seconds=3)
    change(scope, unit, action_requested_at=asked_at, action_attempts=1)

    open_(scope, unit)

    connection = connection_of(scope, unit.id)
    assert (connection.action_requested_at, connection.action_attempts) == (asked_at, 1)


def hear(scope: TenantScope, unit: Unit, *, ago_s: float, usual_gap_s: float | None = None) -> None:
    at = now() - timedelta(seconds=ago_s)
    change(scope, unit, last_event_at=at, connected_at=at - timedelta(days=1), usual_gap_s=usual_gap_s)


@pytest.mark.parametrize(
    ("ago_s", "usual_gap_s", "is_silent"),
    [(2820, 240, True), (2820, 300, False), (901, None, True), (901, 10, True), (890, 10, False)],
)
def test_a_unit_is_silent_when_it_hears_nothing_for_unusually_long(
    scope: TenantScope, unit: Unit, ago_s: float, usual_gap_s: float | None, is_silent: bool
) -> None:
    hear(scope, make_connected_unit(scope, "praia", phone=OTHER), ago_s=10)
    hear(scope, unit, ago_s=ago_s, usual_gap_s=usual_gap_s)

    silent_for_s = checked(scope, unit).silent_for_s

    assert (silent_for_s is not None) is is_silent
    assert silent_for_s is None or abs(silent_for_s - ago_s) < 10


def test_nobody_is_silent_while_nobody_hears_anything(scope: TenantScope, unit: Unit) -> None:
    hear(scope, make_connected_unit(scope, "praia", phone=OTHER), ago_s=400)
    hear(scope, unit, ago_s=5000)

    assert checked(scope, unit).silent_for_s is None


def test_a_unit_that_is_away_or_just_back_is_not_silent(scope: TenantScope, unit: Unit) -> None:
    hear(scope, make_connected_unit(scope, "praia", phone=OTHER), ago_s=10)
    hear(scope, unit, ago_s=5000)
    away = checked(scope, unit), move(scope, unit, LOST), checked(scope, unit)
    move(scope, unit, BACK)

    assert away[0].silent_for_s is not None
    assert away[2].silent_for_s is None
    assert checked(scope, unit).silent_for_s is None


@pytest.mark.parametrize(("ago_s", "is_stale"), [(100, False), (181, True)])
def test_a_state_that_was_not_checked_for_long_is_stale(
    scope: TenantScope, unit: Unit, ago_s: float, is_stale: bool
) -> None:
    change(scope, unit, checked_at=now() - timedelta(seconds=ago_s), instance_made_at=now() - timedelta(days=1))

    assert checked(scope, unit).is_stale is is_stale


def test_an_instance_that_was_just_made_is_not_stale(scope: TenantScope, unit: Unit) -> None:
    change(scope, unit, checked_at=now() - timedelta(days=1), instance_made_at=now() - timedelta(seconds=10))
    made = checked(scope, unit).is_stale
    change(scope, unit, instance_made_at=None)

    assert (made, checked(scope, unit).is_stale) == (False, False)


def test_what_is_not_checked_at_all_is_not_stale(scope: TenantScope) -> None:
    assert checked(scope, make_unit(scope)).is_stale is False


def test_the_states_of_several_units_come_together(scope: TenantScope, unit: Unit) -> None:
    praia = make_connected_unit(scope, "praia", phone=OTHER)
    hear(scope, praia, ago_s=10)
    hear(scope, unit, ago_s=5000)

    with acting_for(scope):
        found = checked_states.list_for(scope, [unit, praia])

    assert found.keys() == {unit.id, praia.id}
    assert (found[unit.id].silent_for_s is not None, found[praia.id].silent_for_s) == (True, None)
    assert found[praia.id] == checked(scope, praia)
