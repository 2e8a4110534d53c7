"""Sending that survives everything: files, expiry, doubt, limits of WhatsApp, several Evolution servers.

Safe on a live table: columns come with constant defaults, and only `conversations` is rewritten, once, to note when a
person last wrote. Indexes are made in the transaction, which blocks writes to `messages` for as long as they take.
"""

import sqlalchemy as sa
from alembic import op

from migrations.row_security import as_system, protect

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
QUEUED = "status = 'queued'"
FALSE, TRUE, NOW = sa.text("false"), sa.text("true"), sa.text("now()")


def upgrade() -> None:
    _make_media()
    _extend_conversations()
    _extend_messages()
    _extend_lanes()
    _extend_servers()
    op.add_column("units", sa.Column("message_lifetime_h", sa.SmallInteger(), server_default="24", nullable=False))
    op.add_column("units", sa.Column("receipt_wait_min", sa.SmallInteger(), server_default="10", nullable=False))


def downgrade() -> None:
    op.drop_column("units", "receipt_wait_min")
    op.drop_column("units", "message_lifetime_h")
    _restore_servers()
    _restore_lanes()
    _restore_messages()
    for column in ("last_inbound_at", "last_message_kind"):
        op.drop_column("conversations", column)
    op.drop_table("media")


def _make_media() -> None:
    op.create_table(
        "media",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("file_name", sa.String(120), nullable=False),
        sa.Column("mime_type", sa.String(120), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", INSTANT, server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_media_tenant_id_tenants"),
        sa.PrimaryKeyConstraint("id", name="pk_media"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_media_tenant_id_id"),
    )
    # Photographs and films do not shrink: trying costs time at every read and write.
    op.execute("ALTER TABLE media ALTER COLUMN content SET STORAGE EXTERNAL")
    protect("media")


def _extend_conversations() -> None:
    op.add_column("conversations", sa.Column("last_message_kind", sa.String(32)))
    op.add_column("conversations", sa.Column("last_inbound_at", INSTANT))
    as_system(
        "UPDATE conversations SET last_message_kind = newest.kind, last_inbound_at = heard.at FROM conversations AS c"
        " CROSS JOIN LATERAL (SELECT kind FROM messages WHERE conversation_id = c.id"
        " ORDER BY occurred_at DESC, id DESC LIMIT 1) AS newest"
        " LEFT JOIN (SELECT conversation_id, max(occurred_at) AS at FROM messages WHERE direction = 'inbound'"
        " GROUP BY conversation_id) AS heard ON heard.conversation_id = c.id WHERE c.id = conversations.id"
    )


def _extend_messages() -> None:
    for column in (
        sa.Column("media_id", sa.Uuid()),
        sa.Column("is_id_kept", sa.Boolean(), server_default=FALSE, nullable=False),
        sa.Column("is_cold", sa.Boolean(), server_default=FALSE, nullable=False),
        sa.Column("expires_at", INSTANT),
        sa.Column("look_up_at", INSTANT),
        sa.Column("look_ups", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("handled_at", INSTANT),
        sa.Column("resend_of_id", sa.Uuid()),
    ):
        op.add_column("messages", column)
    for column, target in (("media_id", "media"), ("resend_of_id", "messages")):
        op.create_foreign_key(
            f"fk_messages_tenant_id_{column}_{target}", "messages", target, ["tenant_id", column], ["tenant_id", "id"]
        )
    index = op.create_index
    warm = sa.text(f"{QUEUED} AND NOT is_cold")
    index("ix_messages_queued_warm", "messages", ["unit_id", "priority", "id"], postgresql_where=warm)
    index("ix_messages_queued_expires_at", "messages", ["expires_at"], postgresql_where=sa.text(QUEUED))
    index("ix_messages_look_up_at", "messages", ["look_up_at"], postgresql_where=sa.text("status = 'unconfirmed'"))
    open_ends = sa.text("status IN ('failed', 'unconfirmed') AND handled_at IS NULL")
    index("ix_messages_undelivered", "messages", ["tenant_id", "unit_id", "id"], postgresql_where=open_ends)
    silent = sa.text("status = 'sent' AND accepted_at IS NULL")
    index("ix_messages_without_receipt", "messages", ["tenant_id", "sent_at"], postgresql_where=silent)


def _restore_messages() -> None:
    for name in ("without_receipt", "undelivered", "look_up_at", "queued_expires_at", "queued_warm"):
        op.drop_index(f"ix_messages_{name}", "messages")
    for column, target in (("resend_of_id", "messages"), ("media_id", "media")):
        op.drop_constraint(f"fk_messages_tenant_id_{column}_{target}", "messages")
    for column in (
        "resend_of_id",
        "handled_at",
        "look_ups",
        "look_up_at",
        "expires_at",
        "is_cold",
        "is_id_kept",
        "media_id",
    ):
        op.drop_column("messages", column)


LANE_CLAIMABLE = sa.text("has_work AND is_open AND message_id IS NULL")


def _extend_lanes() -> None:
    for column in (
        sa.Column("evolution_server_id", sa.Uuid()),
        sa.Column("held_until", INSTANT),
        sa.Column("cold_reason", sa.String(32)),
        sa.Column("cold_paused_until", INSTANT),
        sa.Column("cold_pauses", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("cold_gap_s", sa.Float(), server_default="0", nullable=False),
        sa.Column("next_cold_at", INSTANT),
    ):
        op.add_column("lanes", column)
    op.create_foreign_key(
        "fk_lanes_evolution_server_id_evolution_servers", "lanes", "evolution_servers", ["evolution_server_id"], ["id"]
    )
    as_system(
        "UPDATE lanes SET evolution_server_id = c.evolution_server_id FROM unit_whatsapp_connections AS c"
        " WHERE c.unit_id = lanes.unit_id"
    )
    # A lane changes twice for each message: without an index on what changes, PostgreSQL reuses its place at once.
    op.drop_index("ix_lanes_due", "lanes")
    op.execute("ALTER TABLE lanes SET (fillfactor = 50)")
    op.execute("ALTER TABLE messages SET (autovacuum_vacuum_scale_factor = 0.02)")


def _restore_lanes() -> None:
    op.execute("ALTER TABLE messages RESET (autovacuum_vacuum_scale_factor)")
    op.execute("ALTER TABLE lanes RESET (fillfactor)")
    op.create_index("ix_lanes_due", "lanes", ["next_send_at"], postgresql_where=LANE_CLAIMABLE)
    for column in (
        "next_cold_at",
        "cold_gap_s",
        "cold_pauses",
        "cold_paused_until",
        "cold_reason",
        "held_until",
        "evolution_server_id",
    ):
        op.drop_column("lanes", column)


def _extend_servers() -> None:
    for column in (
        sa.Column("accepts_units", sa.Boolean(), server_default=TRUE, nullable=False),
        sa.Column("pause_reason", sa.String(60)),
        sa.Column("paused_at", INSTANT),
        sa.Column("paused_until", INSTANT),
        sa.Column("pause_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("check_requested_at", INSTANT),
        sa.Column("checked_at", INSTANT),
        sa.Column("check_error", sa.String(60)),
    ):
        op.add_column("evolution_servers", column)
    op.add_column("unit_whatsapp_connections", sa.Column("previous_evolution_server_id", sa.Uuid()))
    op.create_foreign_key(
        "fk_connections_previous_server",
        "unit_whatsapp_connections",
        "evolution_servers",
        ["previous_evolution_server_id"],
        ["id"],
    )


def _restore_servers() -> None:
    op.drop_column("unit_whatsapp_connections", "previous_evolution_server_id")
    for column in (
        "check_error",
        "checked_at",
        "check_requested_at",
        "pause_count",
        "paused_until",
        "paused_at",
        "pause_reason",
        "accepts_units",
    ):
        op.drop_column("evolution_servers", column)
