"""What a broken exchange says about the message, against real sockets; and how connections are kept."""

import ssl
import time
from types import SimpleNamespace

import pytest
import requests
from urllib3.exceptions import MaxRetryError
from urllib3.exceptions import SSLError as TransportSSLError

from portal.evolution import client as client_module
from portal.evolution import errors
from portal.evolution.client import EvolutionClient
from portal.evolution.errors import (
    EvolutionUnavailable,
    EvolutionUnknown,
)
from tests.evolution.conftest import KEY, send
from tests.evolution.little_servers import (
    Scripted,
    closed_port,
    full_backlog,
    read_request,
    reset,
    respond,
    talking,
)


def test_a_refused_connection_carried_nothing() -> None:
    client = EvolutionClient(f"http://127.0.0.1:{closed_port()}", KEY)

    with pytest.raises(EvolutionUnavailable) as raised:
        send(client)

    assert raised.value.code == errors.UNREACHABLE


def test_an_unknown_host_carried_nothing() -> None:
    client = EvolutionClient("http://evolution.invalid", KEY)

    with pytest.raises(EvolutionUnavailable) as raised:
        send(client)

    assert raised.value.code == errors.UNREACHABLE


def test_a_connect_timeout_carried_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "CONNECT_TIMEOUT_S", 0.1)

    with full_backlog() as url, pytest.raises(EvolutionUnavailable) as raised:
        send(EvolutionClient(url, KEY))

    assert raised.value.code == errors.UNREACHABLE


@pytest.mark.parametrize("url", ["localhost:8080", "evolution", "http://", "ftp://evolution.test"])
def test_an_address_that_is_none_carried_nothing(url: str) -> None:
    with pytest.raises(EvolutionUnavailable) as raised:
        send(EvolutionClient(url, KEY))

    assert raised.value.code == errors.UNREACHABLE


def test_a_certificate_that_is_refused_carried_nothing() -> None:
    refused = TransportSSLError(ssl.SSLCertVerificationError(1, "certificate verify failed"))
    error = requests.exceptions.SSLError(MaxRetryError(None, "/", refused))  # type: ignore[arg-type]

    assert isinstance(errors.from_exception(error), EvolutionUnavailable)


def test_tls_that_breaks_off_may_have_carried_it() -> None:
    broken = TransportSSLError(ssl.SSLEOFError(8, "EOF occurred in violation of protocol"))
    error = requests.exceptions.SSLError(MaxRetryError(None, "/", broken))  # type: ignore[arg-type]

    assert isinstance(errors.from_exception(error), EvolutionUnknown)


def test_a_read_timeout_may_have_carried_it() -> None:
    with talking(lambda c: (read_request(c), c.recv(1))) as url, pytest.raises(EvolutionUnknown) as raised:
        send(EvolutionClient(url, KEY, send_timeout_s=0.1))

    assert raised.value.code == errors.TIMED_OUT


def test_a_reset_after_the_write_may_have_carried_it() -> None:
    with talking(lambda c: (read_request(c), reset(c))) as url, pytest.raises(EvolutionUnknown) as raised:
        send(EvolutionClient(url, KEY))

    assert raised.value.code == errors.UNCLEAR


def test_a_close_without_an_answer_may_have_carried_it() -> None:
    with talking(lambda c: read_request(c)) as url, pytest.raises(EvolutionUnknown) as raised:
        send(EvolutionClient(url, KEY))

    assert raised.value.code == errors.UNCLEAR


def test_an_answer_cut_short_may_have_carried_it() -> None:
    with (
        talking(lambda c: (read_request(c), respond(c, b'{"key"', length=500))) as url,
        pytest.raises(EvolutionUnknown) as raised,
    ):
        send(EvolutionClient(url, KEY))

    assert raised.value.code == errors.UNCLEAR


def test_a_kept_connection_that_is_closed_under_a_send_is_written_to_once() -> None:
    requests_read: list[bytes] = []

    def talk(connection: object) -> None:
        requests_read.append(read_request(connection))  # type: ignore[arg-type]
        respond(connection, b'{"version": "2.3.6"}')  # type: ignore[arg-type]
        requests_read.append(read_request(connection))  # type: ignore[arg-type]

    with talking(talk) as url:
        client = EvolutionClient(url, KEY)
        client.version()
        with pytest.raises(EvolutionUnknown):
            send(client)

    assert [one.split(b" ")[0] for one in requests_read] == [b"GET", b"POST"]


def test_a_connection_is_kept_for_calls_that_follow_each_other(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(200, {"version": "2.3.6"})

    client.version()
    client.version()

    assert evolution.asked[0].port == evolution.asked[1].port


def test_a_connection_idle_for_four_seconds_is_retired(
    evolution: Scripted, client: EvolutionClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    evolution.answer(200, {"version": "2.3.6"})
    client.version()
    later = time.monotonic() + 4.1
    monkeypatch.setattr(client_module, "time", SimpleNamespace(monotonic=lambda: later))

    client.version()

    assert evolution.asked[0].port != evolution.asked[1].port
