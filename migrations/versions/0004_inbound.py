"""Every event, every kind: chats that are no person's, files to fetch, edits and deletions, holes, checked state.

Safe on a live table: columns come with constant defaults and nothing is rewritten. Indexes are made in the transaction,
which blocks writes to `messages` for as long as that takes. Going back drops what the older schema cannot hold: chats
of groups, stories and broadcasts, and files that were never fetched (their messages stay).
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.row_security import as_system, if_roles, protect

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
FALSE, NOW = sa.text("false"), sa.text("now()")
CONNECTIONS = "unit_whatsapp_connections"


def upgrade() -> None:
    _make_repairs()
    _make_message_changes()
    _make_conversation_aliases()
    _make_webhook_counts()
    _extend_units()
    _extend_contacts()
    _extend_media()
    _extend_messages()
    _extend_connections()
    op.add_column("webhook_events", sa.Column("repair_id", sa.Uuid()))
    _tie("webhook_events")


def downgrade() -> None:
    _restore_media()
    _restore_contacts()
    for table in ("webhook_events", "messages"):
        op.drop_constraint(f"fk_{table}_tenant_id_repair_id_repairs", table)
        op.drop_column(table, "repair_id")
    for name in ("media_id", "unread", "refers_to"):
        op.drop_index(f"ix_messages_{name}", "messages")
    _drop_columns("messages", ("deleted_at", "original_body", "edited_at", "refers_to", "details"))
    for name in ("phone", "compare_at", "check_at"):
        op.drop_index(f"ix_{CONNECTIONS}_{name}", CONNECTIONS)
    _drop_columns(CONNECTIONS, [column.name for column in reversed(_connection_columns())])
    _drop_columns("units", ("keeps_broadcasts", "keeps_stories", "keeps_groups", "expected_number"))
    for table in ("webhook_counts", "conversation_aliases", "message_changes", "repairs"):
        op.drop_table(table)


def _drop_columns(table: str, columns: list[str] | tuple[str, ...]) -> None:
    for column in columns:
        op.drop_column(table, column)


def _make_repairs() -> None:
    op.create_table(
        "repairs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("before", sa.String(120)),
        sa.Column("after", sa.String(120)),
        sa.Column("began_at", INSTANT),
        sa.Column("ended_at", INSTANT),
        sa.Column("found", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", INSTANT, server_default=NOW, nullable=False),
        sa.CheckConstraint("kind IN ('state', 'webhook', 'settings', 'hole')", name=op.f("ck_repairs_kind")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_repairs_tenant_id_tenants"),
        _unit_of_tenant("repairs"),
        sa.PrimaryKeyConstraint("id", name="pk_repairs"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_repairs_tenant_id_id"),
    )
    op.create_index("ix_repairs_unit_id_created_at", "repairs", ["unit_id", "created_at"])
    protect("repairs")


def _make_message_changes() -> None:
    op.create_table(
        "message_changes",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("told_as", sa.String(64), nullable=False),
        sa.Column("body", sa.Text()),
        sa.Column("changed_at", INSTANT),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.CheckConstraint("kind IN ('edit', 'deletion')", name=op.f("ck_message_changes_kind")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_message_changes_tenant_id_tenants"),
        _unit_of_tenant("message_changes"),
        sa.PrimaryKeyConstraint("unit_id", "external_id", "kind", "told_as", name="pk_message_changes"),
    )
    protect("message_changes")


def _make_conversation_aliases() -> None:
    op.create_table(
        "conversation_aliases",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_conversation_aliases_tenant_id_tenants"),
        _unit_of_tenant("conversation_aliases"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "conversation_id"],
            ["conversations.tenant_id", "conversations.id"],
            name="fk_conversation_aliases_tenant_id_conversation_id_conversations",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_conversation_aliases"),
    )
    op.create_index("ix_conversation_aliases_conversation_id", "conversation_aliases", ["conversation_id"])
    protect("conversation_aliases")


def _unit_of_tenant(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", "unit_id"], ["units.tenant_id", "units.id"], name=f"fk_{table}_tenant_id_unit_id_units"
    )


def _make_webhook_counts() -> None:
    op.create_table(
        "webhook_counts",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("event", sa.String(60), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('unknown_event', 'unknown_instance', 'refused')", name=op.f("ck_webhook_counts_outcome")
        ),
        sa.PrimaryKeyConstraint("day", "outcome", "event", name="pk_webhook_counts"),
    )
    if_roles("GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_counts TO portal_tenant, portal_system")


def _extend_units() -> None:
    op.add_column("units", sa.Column("expected_number", sa.String(20)))
    for column in ("keeps_groups", "keeps_stories", "keeps_broadcasts"):
        op.add_column("units", sa.Column(column, sa.Boolean(), server_default=FALSE, nullable=False))


def _extend_contacts() -> None:
    op.add_column("contacts", sa.Column("kind", sa.String(32), server_default="person", nullable=False))
    op.add_column("contacts", sa.Column("chat_jid", sa.String(80)))
    op.add_column("contacts", sa.Column("named_at", INSTANT))
    op.create_unique_constraint("uq_contacts_tenant_id_chat_jid", "contacts", ["tenant_id", "chat_jid"])
    op.drop_constraint(op.f("ck_contacts_reachable"), "contacts")
    reachable = "phone IS NOT NULL OR lid IS NOT NULL OR chat_jid IS NOT NULL"
    op.create_check_constraint(op.f("ck_contacts_reachable"), "contacts", reachable)
    kinds = "kind IN ('person', 'group', 'stories', 'broadcast')"
    op.create_check_constraint(op.f("ck_contacts_kind"), "contacts", kinds)
    op.create_check_constraint(op.f("ck_contacts_kind_of_chat"), "contacts", "(kind = 'person') = (chat_jid IS NULL)")


def _restore_contacts() -> None:
    of_chats = (
        "IN (SELECT conversations.id FROM conversations JOIN contacts ON contacts.id = contact_id"
        " WHERE contacts.kind <> 'person')"
    )
    for table in ("messages", "conversation_aliases"):
        as_system(f"DELETE FROM {table} WHERE conversation_id {of_chats}")
    as_system(f"DELETE FROM conversations WHERE id {of_chats}")
    as_system("DELETE FROM contacts WHERE kind <> 'person'")
    for name in ("kind_of_chat", "kind", "reachable"):
        op.drop_constraint(op.f(f"ck_contacts_{name}"), "contacts")
    op.create_check_constraint(op.f("ck_contacts_reachable"), "contacts", "phone IS NOT NULL OR lid IS NOT NULL")
    op.drop_constraint("uq_contacts_tenant_id_chat_jid", "contacts")
    _drop_columns("contacts", ("named_at", "chat_jid", "kind"))


def _extend_media() -> None:
    for column in (
        sa.Column("state", sa.String(32), server_default="stored", nullable=False),
        sa.Column("duration_s", sa.Integer()),
        sa.Column("thumbnail", sa.LargeBinary()),
        sa.Column("fetch_at", INSTANT),
        sa.Column("fetch_attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("fetch_error", sa.String(60)),
    ):
        op.add_column("media", column)
    for column in ("content", "sha256", "size"):
        op.alter_column("media", column, nullable=True)
    op.create_check_constraint(op.f("ck_media_state"), "media", "state IN ('stored', 'remote', 'unavailable')")
    stored = "(state = 'stored') = (content IS NOT NULL AND sha256 IS NOT NULL)"
    op.create_check_constraint(op.f("ck_media_stored"), "media", stored)
    op.create_index("ix_media_fetch_at", "media", ["fetch_at"], postgresql_where=sa.text("fetch_at IS NOT NULL"))


def _restore_media() -> None:
    op.drop_index("ix_media_fetch_at", "media")
    for name in ("stored", "state"):
        op.drop_constraint(op.f(f"ck_media_{name}"), "media")
    as_system("UPDATE messages SET media_id = NULL FROM media WHERE media.id = media_id AND content IS NULL")
    as_system("DELETE FROM media WHERE content IS NULL")
    as_system("UPDATE media SET size = length(content) WHERE size IS NULL")
    for column in ("size", "sha256", "content"):
        op.alter_column("media", column, nullable=False)
    _drop_columns("media", ("fetch_error", "fetch_attempts", "fetch_at", "thumbnail", "duration_s", "state"))


def _extend_messages() -> None:
    for column in (
        sa.Column("details", JSONB()),
        sa.Column("refers_to", sa.String(80)),
        sa.Column("edited_at", INSTANT),
        sa.Column("original_body", sa.Text()),
        sa.Column("deleted_at", INSTANT),
        sa.Column("repair_id", sa.Uuid()),
    ):
        op.add_column("messages", column)
    _tie("messages")
    refers = sa.text("refers_to IS NOT NULL")
    op.create_index("ix_messages_refers_to", "messages", ["unit_id", "refers_to"], postgresql_where=refers)
    unread = sa.text("direction = 'inbound' AND read_at IS NULL")
    op.create_index("ix_messages_unread", "messages", ["conversation_id"], postgresql_where=unread)
    has_file = sa.text("media_id IS NOT NULL")
    op.create_index("ix_messages_media_id", "messages", ["media_id"], postgresql_where=has_file)


def _tie(table: str) -> None:
    op.create_foreign_key(
        f"fk_{table}_tenant_id_repair_id_repairs", table, "repairs", ["tenant_id", "repair_id"], ["tenant_id", "id"]
    )


def _connection_columns() -> list[sa.Column[object]]:
    return [
        sa.Column("status_at", INSTANT),
        sa.Column("last_receipt_at", INSTANT),
        sa.Column("usual_gap_s", sa.Float()),
        sa.Column("losses", sa.Integer(), server_default="0", nullable=False),
        sa.Column("losses_since", INSTANT),
        sa.Column("check_at", INSTANT),
        sa.Column("checked_at", INSTANT),
        sa.Column("check_error", sa.String(60)),
        sa.Column("webhook_checked_at", INSTANT),
        sa.Column("compared_until", INSTANT),
        sa.Column("compare_at", INSTANT),
    ]


def _extend_connections() -> None:
    for column in _connection_columns():
        op.add_column(CONNECTIONS, column)
    # Whoever is connected is looked after from now on; what was missed before cannot be told from what was not wanted.
    as_system(
        f"UPDATE {CONNECTIONS} SET check_at = now(), compared_until = now(), compare_at = now()"
        " WHERE instance_name IS NOT NULL"
    )
    for column in ("check_at", "compare_at", "phone"):
        op.create_index(f"ix_{CONNECTIONS}_{column}", CONNECTIONS, [column])
