"""Whether what somebody showed to get in still counts: it ends with their password, their second factor, or themselves.

Whoever lets a person in shares the lock on them until that is written. Whoever ends what a person is signed in with
holds the lock alone, so that nothing that is being let in at that moment stays unseen.
"""

from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import select

from portal.db import db
from portal.errors import Conflict
from portal.models import User
from portal.secrets import fingerprint
from portal.tenancy import across_tenants


def mark_of(user: User) -> str:
    """What changes with password and second factor, and tells nothing of them: a hash begins with a random salt."""
    return fingerprint(f"{user.id} {user.password_hash} {user.totp_since and user.totp_since.timestamp()}")


def find_mark(email: str) -> str | None:
    """That of the account with this address, if there is one and it is not shut out."""
    with across_tenants("whoever signs in is not known yet"):
        user = db.session.scalar(select(User).where(User.email == email, User.disabled_at.is_(None)))
        return mark_of(user) if user else None


def lock(user_id: UUID | None, *, is_shared: bool = False) -> User | None:
    """Within the caller's transaction: the person as they are now."""
    own = select(User).where(User.id == user_id).with_for_update(read=is_shared, key_share=not is_shared)
    return db.session.scalar(own.execution_options(populate_existing=True))


def check(user_id: UUID | None, mark: str, *, is_shared: bool = True) -> None:
    """Within the transaction that lets the person in. Raises Conflict if what they showed counts no more."""
    user = lock(user_id, is_shared=is_shared)
    if user is None or user.disabled_at is not None or mark_of(user) != mark:
        raise Conflict(_("Your password or your access changed a moment ago. Sign in again."), code="sign_in_over")
