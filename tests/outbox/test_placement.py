"""A unit that connects for the first time comes to a server with room, or learns that none has any."""

import pytest

from portal.models import ConnectionAction
from portal.outbox import instances
from portal.outbox.servers import default_server_id
from portal.services import connections, servers
from portal.services.audit import Actor
from portal.tenancy import TenantScope
from tests.factories import make_server, make_unit
from tests.outbox.desk import KEY, OWNER, Desk, Evolution

pytestmark = pytest.mark.commits


def let_default_accept(units: bool) -> None:
    kept = {"name": "", "url": "", "api_key": "", "capacity": 60}
    servers.change_server(default_server_id(), **kept, accepts_units=units, by=Actor(None))


def test_unit_comes_to_the_server_with_room_and_stays_there(desk: Desk, evolution: Evolution) -> None:
    let_default_accept(False)
    # A busy machine takes its time for a code.
    other = Evolution(create_wait_s=2.0)
    second = make_server(url=other.url, key=KEY)
    desk.ask(connections.request_connect)
    desk.work()
    servers.change_server(
        second.id, name="second", url=other.url, api_key="", capacity=1, accepts_units=False, by=Actor(None)
    )
    desk.ask(connections.request_connect, pairing_number="5511999990001")
    connection = desk.work()
    names = other.names()
    other.stop()

    assert connection.evolution_server_id == second.id
    assert desk.state == ("qr", "waiting_scan")
    assert desk.name in names
    assert evolution.names() == set()


def test_without_room_it_is_told_so_and_nothing_is_asked_of_evolution(desk: Desk, evolution: Evolution) -> None:
    let_default_accept(False)
    desk.ask(connections.request_connect)

    claimed = instances.claim_actions(OWNER, limit=5)

    assert claimed == []
    assert desk.state == ("disconnected", "evolution_full")
    assert (desk.connection.action, desk.connection.evolution_server_id) == (None, None)
    assert evolution.names() == set()


def test_unit_without_room_can_be_connected_once_there_is_some(desk: Desk, evolution: Evolution) -> None:
    let_default_accept(False)
    desk.ask(connections.request_connect)
    desk.work()
    let_default_accept(True)
    desk.ask(connections.request_connect)
    desk.work()

    assert desk.state == ("qr", "waiting_scan")


def test_unit_without_room_can_be_deleted(desk: Desk, evolution: Evolution) -> None:
    let_default_accept(False)
    desk.ask(connections.request_connect)
    desk.work()
    desk.ask(connections.request_delete)
    desk.work()

    assert desk.state == ("not_configured", None)
    assert desk.connection.evolution_server_id is None


def test_busy_servers_wishes_wait_and_the_others_do_not(scope: TenantScope, desk: Desk, evolution: Evolution) -> None:
    busy = make_server("busy")
    elsewhere = make_unit(scope, "norte")
    connections.request_move(scope, elsewhere.id, busy.id)
    Desk(scope, elsewhere).ask(connections.request_connect)
    desk.ask(connections.request_connect)

    claimed = instances.claim_actions(OWNER, limit=5, busy_servers=[busy.id])

    assert [wish.unit_id for wish in claimed] == [desk.unit_id]
    assert Desk(scope, elsewhere).connection.action == ConnectionAction.CONNECT
