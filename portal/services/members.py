"""The people of a company: invited, given a role and units, shut out and let in again.

Whoever changes one of them holds all of them, so that two administrators who shut each other out cannot both succeed.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from portal.clock import now
from portal.db import among, atomic, db
from portal.errors import Conflict, Invalid, NotFound
from portal.models import ApiToken, Unit, User, UserSession, UserUnit
from portal.permissions import Role
from portal.services import account_links, audit, conversation_work
from portal.services.who_decides import is_able_administrator, refuse_erased
from portal.tenancy import TenantScope

ROLES = (Role.TENANT_ADMIN, Role.AGENT)
LONGEST_EMAIL = 254
# What a mail server takes without quoting, which is all that anybody has.
EMAIL = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63}){1,8}")


def invite(
    scope: TenantScope, *, email: str, role: str, unit_ids: Collection[UUID] = (), by_mail: bool = False
) -> tuple[User, str | None]:
    """Make an account without a password, and a link to choose one: its address, or None when it goes by mail.

    Raises Invalid by field, NotFound for a unit that is not the company's, and Conflict for an operator and after too
    many invitations.
    """
    chosen = set(unit_ids)
    try:
        with atomic():
            _check_invitation(scope)
            email = _checked(scope, email, role, chosen)
            user = scope.add(User(email=email, role=Role(role)))
            db.session.flush()
            _give_units(scope, user, chosen)
            audit.record(scope, "member.invited", ("user", user.id), after={"email": email, **_told(role, chosen)})
            address = account_links.make(user, by_mail=by_mail, created_by_id=scope.user_id)
    except IntegrityError as e:
        raise Invalid({"email": _("This e-mail address already has an account. Use another one.")}) from e
    return user, address


def checked_email(email: str) -> str:
    """The address as it is kept. Raises Invalid for what no mail could be sent to."""
    email = email.strip().lower()
    if len(email) > LONGEST_EMAIL or EMAIL.fullmatch(email) is None:
        raise Invalid({"email": _("Give an e-mail address, such as name@company.com.")})
    return email


def _check_invitation(scope: TenantScope) -> None:
    # Two invitations at once see each other: there is no row yet that they could hold.
    one_at_a_time = func.pg_advisory_xact_lock(func.hashtextextended(f"invitations {scope.tenant_id}", 0))
    db.session.execute(select(one_at_a_time))
    refuse_erased(scope.tenant_id)
    everybody = list(db.session.scalars(scope.select(User)))
    _leave_to_its_administrators(scope, everybody)
    if scope.role is Role.SUPER_ADMIN and any(not one.password_hash and not one.disabled_at for one in everybody):
        raise Conflict(_("Somebody of this company is invited already. Make a new link for them, or shut them out."))
    account_links.refuse_many_invitations(scope)


def _checked(scope: TenantScope, email: str, role: str, unit_ids: set[UUID]) -> str:
    _check_units(scope, unit_ids)
    problems = _problems(role, unit_ids)
    try:
        email = checked_email(email)
    except Invalid as e:
        problems |= e.fields
    if problems:
        raise Invalid(problems)
    return email


def change(scope: TenantScope, user_id: UUID, *, role: str, unit_ids: Collection[UUID]) -> None:
    """Give the person this role and, as an agent, these units; what they may do changes at once.

    Raises NotFound, Invalid by field, and Conflict for oneself and for the last administrator.
    """
    chosen = set(unit_ids)
    with atomic():
        user, everybody = _hold(scope, user_id)
        _leave_to_its_administrators(scope, everybody)
        _check_units(scope, chosen)
        if problems := _problems(role, chosen):
            raise Invalid(problems)
        if role != Role.TENANT_ADMIN:
            _keep_an_administrator(user, everybody)
        archived = _list_archived(scope, user)
        before = _told(user.role, _list_unit_ids(scope, user))
        if user.role == Role.TENANT_ADMIN and role != Role.TENANT_ADMIN:
            account_links.revoke_made_by(user)
        user.role = Role(role)
        db.session.flush()
        units = scope.delete(UserUnit).where(UserUnit.user_id == user.id)
        db.session.execute(units.execution_options(synchronize_session=False))
        kept = chosen | archived if role == Role.AGENT else set()
        _give_units(scope, user, kept)
        if role == Role.AGENT:
            conversation_work.release_from(scope, user.id, kept_unit_ids=kept)
        after = _told(role, kept)
        if after != before:
            audit.record(scope, "member.changed", ("user", user.id), before=before, after=after)


def disable(scope: TenantScope, user_id: UUID) -> None:
    """Shut the person out at once. Raises NotFound, and Conflict for oneself and for the last administrator."""
    with atomic():
        user, everybody = _hold(scope, user_id)
        _keep_an_administrator(user, everybody)
        if user.disabled_at is None:
            user.disabled_at = now()
            _end_access(scope, user)
            conversation_work.release_from(scope, user.id)
            account_links.revoke_all(user)
            account_links.revoke_made_by(user)
            audit.record(scope, "member.disabled", ("user", user.id), before={"email": user.email})


def enable(scope: TenantScope, user_id: UUID) -> None:
    """Let the person sign in again, with the password they had. Raises NotFound, and Conflict for oneself."""
    with atomic():
        user, everybody = _hold(scope, user_id)
        _leave_to_its_administrators(scope, everybody)
        if user.disabled_at is not None:
            user.disabled_at = None
            # Whoever was signing in at the moment of being shut out stays out.
            _end_access(scope, user)
            audit.record(scope, "member.enabled", ("user", user.id), after={"email": user.email})


def sign_out(scope: TenantScope, user_id: UUID) -> int:
    """End all that the person is signed in with, and say how many browsers and programs that were.

    Raises NotFound, and Conflict for oneself.
    """
    with atomic():
        user, _everybody = _hold(scope, user_id)
        ended = _end_access(scope, user)
        audit.record(scope, "member.signed_out", ("user", user.id), after={"ended": ended})
    return ended


def make_link(scope: TenantScope, user_id: UUID, *, by_mail: bool) -> str | None:
    """A link to a password: the invitation again, or a new password. Its address, or None when it goes by mail.

    Raises NotFound, and Conflict for oneself, for whoever is shut out, and after too many mails or invitations.
    """
    # Who runs the portal gets nobody's link to see where it can be sent.
    by_mail = by_mail or scope.role is Role.SUPER_ADMIN and account_links.goes_by_mail()
    with atomic():
        user, _everybody = _hold(scope, user_id)
        if user.disabled_at is not None:
            raise Conflict(_("This person is shut out. Let them in again first."))
        if user.password_hash is None:
            account_links.refuse_many_invitations(scope)
        address = account_links.make(user, by_mail=by_mail, created_by_id=scope.user_id)
        after = {"kind": "password_reset" if user.password_hash else "invitation", "by_mail": by_mail}
        audit.record(scope, "member.link_made", ("user", user.id), after=after)
    return address


def _hold(scope: TenantScope, user_id: UUID) -> tuple[User, list[User]]:
    """The person, and everybody of the company: nobody else changes any of them until the end of the transaction."""
    refuse_erased(scope.tenant_id)
    everyone = scope.select(User).order_by(User.id).with_for_update(key_share=True)
    everybody = list(db.session.scalars(everyone.execution_options(populate_existing=True)))
    user = next((one for one in everybody if one.id == user_id), None)
    if user is None:
        raise NotFound("no such member")
    if user_id == scope.user_id:
        raise Conflict(_("You cannot do this to yourself. Ask another administrator of your company."))
    return user, everybody


def _leave_to_its_administrators(scope: TenantScope, everybody: Collection[User]) -> None:
    """An operator brings in a company's first administrator, and nobody, themselves included, to read its messages.

    Whoever once was one counts even shut out: otherwise an operator would shut them out first.
    """
    was_there = any(one.role == Role.TENANT_ADMIN and one.password_hash for one in everybody)
    if scope.role is Role.SUPER_ADMIN and was_there:
        raise Conflict(_("This company has administrators of its own, who decide about its people. Ask one of them."))


def _keep_an_administrator(user: User, everybody: Collection[User]) -> None:
    """Refuse to take the last one who can sign in and let others in."""
    able = [one.id for one in everybody if is_able_administrator(one)]
    if able == [user.id]:
        raise Conflict(
            _("%(email)s is the last administrator of the company. Make somebody else one first.", email=user.email)
        )


def _end_access(scope: TenantScope, user: User) -> int:
    ended = 0
    for model in (UserSession, ApiToken):
        open_ones = scope.update(model).where(
            model.user_id == user.id, model.revoked_at.is_(None), model.expires_at > now()
        )
        done = db.session.execute(open_ones.values(revoked_at=now()).execution_options(synchronize_session=False))
        ended += int(done.rowcount)  # type: ignore[attr-defined]
    return ended


def _give_units(scope: TenantScope, user: User, unit_ids: Collection[UUID]) -> None:
    scope.insert_missing(UserUnit, [{"user_id": user.id, "unit_id": unit_id} for unit_id in sorted(unit_ids)])


def _list_unit_ids(scope: TenantScope, user: User) -> set[UUID]:
    return set(db.session.scalars(scope.select(UserUnit, UserUnit.unit_id).where(UserUnit.user_id == user.id)))


def _list_archived(scope: TenantScope, user: User) -> set[UUID]:
    """Units of the person that no form offers any more: they stay, for what was written there can still be read."""
    archived = scope.select(Unit, Unit.id).where(
        among(Unit.id, _list_unit_ids(scope, user)), Unit.archived_at.is_not(None)
    )
    return set(db.session.scalars(archived))


def _check_units(scope: TenantScope, unit_ids: set[UUID]) -> None:
    living = scope.select(Unit, Unit.id).where(among(Unit.id, unit_ids), Unit.archived_at.is_(None))
    if set(db.session.scalars(living)) != unit_ids:
        raise NotFound("no such unit")


def _problems(role: str, unit_ids: set[UUID]) -> dict[str, str]:
    problems = {}
    if role not in ROLES:
        problems["role"] = _("Choose what the person may do.")
    if role == Role.AGENT and not unit_ids:
        problems["units"] = _("Choose at least one unit: without one, an agent sees nothing.")
    if role == Role.TENANT_ADMIN and unit_ids:
        problems["units"] = _("An administrator sees every unit. Choose units for agents only.")
    return problems


def _told(role: str, unit_ids: Collection[UUID]) -> Mapping[str, Any]:
    return {"role": str(role), "units": sorted(str(unit_id) for unit_id in unit_ids)}
