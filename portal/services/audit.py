"""The audit log: who changed what, from where. Secrets and telephone numbers stay out of it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from portal.db import db
from portal.models import AuditEvent
from portal.tenancy import TenantScope


def record(
    scope: TenantScope,
    action: str,
    subject: tuple[str, UUID | None],
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Note the change in the transaction that makes it. `subject` is (kind of row, its id)."""
    db.session.add(
        AuditEvent(
            tenant_id=scope.tenant_id,
            user_id=scope.user_id,
            action=action,
            subject_type=subject[0],
            subject_id=subject[1],
            before=None if before is None else dict(before),
            after=None if after is None else dict(after),
            address=scope.address,
        )
    )
