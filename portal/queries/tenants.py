"""The tenant itself, as its own people see it."""

from portal.db import db
from portal.models import Tenant
from portal.tenancy import TenantScope


def get_tenant_name(scope: TenantScope) -> str:
    name: str = db.session.scalars(scope.select(Tenant, Tenant.name)).one()
    return name
