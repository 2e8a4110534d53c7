"""What became of the mail with a link, as the link's row tells it."""

from enum import StrEnum

from portal.clock import now
from portal.models import AccountLink

MOST_ATTEMPTS = 7


class MailTrouble(StrEnum):
    """Why an attempt did not end with the mail server taking the mail."""

    UNREACHABLE = "unreachable"
    NO_TLS = "no_tls"
    BAD_CERTIFICATE = "bad_certificate"
    LOGIN_REFUSED = "login_refused"
    SENDER_REFUSED = "sender_refused"
    ADDRESS_REFUSED = "address_refused"
    TRY_LATER = "try_later"
    REFUSED = "refused"
    # Stands there while an attempt is under way, and for good when the worker died in it.
    INTERRUPTED = "interrupted"


# What no further attempt changes.
FOR_GOOD = frozenset({MailTrouble.ADDRESS_REFUSED})
# The next mail would fare the same.
OF_THE_SERVER = frozenset(
    {MailTrouble.UNREACHABLE, MailTrouble.NO_TLS, MailTrouble.BAD_CERTIFICATE, MailTrouble.LOGIN_REFUSED}
)


class LinkState(StrEnum):
    """How a link gets to its person, and whether it still works."""

    SHOWN = "shown"
    BEING_SENT = "being_sent"
    SENT = "sent"
    NOT_SENT = "not_sent"
    USED = "used"
    OVER = "over"


def state_of(link: AccountLink) -> LinkState:
    if link.used_at is not None:
        return LinkState.USED
    if link.revoked_at is not None or link.expires_at <= now():
        return LinkState.OVER
    if link.mailed_at is not None:
        return LinkState.SENT
    if link.token_hash is not None and link.mail_attempts == 0:
        return LinkState.SHOWN
    if link.mail_error in FOR_GOOD or link.mail_attempts >= MOST_ATTEMPTS:
        return LinkState.NOT_SENT
    return LinkState.BEING_SENT
