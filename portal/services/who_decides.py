"""Who decides about a company's people, and until when anybody does: for its own administrators and for operators."""

from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import func, or_, select

from portal.db import db
from portal.errors import Conflict
from portal.models import Tenant, User
from portal.permissions import Role


def is_able_administrator(user: User) -> bool:
    """Whether they can sign in and let others into their company."""
    return user.role == Role.TENANT_ADMIN and user.disabled_at is None and user.password_hash is not None


def refuse_erased(tenant_id: UUID | None) -> None:
    """Nobody comes back into a company whose erasure has begun. Raises Conflict."""
    is_over = or_(Tenant.erased_at.is_not(None), Tenant.erase_at <= func.clock_timestamp())
    over = select(Tenant.id).where(Tenant.id == tenant_id, is_over)
    if db.session.scalar(over.execution_options(tenant_scoped=tenant_id)) is not None:
        raise Conflict(_("The data of this company was erased."))
