"""Links with which people choose a password: made for them, asked for by them, and used once.

Whoever holds locks takes them in this order: people, then their links.
"""

import time
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, Update, func, or_, select, update

from portal import queue
from portal.clock import now
from portal.db import atomic, db, first_id_at, on_commit
from portal.errors import Conflict, Invalid, NotFound
from portal.extensions import parts
from portal.models import AccountLink, LinkKind, User
from portal.secrets import fingerprint, new_secret
from portal.services import audit
from portal.services.accounts import as_typed
from portal.services.audit import Actor
from portal.services.passwords import checked_password, set_password
from portal.tenancy import TenantScope, across_tenants

LASTS = {LinkKind.INVITATION: timedelta(days=7), LinkKind.PASSWORD_RESET: timedelta(hours=1)}
PATHS = {LinkKind.INVITATION: "invitation", LinkKind.PASSWORD_RESET: "password-reset"}
# To one person, whoever asks for them.
MOST_MAILS_AN_HOUR = 3
# By one company: each tells whether an address has an account somewhere.
MOST_INVITATIONS_AN_HOUR = 50
# Asking takes as long for an address without an account, where nothing is written.
ANSWERED_AFTER_S = 0.3


@dataclass(frozen=True)
class OpenLink:
    """A link that still works, and whose it is."""

    id: UUID
    kind: LinkKind
    user_id: UUID
    email: str


def goes_by_mail() -> bool:
    """Whether this portal has a mail server; without one, links are shown to whoever makes them."""
    return bool(parts.config.smtp_url)


def address_of(kind: LinkKind, token: str) -> str:
    """The whole address, as it stands in a mail."""
    return f"{parts.config.base_url}/{PATHS[kind]}/{token}"


def make(user: User, *, by_mail: bool, created_by_id: UUID | None = None) -> str | None:
    """Within the caller's transaction: a link to a password for this person, in place of those they had of its kind.

    Its address, to be shown only now; None for one that goes by mail, whose token nobody knows yet.
    Raises Conflict when the person got enough mails within the hour, and when there is no mail server.
    """
    kind = LinkKind.PASSWORD_RESET if user.password_hash else LinkKind.INVITATION
    if by_mail:
        _check_mail(user)
    token = None if by_mail else new_secret()
    older = _links_of(user).where(
        AccountLink.kind == kind, AccountLink.used_at.is_(None), AccountLink.revoked_at.is_(None)
    )
    db.session.execute(older.values(revoked_at=now()).execution_options(synchronize_session=False))
    db.session.add(
        AccountLink(
            tenant_id=user.tenant_id,
            user_id=user.id,
            kind=kind,
            token_hash=fingerprint(token) if token else None,
            created_by_id=created_by_id,
            expires_at=now() + LASTS[kind],
        )
    )
    if token is None:
        on_commit(queue.wake_background)
        return None
    return address_of(kind, token)


def revoke_all(user: User) -> None:
    """Within the caller's transaction: let no link of this person work any more."""
    working = _links_of(user).where(AccountLink.used_at.is_(None), AccountLink.revoked_at.is_(None))
    db.session.execute(working.values(revoked_at=now()).execution_options(synchronize_session=False))


def revoke_made_by(user: User) -> None:
    """Within the caller's transaction: let no link work that this person was shown, whomever they made it for."""
    shown = (AccountLink.created_by_id == user.id) & ~_is_mail()
    working = shown & AccountLink.used_at.is_(None) & AccountLink.revoked_at.is_(None)
    if user.tenant_id is None:
        # An operator's are for people everywhere; those of a company hold all of its people already.
        whose = select(User.id).where(User.id.in_(select(AccountLink.user_id).where(working))).order_by(User.id)
        db.session.execute(whose.with_for_update(key_share=True))
    db.session.execute(
        _links(user).where(working).values(revoked_at=now()).execution_options(synchronize_session=False)
    )


def refuse_many_invitations(scope: TenantScope) -> None:
    """Raises Conflict once a company has made its invitations of an hour."""
    since = now() - timedelta(hours=1)
    made = scope.select(AccountLink, func.count()).where(
        AccountLink.id >= first_id_at(since), AccountLink.created_at > since, AccountLink.kind == LinkKind.INVITATION
    )
    if db.session.scalars(made).one() >= MOST_INVITATIONS_AN_HOUR:
        raise Conflict(_("A company makes at most %(most)s invitations an hour.", most=MOST_INVITATIONS_AN_HOUR))


