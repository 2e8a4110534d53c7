"""What the portal shows is compared with Evolution's state, and put right within a minute."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from local.evolution.model import State
from portal.clock import now
from portal.db import atomic, db
from portal.evolution.client import EvolutionClient
from portal.models import Connection, ConnectionAction, ConnectionStatus, Repair, StatusReason, Unit
from portal.outbox import reconcile
from portal.outbox.relay import OutboxRelay
from portal.services import connections
from portal.tenancy import TenantScope, acting_for
from tests.evolution.little_servers import Scripted, closed_port
from tests.factories import make_connected_unit, make_tenant
from tests.outbox.conftest import rows_of
from tests.outbox.desk import KEY, Desk, Evolution, until
from tests.outbox.rounds import PAST, change, check, force, instance_of, linked, repairs

pytestmark = pytest.mark.commits
CONNECTED, CONNECTING = ConnectionStatus.CONNECTED, ConnectionStatus.CONNECTING
DISCONNECTED, QR = ConnectionStatus.DISCONNECTED, ConnectionStatus.QR


def test_what_is_right_is_left_as_it_is_and_noted_as_checked(desk: Desk, evolution: Evolution) -> None:
    linked(desk, evolution)
    before = desk.connection

    check(desk, whole=True)

    after = desk.connection
    assert desk.state == ("connected", "scan_completed")
    assert (after.status_at, after.connected_at) == (before.status_at, before.connected_at)
    assert after.checked_at is not None
    assert before.checked_at is not None
    assert after.checked_at > before.checked_at
    assert repairs() == []


def test_a_check_comes_round_twice_a_minute(desk: Desk, evolution: Evolution) -> None:
    linked(desk, evolution)

    assert len(check(desk)) == 1
    check_at = desk.connection.check_at
    assert check_at is not None
    assert 25 < (check_at - now()).total_seconds() < 34
    assert reconcile.claim() == []


@pytest.mark.parametrize(
    ("shown", "told", "shown_then"),
    [
        ((CONNECTED, StatusReason.SCAN_COMPLETED), State.CONNECTING, ("connecting", "connection_lost")),
        ((CONNECTED, StatusReason.SCAN_COMPLETED), State.CLOSE, ("disconnected", "connection_lost")),
        ((CONNECTING, StatusReason.CONNECTION_LOST), State.OPEN, ("connected", "scan_completed")),
        ((CONNECTING, StatusReason.CONNECTION_LOST), State.CLOSE, ("disconnected", "connection_lost")),
        ((CONNECTING, StatusReason.INITIALIZING), State.OPEN, ("connected", "scan_completed")),
        ((QR, StatusReason.WAITING_SCAN), State.OPEN, ("connected", "scan_completed")),
        ((QR, StatusReason.WAITING_SCAN), State.CLOSE, ("disconnected", "qr_expired")),
        ((DISCONNECTED, StatusReason.CONNECTION_LOST), State.OPEN, ("connected", "scan_completed")),
        ((DISCONNECTED, StatusReason.LOGGED_OUT), State.OPEN, ("connected", "scan_completed")),
        ((DISCONNECTED, StatusReason.EVOLUTION_UNREACHABLE), State.OPEN, ("connected", "scan_completed")),
    ],
)
def test_each_stale_state_is_put_right_and_noted(
    desk: Desk,
    evolution: Evolution,
    shown: tuple[ConnectionStatus, StatusReason],
    told: State,
    shown_then: tuple[str, str],
) -> None:
    instance = linked(desk, evolution)
    desk.move(*shown)
    force(instance, told)

    check(desk)

    assert desk.state == shown_then
    assert repairs() == [("state", shown[0], shown_then[0])]
    assert desk.connection.phone == "5511999990001"


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        ((QR, StatusReason.WAITING_SCAN), State.CONNECTING),
        ((CONNECTING, StatusReason.CONNECTION_LOST), State.CONNECTING),
        ((DISCONNECTED, StatusReason.LOGGED_OUT), State.CLOSE),
        ((DISCONNECTED, StatusReason.NUMBER_BANNED), State.CLOSE),
        ((DISCONNECTED, StatusReason.NUMBER_BANNED), State.CONNECTING),
    ],
)
def test_what_may_well_be_so_is_left(
    desk: Desk, evolution: Evolution, shown: tuple[ConnectionStatus, StatusReason], told: State
) -> None:
    instance = linked(desk, evolution)
    desk.move(*shown)
    force(instance, told)

    check(desk, whole=True)

    assert desk.state == shown
    assert repairs() == []
    assert instance.socket.state == told


def test_a_webhook_that_came_after_the_question_knows_more(
    desk: Desk, evolution: Evolution, monkeypatch: pytest.MonkeyPatch
) -> None:
    linked(desk, evolution)

    def answer(client: EvolutionClient, name: str) -> str:
        desk.move(DISCONNECTED, StatusReason.NUMBER_BANNED)
        return "connecting"

    monkeypatch.setattr(EvolutionClient, "connection_state", answer)
    check(desk)

    assert desk.state == ("disconnected", "number_banned")
    assert repairs() == []


def test_what_a_person_asked_for_meanwhile_is_not_disturbed(desk: Desk, evolution: Evolution) -> None:
    instance = linked(desk, evolution)
    force(instance, State.CLOSE)

    check(desk, before=lambda: desk.ask(connections.request_restart))

    assert desk.state == ("connected", "scan_completed")
    assert desk.connection.action == ConnectionAction.RESTART


def test_a_unit_with_a_wish_in_hand_is_left_alone(desk: Desk, evolution: Evolution) -> None:
    linked(desk, evolution)
    desk.ask(connections.request_restart)

    assert check(desk) == []


def test_an_instance_that_is_gone_is_told_so(desk: Desk, evolution: Evolution) -> None:
    instance = linked(desk, evolution)
    evolution.simulator.instances.vanish(instance)

    check(desk)

    assert desk.state == ("disconnected", "instance_gone")
    assert repairs() == [("state", "connected", "disconnected")]


def test_why_a_number_left_says_more_than_that_its_instance_is_gone(desk: Desk, evolution: Evolution) -> None:
    instance = linked(desk, evolution)
    desk.move(DISCONNECTED, StatusReason.NUMBER_BANNED)
    evolution.simulator.instances.vanish(instance)

    check(desk)

    assert desk.state == ("disconnected", "number_banned")


def test_no_state_is_made_up_while_the_instance_is_not_loaded(desk: Desk, evolution: Evolution) -> None:
    instance = linked(desk, evolution)
    checked_at = desk.connection.checked_at
    instance.is_loaded = False

    check(desk)

    assert desk.state == ("connected", "scan_completed")
    assert (desk.connection.checked_at, desk.connection.check_error) == (checked_at, reconcile.NOT_LOADED)


@pytest.mark.parametrize("trouble", ["away", "key", "licence", "gateway"])
def test_no_state_is_made_up_while_evolution_does_not_say(
    desk: Desk, evolution: Evolution, scripted: Scripted, point_to: Callable[..., None], trouble: str
) -> None:
    point_to(evolution.url)
    linked(desk, evolution)
    checked_at = desk.connection.checked_at
    scripted.answer(503, {"code": "LICENSE_REQUIRED"}) if trouble == "licence" else scripted.answer(502, "<html>")
    where = {"away": f"http://127.0.0.1:{closed_port()}", "key": evolution.url}.get(trouble, scripted.url)
    point_to(where, "another-key-for-tests" if trouble == "key" else KEY)

    check(desk)

    codes = {
        "away": "evolution_unreachable",
        "key": "evolution_key_refused",
        "licence": "evolution_not_licensed",
        "gateway": "unclear_answer",
    }
    assert desk.state == ("connected", "scan_completed")
    assert (desk.connection.checked_at, desk.connection.check_error) == (checked_at, codes[trouble])

    point_to(evolution.url)
    check(desk)
    assert desk.connection.check_error is None


def test_units_of_busy_and_paused_servers_wait(desk: Desk, evolution: Evolution) -> None:
    linked(desk, evolution)
    change(desk, check_at=now() - PAST)
    server_id = desk.connection.evolution_server_id
    assert server_id is not None

    assert reconcile.claim(busy_servers=[server_id]) == []
    assert len(reconcile.claim()) == 1


def test_of_each_server_only_some_are_taken_at_a_time(scope: TenantScope) -> None:
    for number in range(reconcile.CHECKS.most_per_server + 2):
        make_connected_unit(scope, f"unit-{number}")

    assert len(reconcile.claim()) == reconcile.CHECKS.most_per_server
    assert len(reconcile.claim()) == 2
    assert reconcile.claim() == []


def test_units_that_were_never_connected_are_not_checked(desk: Desk, evolution: Evolution) -> None:
    linked(desk, evolution)
    desk.ask(connections.request_delete)
    desk.work()

    assert (desk.connection.check_at, desk.connection.compare_at, desk.connection.checked_at) == (None, None, None)
    assert check(desk) == []


def lose_for_long(desk: Desk) -> None:
    desk.move(CONNECTING, StatusReason.CONNECTION_LOST)
    change(desk, status_at=now() - timedelta(minutes=4))


def test_a_link_that_does_not_come_back_is_restarted_once(
    desk: Desk, evolution: Evolution, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = linked(desk, evolution)
    restarted: list[str] = []
    monkeypatch.setattr(EvolutionClient, "restart", lambda client, name: restarted.append(name))
    force(instance, State.CONNECTING)
    lose_for_long(desk)

    check(desk)
    check(desk)

    assert restarted == [instance.name]
    assert repairs() == [("state", "connecting", "restarted")]
    assert desk.state == ("connecting", "connection_lost")


def test_a_restart_brings_the_link_back(desk: Desk, evolution: Evolution) -> None:
    instance = linked(desk, evolution)
    force(instance, State.CONNECTING)
    lose_for_long(desk)

    check(desk)
    until(lambda: instance.socket.state == State.OPEN)
    check(desk)

    assert desk.state == ("connected", "scan_completed")


@pytest.mark.parametrize(
    ("shown", "minutes"),
    [
        ((CONNECTING, StatusReason.CONNECTION_LOST), 2),
        ((CONNECTING, StatusReason.INITIALIZING), 4),
        ((QR, StatusReason.WAITING_SCAN), 4),
        ((DISCONNECTED, StatusReason.LOGGED_OUT), 4),
        ((DISCONNECTED, StatusReason.NUMBER_BANNED), 4),
    ],
)
def test_what_is_not_dead_is_not_restarted(
    desk: Desk,
    evolution: Evolution,
    monkeypatch: pytest.MonkeyPatch,
    shown: tuple[ConnectionStatus, StatusReason],
    minutes: int,
) -> None:
    instance = linked(desk, evolution)
    restarted: list[str] = []
    monkeypatch.setattr(EvolutionClient, "restart", lambda client, name: restarted.append(name))
    force(instance, State.CONNECTING)
    desk.move(*shown)
    change(desk, status_at=now() - timedelta(minutes=minutes))

    check(desk)

    assert restarted == []
    assert repairs() == []


def test_a_number_that_is_not_the_units_is_refused_and_unlinked(desk: Desk, evolution: Evolution) -> None:
    instance = linked(desk, evolution)
    desk.move(DISCONNECTED, StatusReason.CONNECTION_LOST)
    expect(desk, "5511999990077")

    check(desk)
    refused = desk.state, desk.connection.action
    desk.work()

    assert refused == (("disconnected", "wrong_number"), ConnectionAction.DISCONNECT)
    assert desk.state == ("disconnected", "wrong_number")
    assert instance.is_paired is False
    assert desk.connection.action is None


def test_the_number_of_another_tenants_unit_is_refused(desk: Desk, evolution: Evolution) -> None:
    instance = linked(desk, evolution)
    desk.move(DISCONNECTED, StatusReason.CONNECTION_LOST)
    make_connected_unit(make_tenant("rival"), phone="5511999990001")

    check(desk)
    desk.work()

    assert desk.state == ("disconnected", "number_in_use")
    assert instance.is_paired is False


def expect(desk: Desk, number: str) -> None:
    with acting_for(desk.scope), atomic():
        db.session.execute(desk.scope.update(Unit).where(Unit.id == desk.unit_id).values(expected_number=number))


def test_a_silent_unit_is_compared_at_once(desk: Desk, evolution: Evolution) -> None:
    linked(desk, evolution)
    long_ago = now() - timedelta(minutes=47)
    later = now() + timedelta(minutes=4)
    change(desk, connected_at=long_ago, last_event_at=long_ago, compared_until=long_ago, compare_at=later)
    check(desk)
    alone = desk.connection.compare_at
    hear_elsewhere()

    check(desk)

    assert alone == later
    assert desk.connection.compare_at is not None
    assert desk.connection.compare_at <= now()


def hear_elsewhere() -> None:
    rival = make_tenant("rival")
    unit = make_connected_unit(rival, phone="5511999990055")
    change(Desk(rival, unit), last_event_at=now(), check_at=None)


def test_a_silence_after_a_comparison_brings_no_second_one(desk: Desk, evolution: Evolution) -> None:
    linked(desk, evolution)
    long_ago, later = now() - timedelta(minutes=47), now() + timedelta(minutes=4)
    lately = now() - timedelta(minutes=2)
    change(desk, connected_at=long_ago, last_event_at=long_ago, compared_until=lately, compare_at=later)
    hear_elsewhere()

    check(desk)

    assert desk.connection.compare_at == later


def test_the_instance_of_the_check_is_the_one_that_is_noted(desk: Desk, evolution: Evolution) -> None:
    """An instance that was replaced between claim and answer says nothing about the new one."""
    linked(desk, evolution)
    name = desk.name

    check(desk, before=lambda: change(desk, instance_name="unit_new", checked_at=None))

    assert instance_of(evolution, name).is_open
    assert desk.connection.checked_at is None
    assert [row.checked_at for row in rows_of(Connection)] == [None]
    assert rows_of(Repair) == []


def test_the_relay_checks_what_is_due(desk: Desk, evolution: Evolution, relay: OutboxRelay) -> None:
    instance = linked(desk, evolution)
    force(instance, State.CLOSE)
    change(desk, check_at=now() - PAST)

    relay.drain()
    until(lambda: desk.state == ("disconnected", "connection_lost"))

    assert repairs() == [("state", "connected", "disconnected")]
