"""Everybody who signs in, of every company and of none, as operators look them up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select

from portal.clock import now
from portal.db import among, db
from portal.errors import NotFound
from portal.models import AccountLink, ApiToken, Tenant, TokenKind, Unit, User, UserSession, UserUnit
from portal.permissions import Role
from portal.queries.members import MemberState
from portal.tenancy import across_tenants

PAGE = 50
WHY = "operators look after everybody's account"
# In place of a company's short name: those who belong to none.
OPERATORS = "-"


@dataclass(frozen=True)
class Filter:
    """Whose e-mail address has this in it, and whose company has that short name."""

    email: str = ""
    tenant: str = ""


@dataclass(frozen=True)
class PersonRow:
    """A person, their company (an operator has none), and when they signed in last, as far as that is kept."""

    user: User
    tenant: Tenant | None
    last_sign_in: datetime | None

    @property
    def state(self) -> MemberState:
        if self.user.disabled_at is not None:
            return MemberState.DISABLED
        return MemberState.ACTIVE if self.user.password_hash else MemberState.INVITED

    @property
    def has_second_factor(self) -> bool:
        return self.user.totp_since is not None


@dataclass(frozen=True)
class Person:
    """A person with their units, in how many browsers and programs they are signed in, and their newest link.

    `has_administrator`: their company has one who can sign in, and who decides about its people.
    """

    row: PersonRow
    units: Sequence[Unit]
    browsers: int
    programs: int
    link: AccountLink | None
    has_administrator: bool


def list_people(wanted: Filter, *, after: str = "") -> list[PersonRow]:
    """By e-mail address, at most PAGE of those behind the address `after`."""
    statement = _with_tenant().where(User.email > after).order_by(User.email).limit(PAGE)
    if wanted.email:
        statement = statement.where(User.email.contains(wanted.email.lower(), autoescape=True))
    if wanted.tenant == OPERATORS:
        statement = statement.where(User.tenant_id.is_(None))
    elif wanted.tenant:
        statement = statement.where(Tenant.slug == wanted.tenant)
    with across_tenants(WHY):
        return _rows(statement)


def get_person(user_id: UUID, *, used_since: datetime) -> Person:
    """`used_since`: a browser that was used last before that is signed in no more. Raises NotFound."""
    with across_tenants(WHY):
        rows = _rows(_with_tenant().where(User.id == user_id))
        if not rows:
            raise NotFound("no such person")
        units = select(Unit).join(UserUnit, UserUnit.unit_id == Unit.id).where(UserUnit.user_id == user_id)
        links = select(AccountLink).where(AccountLink.user_id == user_id).order_by(AccountLink.id.desc()).limit(1)
        return Person(
            row=rows[0],
            units=db.session.scalars(units.order_by(Unit.name)).all(),
            browsers=_count_open(UserSession, user_id, UserSession.used_at > used_since),
            programs=_count_open(ApiToken, user_id, ApiToken.kind == TokenKind.REFRESH, ApiToken.used_at.is_(None)),
            link=db.session.scalar(links.execution_options(populate_existing=True)),
            has_administrator=_has_administrator(rows[0].user.tenant_id),
        )


def _with_tenant() -> Select[*tuple[Any, ...]]:
    return select(User, Tenant).outerjoin(Tenant, Tenant.id == User.tenant_id)


def _rows(statement: Select[*tuple[Any, ...]]) -> list[PersonRow]:
    found = db.session.execute(statement.execution_options(populate_existing=True)).all()
    newest = select(UserSession.user_id, func.max(UserSession.created_at)).group_by(UserSession.user_id)
    of_these = newest.where(among(UserSession.user_id, [user.id for user, _tenant in found]))
    sign_ins = dict(db.session.execute(of_these).all())
    return [PersonRow(user, tenant, sign_ins.get(user.id)) for user, tenant in found]


def _has_administrator(tenant_id: UUID | None) -> bool:
    is_able = (User.role == Role.TENANT_ADMIN) & User.disabled_at.is_(None) & User.password_hash.is_not(None)
    return db.session.scalar(select(User.id).where(User.tenant_id == tenant_id, is_able).limit(1)) is not None


def _count_open(model: type[UserSession] | type[ApiToken], user_id: UUID, *conditions: Any) -> int:
    is_open = (model.revoked_at.is_(None), model.expires_at > now())
    rows = select(func.count()).select_from(model).where(model.user_id == user_id, *is_open, *conditions)
    return db.session.scalar(rows) or 0
