"""What people ask of a connection, carried out against a simulated Evolution with short waits."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests

from local.evolution import Simulator, SimulatorSettings, create_simulator, serve
from portal.db import atomic, db
from portal.evolution.client import EvolutionClient
from portal.evolution.types import QrCode
from portal.extensions import parts
from portal.models import Connection, ConnectionAction, ConnectionStatus, EvolutionServer, StatusReason, Unit
from portal.outbox import instances, owners, servers
from portal.services import connections
from portal.services.connections import lock_connection, set_status
from portal.tenancy import TenantScope, acting_for
from tests.evolution.little_servers import Scripted, closed_port
from tests.factories import connection_of, make_unit
from tests.outbox.conftest import rows_of

pytestmark = pytest.mark.commits

KEY = "a-key-for-tests-only"
OWNER = owners.new_owner()
DEADLINE_S = 10.0
SHORT = {
    "create_wait_s": 0.3,
    "connect_wait_s": 0.2,
    "first_qr_s": 0.02,
    "pairing_s": 0.02,
    "removal_s": 0.02,
    "retry_attempts": 1,
}


class Evolution:
    """The simulated server, and what a person with a phone does there."""

    def __init__(self, **changes: Any) -> None:
        self.flask = create_simulator(SimulatorSettings(**{"api_key": KEY, **SHORT, **changes}))
        self.simulator: Simulator = self.flask.extensions["simulator"]
        self.server, _thread = serve(self.flask, 0)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.simulator.stop()

    def names(self) -> set[str]:
        return {instance.name for instance in self.simulator.instances.list_all()}

    def tool(self, name: str) -> dict[str, Any]:
        shown = requests.get(f"{self.url}/simulator/instances", timeout=5).json()
        return next(one for one in shown if one["name"] == name)

    def act(self, name: str, what: str, **body: str) -> None:
        requests.post(f"{self.url}/simulator/instances/{name}/{what}", json=body, timeout=5).raise_for_status()

    def scan(self, name: str) -> None:
        self.act(name, "scan", number="5511999990001")
        until(lambda: self.tool(name)["state"] == "open")


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def point_to(monkeypatch: pytest.MonkeyPatch, database: None) -> Callable[..., None]:
    """Let the environment name this Evolution; its webhooks find nobody at home."""

    def point(url: str, key: str = KEY) -> None:
        base_url = f"http://127.0.0.1:{closed_port()}"
        changed = replace(parts.config, evolution_api_url=url, evolution_api_key=key, base_url=base_url)
        monkeypatch.setattr(parts, "config", changed)
        servers.sync_default()

    return point


@pytest.fixture(scope="module")
def running_evolution() -> Iterator[Evolution]:
    evolution = Evolution()
    yield evolution
    evolution.stop()


@pytest.fixture
def evolution(running_evolution: Evolution, point_to: Callable[..., None]) -> Evolution:
    """The simulated server, without the instances of the test before."""
    running_evolution.simulator.store.instances.clear()
    point_to(running_evolution.url)
    return running_evolution


@pytest.fixture
def unit(scope: TenantScope) -> Unit:
    return make_unit(scope)


class Desk:
    """Wishes for one unit, and the worker that carries them out."""

    def __init__(self, scope: TenantScope, unit: Unit) -> None:
        self.scope, self.unit_id = scope, unit.id

    def ask(self, wish: Callable[..., object], **options: object) -> None:
        with acting_for(self.scope):
            wish(self.scope, self.unit_id, **options)

    def work(self) -> Connection:
        for wish in instances.claim_actions(OWNER, limit=5):
            instances.carry_out(wish)
        return self.connection

    def move(self, status: ConnectionStatus, reason: StatusReason) -> None:
        """What the webhook would have said."""
        with acting_for(self.scope), atomic():
            set_status(lock_connection(self.scope, self.unit_id), status, reason)

    def hurry(self) -> None:
        """Let the time of what was put off be now."""
        with acting_for(self.scope), atomic():
            this = self.scope.update(Connection).where(Connection.unit_id == self.unit_id)
            db.session.execute(this.values(action_requested_at=Connection.created_at))

    @property
    def connection(self) -> Connection:
        return connection_of(self.scope, self.unit_id)

    @property
    def state(self) -> tuple[str, str | None]:
        return self.connection.status, self.connection.status_reason

    @property
    def name(self) -> str:
        return self.connection.instance_name or ""


@pytest.fixture
def desk(scope: TenantScope, unit: Unit) -> Desk:
    return Desk(scope, unit)


def link(desk: Desk, evolution: Evolution) -> str:
    """Connect and scan; gives the instance's name."""
    desk.ask(connections.request_connect)
    desk.work()
    evolution.scan(desk.name)
    desk.move(ConnectionStatus.CONNECTED, StatusReason.SCAN_COMPLETED)
    return desk.name


