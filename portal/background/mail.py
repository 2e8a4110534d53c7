"""Links that go by mail: each waits as a row, is sent by one worker at a time, and is tried again with growing pauses.

The token is made at the moment of sending, so that it stands in the mail and nowhere else. An attempt that nobody
knows the end of is made again with a new token: two mails may arrive, and the link of the newer one works.
"""

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, case, or_, select, update
from sqlalchemy.orm import aliased

from portal.background import mail_texts, smtp
from portal.clock import now
from portal.db import atomic, db
from portal.extensions import parts
from portal.models import AccountLink, LinkKind, Tenant, User
from portal.queries.account_mails import FOR_GOOD, OF_THE_SERVER, MailTrouble
from portal.secrets import fingerprint, new_secret
from portal.services.account_links import address_of, goes_by_mail
from portal.tenancy import across_tenants

log = structlog.get_logger(__name__)

MINUTE, HOUR = 60, 3600
# How long after the mail was asked for each of the MOST_ATTEMPTS is due. A link to a new password is over before that.
DUE_AFTER_S = (0, 2 * MINUTE, 5 * MINUTE, 15 * MINUTE, 45 * MINUTE, 2 * HOUR, 5 * HOUR)
# A mail server that does not answer is left alone, or it would hold up what else the background does.
QUIET_S = 60.0
REASON = "mail goes to people of every tenant"


@dataclass(frozen=True)
class Claimed:
    """A link to send: to whom, in which language, with which words. Nobody else sends it now."""

    id: UUID
    kind: LinkKind
    email: str
    locale: str | None
    company: str | None
    token: str = field(repr=False)


class Mails:
    """What one process sends."""

    def __init__(self) -> None:
        self._quiet_until = 0.0

    def work(self) -> bool:
        """Send one mail; False when none is due, or the mail server is left alone for a while."""
        if not goes_by_mail() or time.monotonic() < self._quiet_until:
            return False
        claimed = _claim()
        if claimed is None:
            return False
        error = _send(claimed)
        _record(claimed, error)
        if error in OF_THE_SERVER:
            self._quiet_until = time.monotonic() + QUIET_S
        return True


def _claim() -> Claimed | None:
    """The oldest link that is due, with a token of this attempt; it is good from now on, before it leaves."""
    inviter = aliased(User)
    due = (
        select(AccountLink, User.email, User.locale, inviter.locale, Tenant.name)
        .join(User, User.id == AccountLink.user_id)
        .outerjoin(inviter, inviter.id == AccountLink.created_by_id)
        .outerjoin(Tenant, Tenant.id == AccountLink.tenant_id)
        .where(_is_waiting(), User.disabled_at.is_(None))
        .order_by(AccountLink.id)
        .limit(1)
        .with_for_update(of=AccountLink, skip_locked=True)
        .execution_options(populate_existing=True)
    )
    with across_tenants(REASON), atomic():
        row = db.session.execute(due).one_or_none()
        if row is None:
            return None
        link, email, locale, locale_of_inviter, company = row
        token = new_secret()
        link.token_hash, link.mail_attempts, link.mail_error = (
            fingerprint(token),
            link.mail_attempts + 1,
            MailTrouble.INTERRUPTED,
        )
        return Claimed(link.id, LinkKind(link.kind), email, locale or locale_of_inviter, company, token)


def _is_waiting() -> ColumnElement[bool]:
    """A link without a token was asked for as mail; one with a token and no attempt was shown to somebody."""
    at = now()
    is_open = AccountLink.used_at.is_(None) & AccountLink.revoked_at.is_(None) & (AccountLink.expires_at > at)
    is_mail = or_(AccountLink.token_hash.is_(None), AccountLink.mail_attempts > 0)
    is_hopeful = or_(AccountLink.mail_error.is_(None), AccountLink.mail_error.not_in(FOR_GOOD))
    return is_open & is_mail & AccountLink.mailed_at.is_(None) & is_hopeful & (AccountLink.created_at <= _due(at))


def _due(at: datetime) -> ColumnElement[datetime]:
    """Links as old as that are due, by how often they were tried."""
    return case(
        {tried: at - timedelta(seconds=after_s) for tried, after_s in enumerate(DUE_AFTER_S)},
        value=AccountLink.mail_attempts,
    )


def _send(claimed: Claimed) -> MailTrouble | None:
    """None once the mail server took it, else the code of what went wrong."""
    address = address_of(claimed.kind, claimed.token)
    try:
        words = mail_texts.compose(claimed.kind, address, company=claimed.company, locale=claimed.locale)
        smtp.send(parts.config, to=claimed.email, subject=words.subject, text=words.text)
    except smtp.MailError as e:
        # The server's own words may repeat what was sent to it.
        log.warning("mail not sent", link_id=str(claimed.id), error=e.code.value)
        return e.code
    log.info("mail sent", link_id=str(claimed.id))
    return None


def _record(claimed: Claimed, error: MailTrouble | None) -> None:
    """Unless another attempt has begun since."""
    ours = (AccountLink.id == claimed.id) & (AccountLink.token_hash == fingerprint(claimed.token))
    told = {"mail_error": error} if error else {"mail_error": None, "mailed_at": now()}
    with across_tenants(REASON), atomic():
        done = update(AccountLink).where(ours).values(told)
        db.session.execute(done.execution_options(synchronize_session=False))
