"""Everybody's account in the hands of an operator: shut out, let in again, helped to get in, or made one of theirs.

What happens to a company's person stands in the company's log as well as in that of the operators.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Conflict, Invalid, NotFound
from portal.models import ApiToken, User, UserSession
from portal.permissions import Role
from portal.services import account_links, audit, second_factors
from portal.services.audit import Actor
from portal.services.members import EMAIL, LONGEST_EMAIL
from portal.services.who_decides import is_able_administrator, refuse_erased
from portal.tenancy import TenantScope, across_tenants

WHY = "operators look after everybody's account"
LONGEST_REASON = 200


def invite_operator(*, email: str, by_mail: bool, by: Actor) -> tuple[User, str | None]:
    """Make one more super admin, and a link to choose a password: its address, or None when it goes by mail.

    Raises Invalid.
    """
    user = User(email=_checked_email(email), role=Role.SUPER_ADMIN)
    try:
        with across_tenants(WHY), atomic():
            db.session.add(user)
            db.session.flush()
            _record(user, "member.invited", by, after={"email": user.email, "role": user.role})
            address = account_links.make(user, by_mail=by_mail, created_by_id=by.user_id)
    except IntegrityError as e:
        raise Invalid({"email": _("This e-mail address already has an account. Use another one.")}) from e
    return user, address


def disable(user_id: UUID, *, by: Actor) -> None:
    """Shut the person out at once.

    Raises NotFound, and Conflict for oneself, for the last super admin and for the last administrator of a company.
    """
    with _held(user_id, by) as (user, colleagues):
        if [one.id for one in colleagues if _decides(one)] == [user.id]:
            _refuse_last_one(user)
        if user.disabled_at is None:
            user.disabled_at = now()
            _end_access(user)
            account_links.revoke_all(user)
            account_links.revoke_made_by(user)
            _record(user, "member.disabled", by, before={"email": user.email})


def enable(user_id: UUID, *, by: Actor) -> None:
    """Let the person sign in again, with the password they had.

    Raises NotFound, and Conflict for oneself and for the person of a company that has an administrator to decide it.
    """
    with _held(user_id, by) as (user, colleagues):
        if user.tenant_id is not None and any(is_able_administrator(one) for one in colleagues):
            raise Conflict(_("Only an administrator of their company lets this person in again. Ask one of them."))
        if user.disabled_at is not None:
            user.disabled_at = None
            # Whoever was signing in at the moment of being shut out stays out.
            _end_access(user)
            _record(user, "member.enabled", by, after={"email": user.email})


def sign_out(user_id: UUID, *, by: Actor) -> int:
    """End all that the person is signed in with, and say how many browsers and programs that were.

    Raises NotFound, and Conflict for oneself.
    """
    with _held(user_id, by) as (user, _colleagues):
        ended = _end_access(user)
        _record(user, "member.signed_out", by, after={"ended": ended})
    return ended


def make_link(user_id: UUID, *, by_mail: bool, by: Actor) -> str | None:
    """A link to a password: the invitation again, or a new password. Its address, or None when it goes by mail.

    Raises NotFound, and Conflict for oneself, for whoever is shut out, and after too many mails.
    """
    with _held(user_id, by) as (user, _colleagues):
        if user.disabled_at is not None:
            raise Conflict(_("This person is shut out. Let them in again first."))
        # Who runs the portal gets nobody's link to see where it can be sent.
        by_mail = by_mail or account_links.goes_by_mail()
        address = account_links.make(user, by_mail=by_mail, created_by_id=by.user_id)
        after = {"kind": "password_reset" if user.password_hash else "invitation", "by_mail": by_mail}
        _record(user, "member.link_made", by, after=after)
    return address


def remove_second_factor(user_id: UUID, *, reason: str, by: Actor) -> None:
    """Let somebody who lost it sign in with the password alone; all they are signed in with ends.

    Raises NotFound, Invalid for `reason`, and Conflict for oneself and without a second factor.
    """
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_REASON or "\x00" in reason:
        told = _("Say in at most %(longest)s characters how you know that it is them.", longest=LONGEST_REASON)
        raise Invalid({"reason": told})
    with _held(user_id, by) as (user, _colleagues):
        if user.totp_since is None:
            raise Conflict(_("This person has no second factor."))
        second_factors.forget(user.id)
        _end_access(user)
        _record(user, "member.second_factor_removed", by, after={"reason": reason})


@contextmanager
def _held(user_id: UUID, by: Actor) -> Iterator[tuple[User, list[User]]]:
    """The person with all of their company, or all super admins: two who shut each other out cannot both succeed."""
    with across_tenants(WHY), atomic():
        tenant_id = select(User.tenant_id).where(User.id == user_id).scalar_subquery()
        these = select(User).where(User.tenant_id.is_not_distinct_from(tenant_id)).order_by(User.id)
        held = these.with_for_update(key_share=True).execution_options(populate_existing=True)
        found = list(db.session.scalars(held))
        user = next((one for one in found if one.id == user_id), None)
        if user is None:
            raise NotFound("no such person")
        if user_id == by.user_id:
            raise Conflict(_("You cannot do this to yourself. Ask another operator, or look at your own account."))
        refuse_erased(user.tenant_id)
        yield user, found


def _decides(user: User) -> bool:
    """Whether they can sign in and let others in."""
    if user.tenant_id is not None:
        return is_able_administrator(user)
    return user.disabled_at is None and user.password_hash is not None


def _refuse_last_one(user: User) -> None:
    if user.tenant_id is None:
        raise Conflict(_("%(email)s is the last operator. Make somebody else one first.", email=user.email))
    raise Conflict(
        _(
            "%(email)s is the last administrator of the company. End their sign-ins, or suspend the company.",
            email=user.email,
        )
    )


def _checked_email(typed: str) -> str:
    email = typed.strip().lower()
    if len(email) > LONGEST_EMAIL or not EMAIL.fullmatch(email):
        raise Invalid({"email": _("Give an e-mail address, such as name@company.com.")})
    return email


def _end_access(user: User) -> int:
    ended = 0
    for model in (UserSession, ApiToken):
        open_ones = update(model).where(model.user_id == user.id, model.revoked_at.is_(None), model.expires_at > now())
        done = db.session.execute(open_ones.values(revoked_at=now()).execution_options(synchronize_session=False))
        ended += int(done.rowcount)  # type: ignore[attr-defined]
    return ended


def _record(user: User, action: str, by: Actor, **change: Mapping[str, Any]) -> None:
    subject = ("user", user.id)
    audit.record_for_operator(by, action, subject, **change)
    if user.tenant_id is not None:
        scope = TenantScope(user.tenant_id, user_id=by.user_id, role=Role.SUPER_ADMIN, address=by.address)
        audit.record(scope, action, subject, **change)
