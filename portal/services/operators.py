"""What an operator sees over every tenant, and everybody else of their own."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select

from portal.db import db
from portal.models import Connection, Tenant, Unit
from portal.permissions import Role
from portal.services.accounts import Account, own_scope
from portal.tenancy import across_tenants, acting_for


@dataclass(frozen=True)
class VisibleUnit:
    """A unit, its connection, and the short name of the tenant that owns it."""

    unit: Unit
    connection: Connection
    tenant_slug: str


def list_units_for(account: Account) -> list[VisibleUnit]:
    """Every unit the account may see that is not archived, by name; an operator's are those of all tenants."""
    if account.role is Role.SUPER_ADMIN:
        with across_tenants("an operator runs every tenant"):
            statement = select(Unit, Connection, Tenant.slug).join(Tenant, Tenant.id == Unit.tenant_id)
            rows = db.session.execute(_by_name(statement)).all()
        return [VisibleUnit(unit, connection, slug) for unit, connection, slug in rows]
    scope = own_scope(account)
    with acting_for(scope):
        rows = db.session.execute(_by_name(scope.select(Unit, Unit, Connection))).all()
    return [VisibleUnit(unit, connection, account.tenant_slug or "") for unit, connection in rows]


def _by_name(statement: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    same_unit = (Connection.tenant_id == Unit.tenant_id) & (Connection.unit_id == Unit.id)
    return statement.join(Connection, same_unit).where(Unit.archived_at.is_(None)).order_by(Unit.name, Unit.id)
