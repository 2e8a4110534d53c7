"""Who answers a conversation, what was noted and done in it, short cuts of templates, and a search in what was written.

Safe on a live table: new columns are empty, and the index on messages is built while they go on. Those on
conversations, which are far fewer, let writing to them wait until all is done: about a second for a hundred thousand.
Code of before knows nobody who answers, and lists closed conversations among the others. Going back forgets who
answered, the notes and the short cuts.
"""

import sqlalchemy as sa
from alembic import op

from migrations.message_search import DOCUMENT, MONTH, SEARCH
from migrations.row_security import if_roles, protect

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
NOW = sa.text("now()")
OF_CONVERSATIONS: dict[str, tuple[list[str], str | None]] = {
    "tenant_id_last_message_at": (["tenant_id", "last_message_at", "id"], None),
    "open": (["tenant_id", "last_message_at", "id"], "status = 'open'"),
    "waiting": (["tenant_id", "last_message_at", "id"], "status = 'open' AND assigned_to_id IS NULL"),
    "assigned": (["tenant_id", "assigned_to_id", "last_message_at", "id"], "status = 'open'"),
    "closed": (["tenant_id", "last_message_at", "id"], "status = 'closed'"),
    "unread": (["tenant_id", "unit_id"], "unread > 0"),
}
OF_EVENTS = {
    "unit_id": "units",
    "conversation_id": "conversations",
    "created_by_id": "users",
    "assigned_to_id": "users",
}
KINDS = "kind IN ('note', 'assigned', 'released', 'closed', 'reopened')"
ARGUMENTS = "tsquery, uuid[], integer"


def upgrade() -> None:
    _index_messages()
    op.add_column("conversations", sa.Column("assigned_to_id", sa.Uuid()))
    op.create_foreign_key(
        "fk_conversations_tenant_id_assigned_to_id_users",
        "conversations",
        "users",
        ["tenant_id", "assigned_to_id"],
        ["tenant_id", "id"],
    )
    for name, (columns, condition) in OF_CONVERSATIONS.items():
        where = sa.text(condition) if condition else None
        op.create_index(f"ix_conversations_{name}", "conversations", columns, postgresql_where=where)
    op.add_column("message_templates", sa.Column("shortcut", sa.String(30)))
    op.create_index(
        "uq_message_templates_tenant_id_shortcut",
        "message_templates",
        ["tenant_id", sa.text("lower(shortcut)")],
        unique=True,
        postgresql_where=sa.text("archived_at IS NULL"),
    )
    _make_conversation_events()
    op.execute(SEARCH)
    op.execute(f"REVOKE EXECUTE ON FUNCTION search_messages ({ARGUMENTS}) FROM PUBLIC")
    if_roles(f"GRANT EXECUTE ON FUNCTION search_messages ({ARGUMENTS}) TO portal_tenant")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION search_messages ({ARGUMENTS})")
    op.drop_table("conversation_events")
    op.drop_index("uq_message_templates_tenant_id_shortcut", "message_templates")
    op.drop_column("message_templates", "shortcut")
    for name in reversed(OF_CONVERSATIONS):
        op.drop_index(f"ix_conversations_{name}", "conversations")
    op.drop_constraint("fk_conversations_tenant_id_assigned_to_id_users", "conversations", type_="foreignkey")
    op.drop_column("conversations", "assigned_to_id")
    op.drop_index("ix_messages_document", "messages")
    op.execute("DROP FUNCTION message_document (uuid, timestamptz, text)")
    op.execute("DROP FUNCTION message_month (timestamptz)")


def _index_messages() -> None:
    """First, and outside the transaction: however many messages there are, the portal goes on writing them."""
    with op.get_context().autocommit_block():
        op.execute(MONTH)
        op.execute(DOCUMENT)
        # One that was interrupted is there, but good for nothing.
        op.drop_index("ix_messages_document", "messages", if_exists=True)
        op.create_index(
            "ix_messages_document",
            "messages",
            [sa.text("message_document(tenant_id, occurred_at, body)")],
            postgresql_using="gin",
            postgresql_where=sa.text("body <> ''"),
            postgresql_concurrently=True,
        )


def _make_conversation_events() -> None:
    op.create_table(
        "conversation_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("body", sa.Text()),
        sa.Column("created_by_id", sa.Uuid()),
        sa.Column("assigned_to_id", sa.Uuid()),
        sa.Column("created_at", INSTANT, server_default=NOW, nullable=False),
        sa.CheckConstraint(KINDS, name=op.f("ck_conversation_events_kind")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_conversation_events_tenant_id_tenants"),
        *(
            sa.ForeignKeyConstraint(
                ["tenant_id", column],
                [f"{table}.tenant_id", f"{table}.id"],
                name=f"fk_conversation_events_tenant_id_{column}_{table}",
                # With a person who is erased goes what was noted about them.
                ondelete="CASCADE" if table == "conversations" else None,
            )
            for column, table in OF_EVENTS.items()
        ),
        sa.PrimaryKeyConstraint("id", name="pk_conversation_events"),
    )
    op.create_index(
        "ix_conversation_events_conversation_id_created_at",
        "conversation_events",
        ["conversation_id", "created_at", "id"],
    )
    protect("conversation_events")
