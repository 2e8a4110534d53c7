"""A look at a unit ends in time and is the only one at a time, whatever Evolution and Redis do."""

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import redis

from portal.errors import Conflict
from portal.extensions import parts
from portal.monitor.diagnose import Cause, Incident, asking, turns
from portal.outbox import servers
from tests.evolution.little_servers import closed_port, read_request
from tests.monitor.diagnose.patient import Patient

pytestmark = pytest.mark.commits


@pytest.fixture
def dripping(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> Iterator[Patient]:
    """Linked; since then the head of each of Evolution's answers trickles, for as long as somebody listens."""
    patient.link()
    is_over = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            read_request(connection)
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not is_over.wait(0.05):
                connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        monkeypatch.setattr(parts, "config", replace(parts.config, evolution_api_url=url))
        servers.sync_default()
        yield patient
        is_over.set()
        thread.join(timeout=5)


def test_evolution_that_trickles_is_not_waited_for(dripping: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "LONGEST_S", 0.4)
    begun_at = time.monotonic()

    finding = dripping.find(Incident.OUTBOUND, Cause.EVOLUTION_SLOW)

    assert finding.is_found is True
    assert time.monotonic() - begun_at < 3


def test_evolution_has_ten_seconds_at_most() -> None:
    assert asking.LONGEST_S < 10 < turns.LONGEST_S


def test_whoever_comes_second_is_told_at_once_and_asks_nothing(
    linked: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Patient(linked.scope, linked.other_unit(), linked.evolution)

    with turns.of(linked.unit.id):
        with monkeypatch.context() as asked:
            asked.setattr(asking, "ask", lambda question: pytest.fail("Evolution was asked"))
            with pytest.raises(Conflict) as raised:
                linked.look()
        other.look()

    assert "looking at this unit just now" in raised.value.message
    assert linked.look().trouble == []


def test_everybody_may_look_while_redis_is_away(linked: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "redis", redis.Redis(port=closed_port(), socket_connect_timeout=0.2))

    with turns.of(linked.unit.id), turns.of(linked.unit.id):
        assert linked.look().of(Incident.INBOUND) != []
