"""What people ask of a connection, carried out at a simulated Evolution."""

from collections.abc import Callable

import pytest
import requests

from portal.db import atomic
from portal.evolution.client import EvolutionClient
from portal.evolution.types import QrCode
from portal.extensions import parts
from portal.models import ConnectionAction, ConnectionStatus, EvolutionServer, StatusReason
from portal.outbox import instances
from portal.services import connections
from portal.services.connections import lock_connection, set_status
from portal.tenancy import acting_for
from tests.evolution.little_servers import closed_port
from tests.outbox.conftest import rows_of
from tests.outbox.desk import KEY, OWNER, Desk, Evolution, link, until

pytestmark = pytest.mark.commits


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


def test_a_pairing_code_comes_with_the_code_when_a_number_was_given(
    desk: Desk, evolution: Evolution, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Long enough for the code on a busy machine too.
    monkeypatch.setattr(evolution.simulator.switches, "create_wait_s", 2.0)
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
