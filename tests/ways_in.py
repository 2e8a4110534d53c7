"""People with a second factor, the codes that their app shows, and what is kept of how they got in."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pyotp import TOTP
from sqlalchemy import select, update

from portal.clock import now
from portal.db import atomic, db
from portal.models import AuditEvent, User, UserSession
from portal.services import accounts, second_factors
from portal.services.accounts import Account
from portal.services.second_factors import STEP_S
from portal.tenancy import across_tenants


def account_of(user: User) -> Account:
    account = accounts.find_account(user.id)
    assert account is not None
    return account


def code_at(secret: str, at: datetime | None = None, *, steps: int = 0) -> str:
    """What the app shows then, or that many times 30 seconds later."""
    return TOTP(secret).generate_otp(int((at or now()).timestamp()) // STEP_S + steps)


def begin_second_factor(account: Account) -> str:
    """The secret that the app took over."""
    second_factors.begin(account)
    secret = second_factors.find_begun(account)
    assert secret is not None
    return secret


def turn_on_second_factor(account: Account) -> tuple[str, list[str]]:
    """The secret and the recovery codes; every code that the app shows now is still unused."""
    secret = begin_second_factor(account)
    codes = second_factors.turn_on(account, code_at(secret, second_factors.now()), address=None)
    change(User, account.id, totp_last_step=None)
    return secret, codes


def change(model: Any, id_: UUID | None, **columns: object) -> None:
    with across_tenants("a test changes a row"), atomic():
        db.session.execute(update(model).where(model.id == id_).values(columns))


def sessions_of(user: User) -> list[UserSession]:
    """All there ever were, as they are now, the oldest first."""
    own = select(UserSession).where(UserSession.user_id == user.id).order_by(UserSession.id)
    with across_tenants("a test looks"):
        return list(db.session.scalars(own.execution_options(populate_existing=True)))


def log_of(user: User) -> list[tuple[str, UUID | None, Any]]:
    """What that person did with their own account: action, tenant, what came of it."""
    own = select(AuditEvent).where(AuditEvent.subject_type == "user", AuditEvent.subject_id == user.id)
    with across_tenants("a test looks"):
        events = db.session.scalars(own.order_by(AuditEvent.id)).all()
    return [(event.action, event.tenant_id, event.after) for event in events]


def actions_of(user: User) -> list[str]:
    return [action for action, _, _ in log_of(user)]
