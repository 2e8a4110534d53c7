"""The audit log: who changed what, from where. Secrets and telephone numbers stay out of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from portal.db import db
from portal.models import AuditEvent
from portal.tenancy import TenantScope


@dataclass(frozen=True)
class Actor:
    """Who changes something, and from where."""

    user_id: UUID | None
    address: str | None = None
    api_token_id: UUID | None = None


def record(
    scope: TenantScope,
    action: str,
    subject: tuple[str, UUID | None],
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Note the change in the transaction that makes it. `subject` is (kind of row, its id)."""
    by = Actor(scope.user_id, scope.address, scope.token.id if scope.token else None)
    _add(scope.tenant_id, by, action, subject, before, after)


def record_for_operator(
    by: Actor,
    action: str,
    subject: tuple[str, UUID | None],
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """As `record`, for what belongs to no tenant."""
    _add(None, by, action, subject, before, after)


def record_own(
    tenant_id: UUID | None,
    by: Actor,
    action: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """As `record`, for what people do with their own account: in their company's log, an operator's in none."""
    _add(tenant_id, by, action, ("user", by.user_id), before, after)


def _add(
    tenant_id: UUID | None,
    by: Actor,
    action: str,
    subject: tuple[str, UUID | None],
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> None:
    db.session.add(
        AuditEvent(
            tenant_id=tenant_id,
            user_id=by.user_id,
            api_token_id=by.api_token_id,
            action=action,
            subject_type=subject[0],
            subject_id=subject[1],
            before=None if before is None else dict(before),
            after=None if after is None else dict(after),
            address=by.address,
        )
    )
