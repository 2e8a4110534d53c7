"""The browsers in which people are signed in: each can be seen and ended, and each knows when it was sure last."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update

from portal.clock import now
from portal.db import atomic, db
from portal.models import UserSession
from portal.secrets import fingerprint, new_secret
from portal.services import accounts
from portal.services.accounts import Account
from portal.tenancy import across_tenants

SIGNED_IN_FOR = timedelta(days=14)
USE_NOTED_EVERY = timedelta(minutes=1)
LONGEST_USER_AGENT = 200


@dataclass(frozen=True)
class OpenSession:
    """A session that goes on, and the person whose it is."""

    id: UUID
    account: Account
    confirmed_at: datetime


def start(account: Account, *, address: str | None, user_agent: str) -> str:
    """Sign this browser in. The token goes into its cookie; only its fingerprint is kept."""
    token = new_secret()
    with across_tenants("a session belongs to a person, whatever the tenant"), atomic():
        db.session.add(
            UserSession(
                tenant_id=account.tenant_id,
                user_id=account.id,
                token_hash=fingerprint(token),
                address=address,
                user_agent=user_agent.replace("\x00", "")[:LONGEST_USER_AGENT],
                expires_at=now() + SIGNED_IN_FOR,
            )
        )
    return token


def find(token: str) -> OpenSession | None:
    """The session of this cookie, unless it was ended, is over, or its person may sign in no more."""
    with across_tenants("a cookie finds its person"):
        row = db.session.scalar(
            select(UserSession).where(
                UserSession.token_hash == fingerprint(token),
                UserSession.revoked_at.is_(None),
                UserSession.expires_at > now(),
            )
        )
        account = accounts.find_account(row.user_id) if row else None
        if row is None or account is None:
            return None
        session = OpenSession(row.id, account, row.confirmed_at)
        if now() - row.used_at > USE_NOTED_EVERY:
            _change(session.id, used_at=now())
        return session


def end(session_id: UUID) -> None:
    with across_tenants("a session belongs to a person, whatever the tenant"):
        _change(session_id, revoked_at=now())


def _change(session_id: UUID, **values: object) -> None:
    with atomic():
        db.session.execute(update(UserSession).where(UserSession.id == session_id).values(values))
