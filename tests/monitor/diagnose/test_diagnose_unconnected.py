"""A unit that stays unconnected: each cause is made, recognised, and put right where that can be done."""

import time
from collections.abc import Callable

import pytest

from local.evolution.faults import FaultName, Plan
from local.evolution.model import State
from portal.db import atomic, db
from portal.evolution import errors
from portal.models import ConnectionAction, ConnectionStatus, EvolutionServer, Relay, StatusReason, Unit
from portal.monitor import diagnose
from portal.monitor.diagnose import Cause, Fix, Incident, asking
from portal.outbox import servers
from portal.services import connections
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.evolution.little_servers import closed_port
from tests.monitor.diagnose.patient import Patient, ago
from tests.outbox.rounds import force

pytestmark = pytest.mark.commits

UNCONNECTED = Incident.UNCONNECTED


def test_nothing_is_found_at_a_unit_that_works(linked: Patient) -> None:
    found = linked.look()

    assert found.trouble == []
    assert {finding.cause for finding in found.findings if finding.is_found is None} == set()


def test_unit_that_was_never_connected_needs_a_phone(patient: Patient) -> None:
    assert patient.trouble(UNCONNECTED) == {Cause.NEVER_CONNECTED}
    assert patient.find(UNCONNECTED, Cause.NEVER_CONNECTED).fix is None


def test_dead_worker_is_recognised_by_its_queue(linked: Patient) -> None:
    with across_tenants("a test lets a worker die"), atomic():
        db.session.query(Relay).filter(Relay.queue == "outbox").update({"heartbeat_at": ago(minutes=2)})

    finding = linked.find(UNCONNECTED, Cause.WORKER_AWAY)

    assert (finding.is_trouble, finding.codes) == (True, ("outbox",))


@pytest.mark.parametrize(
    ("harm", "cause"),
    [
        (lambda point, url: point(f"http://127.0.0.1:{closed_port()}"), Cause.EVOLUTION_UNREACHABLE),
        (lambda point, url: point(url, "another-key"), Cause.EVOLUTION_KEY_REFUSED),
    ],
    ids=["away", "key"],
)
def test_server_that_does_not_answer_is_recognised(
    linked: Patient, point_to: Callable[..., None], harm: Callable[..., None], cause: Cause
) -> None:
    harm(point_to, linked.evolution.url)

    assert linked.trouble(UNCONNECTED) == {cause}
    # What only Evolution knows is not made up.
    assert linked.find(UNCONNECTED, Cause.WEBHOOK_WRONG).is_found is None
    assert cause in linked.trouble(Incident.OUTBOUND)


@pytest.mark.parametrize(
    ("fault", "cause"),
    [(FaultName.LICENCE, Cause.EVOLUTION_NOT_LICENSED), (FaultName.HANG_ALL, Cause.EVOLUTION_SLOW)],
)
def test_server_that_serves_nobody_is_recognised_in_a_bounded_time(
    linked: Patient, monkeypatch: pytest.MonkeyPatch, fault: FaultName, cause: Cause
) -> None:
    monkeypatch.setattr(asking, "CALL_S", 0.5)
    monkeypatch.setattr(linked.evolution.simulator.switches, "hang_s", 1.0)
    monkeypatch.setitem(linked.evolution.simulator.faults.plans, fault, Plan(rate=1.0))
    begun_at = time.monotonic()

    assert linked.trouble(UNCONNECTED) == {cause}
    assert time.monotonic() - begun_at < 3.0


