"""What people do with their own account: another password, the programs that signed in as them, and a half sign-in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import and_, func, select, update

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Invalid, NotFound
from portal.models import ApiToken, TokenKind
from portal.services import accounts, audit, passwords, standing
from portal.services.accounts import Account, Tokens
from portal.services.audit import Actor
from portal.services.sessions import OpenSession
from portal.tenancy import across_tenants

HALF_SIGNED_IN_FOR = timedelta(minutes=5)
OWN = "an account belongs to a person, whatever the tenant"


@dataclass(frozen=True)
class ApiSignIn:
    """A program that signed in with the person's password, and goes on with tokens until it ends."""

    family_id: UUID
    since: datetime
    renewed_at: datetime
    expires_at: datetime


def has_password(account: Account, password: str) -> bool:
    found = accounts.sign_in(account.email, password)
    return found is not None and found.id == account.id


def change_password(session: OpenSession, *, old: str, new: str, address: str | None) -> None:
    """All other sessions and tokens of the person end. Raises Invalid by field, and Conflict if the old one is over."""
    account = session.account
    problems = {} if has_password(account, old) else {"old": _("This is not your password.")}
    try:
        passwords.checked_password(new, email=account.email)
    except Invalid as e:
        problems |= e.fields
    if problems or account.id is None:
        raise Invalid(problems)
    with across_tenants(OWN), atomic():
        # Nobody who knew the old one takes back what its owner changed a moment ago.
        standing.check(account.id, account.mark, is_shared=False)
        passwords.set_password(account.id, new, keep_session_id=session.id)
        audit.record_own(account.tenant_id, Actor(account.id, address), "user.password_changed")


def sign_in_program(account: Account, *, address: str | None) -> Tokens:
    """The tokens of a program that knows the person's password. Raises Conflict if that counts no more."""
    with across_tenants(OWN), atomic():
        audit.record_own(account.tenant_id, Actor(account.id, address), "user.signed_in", after={"to": "api"})
        return accounts.issue_tokens(account)


def list_api_sign_ins(account: Account) -> Sequence[ApiSignIn]:
    """Those that still go on, the one that was renewed last first."""
    goes_on = and_(ApiToken.user_id == account.id, ApiToken.revoked_at.is_(None), ApiToken.expires_at > now())
    unused = and_(goes_on, ApiToken.kind == TokenKind.REFRESH, ApiToken.used_at.is_(None))
    with across_tenants(OWN):
        tokens = db.session.scalars(select(ApiToken).where(unused).order_by(ApiToken.id.desc())).all()
        families = [token.family_id for token in tokens]
        begun = select(ApiToken.family_id, func.min(ApiToken.created_at).label("at")).group_by(ApiToken.family_id)
        of_these = db.session.execute(begun.where(ApiToken.family_id.in_(families)))
        since = {row.family_id: row.at for row in of_these}
    return [
        ApiSignIn(token.family_id, since[token.family_id], token.created_at, token.expires_at)
        for token in tokens
        if token.family_id and token.expires_at
    ]


def end_api_sign_in(account: Account, family_id: UUID, *, address: str | None) -> None:
    """Raises NotFound for one of somebody else, or one that is over."""
    tokens = update(ApiToken).where(ApiToken.user_id == account.id, ApiToken.family_id == family_id)
    with across_tenants(OWN), atomic():
        standing.lock(account.id)
        living = tokens.where(ApiToken.revoked_at.is_(None), ApiToken.expires_at > now())
        if not db.session.scalars(living.values(revoked_at=now()).returning(ApiToken.id)).all():
            raise NotFound("no such sign-in")
        audit.record_own(account.tenant_id, Actor(account.id, address), "user.api_sign_in_ended")


def begin_half(account: Account) -> Mapping[str, Any]:
    """What a signed cookie holds between the password and the code: it lets nobody in, and ends by itself."""
    return {"user": str(account.id), "at": int(now().timestamp()), "mark": account.mark}


def find_half(half: Mapping[str, Any] | None) -> Account | None:
    """Whose password was given a moment ago, unless it or the second factor is another one by now."""
    if not half or now().timestamp() - half["at"] > HALF_SIGNED_IN_FOR.total_seconds():
        return None
    account = accounts.find_account(UUID(half["user"]))
    return account if account and half["mark"] == account.mark else None