def ask(email: str) -> None:
    """Let a link to a new password be sent there, if that is somebody's address. Nobody learns whether it is."""
    began_at = time.monotonic()
    with across_tenants("the address alone names the person"), atomic():
        named = select(User).where(User.email == as_typed(email), User.disabled_at.is_(None))
        # Two askings at once count each other's mails.
        user = db.session.scalar(named.with_for_update(key_share=True))
        if user is not None and goes_by_mail() and not _has_enough_mails(user):
            make(user, by_mail=True)
    time.sleep(max(0.0, began_at + ANSWERED_AFTER_S - time.monotonic()))


def find(token: str, kind: LinkKind) -> OpenLink:
    """Raises NotFound for a token that is none, and Conflict for one that was used, is over or was replaced."""
    with across_tenants("a link finds its person"):
        return _find(token, kind)


def choose_password(token: str, kind: LinkKind, *, password: str, again: str, address: str | None = None) -> OpenLink:
    """Use the link up: the person has this password, and is signed in nowhere. Raises as `find`, and Invalid."""
    with across_tenants("a link finds its person"), atomic():
        user_id = _find(token, kind).user_id
        # Of two people who use it at once, the second finds it used.
        db.session.scalar(select(User.id).where(User.id == user_id).with_for_update(key_share=True))
        link = _find(token, kind)
        checked_password(password, email=link.email)
        if password != again:
            raise Invalid({"again": _("The two passwords differ. Type the same one twice.")})
        db.session.execute(update(AccountLink).where(AccountLink.id == link.id).values(used_at=now()))
        set_password(user_id, password)
        _record_use(link, address)
    return link


def _find(token: str, kind: LinkKind) -> OpenLink:
    is_it = (AccountLink.token_hash == fingerprint(token)) & (AccountLink.kind == kind)
    found = select(AccountLink, User.email, User.disabled_at).join(User, User.id == AccountLink.user_id).where(is_it)
    row = db.session.execute(found.execution_options(populate_existing=True)).one_or_none()
    if row is None:
        raise NotFound("no such link")
    link, email, disabled_at = row
    if link.used_at or link.revoked_at or disabled_at or link.expires_at <= now():
        raise Conflict("this link is over")
    return OpenLink(link.id, LinkKind(link.kind), link.user_id, email)


def _record_use(link: OpenLink, address: str | None) -> None:
    """By the person themselves."""
    tenant_id = db.session.scalar(select(User.tenant_id).where(User.id == link.user_id))
    audit.record_own(tenant_id, Actor(link.user_id, address), "user.password_chosen", after={"by": link.kind.value})


def _links_of(user: User) -> Update:
    """Works for a session that sees the person's company only, as well as for one that sees all."""
    return _links(user).where(AccountLink.user_id == user.id)


def _links(user: User) -> Update:
    return TenantScope(user.tenant_id).update(AccountLink) if user.tenant_id else update(AccountLink)


def _is_mail() -> ColumnElement[bool]:
    """Rather than shown to whoever made it."""
    return or_(AccountLink.token_hash.is_(None), AccountLink.mail_attempts > 0)


def _check_mail(user: User) -> None:
    if not goes_by_mail():
        raise Conflict(_("This portal sends no e-mail. Show the link instead, and hand it over yourself."))
    if _has_enough_mails(user):
        raise Conflict(
            _("This person got several e-mails within the hour. Show the link instead, or try again in an hour.")
        )


def _has_enough_mails(user: User) -> bool:
    mails = (
        select(func.count())
        .select_from(AccountLink)
        .where(AccountLink.user_id == user.id, _is_mail(), AccountLink.created_at > now() - timedelta(hours=1))
    )
    if user.tenant_id:
        mails = mails.where(AccountLink.tenant_id == user.tenant_id)
        mails = mails.execution_options(tenant_scoped=user.tenant_id)
    count: int = db.session.scalars(mails).one()
    return count >= MOST_MAILS_AN_HOUR