def test_connect_makes_an_instance_with_its_webhook_and_shows_the_code(desk: Desk, evolution: Evolution) -> None:
    desk.ask(connections.request_connect)
    asked = desk.state
    connection = desk.work()

    instance = evolution.simulator.instances.find(desk.name)
    assert asked == ("connecting", "initializing")
    assert desk.state == ("qr", "waiting_scan")
    assert (connection.qr_code, connection.qr_count) == (evolution.tool(desk.name)["code"], 1)
    assert (connection.action, connection.action_relay_id) == (None, None)
    assert desk.name.startswith("unit_")
    assert instance is not None
    assert instance.webhook is not None
    secret = parts.vault.decrypt(connection.webhook_secret_encrypted or "")
    assert instance.webhook.url == f"{parts.config.base_url}/webhooks/whatsapp/evolution/{secret}"
    assert "MESSAGES_UPSERT" in instance.webhook.events
    assert len((instance.webhook.headers or {})["jwt_key"]) >= 32


def test_connect_learns_the_servers_version(desk: Desk, evolution: Evolution) -> None:
    desk.ask(connections.request_connect)
    desk.work()

    assert [server.version for server in rows_of(EvolutionServer)] == ["2.3.6"]


def test_a_pairing_code_comes_with_the_code_when_a_number_was_given(desk: Desk, evolution: Evolution) -> None:
    desk.ask(connections.request_connect, pairing_number="+55 11 99999-0001")
    connection = desk.work()

    assert connection.pairing_number == "5511999990001"
    assert connection.pairing_code == evolution.tool(desk.name)["pairingCode"]
    assert len(connection.pairing_code or "") == 8


def test_a_late_answer_does_not_replace_the_code_of_the_webhook(
    desk: Desk, evolution: Evolution, monkeypatch: pytest.MonkeyPatch
) -> None:
    def create(*args: object, **options: object) -> QrCode:
        with acting_for(desk.scope), atomic():
            connection = lock_connection(desk.scope, desk.unit_id)
            connection.qr_code = "2@from-the-webhook"
            set_status(connection, ConnectionStatus.QR, StatusReason.WAITING_SCAN)
        return QrCode("2@from-the-answer", None)

    monkeypatch.setattr(EvolutionClient, "create_instance", create)
    desk.ask(connections.request_connect)

    assert desk.work().qr_code == "2@from-the-webhook"


def test_a_late_answer_does_not_undo_a_scan(desk: Desk, evolution: Evolution, monkeypatch: pytest.MonkeyPatch) -> None:
    def create(*args: object, **options: object) -> QrCode:
        desk.move(ConnectionStatus.CONNECTED, StatusReason.SCAN_COMPLETED)
        return QrCode("2@from-the-answer", None)

    monkeypatch.setattr(EvolutionClient, "create_instance", create)
    desk.ask(connections.request_connect)

    assert desk.work().qr_code is None
    assert desk.state == ("connected", "scan_completed")


def test_an_answer_without_a_code_leaves_the_page_waiting(desk: Desk, point_to: Callable[..., None]) -> None:
    evolution = Evolution(create_wait_s=0.0, first_qr_s=30.0)
    point_to(evolution.url)
    desk.ask(connections.request_connect)
    connection = desk.work()
    evolution.stop()

    assert desk.state == ("connecting", "initializing")
    assert (connection.qr_code, connection.action) == (None, None)


def test_an_instance_that_a_first_try_made_is_adopted(desk: Desk, evolution: Evolution) -> None:
    desk.ask(connections.request_connect)
    body = {"instanceName": desk.name, "integration": "WHATSAPP-BAILEYS"}
    made = requests.post(f"{evolution.url}/instance/create", json=body, headers={"apikey": KEY}, timeout=5)
    connection = desk.work()

    instance = evolution.simulator.instances.find(desk.name)
    assert made.status_code == 201
    assert desk.state == ("qr", "waiting_scan")
    assert connection.qr_code == evolution.tool(desk.name)["code"]
    assert instance is not None
    assert instance.webhook is not None
    assert instance.webhook.enabled is True
    assert evolution.names() == {desk.name}


