"""The people who work at a tenant, as far as its pages name them."""

from collections.abc import Collection
from uuid import UUID

from portal.db import among, db
from portal.models import User
from portal.tenancy import TenantScope


def list_emails(scope: TenantScope, user_ids: Collection[UUID]) -> dict[UUID, str]:
    """Id -> e-mail address, of those people; whoever belongs to no tenant is left out."""
    named = scope.select(User, User.id, User.email).where(among(User.id, user_ids))
    return {row.id: row.email for row in db.session.execute(named)}
