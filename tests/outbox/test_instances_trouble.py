"""A connection compared with what Evolution says, and what is told when Evolution is away or refuses."""

from collections.abc import Callable

import pytest

from portal.evolution.client import EvolutionClient
from portal.models import ConnectionAction
from portal.outbox import instances
from portal.services import connections
from tests.evolution.little_servers import Scripted, closed_port
from tests.outbox.desk import Desk, Evolution, check, link, until

pytestmark = pytest.mark.commits


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

    assert desk.state == ("disconnected", "instance_gone")


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
