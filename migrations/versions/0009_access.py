"""Sessions, invitations, second factors, leave for operators to read, suspended companies; an audit log only added to.

Safe on a live table: new columns are empty, and the index of the audit log is built while it goes on. Code of before
goes on with passwords as they were; it knows no second factor and no suspension. Going back disables whoever has not
chosen a password yet, ends all second factors, and lets suspended companies go on: take their people's access first.
"""

import sqlalchemy as sa
from alembic import op

from migrations.row_security import as_system, protect

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
NOW = sa.text("now()")
OF_TENANTS = ("suspended_at", "closed_at", "erase_at", "erased_at")
OF_USERS = ("totp_secret_encrypted", "totp_since", "totp_last_step")
# What happened to one thing, and what one person did.
INDEXED = ("subject_id", "user_id")
TABLES = ("user_sessions", "account_links", "recovery_codes", "access_grants")
REFUSE = """
CREATE FUNCTION refuse_change_of_audit_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_events is only added to' USING ERRCODE = 'insufficient_privilege';
END $$
"""


def upgrade() -> None:
    _index_audit_events()
    for name in OF_TENANTS:
        op.add_column("tenants", sa.Column(name, INSTANT))
    op.alter_column("users", "password_hash", nullable=True)
    op.add_column("users", sa.Column("totp_secret_encrypted", sa.Text()))
    op.add_column("users", sa.Column("totp_since", INSTANT))
    op.add_column("users", sa.Column("totp_last_step", sa.BigInteger()))
    _make_user_sessions()
    _make_account_links()
    _make_recovery_codes()
    _make_access_grants()
    for table in TABLES:
        protect(table)
    op.execute(REFUSE)
    # Rights alone do not bind the owner of the table.
    op.execute(
        "CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit_events()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER only_added_to ON audit_events")
    op.execute("DROP FUNCTION refuse_change_of_audit_events()")
    for table in reversed(TABLES):
        op.drop_table(table)
    # No password fits this.
    as_system(
        "UPDATE users SET password_hash = '!', disabled_at = coalesce(disabled_at, now()) WHERE password_hash IS NULL"
    )
    op.alter_column("users", "password_hash", nullable=False)
    for name in OF_USERS:
        op.drop_column("users", name)
    for name in OF_TENANTS:
        op.drop_column("tenants", name)
    for name in INDEXED:
        op.drop_index(f"ix_audit_events_{name}", "audit_events")


def _index_audit_events() -> None:
    """First, and outside the transaction: however long the log is, it goes on."""
    with op.get_context().autocommit_block():
        for name in INDEXED:
            # One that was interrupted is there, but good for nothing.
            op.drop_index(f"ix_audit_events_{name}", "audit_events", if_exists=True)
            op.create_index(
                f"ix_audit_events_{name}",
                "audit_events",
                [name, "id"],
                postgresql_concurrently=True,
            )


def _make_user_sessions() -> None:
    op.create_table(
        "user_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid()),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("address", sa.String(45)),
        sa.Column("user_agent", sa.String(200)),
        sa.Column("confirmed_at", INSTANT, server_default=NOW, nullable=False),
        sa.Column("used_at", INSTANT, server_default=NOW, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("revoked_at", INSTANT),
        sa.Column("created_at", INSTANT, server_default=NOW, nullable=False),
        *_whose("user_sessions"),
        sa.UniqueConstraint("token_hash", name="uq_user_sessions_token_hash"),
    )
    op.create_index("ix_user_sessions_user_id", "user_sessions", ["user_id"])
    op.create_index("ix_user_sessions_expires_at", "user_sessions", ["expires_at"])


def _make_account_links() -> None:
    op.create_table(
        "account_links",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid()),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("token_hash", sa.String(64)),
        sa.Column("created_by_id", sa.Uuid()),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("used_at", INSTANT),
        sa.Column("revoked_at", INSTANT),
        sa.Column("mailed_at", INSTANT),
        sa.Column("mail_attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("mail_error", sa.String(60)),
        sa.Column("created_at", INSTANT, server_default=NOW, nullable=False),
        sa.CheckConstraint("kind IN ('invitation', 'password_reset')", name=op.f("ck_account_links_kind")),
        *_whose("account_links"),
        sa.ForeignKeyConstraint(["created_by_id"], ["users.id"], name="fk_account_links_created_by_id_users"),
        sa.UniqueConstraint("token_hash", name="uq_account_links_token_hash"),
    )
    op.create_index("ix_account_links_user_id", "account_links", ["user_id"])
    op.create_index("ix_account_links_expires_at", "account_links", ["expires_at"])


def _make_recovery_codes() -> None:
    op.create_table(
        "recovery_codes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid()),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.String(64), nullable=False),
        sa.Column("used_at", INSTANT),
        sa.Column("created_at", INSTANT, server_default=NOW, nullable=False),
        *_whose("recovery_codes"),
    )
    op.create_index("ix_recovery_codes_user_id", "recovery_codes", ["user_id"])


def _make_access_grants() -> None:
    op.create_table(
        "access_grants",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("granted_by_id", sa.Uuid()),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("revoked_at", INSTANT),
        sa.Column("created_at", INSTANT, server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_access_grants_tenant_id_tenants"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "granted_by_id"],
            ["users.tenant_id", "users.id"],
            name="fk_access_grants_tenant_id_granted_by_id_users",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_access_grants"),
    )
    op.create_index("ix_access_grants_tenant_id_expires_at", "access_grants", ["tenant_id", "expires_at"])


def _whose(table: str) -> tuple[sa.Constraint, ...]:
    """A person's, who may be an operator and of no company."""
    return (
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=f"fk_{table}_tenant_id_tenants"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=f"fk_{table}_user_id_users"),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
    )
