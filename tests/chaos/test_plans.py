"""Plans of scenarios, and what breaks a connection, without a portal."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.chaos.proxies import Proxy, proxying
from tests.chaos.scenarios import LONG, SHORT, Fault, Scenario, Strike, plan

SEED = 7
WAIT_S = 10


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """Before a server that says everything once more."""
    with socket.create_server(("127.0.0.1", 0)) as server, proxying() as lay:
        threading.Thread(target=echo, args=(server,), daemon=True).start()
        yield lay(lambda: asyncio.open_connection("127.0.0.1", server.getsockname()[1]))


def echo(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=echo_one, args=(connection,), daemon=True).start()


def echo_one(connection: socket.socket) -> None:
    with connection:
        try:
            while said := connection.recv(100):
                connection.sendall(said)
        except ConnectionError:
            return


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=WAIT_S)


def speak(connection: socket.socket) -> bytes:
    connection.sendall(b"hello")
    return connection.recv(100)


def test_plan_of_a_seed_is_always_the_same() -> None:
    assert plan(SHORT, SEED) == plan(SHORT, SEED)
    assert plan(SHORT, SEED) != plan(SHORT, SEED + 1)


@pytest.mark.parametrize("scenario", [SHORT, *LONG], ids=lambda scenario: scenario.name)
def test_plan_has_every_fault_in_order_and_in_time(scenario: Scenario) -> None:
    strikes = plan(scenario, SEED)

    assert {strike.fault for strike in strikes} == set(scenario.faults)
    assert [strike.at_s for strike in strikes] == sorted(strike.at_s for strike in strikes)
    assert strikes[-1].at_s < scenario.duration_s


def test_every_fault_is_in_some_long_scenario_that_is_about_it() -> None:
    about = {fault for scenario in LONG if set(scenario.faults) != set(Fault) for fault in scenario.faults}

    assert about == set(Fault)


@pytest.mark.parametrize(("whim", "hit"), [(0.0, "a"), (0.5, "b"), (0.99, "c")])
def test_whim_says_which_is_hit(whim: float, hit: str) -> None:
    assert Strike(at_s=0, fault=Fault.WORKER_KILLED, length_s=0, whim=whim).pick("abc") == hit


def test_cut_resets_what_is_open(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        assert speak(connection) == b"hello"
        proxy.cut()

        with pytest.raises(ConnectionResetError):
            connection.recv(100)


def test_new_connections_are_reset_until_it_is_mended(proxy: Proxy) -> None:
    proxy.cut()

    with pytest.raises(ConnectionError), connect(proxy) as connection:
        speak(connection)

    proxy.mend()
    with connect(proxy) as connection:
        assert speak(connection) == b"hello"
