"""API tokens of companies, outgoing webhooks, messages that only rehearse, and by how much campaigns are late.

Safe on a live table: the new columns of `messages`, `campaigns` and `lanes` come with constant defaults, nothing is
rewritten, and code of before goes on with `api_tokens` as it was. Going back ends the companies' tokens and tests and
drops the webhooks.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.row_security import as_system, protect

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
FALSE = sa.text("false")
# One row for each endpoint that asked, written by whoever changes the message: nothing can be told of that did not
# happen, and nothing happens untold. History that a phone brings when it is linked is no news. The endpoints are held:
# one that is deleted at that moment would let the change of the message fail.
NOTE = """
CREATE FUNCTION note_webhook_deliveries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO webhook_deliveries (tenant_id, endpoint_id, unit_id, message_id, topic, status)
    SELECT NEW.tenant_id, endpoint.id, NEW.unit_id, NEW.id, TG_ARGV[0], NEW.status
    FROM webhook_endpoints AS endpoint
    WHERE endpoint.tenant_id = NEW.tenant_id AND endpoint.disabled_at IS NULL AND endpoint.topics ? TG_ARGV[0]
    FOR KEY SHARE OF endpoint;
    RETURN NULL;
END $$
"""
DROP_INVALID = """
DO $$ BEGIN
IF EXISTS (
    SELECT FROM pg_index WHERE indexrelid = to_regclass('ix_messages_client_message_id') AND NOT indisvalid
) THEN
    DROP INDEX ix_messages_client_message_id;
