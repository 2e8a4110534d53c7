"""The browsers in which people are signed in: each can be seen and ended, and each knows when it was sure last."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, DateTime, and_, bindparam, select, update

from portal.clock import now
from portal.db import atomic, db, first_id_at
from portal.errors import Conflict, NotFound
from portal.models import AuditEvent, User, UserSession
from portal.secrets import fingerprint, new_secret
from portal.services import accounts, audit, standing
from portal.services.accounts import Account
from portal.services.audit import Actor
from portal.tenancy import across_tenants

SIGNED_IN_FOR = timedelta(days=14)
UNUSED_FOR = timedelta(days=7)
USE_NOTED_EVERY = timedelta(minutes=1)
# An address from which the person signed in within this time is one of theirs.
ADDRESS_KNOWN_FOR = timedelta(days=30)
LONGEST_USER_AGENT = 200
OWN = "a session belongs to a person, whatever the tenant"


@dataclass(frozen=True)
class OpenSession:
    """A session that goes on, and the person whose it is."""

    id: UUID
    account: Account
    confirmed_at: datetime


def start(account: Account, *, address: str | None, user_agent: str) -> str:
    """Sign this browser in. The token goes into its cookie; only its fingerprint is kept.

    Raises Conflict when what the person showed counts no more.
    """
    token = new_secret()
    with across_tenants(OWN), atomic():
        standing.check(account.id, account.mark)
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
        audit.record_own(account.tenant_id, Actor(account.id, address), "user.signed_in", after={"to": "portal"})
    return token


def find(token: str) -> OpenSession | None:
    """The session of this cookie, unless it was ended, is over, or its person may sign in no more."""
    with across_tenants("a cookie finds its person"):
        found = db.session.execute(_FOUND, {"token": fingerprint(token), "now": now()}).one_or_none()
        if found is None:
            return None
        *person, id_, confirmed_at, used_at = found
        if now() - used_at > USE_NOTED_EVERY:
            _change(id_, used_at=now())
        return OpenSession(id_, accounts.make_account(*person), confirmed_at)


def list_open(account: Account) -> Sequence[UserSession]:
    """All of a person's sessions that go on, the one used last first."""
    with across_tenants(OWN):
        own = select(UserSession).where(UserSession.user_id == account.id, _is_open(now()))
        return db.session.scalars(own.order_by(UserSession.used_at.desc(), UserSession.id.desc())).all()


def list_recent_addresses(email: str) -> Sequence[str | None]:
    """From where that account signed in lately, in a browser or as a program; nothing, and as fast, for none."""
    by_themselves = (AuditEvent.subject_id == User.id) & (AuditEvent.user_id == User.id)
    lately = AuditEvent.id > first_id_at(now() - ADDRESS_KNOWN_FOR)
    used = select(AuditEvent.address).join(User, by_themselves)
    used = used.where(User.email == email, AuditEvent.action == "user.signed_in", lately)
    with across_tenants("whoever signs in is not known yet"):
        return db.session.scalars(used.distinct()).all()


def confirm(session: OpenSession) -> None:
    """The person showed again who they are."""
    with across_tenants(OWN):
        _change(session.id, confirmed_at=now())


def sign_out(session: OpenSession, *, address: str | None) -> None:
    with across_tenants(OWN), atomic():
        _change(session.id, revoked_at=now())
        audit.record_own(session.account.tenant_id, Actor(session.account.id, address), "user.signed_out")


def end(session: OpenSession, session_id: UUID, *, address: str | None) -> None:
    """End another session of the same person. Raises NotFound, and Conflict for the one they are using."""
    if session_id == session.id:
        raise Conflict(_("This is the browser you are using. To leave it, sign out."))
    if not _end_where(session, UserSession.id == session_id, address):
        raise NotFound("no such session")


def end_others(session: OpenSession, *, address: str | None) -> int:
    """End all sessions of the person but this one; how many that were."""
    return _end_where(session, UserSession.id != session.id, address)


def _end_where(session: OpenSession, which: ColumnElement[bool], address: str | None) -> int:
    own = update(UserSession).where(UserSession.user_id == session.account.id, which, _is_open(now()))
    with across_tenants(OWN), atomic():
        ended = db.session.scalars(own.values(revoked_at=now()).returning(UserSession.id)).all()
        if ended:
            by = Actor(session.account.id, address)
            audit.record_own(session.account.tenant_id, by, "user.sessions_ended", after={"count": len(ended)})
    return len(ended)


def _is_open(at: Any) -> ColumnElement[bool]:
    return and_(UserSession.revoked_at.is_(None), UserSession.expires_at > at, UserSession.used_at > at - UNUSED_FOR)


# Built once: every request begins with it.
_FOUND = (
    accounts.select_people()
    .join(UserSession, UserSession.user_id == User.id)
    .add_columns(UserSession.id, UserSession.confirmed_at, UserSession.used_at)
    .where(UserSession.token_hash == bindparam("token"), _is_open(bindparam("now", type_=DateTime(timezone=True))))
)


def _change(session_id: UUID, **values: object) -> None:
    with atomic():
        db.session.execute(update(UserSession).where(UserSession.id == session_id).values(values))
