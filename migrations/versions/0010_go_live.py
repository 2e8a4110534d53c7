"""Counts, releases with their checkpoints, evidence, alerts, and each loss of a connection.

Safe on a live table: all tables are new, and code of before does not know them; columns of before get comments only,
and tables of no tenant are closed to all but the portal.
Going back forgets what was counted and shown.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.row_security import close, grant_to_system, protect

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
NOW = sa.text("now()")
# Of no tenant: only the system itself reads and writes them.
SYSTEM_TABLES = (
    "metric_minutes",
    "metric_totals",
    "releases",
    "release_checkpoints",
    "golive_evidence",
    "alerts",
    "alert_notices",
)
# The older ones, and whose transactions use them.
OLDER_SYSTEM_TABLES = {
    "evolution_servers": "portal_system",
    "relays": "portal_system",
    "webhook_counts": "portal_tenant, portal_system",
}
VERDICTS = "verdict IN ('GO', 'MONITOR', 'NO-GO')"
LEVELS = "level IN ('ok', 'warning', 'critical')"
# Whoever looks into the database is told what went live with it.
COMMENTS = {
    "unit_whatsapp_connections": {
        "instance_name": "The instance at Evolution API",
        "status_reason": "Why the connection is in its status",
        "connected_at": "Since when the number is linked",
        "disconnected_at": "When the link of the number ended last",
        "qr_updated_at": "When the QR code shown now came",
    },
    "messages": {
        "status": "What became of the message; of one that came in: received",
        "external_id": "Its id at WhatsApp, unique in its unit",
        "client_message_id": "What the client calls it: the same one again in a conversation is no second message",
        "retry_count": "How often it was tried again",
        "last_retry_at": "When it was tried again last",
        "error_details": "What the server said when it failed",
    },
}


def upgrade() -> None:
    _make_counts()
    _make_connection_losses()
    _make_releases()
    _make_evidence()
    _make_alerts()
    for table in SYSTEM_TABLES:
        grant_to_system(table)
    for table, roles in OLDER_SYSTEM_TABLES.items():
        close(table, to=roles)
    # Its owner's only: whoever else could write it would decide which migrations run.
    op.execute("ALTER TABLE alembic_version ENABLE ROW LEVEL SECURITY")
    for table, comments in COMMENTS.items():
        for column, comment in comments.items():
            op.execute(f"COMMENT ON COLUMN {table}.{column} IS '{comment}'")


def downgrade() -> None:
    op.execute("ALTER TABLE alembic_version DISABLE ROW LEVEL SECURITY")
    for table in OLDER_SYSTEM_TABLES:
        op.execute(f"DROP POLICY IF EXISTS system ON {table}")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    for table, comments in COMMENTS.items():
        for column in comments:
            op.execute(f"COMMENT ON COLUMN {table}.{column} IS NULL")
    for table in ("connection_losses", *reversed(SYSTEM_TABLES)):
        op.drop_table(table)


def _make_counts() -> None:
    op.create_table(
        "metric_minutes",
        sa.Column("minute", INSTANT, nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("minute", "name", name="pk_metric_minutes"),
    )
    op.create_table(
        "metric_totals",
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_metric_totals"),
    )


def _make_connection_losses() -> None:
    op.create_table(
        "connection_losses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(60)),
        sa.Column("created_at", INSTANT, server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_connection_losses_tenant_id_tenants"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "unit_id"],
            ["units.tenant_id", "units.id"],
            name="fk_connection_losses_tenant_id_unit_id_units",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_connection_losses"),
    )
    op.create_index("ix_connection_losses_created_at", "connection_losses", ["created_at"])
    protect("connection_losses")


def _make_releases() -> None:
    op.create_table(
        "releases",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.String(80), nullable=False),
        sa.Column("registered_at", INSTANT, server_default=NOW, nullable=False),
        sa.Column("totals", JSONB(), nullable=False),
        sa.Column("verdict", sa.String(32)),
        sa.CheckConstraint(VERDICTS, name=op.f("ck_releases_verdict")),
        sa.PrimaryKeyConstraint("id", name="pk_releases"),
    )
    op.create_index("ix_releases_registered_at", "releases", ["registered_at"])
    op.create_table(
        "release_checkpoints",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("release_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("checked_at", INSTANT),
        sa.Column("verdict", sa.String(32)),
        sa.Column("readings", JSONB()),
        sa.Column("totals", JSONB()),
        sa.CheckConstraint(VERDICTS, name=op.f("ck_release_checkpoints_verdict")),
        sa.ForeignKeyConstraint(["release_id"], ["releases.id"], name="fk_release_checkpoints_release_id_releases"),
        sa.PrimaryKeyConstraint("id", name="pk_release_checkpoints"),
        sa.UniqueConstraint("release_id", "number", name="uq_release_checkpoints_release_id_number"),
    )
    op.create_index(
        "ix_release_checkpoints_due",
        "release_checkpoints",
        ["due_at"],
        postgresql_where=sa.text("checked_at IS NULL"),
    )


def _make_evidence() -> None:
    items = "item IN ('gate', 'migration', 'restore', 'worker', 'webhook', 'smoke', 'alert')"
    op.create_table(
        "golive_evidence",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("item", sa.String(32), nullable=False),
        sa.Column("is_ok", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("record", JSONB()),
        sa.Column("created_at", INSTANT, server_default=NOW, nullable=False),
        sa.CheckConstraint(items, name=op.f("ck_golive_evidence_item")),
        sa.PrimaryKeyConstraint("id", name="pk_golive_evidence"),
    )
    op.create_index("ix_golive_evidence_created_at", "golive_evidence", ["created_at"])


def _make_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("metric", sa.String(40), nullable=False),
        sa.Column("level", sa.String(32), nullable=False),
        sa.Column("value", sa.String(200), nullable=False),
        sa.Column("opened_at", INSTANT, server_default=NOW, nullable=False),
        sa.Column("good_looks", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("recovered_at", INSTANT),
        sa.Column("acknowledged_at", INSTANT),
        sa.Column("acknowledged_by_id", sa.Uuid()),
        sa.CheckConstraint(LEVELS, name=op.f("ck_alerts_level")),
        sa.ForeignKeyConstraint(["acknowledged_by_id"], ["users.id"], name="fk_alerts_acknowledged_by_id_users"),
        sa.PrimaryKeyConstraint("id", name="pk_alerts"),
    )
    op.create_index(
        "uq_alerts_metric_open", "alerts", ["metric"], unique=True, postgresql_where=sa.text("recovered_at IS NULL")
    )
    op.create_index("ix_alerts_opened_at", "alerts", ["opened_at"])
    op.create_table(
        "alert_notices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("level", sa.String(32), nullable=False),
        sa.Column("value", sa.String(200), nullable=False),
        sa.Column("due_at", INSTANT, server_default=NOW, nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("told_at", INSTANT),
        sa.Column("error", sa.String(60)),
        sa.Column("created_at", INSTANT, server_default=NOW, nullable=False),
        sa.CheckConstraint("kind IN ('opened', 'worsened', 'recovered')", name=op.f("ck_alert_notices_kind")),
        sa.CheckConstraint("channel IN ('webhook', 'mail')", name=op.f("ck_alert_notices_channel")),
        sa.CheckConstraint(LEVELS, name=op.f("ck_alert_notices_level")),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"], name="fk_alert_notices_alert_id_alerts"),
        sa.PrimaryKeyConstraint("id", name="pk_alert_notices"),
        sa.UniqueConstraint(
            "alert_id", "kind", "channel", "level", name="uq_alert_notices_alert_id_kind_channel_level"
        ),
    )
    op.create_index(
        "ix_alert_notices_due",
        "alert_notices",
        ["due_at"],
        postgresql_where=sa.text("told_at IS NULL AND attempts < 8"),
    )
