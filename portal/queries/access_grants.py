"""Leave for the portal's operators to read a company's messages: what runs now, and what was done with it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, not_

from portal.clock import now
from portal.db import AT_EXECUTION, among, db
from portal.models import AccessGrant, AuditEvent
from portal.queries import members
from portal.tenancy import TenantScope

MOST_PAST = 50
USED = "access_grant.used"
USE_NOTED_EVERY = timedelta(hours=1)


@dataclass(frozen=True)
class Use:
    """The looks of one operator at one kind of page, of which each hour's first one was noted."""

    operator: str
    page: str
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True)
class GrantRow:
    """A grant, the e-mail address of the person who gave it, and what it was used for, the first look first."""

    grant: AccessGrant
    given_by: str | None
    uses: list[Use]

    @property
    def ended_at(self) -> datetime:
        revoked_at = self.grant.revoked_at
        return min(revoked_at, self.grant.expires_at) if revoked_at else self.grant.expires_at


def find_running(scope: TenantScope) -> AccessGrant | None:
    """The grant that runs longest of those that run now."""
    running = scope.select(AccessGrant).where(_runs()).order_by(AccessGrant.expires_at.desc()).limit(1)
    grant: AccessGrant | None = db.session.scalar(running)
    return grant


def running_until(scope: TenantScope) -> Select[Any]:
    """When that one ends, for statements that ask for more."""
    return scope.select(AccessGrant, func.max(AccessGrant.expires_at)).where(_runs())


def list_running(scope: TenantScope) -> list[GrantRow]:
    return _list_rows(scope, scope.select(AccessGrant).where(_runs()))


def list_past(scope: TenantScope) -> list[GrantRow]:
    """The newest first, at most MOST_PAST of them."""
    return _list_rows(scope, scope.select(AccessGrant).where(not_(_runs())).limit(MOST_PAST))


def is_use_noted(scope: TenantScope, grant_id: UUID, page: str) -> bool:
    """Whether the scope's person looked at that kind of page a moment ago already."""
    noted = scope.select(AuditEvent, AuditEvent.id).where(
        AuditEvent.subject_id == grant_id,
        AuditEvent.action == USED,
        AuditEvent.user_id == scope.user_id,
        AuditEvent.after["page"].astext == page,
        AuditEvent.created_at > now() - USE_NOTED_EVERY,
    )
    return db.session.scalars(noted.limit(1)).first() is not None


def running(scope: TenantScope) -> Select[Any]:
    """Those that run now, for whoever changes them."""
    return scope.select(AccessGrant).where(_runs())


def _runs() -> ColumnElement[bool]:
    return and_(AccessGrant.revoked_at.is_(None), AccessGrant.expires_at > AT_EXECUTION)


def _list_rows(scope: TenantScope, statement: Select[Any]) -> list[GrantRow]:
    grants = list(db.session.scalars(statement.order_by(AccessGrant.id.desc())))
    uses = _uses_by_grant(scope, [grant.id for grant in grants])
    givers = members.list_emails(scope, {grant.granted_by_id for grant in grants if grant.granted_by_id})
    return [
        GrantRow(grant, givers.get(grant.granted_by_id) if grant.granted_by_id else None, uses.get(grant.id, []))
        for grant in grants
    ]


def _uses_by_grant(scope: TenantScope, grant_ids: Collection[UUID]) -> dict[UUID, list[Use]]:
    operator, page = AuditEvent.after["operator"].astext, AuditEvent.after["page"].astext
    first_at = func.min(AuditEvent.created_at)
    columns = (AuditEvent.subject_id, operator, page, first_at, func.max(AuditEvent.created_at))
    statement = (
        scope.select(AuditEvent, *columns)
        .where(among(AuditEvent.subject_id, grant_ids), AuditEvent.action == USED)
        .group_by(AuditEvent.subject_id, operator, page)
        .order_by(first_at)
    )
    uses: dict[UUID, list[Use]] = {}
    for grant_id, *told in db.session.execute(statement):
        uses.setdefault(grant_id, []).append(Use(*told))
    return uses
