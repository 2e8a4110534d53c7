"""What a broken exchange says about the message, against real sockets; and how connections are kept."""

import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import certifi
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from urllib3.exceptions import MaxRetryError
from urllib3.exceptions import SSLError as TransportSSLError

from portal.evolution import client as client_module
from portal.evolution import errors, lines
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
    monkeypatch.setattr(lines, "time", SimpleNamespace(monotonic=lambda: later))

    client.version()

    assert evolution.asked[0].port != evolution.asked[1].port


def test_a_connection_idle_for_less_is_kept(
    evolution: Scripted, client: EvolutionClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    evolution.answer(200, {"version": "2.3.6"})
    client.version()
    soon = time.monotonic() + 3.9
    monkeypatch.setattr(lines, "time", SimpleNamespace(monotonic=lambda: soon))

    client.version()

    assert evolution.asked[0].port == evolution.asked[1].port


def test_each_thread_has_a_connection_of_its_own(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(200, {"version": "2.3.6"})
    client.version()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(client.version).result(timeout=5)

    assert evolution.asked[0].port != evolution.asked[1].port


def test_the_proxy_of_the_environment_is_used(evolution: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", evolution.url)
    monkeypatch.setenv("no_proxy", "")
    evolution.answer(200, {"version": "2.3.6"})

    EvolutionClient("http://evolution.invalid:8080", KEY).version()

    asked = evolution.asked[0]
    assert (asked.path, asked.headers["Host"]) == ("http://evolution.invalid:8080/", "evolution.invalid:8080")
    assert asked.headers["apikey"] == KEY


def test_the_proxy_is_told_who_asks(evolution: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", evolution.url.replace("http://", "http://user:secret@"))
    monkeypatch.setenv("no_proxy", "")
    evolution.answer(200, {"version": "2.3.6"})

    EvolutionClient("http://evolution.invalid:8080", KEY).version()

    assert evolution.asked[0].headers["Proxy-Authorization"] == "Basic dXNlcjpzZWNyZXQ="


def test_a_post_without_a_body_says_so(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(200, {})

    client.restart("unit_1")

    assert evolution.asked[0].headers["Content-Length"] == "0"


def test_what_the_environment_excepts_from_its_proxy_goes_there_directly(
    evolution: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    evolution.answer(200, {"version": "2.3.6"})

    assert EvolutionClient(evolution.url, KEY).version() == "2.3.6"


def test_a_proxy_that_is_away_carried_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("no_proxy", "")

    with pytest.raises(EvolutionUnavailable) as raised:
        send(EvolutionClient("http://evolution.invalid:8080", KEY))

    assert raised.value.code == errors.UNREACHABLE


def test_a_reset_behind_a_proxy_may_have_carried_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "")

    with talking(lambda c: (read_request(c), reset(c))) as url:
        monkeypatch.setenv("http_proxy", url)
        with pytest.raises(EvolutionUnknown) as raised:
            send(EvolutionClient("http://evolution.invalid:8080", KEY))

    assert raised.value.code == errors.UNCLEAR


@pytest.mark.parametrize(
    ("is_trusted", "host", "answer"),
    [(True, "localhost", "2.3.6"), (False, "localhost", errors.UNREACHABLE), (True, "127.0.0.1", errors.UNREACHABLE)],
    ids=["trusted", "not_trusted", "of_another_host"],
)
def test_the_certificates_of_the_environment_are_believed(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_trusted: bool, host: str, answer: str
) -> None:
    others = tmp_path / "others.pem"
    others.write_bytes(Path(certifi.where()).read_bytes())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate if is_trusted else others))
    server = Scripted()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.server.socket = context.wrap_socket(server.server.socket, server_side=True)
    server.answer(200, {"version": "2.3.6"})
    client = EvolutionClient(server.url.replace("http://127.0.0.1", f"https://{host}"), KEY)

    try:
        told = _refusal(client) if answer == errors.UNREACHABLE else client.version()
    finally:
        server.stop()

    assert told == answer


def _refusal(client: EvolutionClient) -> str:
    with pytest.raises(EvolutionUnavailable) as raised:
        client.version()
    return raised.value.code


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and a certificate for `localhost` that nobody signed, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = tmp_path / "localhost.pem"
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file
