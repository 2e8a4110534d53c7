"""Row-level security: the database shows a transaction only the rows of the tenant it is bound to.

Two roles that nobody can log in as: `portal_tenant` sees the rows of `portal.tenant_id`, `portal_system` sees all.
The portal's transactions begin with one of them (portal/tenancy.py), because the owner of the tables, and any
superuser, passes a policy unseen. Roles belong to the whole cluster, so another database may have made them, and
the way back leaves them. Where the database user may not create roles, the policies are forced on the owner and
the system's access is a setting of the transaction instead.

Safe on a live table: it takes short locks and rewrites nothing.
"""

from alembic import op

from migrations.row_security import CURRENT_TENANT, IS_SYSTEM, if_roles

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

READ_WRITE = "SELECT, INSERT, UPDATE, DELETE"
# Table -> what a tenant's transaction may do with its own rows.
TENANT_TABLES = {
    "units": READ_WRITE,
    "users": READ_WRITE,
    "user_units": READ_WRITE,
    "contacts": READ_WRITE,
    "conversations": READ_WRITE,
    "messages": READ_WRITE,
    "early_receipts": READ_WRITE,
    "unit_whatsapp_connections": READ_WRITE,
    "scan_links": READ_WRITE,
    "lanes": READ_WRITE,
    "api_tokens": READ_WRITE,
    "webhook_events": "SELECT, UPDATE",
    "audit_events": "SELECT, INSERT",
}
SYSTEM_TABLES = ("evolution_servers", "relays")


def upgrade() -> None:
    _create_roles()
    for table in ("tenants", *TENANT_TABLES):
        owner_column = "id" if table == "tenants" else "tenant_id"
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant ON {table} USING ({owner_column} = {CURRENT_TENANT})")
        if_roles(
            f"CREATE POLICY system ON {table} TO portal_system USING (true)",
            otherwise=(
                f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
                f"CREATE POLICY system ON {table} USING ({IS_SYSTEM})",
            ),
        )
    if_roles(
        *_grants(),
        # The owner cannot be denied a right for good, but no row of the log is there to change.
        otherwise=(
            "CREATE POLICY never_updated ON audit_events AS RESTRICTIVE FOR UPDATE USING (false)",
            "CREATE POLICY never_deleted ON audit_events AS RESTRICTIVE FOR DELETE USING (false)",
        ),
    )


def downgrade() -> None:
    for policy in ("never_updated", "never_deleted"):
        op.execute(f"DROP POLICY IF EXISTS {policy} ON audit_events")
    for table in ("tenants", *TENANT_TABLES):
        op.execute(f"DROP POLICY tenant ON {table}")
        op.execute(f"DROP POLICY system ON {table}")
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
        _revoke(table)
    for table in SYSTEM_TABLES:
        _revoke(table)


def _create_roles() -> None:
    """Make both roles and let this user act as them, where the host allows it."""
    op.execute(
        """
        DO $$
        DECLARE role_name text;
        BEGIN
            FOREACH role_name IN ARRAY ARRAY['portal_tenant', 'portal_system'] LOOP
                BEGIN
                    EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
                EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
                END;
                IF NOT pg_has_role(session_user, role_name, 'MEMBER') THEN
                    EXECUTE format('GRANT %I TO %I', role_name, session_user);
                END IF;
            END LOOP;
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE NOTICE 'no right to create roles: the policies are forced on the owner of the tables';
        END $$
        """
    )


def _grants() -> list[str]:
    # The audit log is append-only for everybody.
    of_system = dict.fromkeys(("tenants", *TENANT_TABLES, *SYSTEM_TABLES), READ_WRITE) | {
        "audit_events": "SELECT, INSERT"
    }
    return [
        "GRANT SELECT ON tenants TO portal_tenant",
        *(f"GRANT {rights} ON {table} TO portal_tenant" for table, rights in TENANT_TABLES.items()),
        *(f"GRANT {rights} ON {table} TO portal_system" for table, rights in of_system.items()),
    ]


def _revoke(table: str) -> None:
    op.execute(
        f"""
        DO $$ BEGIN
            REVOKE ALL ON {table} FROM portal_tenant, portal_system;
        EXCEPTION WHEN undefined_object THEN NULL;
        END $$
        """
    )
