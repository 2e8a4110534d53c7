"""The people who work at a tenant: all of them with what their list says, and as far as other pages name them."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, func
from sqlalchemy.dialects.postgresql import distinct_on

from portal.db import among, among_told, db
from portal.errors import NotFound
from portal.models import AccountLink, Unit, User, UserSession, UserUnit
from portal.tenancy import Form, TenantScope


class MemberState(StrEnum):
    INVITED = "invited"
    ACTIVE = "active"
    DISABLED = "disabled"


@dataclass(frozen=True)
class MemberRow:
    """A person, the units they are limited to, when they signed in last, and the newest link they were given."""

    user: User
    units: list[Unit]
    last_sign_in: datetime | None
    link: AccountLink | None

    @property
    def state(self) -> MemberState:
        if self.user.disabled_at is not None:
            return MemberState.DISABLED
        return MemberState.ACTIVE if self.user.password_hash else MemberState.INVITED

    @property
    def has_second_factor(self) -> bool:
        return self.user.totp_since is not None


def list_members(scope: TenantScope) -> list[MemberRow]:
    """Everybody of the company, by e-mail address; whoever is shut out stands last."""
    return _list_rows(scope, scope.select(User).order_by(User.disabled_at.is_not(None), User.email))


def get_member(scope: TenantScope, user_id: UUID) -> MemberRow:
    """Raises NotFound."""
    rows = _list_rows(scope, scope.select(User).where(User.id == user_id))
    if not rows:
        raise NotFound("no such member")
    return rows[0]


def list_emails(scope: TenantScope, user_ids: Collection[UUID]) -> dict[UUID, str]:
    """Id -> e-mail address, of those people; whoever belongs to no tenant is left out."""
    return {row.id: row.email for row in scope.execute(_EMAILS, ids=list(user_ids))}


def _list_rows(scope: TenantScope, statement: Select[Any]) -> list[MemberRow]:
    users = list(db.session.scalars(statement.execution_options(populate_existing=True)))
    ids = [user.id for user in users]
    units, sign_ins, links = _units_of(scope, ids), _sign_ins_of(scope, ids), _links_of(scope, ids)
    return [MemberRow(user, units[user.id], sign_ins.get(user.id), links.get(user.id)) for user in users]


def _units_of(scope: TenantScope, user_ids: Collection[UUID]) -> dict[UUID, list[Unit]]:
    found: dict[UUID, list[Unit]] = defaultdict(list)
    statement = (
        scope.select(UserUnit, UserUnit.user_id, Unit)
        .join(Unit, and_(Unit.tenant_id == UserUnit.tenant_id, Unit.id == UserUnit.unit_id))
        .where(among(UserUnit.user_id, user_ids), Unit.archived_at.is_(None))
        .order_by(Unit.name)
    )
    for user_id, unit in db.session.execute(statement).all():
        found[user_id].append(unit)
    return found


def _sign_ins_of(scope: TenantScope, user_ids: Collection[UUID]) -> dict[UUID, datetime]:
    """As far as their sessions are kept."""
    newest = scope.select(UserSession, UserSession.user_id, func.max(UserSession.created_at))
    grouped = newest.where(among(UserSession.user_id, user_ids)).group_by(UserSession.user_id)
    return {row[0]: row[1] for row in db.session.execute(grouped)}


def _links_of(scope: TenantScope, user_ids: Collection[UUID]) -> dict[UUID, AccountLink]:
    newest = (
        scope.select(AccountLink)
        .where(among(AccountLink.user_id, user_ids))
        .ext(distinct_on(AccountLink.user_id))
        .order_by(AccountLink.user_id, AccountLink.id.desc())
    )
    links = db.session.scalars(newest.execution_options(populate_existing=True))
    return {link.user_id: link for link in links}


_EMAILS = Form(lambda scope: scope.select(User, User.id, User.email).where(among_told(User.id, "ids")))
