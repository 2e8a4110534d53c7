"""The first tables: tenants, their people, units, connections, conversations, and what waits for a worker."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "evolution_servers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("url", sa.String(length=500), nullable=False),
        sa.Column("api_key_encrypted", sa.Text(), nullable=False),
        sa.Column("capacity", sa.Integer(), server_default="60", nullable=False),
        sa.Column("version", sa.String(length=30), nullable=True),
        sa.Column("version_read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_default", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evolution_servers")),
        sa.UniqueConstraint("name", name=op.f("uq_evolution_servers_name")),
    )
    op.create_index(
        "uq_evolution_servers_default",
        "evolution_servers",
        ["is_default"],
        unique=True,
        postgresql_where=sa.text("is_default"),
    )
    op.create_table(
        "relays",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("queue", sa.String(length=20), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("heartbeat_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_relays")),
    )
    op.create_index(op.f("ix_relays_heartbeat_at"), "relays", ["heartbeat_at"], unique=False)
    op.create_table(
        "tenants",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("slug", sa.String(length=60), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
        sa.UniqueConstraint("slug", name=op.f("uq_tenants_slug")),
    )
    op.create_table(
        "contacts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("phone", sa.String(length=20), nullable=True),
        sa.Column("whatsapp_number", sa.String(length=20), nullable=True),
        sa.Column("lid", sa.String(length=40), nullable=True),
        sa.Column("name", sa.String(length=120), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("phone IS NOT NULL OR lid IS NOT NULL", name=op.f("ck_contacts_reachable")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_contacts_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contacts")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_contacts_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "lid", name=op.f("uq_contacts_tenant_id_lid")),
        sa.UniqueConstraint("tenant_id", "phone", name=op.f("uq_contacts_tenant_id_phone")),
    )
    op.create_table(
        "units",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("slug", sa.String(length=60), nullable=False),
        sa.Column("time_zone", sa.String(length=60), server_default="America/Sao_Paulo", nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_units_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_units")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_units_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "slug", name=op.f("uq_units_tenant_id_slug")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("locale", sa.String(length=10), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(role = 'super_admin') = (tenant_id IS NULL)", name=op.f("ck_users_tenant_of_role")),
        sa.CheckConstraint("role IN ('super_admin', 'tenant_admin', 'agent')", name=op.f("ck_users_role")),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_users_email_lower")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_users_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_users_tenant_id_id")),
    )
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('access', 'refresh')", name=op.f("ck_api_tokens_kind")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_api_tokens_tenant_id_tenants")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_api_tokens_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_tokens_token_hash")),
    )
    op.create_index("ix_api_tokens_expires_at", "api_tokens", ["expires_at"], unique=False)
    op.create_index(op.f("ix_api_tokens_family_id"), "api_tokens", ["family_id"], unique=False)
    op.create_table(
        "audit_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("subject_type", sa.String(length=60), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("address", sa.String(length=45), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_audit_events_tenant_id_tenants")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_audit_events_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
    )
    op.create_index("ix_audit_events_tenant_id_id", "audit_events", ["tenant_id", "id"], unique=False)
    op.create_table(
        "conversations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(length=10), server_default="open", nullable=False),
        sa.Column("unread", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_message_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_message_preview", sa.String(length=200), nullable=True),
        sa.Column("last_message_direction", sa.String(length=32), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("status IN ('open', 'closed')", name=op.f("ck_conversations_status")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "contact_id"],
            ["contacts.tenant_id", "contacts.id"],
            name=op.f("fk_conversations_tenant_id_contact_id_contacts"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "unit_id"],
            ["units.tenant_id", "units.id"],
            name=op.f("fk_conversations_tenant_id_unit_id_units"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_conversations_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversations")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_conversations_tenant_id_id")),
        sa.UniqueConstraint("unit_id", "contact_id", name=op.f("uq_conversations_unit_id_contact_id")),
    )
    op.create_index(
        "ix_conversations_unit_id_last_message_at", "conversations", ["unit_id", "last_message_at", "id"], unique=False
    )
    op.create_table(
        "early_receipts",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.String(length=80), nullable=False),
        sa.Column("receipt", sa.String(length=20), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "unit_id"],
            ["units.tenant_id", "units.id"],
            name=op.f("fk_early_receipts_tenant_id_unit_id_units"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_early_receipts_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("unit_id", "external_id", "receipt", name=op.f("pk_early_receipts")),
    )
    op.create_table(
        "lanes",
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("has_work", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_open", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("next_send_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("away_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("away_reason", sa.String(length=60), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "unit_id"], ["units.tenant_id", "units.id"], name=op.f("fk_lanes_tenant_id_unit_id_units")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_lanes_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("unit_id", name=op.f("pk_lanes")),
    )
    op.create_index(
        "ix_lanes_due",
        "lanes",
        ["next_send_at"],
        unique=False,
        postgresql_where=sa.text("has_work AND is_open AND message_id IS NULL"),
    )
    op.create_table(
        "scan_links",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by_connecting", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "unit_id"],
            ["units.tenant_id", "units.id"],
            name=op.f("fk_scan_links_tenant_id_unit_id_units"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_scan_links_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scan_links")),
    )
    op.create_index("ix_scan_links_unit_id", "scan_links", ["unit_id"], unique=False)
    op.create_table(
        "unit_whatsapp_connections",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(length=20), server_default="evolution", nullable=False),
        sa.Column("evolution_server_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("instance_name", sa.String(length=60), nullable=True),
        sa.Column("instance_made_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("webhook_secret_hash", sa.String(length=64), nullable=True),
        sa.Column("webhook_secret_encrypted", sa.Text(), nullable=True),
        sa.Column("previous_instance_name", sa.String(length=60), nullable=True),
        sa.Column("previous_webhook_secret_hash", sa.String(length=64), nullable=True),
        sa.Column("previous_accepted_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", sa.String(length=32), server_default="not_configured", nullable=False),
        sa.Column("status_reason", sa.String(length=32), nullable=True),
        sa.Column("state_told_at", sa.String(length=40), nullable=True),
        sa.Column("last_event_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("phone", sa.String(length=20), nullable=True),
        sa.Column("profile_name", sa.String(length=120), nullable=True),
        sa.Column("connected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disconnected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("synchronising_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("qr_code", sa.Text(), nullable=True),
        sa.Column("qr_updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("qr_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("pairing_code", sa.String(length=20), nullable=True),
        sa.Column("pairing_number", sa.String(length=20), nullable=True),
        sa.Column("action", sa.String(length=32), nullable=True),
        sa.Column("action_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("action_relay_id", sa.Uuid(), nullable=True),
        sa.Column("action_attempts", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("provider = 'evolution'", name=op.f("ck_unit_whatsapp_connections_provider")),
        sa.CheckConstraint(
            "status IN ('not_configured', 'qr', 'connecting', 'connected', 'disconnected')",
            name=op.f("ck_unit_whatsapp_connections_status"),
        ),
        sa.ForeignKeyConstraint(
            ["evolution_server_id"],
            ["evolution_servers.id"],
            name=op.f("fk_unit_whatsapp_connections_evolution_server_id_evolution_servers"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "unit_id"],
            ["units.tenant_id", "units.id"],
            name=op.f("fk_unit_whatsapp_connections_tenant_id_unit_id_units"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_unit_whatsapp_connections_tenant_id_tenants")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unit_whatsapp_connections")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_unit_whatsapp_connections_tenant_id_id")),
        sa.UniqueConstraint("unit_id", name=op.f("uq_unit_whatsapp_connections_unit_id")),
    )
    op.create_index("idx_unit_whatsapp_instance_lookup", "unit_whatsapp_connections", ["instance_name"], unique=True)
    op.create_index(
        "ix_unit_whatsapp_connections_action",
        "unit_whatsapp_connections",
        ["action_requested_at"],
        unique=False,
        postgresql_where=sa.text("action IS NOT NULL"),
    )
    op.create_index(
        "ix_unit_whatsapp_connections_previous_instance_name",
        "unit_whatsapp_connections",
        ["previous_instance_name"],
        unique=False,
    )
    op.create_table(
        "user_units",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "unit_id"],
            ["units.tenant_id", "units.id"],
            name=op.f("fk_user_units_tenant_id_unit_id_units"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["users.tenant_id", "users.id"],
            name=op.f("fk_user_units_tenant_id_user_id_users"),
        ),
        sa.PrimaryKeyConstraint("user_id", "unit_id", name=op.f("pk_user_units")),
    )
    op.create_table(
        "webhook_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("unit_id", sa.Uuid(), nullable=True),
        sa.Column("instance_name", sa.String(length=255), nullable=False),
        sa.Column("event", sa.String(length=60), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("state", sa.String(length=32), server_default="new", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('new', 'done', 'parked')", name=op.f("ck_webhook_events_state")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "unit_id"],
            ["units.tenant_id", "units.id"],
            name=op.f("fk_webhook_events_tenant_id_unit_id_units"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_webhook_events_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_events")),
    )
    op.create_index(
        "ix_webhook_events_new",
        "webhook_events",
        ["unit_id", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'new'"),
    )
    op.create_index(
        "ix_webhook_events_parked", "webhook_events", ["id"], unique=False, postgresql_where=sa.text("state = 'parked'")
    )
    op.create_index(
        "ix_webhook_events_unknown", "webhook_events", ["id"], unique=False, postgresql_where=sa.text("unit_id IS NULL")
    )
    op.create_index(
        "uq_webhook_events_instance_name_body_hash", "webhook_events", ["instance_name", "body_hash"], unique=True
    )
    op.create_table(
        "messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("direction", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=32), server_default="text", nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=True),
        sa.Column("sent_by_id", sa.Uuid(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("external_id", sa.String(length=80), nullable=True),
        sa.Column("proposed_id", sa.String(length=40), nullable=True),
        sa.Column("client_message_id", sa.String(length=120), nullable=True),
        sa.Column("priority", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("relay_id", sa.Uuid(), nullable=True),
        sa.Column("retry_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error_code", sa.String(length=60), nullable=True),
        sa.Column("error_details", sa.Text(), nullable=True),
        sa.Column("sending_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("direction IN ('inbound', 'outbound')", name=op.f("ck_messages_direction")),
        sa.CheckConstraint(
            "status IN ('queued', 'sending', 'sent', 'delivered', 'read', 'failed', 'unconfirmed',"
            " 'cancelled', 'received')",
            name=op.f("ck_messages_status"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "conversation_id"],
            ["conversations.tenant_id", "conversations.id"],
            name=op.f("fk_messages_tenant_id_conversation_id_conversations"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "unit_id"], ["units.tenant_id", "units.id"], name=op.f("fk_messages_tenant_id_unit_id_units")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "sent_by_id"],
            ["users.tenant_id", "users.id"],
            name=op.f("fk_messages_tenant_id_sent_by_id_users"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_messages_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_messages_tenant_id_id")),
    )
    op.create_index(
        "idx_messages_client_message_id_unit", "messages", ["conversation_id", "client_message_id"], unique=True
    )
    op.create_index(
        "idx_messages_retry_failed",
        "messages",
        ["unit_id", "last_retry_at"],
        unique=False,
        postgresql_where=sa.text("status = 'failed'"),
    )
    op.create_index(
        "ix_messages_conversation_id_occurred_at", "messages", ["conversation_id", "occurred_at", "id"], unique=False
    )
    op.create_index(
        "ix_messages_in_doubt",
        "messages",
        ["unit_id", "conversation_id"],
        unique=False,
        postgresql_where=sa.text("status IN ('sending', 'unconfirmed')"),
    )
    op.create_index(
        "ix_messages_queued",
        "messages",
        ["unit_id", "priority", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'queued'"),
    )
    op.create_index("uq_messages_unit_id_external_id", "messages", ["unit_id", "external_id"], unique=True)


def downgrade() -> None:
    op.drop_index("uq_messages_unit_id_external_id", table_name="messages")
    op.drop_index("ix_messages_queued", table_name="messages", postgresql_where=sa.text("status = 'queued'"))
    op.drop_index(
        "ix_messages_in_doubt", table_name="messages", postgresql_where=sa.text("status IN ('sending', 'unconfirmed')")
    )
    op.drop_index("ix_messages_conversation_id_occurred_at", table_name="messages")
    op.drop_index("idx_messages_retry_failed", table_name="messages", postgresql_where=sa.text("status = 'failed'"))
    op.drop_index("idx_messages_client_message_id_unit", table_name="messages")
    op.drop_table("messages")
    op.drop_index("uq_webhook_events_instance_name_body_hash", table_name="webhook_events")
    op.drop_index("ix_webhook_events_unknown", table_name="webhook_events", postgresql_where=sa.text("unit_id IS NULL"))
    op.drop_index("ix_webhook_events_parked", table_name="webhook_events", postgresql_where=sa.text("state = 'parked'"))
    op.drop_index("ix_webhook_events_new", table_name="webhook_events", postgresql_where=sa.text("state = 'new'"))
    op.drop_table("webhook_events")
    op.drop_table("user_units")
    op.drop_index("ix_unit_whatsapp_connections_previous_instance_name", table_name="unit_whatsapp_connections")
    op.drop_index(
        "ix_unit_whatsapp_connections_action",
        table_name="unit_whatsapp_connections",
        postgresql_where=sa.text("action IS NOT NULL"),
    )
    op.drop_index("idx_unit_whatsapp_instance_lookup", table_name="unit_whatsapp_connections")
    op.drop_table("unit_whatsapp_connections")
    op.drop_index("ix_scan_links_unit_id", table_name="scan_links")
    op.drop_table("scan_links")
    op.drop_index(
        "ix_lanes_due", table_name="lanes", postgresql_where=sa.text("has_work AND is_open AND message_id IS NULL")
    )
    op.drop_table("lanes")
    op.drop_table("early_receipts")
    op.drop_index("ix_conversations_unit_id_last_message_at", table_name="conversations")
    op.drop_table("conversations")
    op.drop_index("ix_audit_events_tenant_id_id", table_name="audit_events")
    op.drop_table("audit_events")
    op.drop_index(op.f("ix_api_tokens_family_id"), table_name="api_tokens")
    op.drop_index("ix_api_tokens_expires_at", table_name="api_tokens")
    op.drop_table("api_tokens")
    op.drop_table("users")
    op.drop_table("units")
    op.drop_table("contacts")
    op.drop_table("tenants")
    op.drop_index(op.f("ix_relays_heartbeat_at"), table_name="relays")
    op.drop_table("relays")
    op.drop_index(
        "uq_evolution_servers_default", table_name="evolution_servers", postgresql_where=sa.text("is_default")
    )
    op.drop_table("evolution_servers")