def test_a_new_pairing_makes_a_new_instance_and_removes_the_old_one(desk: Desk, evolution: Evolution) -> None:
    old = link(desk, evolution)
    old_hash = desk.connection.webhook_secret_hash
    desk.ask(connections.request_disconnect)
    desk.work()
    desk.ask(connections.request_connect)
    desk.work()

    connection = desk.connection
    assert desk.name != old
    assert (connection.previous_instance_name, connection.previous_webhook_secret_hash) == (old, old_hash)
    assert connection.webhook_secret_hash != old_hash
    assert connection.previous_accepted_until is not None
    until(lambda: evolution.names() == {desk.name})


def test_disconnect_unlinks_the_phone_and_keeps_the_instance(desk: Desk, evolution: Evolution) -> None:
    name = link(desk, evolution)
    desk.ask(connections.request_disconnect)
    desk.work()

    assert desk.state == ("disconnected", "logged_out")
    assert evolution.tool(name)["isPaired"] is False
    assert desk.connection.action is None


def test_disconnect_of_what_is_unlinked_already_is_done(desk: Desk, evolution: Evolution) -> None:
    name = link(desk, evolution)
    evolution.act(name, "unlink")
    until(lambda: evolution.tool(name)["state"] == "close")
    desk.ask(connections.request_disconnect)
    desk.work()

    assert desk.state == ("disconnected", "logged_out")


def test_disconnect_of_what_evolution_has_lost_is_done(desk: Desk, evolution: Evolution) -> None:
    name = link(desk, evolution)
    evolution.simulator.store.instances.pop(name)
    desk.ask(connections.request_disconnect)
    desk.work()

    assert desk.state == ("disconnected", "logged_out")


def test_restart_reopens_the_connection_and_has_it_checked(desk: Desk, evolution: Evolution) -> None:
    name = link(desk, evolution)
    desk.ask(connections.request_restart)
    desk.work()
    restarting = desk.state, desk.connection.action
    until(lambda: evolution.tool(name)["state"] == "open")
    desk.hurry()
    desk.work()

    assert restarting == (("connecting", "restarting"), ConnectionAction.CHECK)
    assert desk.state == ("connected", "scan_completed")
    assert desk.connection.action is None


def test_restart_of_what_is_closed_says_so(desk: Desk, evolution: Evolution) -> None:
    name = link(desk, evolution)
    evolution.act(name, "unlink")
    until(lambda: evolution.tool(name)["state"] == "close")
    desk.ask(connections.request_restart)
    desk.work()

    assert desk.state == ("disconnected", "connection_error")


def test_delete_removes_all_of_it(desk: Desk, evolution: Evolution) -> None:
    link(desk, evolution)
    desk.ask(connections.request_delete)
    connection = desk.work()

    assert desk.state == ("not_configured", None)
    assert (connection.instance_name, connection.webhook_secret_hash, connection.phone) == (None, None, None)
    assert (connection.connected_at, connection.profile_name, connection.qr_code) == (None, None, None)
    until(lambda: evolution.names() == set())


def test_delete_of_what_evolution_has_lost_is_done(desk: Desk, evolution: Evolution) -> None:
    name = link(desk, evolution)
    evolution.simulator.store.instances.pop(name)
    desk.ask(connections.request_delete)
    desk.work()

    assert desk.state == ("not_configured", None)


def check(desk: Desk) -> Connection:
    with acting_for(desk.scope), atomic():
        connection = lock_connection(desk.scope, desk.unit_id)
        connection.action, connection.action_attempts = ConnectionAction.CHECK, 0
        connection.action_requested_at = connection.created_at
    return desk.work()


def test_check_finds_the_scan_that_no_webhook_told(desk: Desk, evolution: Evolution) -> None:
    desk.ask(connections.request_connect)
    desk.work()
    evolution.scan(desk.name)

    connection = check(desk)

    assert desk.state == ("connected", "scan_completed")
    assert (connection.phone, connection.profile_name) == ("5511999990001", "Demo shop")


def test_check_finds_the_logout_that_no_webhook_told(desk: Desk, evolution: Evolution) -> None:
    name = link(desk, evolution)
    evolution.act(name, "unlink")
    until(lambda: evolution.tool(name)["state"] == "close")

    check(desk)

    assert desk.state == ("disconnected", "connection_lost")


def test_check_finds_that_evolution_has_lost_the_instance(desk: Desk, evolution: Evolution) -> None:
    name = link(desk, evolution)
    evolution.simulator.store.instances.pop(name)

    check(desk)

    assert desk.state == ("disconnected", "connection_error")


def test_check_of_what_is_right_changes_nothing(desk: Desk, evolution: Evolution) -> None:
    link(desk, evolution)
    connected_at = desk.connection.connected_at

    connection = check(desk)

    assert desk.state == ("connected", "scan_completed")
    assert (connection.connected_at, connection.action) == (connected_at, None)


