"""Who of a company's people may answer in a unit."""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, Uuid, bindparam

from portal.db import db
from portal.models import User, UserUnit
from portal.permissions import Permission, Role, allows
from portal.tenancy import Form, TenantScope

ROLES = tuple(role for role in Role if allows(role, Permission.SEND))


def who_may_answer(scope: TenantScope, unit_id: Any) -> Select[Any]:
    """Those who can sign in, see the unit, and may write."""
    its_people = scope.select(UserUnit, UserUnit.user_id).where(UserUnit.unit_id == unit_id)
    sees_it = (User.role == Role.TENANT_ADMIN) | User.id.in_(its_people)
    can_sign_in = User.disabled_at.is_(None) & User.password_hash.is_not(None)
    return scope.select(User).where(sees_it, can_sign_in, User.role.in_(ROLES))


def list_answerers(scope: TenantScope, unit_id: UUID) -> list[User]:
    """They, by e-mail address."""
    return list(scope.execute(_ANSWERERS, unit=unit_id).scalars())


def find_answerer(scope: TenantScope, user_id: UUID | None) -> User | None:
    """Who answers a conversation, whatever they may do by now."""
    user: User | None = db.session.scalar(scope.select(User).where(User.id == user_id)) if user_id else None
    return user


_ANSWERERS = Form(lambda scope: who_may_answer(scope, bindparam("unit", type_=Uuid())).order_by(User.email))
