"""One mail over SMTP, encrypted on the way, and what it means when the mail server does not take it."""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import SMTP as RULES_OF_MAIL
from email.utils import format_datetime, make_msgid, parseaddr
from urllib.parse import SplitResult, unquote, urlsplit

from portal.clock import now
from portal.config import Config
from portal.queries.account_mails import MailTrouble

# Of each answer of the mail server.
TIMEOUT_S = 15.0
PORTS = {"smtp": 587, "smtps": 465}
OF_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
# Answers from here on mean the same tomorrow (RFC 5321 section 4.2.1).
FINAL = 500
# The first that fits; the rest is told apart by the number of the answer.
TROUBLES: tuple[tuple[type[Exception], MailTrouble], ...] = (
    (smtplib.SMTPAuthenticationError, MailTrouble.LOGIN_REFUSED),
    (smtplib.SMTPSenderRefused, MailTrouble.SENDER_REFUSED),
    (smtplib.SMTPConnectError, MailTrouble.UNREACHABLE),
    # It offers no login, or takes no address like that.
    (smtplib.SMTPNotSupportedError, MailTrouble.REFUSED),
    (ssl.SSLCertVerificationError, MailTrouble.BAD_CERTIFICATE),
    # No header can be made of the address.
    (MessageError, MailTrouble.ADDRESS_REFUSED),
    (ValueError, MailTrouble.ADDRESS_REFUSED),
)


class MailError(Exception):
    """The mail server did not take it. What it said stays out: it may repeat what it was told."""

    def __init__(self, code: MailTrouble) -> None:
        super().__init__(code.value)
        self.code = code


def send(config: Config, *, to: str, subject: str, text: str, message_id: str | None = None) -> None:
    """Hand one mail over. Raises MailError.

    `message_id`: what tells it from every other mail; the same one again is the same mail, handed over once more.
    """
    try:
        message = _message(config, to=to, subject=subject, text=text, message_id=message_id)
        with _connection(config) as server:
            server.send_message(message, parseaddr(config.mail_from)[1], [to])
    except (smtplib.SMTPException, OSError, MessageError, ValueError) as e:
        raise MailError(_trouble(e)) from None


@contextmanager
def _connection(config: Config) -> Iterator[smtplib.SMTP]:
    """Encrypted with a certificate that was checked, and signed in where the settings say as whom."""
    url = urlsplit(config.smtp_url)
    host, port = url.hostname or "", url.port or PORTS[url.scheme]
    # What the portal calls itself: the machine's own name would be looked up, and is nobody's business.
    name = urlsplit(config.base_url).hostname or "localhost"
    context = ssl.create_default_context()
    if url.scheme == "smtps":
        with smtplib.SMTP_SSL(host, port, local_hostname=name, timeout=TIMEOUT_S, context=context) as server:
            _sign_in(server, url)
            yield server
        return
    with smtplib.SMTP(host, port, local_hostname=name, timeout=TIMEOUT_S) as server:
        if not _may_stay_plain(config, host):
            _encrypt(server, context)
        _sign_in(server, url)
        yield server


def _encrypt(server: smtplib.SMTP, context: ssl.SSLContext) -> None:
    server.ehlo_or_helo_if_needed()
    if not server.has_extn("starttls"):
        raise MailError(MailTrouble.NO_TLS)
    server.starttls(context=context)


def _sign_in(server: smtplib.SMTP, url: SplitResult) -> None:
    if url.username:
        server.login(unquote(url.username), unquote(url.password or ""))


def _may_stay_plain(config: Config, host: str) -> bool:
    """Only for trying the portal out, with a mail server on the same machine."""
    return host in OF_THIS_MACHINE and not config.is_production


def _message(config: Config, *, to: str, subject: str, text: str, message_id: str | None) -> EmailMessage:
    """Raises ValueError or MessageError for what would break out of its header."""
    domain = parseaddr(config.mail_from)[1].rpartition("@")[2]
    message = EmailMessage(policy=RULES_OF_MAIL)
    message["From"], message["To"], message["Subject"] = config.mail_from, to, subject
    message["Date"] = format_datetime(now())
    message["Message-ID"] = f"<{message_id}@{domain}>" if message_id else make_msgid(domain=domain)
    # So that no out-of-office answers it (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    return message


def _trouble(error: Exception) -> MailTrouble:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        is_final = all(code >= FINAL for code, _said in error.recipients.values())
        return MailTrouble.ADDRESS_REFUSED if is_final else MailTrouble.TRY_LATER
    for kind, trouble in TROUBLES:
        if isinstance(error, kind):
            return trouble
    if isinstance(error, smtplib.SMTPResponseException):
        return MailTrouble.REFUSED if error.smtp_code >= FINAL else MailTrouble.TRY_LATER
    return MailTrouble.UNREACHABLE
