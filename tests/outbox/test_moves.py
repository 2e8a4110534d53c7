"""A unit moves between two simulated Evolutions, and what it leaves behind goes, at once or when that one is back."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import pytest
import requests
from flask import Flask

from portal.clock import now
from portal.models import Connection, ConnectionStatus, MessageStatus, StatusReason
from portal.outbox import leftovers, owners
from portal.outbox import relay as relay_module
from portal.outbox.relay import OutboxRelay
from portal.outbox.servers import default_server_id
from portal.services import connections
from portal.tenancy import TenantScope
from tests.evolution.little_servers import closed_port
from tests.factories import make_server
from tests.outbox.conftest import Shop
from tests.outbox.desk import KEY, Desk, Evolution, link, until

pytestmark = pytest.mark.commits
DAY_AGO = timedelta(days=1, minutes=1)


@pytest.fixture(scope="module")
def running_other() -> Iterator[Evolution]:
    other = Evolution()
    yield other
    other.stop()


@pytest.fixture
def other(running_other: Evolution) -> Evolution:
    running_other.simulator.store.instances.clear()
    return running_other


@pytest.fixture
def other_id(other: Evolution, evolution: Evolution) -> UUID:
    return make_server(url=other.url, key=KEY).id


@pytest.fixture
def relay(app: Flask, database: None) -> Iterator[OutboxRelay]:
    relay = OutboxRelay(app.app_context, owners.new_owner())
    yield relay
    assert relay.finish(10.0)


@pytest.fixture(autouse=True)
def _look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "LEFTOVERS_S", 0.0)
    monkeypatch.setattr(leftovers, "AFTER", timedelta(0))


def due(limit: int = 10) -> list[leftovers.Leftover]:
    return leftovers.due(limit=limit, busy_servers=[])


def move(desk: Desk, server_id: UUID) -> Connection:
    connections.request_move(desk.scope, desk.unit_id, server_id)
    return desk.work()


def test_code_comes_from_the_new_server_and_the_old_instance_goes_on_the_old_one(
    desk: Desk, evolution: Evolution, other: Evolution, other_id: UUID
) -> None:
    link(desk, evolution)

    connection = move(desk, other_id)

    assert desk.state == ("qr", "waiting_scan")
    assert other.names() == {desk.name}
    assert connection.qr_code == other.tool(desk.name)["code"]
    until(lambda: evolution.names() == set())
    assert desk.connection.previous_evolution_server_id is None
    assert desk.connection.previous_instance_name is not None


def test_what_waits_is_held_and_leaves_by_itself_after_the_scan(
    scope: TenantScope, evolution: Evolution, other: Evolution, other_id: UUID, relay: OutboxRelay
) -> None:
    shop = Shop(scope)
    desk = Desk(scope, shop.unit)
    move(desk, other_id)
    message_id = shop.reply("Já volto")
    relay.drain()
    held = shop.message(message_id).status, shop.lane().is_open

    other.scan(desk.name)
    desk.move(ConnectionStatus.CONNECTED, StatusReason.SCAN_COMPLETED)
    until(lambda: (relay.drain(), shop.message(message_id).status)[1] == MessageStatus.SENT)

    assert held == (MessageStatus.QUEUED, False)
    assert shop.lane().evolution_server_id == other_id
    assert [sent["text"] for sent in requests.get(f"{other.url}/simulator/sends", timeout=5).json()] == ["Já volto"]


def test_server_that_is_away_is_asked_again_until_the_old_instance_is_gone(
    desk: Desk, evolution: Evolution, other: Evolution, other_id: UUID, point_to: Callable[..., None]
) -> None:
    old_name, old_id = link(desk, evolution), default_server_id()
    point_to(f"http://127.0.0.1:{closed_port()}")
    move(desk, other_id)
    (left,) = due()
    leftovers.remove(left)
    still_left = due()
    point_to(evolution.url)
    leftovers.remove(left)

    assert (left.instance_name, left.server_id) == (old_name, old_id)
    assert still_left == [left]
    assert due() == []
    until(lambda: evolution.names() == set())
    assert desk.state == ("qr", "waiting_scan")


def test_old_instance_that_is_gone_already_is_removed(
    desk: Desk, evolution: Evolution, other: Evolution, other_id: UUID
) -> None:
    name = link(desk, evolution)
    evolution.simulator.store.instances.pop(name)

    connection = move(desk, other_id)

    assert connection.previous_evolution_server_id is None


def test_old_instance_is_given_up_after_a_day(
    scope: TenantScope, shop: Shop, other: Evolution, other_id: UUID, point_to: Callable[..., None]
) -> None:
    desk, old_id = Desk(scope, shop.unit), default_server_id()
    point_to(f"http://127.0.0.1:{closed_port()}")
    move(desk, other_id)
    (left,) = due()
    shop.change(Connection, previous_accepted_until=now() + connections.PREVIOUS_INSTANCE_ACCEPTED_FOR - DAY_AGO)

    leftovers.remove(left)

    assert left.server_id == old_id
    assert due() == []
    assert desk.connection.previous_evolution_server_id is None


def test_old_instance_stays_while_the_new_one_could_not_be_made_and_it_still_brings_messages(
    scope: TenantScope, shop: Shop, evolution: Evolution
) -> None:
    desk = Desk(scope, shop.unit)
    away = make_server(url=f"http://127.0.0.1:{closed_port()}")
    move(desk, away.id)
    meanwhile = due()
    shop.change(Connection, previous_accepted_until=now())

    assert desk.state == ("disconnected", "evolution_unreachable")
    assert meanwhile == []
    assert [left.unit_id for left in due()] == [shop.unit.id]


def test_those_left_are_removed_a_few_at_once(scope: TenantScope, evolution: Evolution, other_id: UUID) -> None:
    for number in range(leftovers.MOST_AT_ONCE + 1):
        shop = Shop(scope, f"unit-{number}", phone=f"551199999000{number}")
        connections.request_move(scope, shop.unit.id, other_id)
        shop.change(Connection, action=None, qr_updated_at=now())

    assert len(due()) == leftovers.MOST_AT_ONCE