def test_no_connection_to_the_database_is_held_while_evolution_is_asked(
    linked: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []
    ask = asking.ask

    def watched(question: asking.Question) -> asking.Answer:
        held.append(db.engine.pool.checkedout())  # type: ignore[attr-defined]
        return ask(question)

    monkeypatch.setattr(asking, "ask", watched)
    linked.look()

    assert held == [0]


def test_portal_on_which_no_worker_ever_ran_says_so(scope: TenantScope, unit: Unit) -> None:
    with acting_for(scope):
        found = diagnose.run(scope, unit.id)

    causes = {finding.cause for finding in found.of(UNCONNECTED) if finding.is_trouble}
    assert causes == {Cause.WORKER_AWAY, Cause.NEVER_CONNECTED}


def test_unit_without_an_instance_still_learns_whether_the_server_answers(
    patient: Patient, point_to: Callable[..., None]
) -> None:
    point_to(f"http://127.0.0.1:{closed_port()}")

    assert patient.trouble(UNCONNECTED) == {Cause.EVOLUTION_UNREACHABLE, Cause.NEVER_CONNECTED}


def test_paused_server_goes_on_after_a_check(linked: Patient) -> None:
    servers.pause(servers.default_server_id(), errors.UNREACHABLE)
    with across_tenants("a test makes the pause long"), atomic():
        db.session.query(EvolutionServer).update({"paused_until": ago(hours=-1)})
    assert linked.trouble(UNCONNECTED) == {Cause.SERVER_PAUSED}

    assert linked.fix(UNCONNECTED, Cause.SERVER_PAUSED).is_found is False


def test_deleted_instance_is_told_and_then_needs_a_phone(linked: Patient) -> None:
    linked.evolution.simulator.store.instances.clear()
    assert linked.trouble(UNCONNECTED) == {Cause.INSTANCE_MISSING}

    finding = linked.fix(UNCONNECTED, Cause.INSTANCE_MISSING)

    # The row says so by now; a new one needs somebody who scans.
    assert (finding.is_found, finding.fix) == (True, None)
    assert linked.desk.state == ("disconnected", "instance_gone")


@pytest.mark.parametrize("told", [ConnectionStatus.DISCONNECTED, ConnectionStatus.CONNECTING])
def test_state_that_no_webhook_told_is_put_right(linked: Patient, told: ConnectionStatus) -> None:
    linked.desk.move(told, StatusReason.INITIALIZING)
    linked.change(status_at=ago(seconds=5))
    assert Cause.STATE_DIFFERS in linked.trouble(UNCONNECTED)

    assert linked.fix(UNCONNECTED, Cause.STATE_DIFFERS).is_found is False
    assert linked.desk.state == ("connected", "scan_completed")


def test_loss_that_no_webhook_told_is_put_right_and_then_needs_a_phone(linked: Patient) -> None:
    force(linked.instance, State.CLOSE)
    linked.change(status_at=ago(seconds=5))

    assert linked.fix(UNCONNECTED, Cause.STATE_DIFFERS).is_found is False
    assert linked.trouble(UNCONNECTED) == {Cause.CONNECTION_LOST}


def remove(patient: Patient) -> None:
    patient.instance.webhook = None


def alter(**changes: object) -> Callable[[Patient], None]:
    def do(patient: Patient) -> None:
        for name, value in changes.items():
            setattr(patient.instance.webhook, name, value)

    return do


@pytest.mark.parametrize(
    ("harm", "codes"),
    [
        (remove, ("missing",)),
        (alter(enabled=False), ("enabled",)),
        (alter(url="https://elsewhere.test/hook"), ("url",)),
        (alter(events=["QRCODE_UPDATED"]), ("events",)),
        (alter(headers={"jwt_key": "another-key"}), ("headers",)),
    ],
    ids=["missing", "off", "elsewhere", "events", "signature"],
)
def test_webhook_that_was_changed_is_set_again(
    linked: Patient, harm: Callable[[Patient], None], codes: tuple[str, ...]
) -> None:
    harm(linked)
    finding = linked.find(UNCONNECTED, Cause.WEBHOOK_WRONG)
    assert (finding.is_trouble, finding.codes, finding.fix) == (True, codes, Fix.CHECK)

    assert linked.fix(UNCONNECTED, Cause.WEBHOOK_WRONG).is_found is False
    assert linked.look().trouble == []


def test_address_that_evolution_cannot_reach_is_recognised_by_its_silence(linked: Patient) -> None:
    linked.change(instance_made_at=ago(minutes=5), last_event_at=None)

    finding = linked.find(UNCONNECTED, Cause.NOTHING_ARRIVES)

    assert finding.is_trouble
    assert "this machine only" in finding.detail
    linked.change(last_event_at=ago(minutes=1))
    assert linked.find(UNCONNECTED, Cause.NOTHING_ARRIVES).is_found is False


def test_code_waits_for_the_phone_until_it_is_old(patient: Patient) -> None:
    patient.desk.ask(connections.request_connect)
    patient.work()
    assert patient.trouble(UNCONNECTED) == {Cause.CODE_WAITS}

    patient.change(qr_updated_at=ago(minutes=2))

    assert patient.trouble(UNCONNECTED) == {Cause.CODE_STALE}
    force(patient.instance, State.CLOSE)
    patient.change(status_at=ago(seconds=5))
    assert patient.fix(UNCONNECTED, Cause.CODE_STALE).is_found is False
    assert patient.trouble(UNCONNECTED) == {Cause.QR_EXPIRED}


def test_number_for_which_no_pairing_code_came_is_told(patient: Patient) -> None:
    patient.desk.ask(connections.request_connect, pairing_number="+55 11 99999-0001")
    patient.work()
    assert Cause.NO_PAIRING_CODE not in patient.trouble(UNCONNECTED)

    patient.change(pairing_code=None)

    assert Cause.NO_PAIRING_CODE in patient.trouble(UNCONNECTED)


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        (StatusReason.QR_EXPIRED, Cause.QR_EXPIRED),
        (StatusReason.LOGGED_OUT, Cause.LOGGED_OUT),
        (StatusReason.WRONG_NUMBER, Cause.WRONG_NUMBER),
        (StatusReason.NUMBER_IN_USE, Cause.NUMBER_IN_USE),
        (StatusReason.NUMBER_BANNED, Cause.NUMBER_BANNED),
        (StatusReason.EVOLUTION_FULL, Cause.EVOLUTION_FULL),
        (StatusReason.EVOLUTION_UNREACHABLE, Cause.CONNECT_FAILED),
    ],
)
def test_reason_that_the_row_gives_is_the_cause(linked: Patient, reason: StatusReason, cause: Cause) -> None:
    linked.desk.move(ConnectionStatus.DISCONNECTED, reason)
    force(linked.instance, State.CLOSE)

    assert linked.trouble(UNCONNECTED) == {cause}
    assert linked.find(UNCONNECTED, cause).fix is None
    assert linked.trouble(Incident.INBOUND) == {Cause.UNIT_UNCONNECTED}


def test_number_that_reconnects_for_too_long_is_restarted(linked: Patient) -> None:
    linked.desk.move(ConnectionStatus.CONNECTING, StatusReason.CONNECTION_LOST)
    force(linked.instance, State.CONNECTING)
    assert linked.trouble(UNCONNECTED) == set()
    linked.change(status_at=ago(minutes=4))
    assert linked.trouble(UNCONNECTED) == {Cause.CONNECTION_LOST}

    linked.apply(Fix.RESTART)

    assert linked.desk.connection.action == ConnectionAction.RESTART
    linked.work()
    assert linked.trouble(UNCONNECTED) == set()


def test_wish_that_nobody_carries_out_is_recognised(linked: Patient) -> None:
    linked.desk.ask(connections.request_restart)
    assert linked.find(UNCONNECTED, Cause.ACTION_WAITS).is_found is False

    linked.change(action_requested_at=ago(minutes=2))

    assert linked.find(UNCONNECTED, Cause.ACTION_WAITS).codes == ("restart",)
