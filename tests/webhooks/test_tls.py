"""Certificates are checked: against the authorities that count, and for the name that was asked for."""

import ipaddress
import ssl
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from portal.clock import now
from portal.webhooks import watch
from portal.webhooks.posting import Failure, post
from tests.webhooks.receiver import Receiver

pytestmark = pytest.mark.usefixtures("database")
LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


def make_certificate(folder: Path, of: x509.GeneralName) -> Path:
    """A key and a certificate that it signed itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - timedelta(days=1))
        .not_valid_after(now() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([of]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "receiver.pem"
    path.write_bytes(private + certificate.public_bytes(encoding))
    return path


@pytest.fixture
def certificate(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return make_certificate(tmp_path, getattr(request, "param", LOOPBACK))


@pytest.fixture
def secure(certificate: Path) -> Iterator[Receiver]:
    """A receiver that speaks TLS."""
    receiver = Receiver()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
    receiver.url = receiver.url.replace("http:", "https:")
    yield receiver
    receiver.stop()


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch, certificate: Path) -> None:
    context = watch.trust.__wrapped__()
    context.load_verify_locations(certificate)
    monkeypatch.setattr(watch, "trust", lambda: context)


def test_certificate_of_an_authority_that_counts_is_taken(trusted: None, secure: Receiver) -> None:
    attempt = post(secure.url, b"{}", {})

    assert (attempt.failure, attempt.status, len(secure.told)) == (None, 204, 1)


def test_certificate_that_nobody_vouches_for_is_not(secure: Receiver) -> None:
    attempt = post(secure.url, b"{}", {})

    assert (attempt.failure, secure.told) == (Failure.TLS_FAILED, [])


@pytest.mark.parametrize("certificate", [x509.DNSName("another.test")], indirect=True)
def test_certificate_of_somebody_else_is_not(trusted: None, secure: Receiver) -> None:
    attempt = post(secure.url, b"{}", {})

    assert (attempt.failure, secure.told) == (Failure.TLS_FAILED, [])


def test_plain_answer_to_tls_is_not(receiver: Receiver) -> None:
    assert post(receiver.url.replace("http:", "https:"), b"{}", {}).failure == Failure.TLS_FAILED


def test_authorities_are_read_once(secure: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    watch.trust()
    read, real = [], ssl.SSLContext.load_verify_locations

    def load(context: ssl.SSLContext, *args: object, **kwargs: object) -> None:
        read.append(threading.get_ident())
        real(context, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", load)
    post(secure.url, b"{}", {})

    assert read == []