def test_check_asks_again_while_evolution_has_not_loaded_the_instance(
    desk: Desk, evolution: Evolution, monkeypatch: pytest.MonkeyPatch
) -> None:
    link(desk, evolution)
    monkeypatch.setattr(EvolutionClient, "connection_state", lambda client, name: None)

    connection = check(desk)

    assert desk.state == ("connected", "scan_completed")
    assert (connection.action, connection.action_relay_id) == (ConnectionAction.CHECK, None)


def test_check_of_an_evolution_that_is_away_says_nothing_about_the_number(
    desk: Desk, evolution: Evolution, point_to: Callable[..., None]
) -> None:
    link(desk, evolution)
    point_to(f"http://127.0.0.1:{closed_port()}")

    connection = check(desk)

    assert desk.state == ("connected", "scan_completed")
    assert connection.action == ConnectionAction.CHECK


def test_an_evolution_that_cannot_be_reached_is_named(desk: Desk, point_to: Callable[..., None]) -> None:
    point_to(f"http://127.0.0.1:{closed_port()}")
    desk.ask(connections.request_connect)
    desk.work()

    assert desk.state == ("disconnected", "evolution_unreachable")
    assert desk.connection.action is None


def test_a_refused_key_is_named(desk: Desk, evolution: Evolution, point_to: Callable[..., None]) -> None:
    point_to(evolution.url, "another-key-for-tests")
    desk.ask(connections.request_connect)
    desk.work()

    assert desk.state == ("disconnected", "evolution_key_refused")


@pytest.fixture
def scripted(point_to: Callable[..., None]) -> Iterator[Scripted]:
    scripted = Scripted()
    point_to(scripted.url)
    yield scripted
    scripted.stop()


def test_a_missing_licence_is_named(desk: Desk, scripted: Scripted) -> None:
    scripted.answer(503, {"error": "service not activated", "code": "LICENSE_REQUIRED", "message": "activate it"})
    desk.ask(connections.request_connect)
    desk.work()

    assert desk.state == ("disconnected", "evolution_not_licensed")


def test_what_may_have_been_done_is_tried_again_some_times_and_then_given_up(desk: Desk, scripted: Scripted) -> None:
    scripted.answer(502, "<html>Bad Gateway</html>")
    desk.ask(connections.request_connect)
    attempts = []
    for _ in range(instances.MOST_ATTEMPTS):
        attempts.append((desk.state, desk.work().action))
        desk.hurry()

    assert [action for _state, action in attempts] == [ConnectionAction.CONNECT] * 4 + [None]
    assert desk.state == ("disconnected", "connection_error")
    assert len(scripted.asked) == instances.MOST_ATTEMPTS


def test_a_wish_that_was_replaced_meanwhile_leaves_no_trace(
    desk: Desk, evolution: Evolution, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = link(desk, evolution)
    desk.ask(connections.request_disconnect)
    desk.work()
    desk.ask(connections.request_connect)
    first = desk.name
    wish = instances.claim_actions(OWNER, limit=1)[0]
    desk.ask(connections.request_connect, pairing_number="5511999990001")
    second = desk.name
    instances.carry_out(wish)
    meanwhile = desk.state, desk.connection.qr_code, desk.connection.action
    desk.work()

    assert len({old, first, second}) == 3
    assert meanwhile == (("connecting", "initializing"), None, ConnectionAction.CONNECT)
    assert desk.state == ("qr", "waiting_scan")
    until(lambda: evolution.names() == {second})


def test_a_broken_wish_that_was_replaced_meanwhile_leaves_no_trace(
    desk: Desk, evolution: Evolution, point_to: Callable[..., None]
) -> None:
    point_to(f"http://127.0.0.1:{closed_port()}")
    desk.ask(connections.request_connect)
    wish = instances.claim_actions(OWNER, limit=1)[0]
    desk.ask(connections.request_connect, pairing_number="5511999990001")

    instances.carry_out(wish)

    assert desk.state == ("connecting", "initializing")
    assert desk.connection.action == ConnectionAction.CONNECT


def test_a_second_request_while_a_code_is_on_its_way_changes_nothing(desk: Desk, evolution: Evolution) -> None:
    desk.ask(connections.request_connect)
    name = desk.name
    desk.ask(connections.request_connect)
    desk.work()
    desk.ask(connections.request_connect)

    assert desk.name == name
    assert desk.connection.action is None
    assert evolution.names() == {name}
