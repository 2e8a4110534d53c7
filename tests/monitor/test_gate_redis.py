"""What the gate says of Redis: a certificate that nobody vouches for, and the trial of a job, which leaves nothing."""

import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from limits.storage import storage_from_string

from portal.app import _flask_settings
from portal.cli.gate import application_of
from portal.extensions import init_parts, parts
from portal.monitor import gate
from portal.monitor.gate import Stage
from portal.monitor.gate.checks import Application, Check, CheckResult, Outcome
from portal.queue import try_job
from tests.conftest import make_config


class SmallRedis(socketserver.StreamRequestHandler):
    """Greets, and answers whatever else it is asked as if it had been a ping."""

    def handle(self) -> None:
        for line in self.rfile:
            if line.startswith(b"*"):
                # Of so many words; the first of them follows after its length.
                self.rfile.readline()
                is_greeted = self.rfile.readline() == b"HELLO\r\n"
                self.wfile.write(b"%1\r\n+proto\r\n:3\r\n" if is_greeted else b"+PONG\r\n")


class OverTls(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, certificate: Path) -> None:
        super().__init__(("127.0.0.1", 0), SmallRedis)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate)

    def get_request(self) -> tuple[ssl.SSLSocket, object]:
        connection, address = super().get_request()
        return self.tls.wrap_socket(connection, server_side=True), address


@pytest.fixture
def rediss_url(tmp_path: Path) -> Iterator[str]:
    """Of a Redis that made its certificate itself."""
    certificate = tmp_path / "redis.pem"
    certificate.write_bytes(own_certificate())
    with OverTls(certificate) as server:
        threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True).start()
        yield f"rediss://127.0.0.1:{server.server_address[1]}/0"
        server.shutdown()


def own_certificate() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "cache.test")])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(datetime.now(UTC) - timedelta(days=1))
    made = made.not_valid_after(datetime.now(UTC) + timedelta(days=1))
    as_pem = serialization.Encoding.PEM
    private = key.private_bytes(as_pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private + made.sign(key, hashes.SHA256()).public_bytes(as_pem)


def ping(application: Application) -> Outcome:
    return bool(parts.redis.ping()), "answers"


@pytest.fixture
def gate_with(app: Flask, rediss_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], CheckResult]]:
    """What comes of a ping over TLS, with that setting."""
    config = parts.config
    monkeypatch.setattr(gate, "GROUPS", {"parts": (Check("redis", ping),)})

    def run(verify: str) -> CheckResult:
        init_parts(app, make_config(config.database_url, rediss_url, REDIS_TLS_VERIFY=verify))
        (found,) = gate.run(Stage.RELEASE, application_of(app))
        return found

    yield run
    # The parts are one per process: give the other tests theirs back.
    init_parts(app, config)


def test_certificate_that_nobody_vouches_for_is_named(gate_with: Callable[[str], CheckResult]) -> None:
    found = gate_with("on")

    assert not found.is_ok
    assert found.detail == "certificate not trusted: REDIS_TLS_VERIFY=off where the host of Redis makes its own"


def test_certificate_is_not_asked_for_where_that_is_off(gate_with: Callable[[str], CheckResult]) -> None:
    assert gate_with("off").is_ok


@pytest.mark.parametrize(("verify", "is_reached"), [("on", False), ("off", True)])
def test_limits_are_counted_under_the_same_setting(rediss_url: str, verify: str, is_reached: bool) -> None:
    settings = _flask_settings(make_config("postgresql://db.test/portal", rediss_url, REDIS_TLS_VERIFY=verify))
    uri, options = settings["RATELIMIT_STORAGE_URI"], settings["RATELIMIT_STORAGE_OPTIONS"]

    assert storage_from_string(uri, **options).check() is is_reached  # type: ignore[arg-type]


def test_trial_of_a_job_leaves_nothing_in_redis(app: Flask) -> None:
    before = set(parts.redis.scan_iter("rq:*"))

    assert try_job("gate-tried", timeout_s=3.0)

    assert set(parts.redis.scan_iter("rq:*")) - before == set()
    assert not parts.redis.sismember("rq:queues", "rq:queue:gate-tried")
