"""A little mail server in a thread: takes mails, or refuses them as a test wants it to."""

import base64
import socketserver
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as RULES_OF_MAIL
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from portal.clock import now
from portal.extensions import parts

MAIL_FROM = "Portal <portal@portal.test>"


@dataclass
class Taken:
    """A mail as it came: who was named to the server, and what was handed over."""

    sender: str
    recipients: list[str]
    raw: bytes
    was_encrypted: bool
    signed_in_as: str

    @property
    def message(self) -> EmailMessage:
        parsed = message_from_bytes(self.raw, policy=RULES_OF_MAIL)
        assert isinstance(parsed, EmailMessage)
        return parsed

    @property
    def text(self) -> str:
        return str(self.message.get_content())


@dataclass
class MailServer:
    """`answers` replaces what is answered to a command; a certificate makes it offer STARTTLS."""

    port: int = 0
    answers: dict[str, str] = field(default_factory=dict)
    certificate: Path | None = None
    is_encrypted_from_the_start: bool = False
    mails: list[Taken] = field(default_factory=list)

    @property
    def tls(self) -> ssl.SSLContext | None:
        if self.certificate is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        return context

    def use(
        self, patch: pytest.MonkeyPatch, *, scheme: str = "smtp", login: str = "", env: str = "development"
    ) -> None:
        """Let the portal send its mails here."""
        url = f"{scheme}://{login}localhost:{self.port}"
        patch.setattr(parts, "config", replace(parts.config, smtp_url=url, mail_from=MAIL_FROM, portal_env=env))


@contextmanager
def running(server: MailServer) -> Iterator[MailServer]:
    class Handler(_Conversation):
        here = server

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server(("127.0.0.1", server.port), Handler) as listener:
        server.port = listener.server_address[1]
        thread = threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown()
            thread.join()


def make_certificate(folder: Path, name: str = "localhost") -> Path:
    """A key and a certificate that it signed itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - timedelta(days=1))
        .not_valid_after(now() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, form, plain)
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


class _Conversation(socketserver.StreamRequestHandler):
    """As much of SMTP as a client needs (RFC 5321)."""

    here: MailServer
    timeout = 10
    USUAL: Mapping[str, str] = {
        "MAIL": "250 ok",
        "RCPT": "250 ok",
        "DATA": "354 go on",
        "END": "250 taken",
        "RSET": "250 ok",
        "QUIT": "221 bye",
        "AUTH": "235 welcome",
    }

    def handle(self) -> None:
        self.is_encrypted, self.signed_in_as, self.envelope = False, "", ("", [""])
        try:
            if self.here.is_encrypted_from_the_start:
                self._encrypt()
            self._say(self.here.answers.get("HELLO", "220 mail.test"))
            while self._answer(self.rfile.readline().decode().strip()):
                pass
        except OSError:
            # The client hung up, as it does when it does not like the certificate.
            pass
        if self.is_encrypted:
            for stream in (self.rfile, self.wfile, self.connection):
                stream.close()

    def _answer(self, line: str) -> bool:
        command, _, rest = line.partition(" ")
        command = command.upper()
        if command in ("EHLO", "HELO"):
            self._say(self.here.answers.get("EHLO") or "\r\n".join(self._abilities()))
        elif command == "STARTTLS":
            self._say("220 go on")
            self._encrypt()
        elif command == "DATA" and "DATA" not in self.here.answers:
            self._take()
        else:
            self._note(command, rest)
            self._say(self.here.answers.get(command, self.USUAL.get(command, "500 what?")))
        return command not in ("QUIT", "")

    def _abilities(self) -> list[str]:
        offers_tls = self.here.certificate is not None and not self.is_encrypted
        return ["250-mail.test", *(["250-STARTTLS"] if offers_tls else []), "250 AUTH PLAIN"]

    def _note(self, command: str, rest: str) -> None:
        address = rest.partition(":")[2].split(" ")[0].strip("<>")
        if command == "AUTH":
            self.signed_in_as = base64.b64decode(rest.split(" ")[1]).decode().replace("\0", " ").strip()
        elif command == "MAIL":
            self.envelope = (address, [])
        elif command == "RCPT":
            self.envelope[1].append(address)

    def _take(self) -> None:
        self._say("354 go on")
        lines: list[bytes] = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        answer = self.here.answers.get("END", self.USUAL["END"])
        if answer.startswith("250"):
            self.here.mails.append(Taken(*self.envelope, b"".join(lines), self.is_encrypted, self.signed_in_as))
        self._say(answer)

    def _encrypt(self) -> None:
        context = self.here.tls
        assert context is not None
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.is_encrypted = True

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())