END IF;
END $$
"""
TOLD = "('sent', 'delivered', 'read', 'failed', 'unconfirmed', 'cancelled')"
TRIGGERS = {
    "note_received": (
        "INSERT",
        "NEW.direction = 'inbound' AND NOT NEW.is_history",
        "message.received",
    ),
    "note_received_late": (
        "UPDATE OF read_at",
        "NEW.direction = 'inbound' AND OLD.read_at IS NOT NULL AND NEW.read_at IS NULL",
        "message.received",
    ),
    "note_status_made": (
        "INSERT",
        f"NEW.direction = 'outbound' AND NEW.status IN {TOLD} AND NOT NEW.is_history",
        "message.status",
    ),
    "note_status": (
        "UPDATE OF status",
        f"NEW.direction = 'outbound' AND NEW.status IN {TOLD} AND OLD.status IS DISTINCT FROM NEW.status",
        "message.status",
    ),
}


def upgrade() -> None:
    _index_client_message_ids()
    _lock()
    _widen_api_tokens()
    _make_api_token_units()
    op.add_column("audit_events", sa.Column("api_token_id", sa.Uuid()))
    for table in ("messages", "campaigns"):
        op.add_column(table, sa.Column("is_test", sa.Boolean(), server_default=FALSE, nullable=False))
    op.add_column("messages", sa.Column("is_history", sa.Boolean(), server_default=FALSE, nullable=False))
    op.add_column("lanes", sa.Column("campaign_behind_s", sa.Float(), server_default="0", nullable=False))
    _make_webhook_endpoints()
    _make_webhook_deliveries()
    for table in ("api_token_units", "webhook_endpoints", "webhook_deliveries"):
        protect(table)
    op.execute(NOTE)
    for name, (when, condition, topic) in TRIGGERS.items():
        op.execute(
            f"CREATE TRIGGER {name} AFTER {when} ON messages FOR EACH ROW WHEN ({condition})"
            f" EXECUTE FUNCTION note_webhook_deliveries('{topic}')"
        )
    _refer("audit_events", "api_token_id", "api_tokens")


def downgrade() -> None:
    _lock()
    _end_tests()
    op.drop_index("ix_messages_client_message_id", "messages")
    for name in TRIGGERS:
        op.execute(f"DROP TRIGGER {name} ON messages")
    op.execute("DROP FUNCTION note_webhook_deliveries()")
    for table in ("webhook_deliveries", "webhook_endpoints"):
        op.drop_table(table)
    for table in ("campaigns", "messages"):
        op.drop_column(table, "is_test")
    op.drop_column("messages", "is_history")
    op.drop_column("lanes", "campaign_behind_s")
    op.drop_column("audit_events", "api_token_id")
    op.drop_table("api_token_units")
    _narrow_api_tokens()


def _index_client_message_ids() -> None:
    """First, and outside the transaction: however many messages there are, the portal goes on writing them."""
    with op.get_context().autocommit_block():
        # One that was interrupted is there, but good for nothing.
        op.execute(DROP_INVALID)
        op.create_index(
            "ix_messages_client_message_id",
            "messages",
            ["tenant_id", "client_message_id"],
            postgresql_where=sa.text("client_message_id IS NOT NULL"),
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def _lock() -> None:
    """All at once and lanes first, as claims do: one after the other would meet them half way."""
    op.execute("LOCK TABLE lanes, campaigns, messages, audit_events, api_tokens IN ACCESS EXCLUSIVE MODE")


def _end_tests() -> None:
    """The code of before cannot tell them from real ones, and would send what still waits."""
    as_system(
        "UPDATE messages SET status = 'cancelled', error_code = 'test_ended', relay_id = NULL"
        " WHERE is_test AND status IN ('queued', 'sending')"
    )
    as_system("DELETE FROM campaigns WHERE is_test")


def _widen_api_tokens() -> None:
    for column in ("user_id", "family_id", "expires_at"):
        op.alter_column("api_tokens", column, nullable=True)
    for column in _token_columns():
        op.add_column("api_tokens", column)
    op.drop_constraint("ck_api_tokens_kind", "api_tokens")
    op.create_check_constraint(
        op.f("ck_api_tokens_kind"), "api_tokens", "kind IN ('access', 'refresh', 'live', 'test')"
    )
    op.create_check_constraint(
        op.f("ck_api_tokens_whose"), "api_tokens", "(kind IN ('access', 'refresh')) = (user_id IS NOT NULL)"
    )
    op.create_check_constraint(
        op.f("ck_api_tokens_named"),
        "api_tokens",
        "(kind IN ('live', 'test')) = (name IS NOT NULL)"
        " AND (name IS NULL OR tenant_id IS NOT NULL AND scopes IS NOT NULL)"
        " AND (name IS NOT NULL OR family_id IS NOT NULL AND expires_at IS NOT NULL)",
    )
    op.create_unique_constraint("uq_api_tokens_tenant_id_id", "api_tokens", ["tenant_id", "id"])
    _refer("api_tokens", "created_by_id", "users")
    op.create_index(
        "ix_api_tokens_tenant_id", "api_tokens", ["tenant_id", "id"], postgresql_where=sa.text("name IS NOT NULL")
    )


def _narrow_api_tokens() -> None:
    as_system("DELETE FROM api_tokens WHERE name IS NOT NULL")
    op.drop_index("ix_api_tokens_tenant_id", "api_tokens")
    op.drop_constraint("uq_api_tokens_tenant_id_id", "api_tokens")
    for name in ("named", "whose", "kind"):
        op.drop_constraint(op.f(f"ck_api_tokens_{name}"), "api_tokens")
    op.create_check_constraint(op.f("ck_api_tokens_kind"), "api_tokens", "kind IN ('access', 'refresh')")
    for column in _token_columns():
        op.drop_column("api_tokens", column.name)
    for name in ("user_id", "family_id", "expires_at"):
        op.alter_column("api_tokens", name, nullable=False)


def _token_columns() -> list[sa.Column[object]]:
    return [
        sa.Column("name", sa.String(80)),
        sa.Column("hint", sa.String(8)),
        sa.Column("scopes", JSONB()),
        sa.Column("created_by_id", sa.Uuid()),
    ]


def _make_api_token_units() -> None:
    op.create_table(
        "api_token_units",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("token_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(*_columns("api_token_units", "token_id", "api_tokens")),
        sa.ForeignKeyConstraint(*_columns("api_token_units", "unit_id", "units")),
        sa.PrimaryKeyConstraint("token_id", "unit_id", name="pk_api_token_units"),
    )


def _make_webhook_endpoints() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.String(2000), nullable=False),
        sa.Column("topics", JSONB(), nullable=False),
        sa.Column("secret_encrypted", sa.Text(), nullable=False),
        sa.Column("previous_secret_encrypted", sa.Text()),
        sa.Column("previous_until", INSTANT),
        sa.Column("created_by_id", sa.Uuid()),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("disabled_at", INSTANT),
        sa.Column("is_gone", sa.Boolean(), server_default=FALSE, nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("paused_until", INSTANT),
        sa.ForeignKeyConstraint(*_columns("webhook_endpoints", "created_by_id", "users")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_webhook_endpoints_tenant_id_tenants"),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_endpoints"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_webhook_endpoints_tenant_id_id"),
    )


def _make_webhook_deliveries() -> None:
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("topic", sa.String(32), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("state", sa.String(32), server_default="waiting", nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("last_attempt_at", INSTANT),
        sa.Column("delivered_at", INSTANT),
        sa.Column("response_status", sa.SmallInteger()),
        sa.Column("error_code", sa.String(60)),
        sa.Column("took_ms", sa.Integer()),
        sa.CheckConstraint("topic IN ('message.received', 'message.status')", name=op.f("ck_webhook_deliveries_topic")),
        sa.CheckConstraint("state IN ('waiting', 'delivered', 'failed')", name=op.f("ck_webhook_deliveries_state")),
        sa.ForeignKeyConstraint(
            *_columns("webhook_deliveries", "endpoint_id", "webhook_endpoints"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(*_columns("webhook_deliveries", "message_id", "messages"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_webhook_deliveries_tenant_id_tenants"),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_deliveries"),
    )
    op.create_index(
        "ix_webhook_deliveries_waiting",
        "webhook_deliveries",
        ["endpoint_id", "next_attempt_at", "position"],
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index("ix_webhook_deliveries_log", "webhook_deliveries", ["endpoint_id", "position"])
    op.create_index("ix_webhook_deliveries_message_id", "webhook_deliveries", ["message_id"])


def _refer(table: str, column: str, target: str) -> None:
    op.create_foreign_key(
        f"fk_{table}_tenant_id_{column}_{target}", table, target, ["tenant_id", column], ["tenant_id", "id"]
    )


def _columns(table: str, column: str, target: str) -> tuple[list[str], list[str], str]:
    """The reference within one tenant, and its name."""
    name = f"fk_{table}_tenant_id_{column}_{target}"
    return ["tenant_id", column], [f"{target}.tenant_id", f"{target}.id"], name
