"""Which passwords are good enough (NIST SP 800-63B section 3.1.1), and what else ends when somebody gets another."""

from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import update
from werkzeug.security import generate_password_hash

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Invalid
from portal.models import AccountLink, ApiToken, User, UserSession
from portal.tenancy import across_tenants

SHORTEST = 12
# What is longer costs time to check and makes nothing safer.
LONGEST = 200
FEWEST_CHARACTERS = 5


def checked_password(password: str, *, email: str) -> str:
    """The password. Raises Invalid: too short or long, hardly any different characters, or the person's own address."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise Invalid({"password": _("Choose a password of at least %(shortest)s characters.", shortest=SHORTEST)})
    if len(set(password.lower())) < FEWEST_CHARACTERS or _is_address(password.lower(), email.lower()):
        raise Invalid(
            {"password": _("This password is too easy to guess. Several words that do not belong together do.")}
        )
    return password


def set_password(user_id: UUID, password: str, *, keep_session_id: UUID | None = None) -> None:
    """Give the person this password. All they were signed in with ends, but for that session, and so do their links."""
    kept_hash = generate_password_hash(password)
    with across_tenants("a password belongs to a person, whatever the tenant"), atomic():
        # First, since it locks the person: whoever is let in with the old one at this moment is seen below, or refused.
        db.session.execute(update(User).where(User.id == user_id).values(password_hash=kept_hash))
        sessions = update(UserSession).where(UserSession.user_id == user_id, UserSession.revoked_at.is_(None))
        if keep_session_id is not None:
            sessions = sessions.where(UserSession.id != keep_session_id)
        db.session.execute(sessions.values(revoked_at=now()))
        for model in (ApiToken, AccountLink):
            open_ones = update(model).where(model.user_id == user_id, model.revoked_at.is_(None))
            db.session.execute(open_ones.values(revoked_at=now()))


def _is_address(password: str, email: str) -> bool:
    """Whether it is the e-mail address, or one half of it with little else."""
    return any(
        part and part in password and len(password) - len(part) < SHORTEST // 2 for part in (email, *email.split("@"))
    )
