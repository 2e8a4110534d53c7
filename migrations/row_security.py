"""What migrations after 0002 say of a table that tenants own: whose rows a transaction may see."""

import sqlalchemy as sa
from alembic import op

CURRENT_TENANT = "nullif(current_setting('portal.tenant_id', true), '')::uuid"
IS_SYSTEM = "current_setting('portal.is_system', true) = 'on'"


def protect(table: str) -> None:
    """Show the table's rows to their tenant and to the system only, as 0002 does for the first tables."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON {table} USING (tenant_id = {CURRENT_TENANT})")
    if has_roles():
        op.execute(f"CREATE POLICY system ON {table} TO portal_system USING (true)")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO portal_tenant, portal_system")
    else:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY system ON {table} USING ({IS_SYSTEM})")


def grant_to_system(table: str) -> None:
    """Let the system use a table that is of no tenant; no tenant's transaction may."""
    if has_roles():
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO portal_system")


def has_roles() -> bool:
    """Whether 0002 found or made the portal's roles for this database user."""
    members = sa.text(
        "SELECT count(*) FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system')"
        " AND pg_has_role(session_user, oid, 'MEMBER')"
    )
    return bool(op.get_bind().execute(members).scalar_one() == 2)


def as_system(statement: str) -> None:
    """Where the policies are forced on the owner, nothing is seen without the system's access."""
    op.execute("SELECT set_config('portal.is_system', 'on', true)")
    op.execute(statement)
    op.execute("SELECT set_config('portal.is_system', '', true)")
