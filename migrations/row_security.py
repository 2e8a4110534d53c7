"""What migrations say of a table that tenants own: whose rows a transaction may see."""

from alembic import op

CURRENT_TENANT = "nullif(current_setting('portal.tenant_id', true), '')::uuid"
# The same, planned for any of them (0012): what is to protect a new table.
ANY_TENANT = f"(SELECT {CURRENT_TENANT})"
IS_SYSTEM = "current_setting('portal.is_system', true) = 'on'"
# Whether 0002 found or made the portal's roles for this database user.
HAS_ROLES = (
    "(SELECT count(*) = 2 FROM pg_roles WHERE rolname IN ('portal_tenant', 'portal_system')"
    " AND pg_has_role(session_user, oid, 'MEMBER'))"
)


def protect(table: str) -> None:
    """Show the table's rows to their tenant and to the system only, as 0002 does for the first tables.

    A table that is newer than 0013 is to be planned for too (`plan_by`).
    """
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON {table} USING (tenant_id = {ANY_TENANT})")
    if_roles(
        f"CREATE POLICY system ON {table} TO portal_system USING (true)",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO portal_tenant, portal_system",
        otherwise=(
            f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
            f"CREATE POLICY system ON {table} USING ({IS_SYSTEM})",
        ),
    )


def plan_by(setting: str) -> None:
    """Set for whom PostgreSQL plans where it does not see whose rows are asked for, in all tables there are (0013)."""
    op.execute(
        "DO $$ DECLARE a record; BEGIN FOR a IN"
        " SELECT polrelid::regclass AS owned, attname AS owner FROM pg_policy JOIN pg_attribute ON attrelid = polrelid"
        " WHERE polname = 'tenant' AND attname IN ('tenant_id', 'unit_id')"
        f" LOOP EXECUTE format('ALTER TABLE %s ALTER COLUMN %I {setting}', a.owned, a.owner); END LOOP; END $$"
    )


def grant_to_system(table: str) -> None:
    """Let the system use a table that is of no tenant; no tenant's transaction may."""
    if_roles(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO portal_system")
    close(table, to="portal_system")


def close(table: str, *, to: str) -> None:
    """Show a table that is of no tenant to these roles and its owner, whatever else is granted on it.

    Hosts like Supabase grant every new table to whoever asks over their own HTTP API.
    """
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    if_roles(f"CREATE POLICY system ON {table} TO {to} USING (true)")


def if_roles(*statements: str, otherwise: tuple[str, ...] = ()) -> None:
    """Run these where the portal has its roles, and the others where the policies are forced on the owner.

    The database decides, not Python: a script for a console is made without one.
    """
    then, instead = (";\n    ".join(each or ("NULL",)) for each in (statements, otherwise))
    op.execute(f"DO $$ BEGIN\nIF {HAS_ROLES} THEN\n    {then};\nELSE\n    {instead};\nEND IF;\nEND $$")


def as_system(statement: str) -> None:
    """Where the policies are forced on the owner, nothing is seen without the system's access."""
    op.execute("SELECT set_config('portal.is_system', 'on', true)")
    op.execute(statement)
    op.execute("SELECT set_config('portal.is_system', '', true)")
