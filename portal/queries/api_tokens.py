"""The API tokens of a company: those that work, and those that are over."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, or_

from portal.clock import now
from portal.db import among, db
from portal.errors import NotFound
from portal.models import ApiToken, ApiTokenUnit, Unit
from portal.queries import members
from portal.tenancy import TenantScope

MOST_ENDED = 50


@dataclass(frozen=True)
class TokenRow:
    """A token, the names of the units it is limited to, and the e-mail address of the person who made it."""

    token: ApiToken
    units: list[str]
    made_by: str | None


def list_working(scope: TenantScope) -> list[TokenRow]:
    """The newest first."""
    return _list_rows(scope, _named(scope).where(_works()))


def list_ended(scope: TenantScope) -> list[TokenRow]:
    """Revoked or past their day, the newest first, at most MOST_ENDED of them."""
    return _list_rows(scope, _named(scope).where(~_works()).limit(MOST_ENDED))


def get_working(scope: TenantScope, token_id: UUID) -> ApiToken:
    """Raises NotFound, also for one that is over."""
    token: ApiToken | None = db.session.scalar(_named(scope).where(ApiToken.id == token_id, _works()))
    if token is None:
        raise NotFound("no such API token")
    return token


def _named(scope: TenantScope) -> Select[Any]:
    """The company's own: those that a person got by signing in have no name."""
    return scope.select(ApiToken).where(ApiToken.name.is_not(None)).order_by(ApiToken.id.desc())


def _works() -> ColumnElement[bool]:
    is_in_time = or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > now())
    return and_(ApiToken.revoked_at.is_(None), is_in_time)


def _list_rows(scope: TenantScope, statement: Select[Any]) -> list[TokenRow]:
    tokens = list(db.session.scalars(statement))
    units = _list_units(scope, [token.id for token in tokens])
    makers = members.list_emails(scope, {token.created_by_id for token in tokens if token.created_by_id})
    return [
        TokenRow(token, units[token.id], makers[token.created_by_id] if token.created_by_id else None)
        for token in tokens
    ]


def _list_units(scope: TenantScope, token_ids: Collection[UUID]) -> dict[UUID, list[str]]:
    """Token id -> the names of its units."""
    names: dict[UUID, list[str]] = defaultdict(list)
    statement = (
        scope.select(ApiTokenUnit, ApiTokenUnit.token_id, Unit.name)
        .join(Unit, and_(Unit.tenant_id == ApiTokenUnit.tenant_id, Unit.id == ApiTokenUnit.unit_id))
        .where(among(ApiTokenUnit.token_id, token_ids))
        .order_by(Unit.name)
    )
    for token_id, name in db.session.execute(statement).all():
        names[token_id].append(name)
    return names
