"""Contacts, import, consent: tags, attributes, imports that can be undone, who opted out, merges by hand, erasure.

Safe on a live table: the columns of `contacts` and `conversations` come with constant defaults, nothing is rewritten.
Indexes are made in the transaction, which blocks writes to these two, to `messages` and to `webhook_events` for as long
as that takes. Going back drops all that is new; contacts that were merged by hand are then two again, and their
conversations stay with the kept one.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.row_security import if_roles, protect

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
EMPTY_OBJECT, EMPTY_LIST = sa.text("'{}'::jsonb"), sa.text("'[]'::jsonb")
HAS_IMPORT = sa.text("import_id IS NOT NULL")
# In the order in which they can be made; the other way round they can be dropped.
TABLES = (
    "suppressions",
    "tags",
    "tenant_settings",
    "erasures",
    "imports",
    "import_chunks",
    "import_rows",
    "consent_events",
    "contact_merges",
    "contact_tags",
    "import_changes",
    "merged_messages",
)


def upgrade() -> None:
    _make_suppressions()
    _make_tags()
    _make_tenant_settings()
    _make_erasures()
    _make_imports()
    _make_import_chunks()
    _make_import_rows()
    _extend_contacts()
    _make_consent_events()
    _make_contact_merges()
    _make_contact_tags()
    _make_import_changes()
    _make_merged_messages()
    _extend_conversations()
    _allow_deleting()
    for table in TABLES:
        protect(table)


def downgrade() -> None:
    if_roles("REVOKE DELETE ON webhook_events FROM portal_tenant")
    op.drop_index("ix_webhook_events_tenant_id_id", "webhook_events")
    op.drop_index("ix_messages_resend_of_id", "messages")
    for name in ("doubted_at", "contact_id"):
        op.drop_index(f"ix_conversations_{name}", "conversations")
    for column in ("doubted_message_id", "doubted_at"):
        op.drop_column("conversations", column)
    op.drop_constraint("fk_contacts_tenant_id_import_id_imports", "contacts")
    op.drop_constraint("fk_contacts_tenant_id_merged_into_id_contacts", "contacts")
    op.drop_constraint(op.f("ck_contacts_merged_into_another"), "contacts")
    for name in ("merged_into_id", "import_id"):
        op.drop_index(f"ix_contacts_{name}", "contacts")
    for column in ("edited_at", "import_id", "merged_into_id", "opted_out_at", "attributes", "number_at"):
        op.drop_column("contacts", column)
    for table in reversed(TABLES):
        op.drop_table(table)


def _id() -> sa.Column[object]:
    return sa.Column("id", sa.Uuid(), nullable=False)


def _tenant_id() -> sa.Column[object]:
    return sa.Column("tenant_id", sa.Uuid(), nullable=False)


def _created_at() -> sa.Column[object]:
    return sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False)


def _of_tenant(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=f"fk_{table}_tenant_id_tenants")


def _same_tenant(table: str, column: str, target: str, *, on_delete: str | None = None) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", column],
        [f"{target}.tenant_id", f"{target}.id"],
        name=f"fk_{table}_tenant_id_{column}_{target}",
        ondelete=on_delete,
    )


def _make_suppressions() -> None:
    op.create_table(
        "suppressions",
        _tenant_id(),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        _created_at(),
        sa.CheckConstraint("reason IN ('opted_out', 'erased')", name=op.f("ck_suppressions_reason")),
        _of_tenant("suppressions"),
        sa.PrimaryKeyConstraint("tenant_id", "fingerprint", name="pk_suppressions"),
    )


def _make_tags() -> None:
    op.create_table(
        "tags",
        _id(),
        _tenant_id(),
        sa.Column("name", sa.String(60), nullable=False),
        _created_at(),
        _of_tenant("tags"),
        sa.PrimaryKeyConstraint("id", name="pk_tags"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_tags_tenant_id_id"),
    )
    op.create_index("uq_tags_tenant_id_name", "tags", ["tenant_id", sa.literal_column("lower(name)")], unique=True)


def _make_tenant_settings() -> None:
    op.create_table(
        "tenant_settings",
        _tenant_id(),
        sa.Column("opt_out_words", JSONB()),
        sa.Column("opt_in_words", JSONB()),
        sa.Column("opt_out_answer", sa.Text()),
        sa.Column("opt_in_answer", sa.Text()),
        sa.Column("keep_messages_days", sa.Integer()),
        sa.Column("keep_events_days", sa.Integer(), server_default="90", nullable=False),
        sa.Column("updated_at", INSTANT),
        _of_tenant("tenant_settings"),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_tenant_settings"),
    )


def _make_erasures() -> None:
    op.create_table(
        "erasures",
        _id(),
        _tenant_id(),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("asked_by_id", sa.Uuid()),
        _created_at(),
        sa.Column("done_at", INSTANT),
        sa.Column("counts", JSONB()),
        _same_tenant("erasures", "asked_by_id", "users"),
        _of_tenant("erasures"),
        sa.PrimaryKeyConstraint("id", name="pk_erasures"),
    )
    op.create_index("ix_erasures_waiting", "erasures", ["id"], postgresql_where=sa.text("done_at IS NULL"))
    op.create_index("uq_erasures_contact_id", "erasures", ["contact_id"], unique=True)


def _make_imports() -> None:
    states = (
        "'reading', 'refused', 'mapping', 'checking', 'checked', 'importing', 'done', 'cancelled', 'undoing',"
        " 'undone', 'failed'"
    )
    op.create_table(
        "imports",
        _id(),
        _tenant_id(),
        sa.Column("created_by_id", sa.Uuid()),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("file_name", sa.String(120), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("content_until", INSTANT),
        _created_at(),
        sa.Column("state", sa.String(32), server_default="reading", nullable=False),
        sa.Column("problem", sa.String(60)),
        sa.Column("problem_details", JSONB()),
        sa.Column("layout", JSONB()),
        sa.Column("mapping", JSONB()),
        sa.Column("tag_names", JSONB(), server_default=EMPTY_LIST, nullable=False),
        sa.Column("counts", JSONB()),
        sa.Column("done", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cancel_asked_at", INSTANT),
        sa.Column("relay_id", sa.Uuid()),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("finished_at", INSTANT),
        sa.Column("undone_at", INSTANT),
        sa.CheckConstraint("source IN ('file', 'pasted')", name=op.f("ck_imports_source")),
        sa.CheckConstraint(f"state IN ({states})", name=op.f("ck_imports_state")),
        _same_tenant("imports", "created_by_id", "users"),
        _of_tenant("imports"),
        sa.PrimaryKeyConstraint("id", name="pk_imports"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_imports_tenant_id_id"),
    )
    is_waiting = sa.text("state IN ('reading', 'checking', 'importing', 'undoing')")
    op.create_index("ix_imports_waiting", "imports", ["id"], postgresql_where=is_waiting)
    is_kept = sa.text("content_until IS NOT NULL")
    op.create_index("ix_imports_content_until", "imports", ["content_until"], postgresql_where=is_kept)
    op.create_index("ix_imports_tenant_id_sha256", "imports", ["tenant_id", "sha256"])


def _make_import_chunks() -> None:
    op.create_table(
        "import_chunks",
        _tenant_id(),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        _same_tenant("import_chunks", "import_id", "imports", on_delete="CASCADE"),
        _of_tenant("import_chunks"),
        sa.PrimaryKeyConstraint("import_id", "number", name="pk_import_chunks"),
    )


def _make_import_rows() -> None:
    kinds = "'wrong', 'repeated', 'renumbered', 'opted_out', 'erased'"
    op.create_table(
        "import_rows",
        _tenant_id(),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("cells", JSONB(), nullable=False),
        sa.Column("notes", JSONB(), nullable=False),
        sa.CheckConstraint(f"kind IN ({kinds})", name=op.f("ck_import_rows_kind")),
        _same_tenant("import_rows", "import_id", "imports", on_delete="CASCADE"),
        _of_tenant("import_rows"),
        sa.PrimaryKeyConstraint("import_id", "kind", "line", name="pk_import_rows"),
    )


def _extend_contacts() -> None:
    for column in (
        sa.Column("number_at", INSTANT),
        sa.Column("attributes", JSONB(), server_default=EMPTY_OBJECT, nullable=False),
        sa.Column("opted_out_at", INSTANT),
        sa.Column("merged_into_id", sa.Uuid()),
        sa.Column("import_id", sa.Uuid()),
        sa.Column("edited_at", INSTANT),
    ):
        op.add_column("contacts", column)
    op.create_check_constraint(op.f("ck_contacts_merged_into_another"), "contacts", "merged_into_id <> id")
    for column, target in (("merged_into_id", "contacts"), ("import_id", "imports")):
        op.create_foreign_key(
            f"fk_contacts_tenant_id_{column}_{target}", "contacts", target, ["tenant_id", column], ["tenant_id", "id"]
        )
    op.create_index("ix_contacts_import_id", "contacts", ["import_id"], postgresql_where=HAS_IMPORT)
    is_merged = sa.text("merged_into_id IS NOT NULL")
    op.create_index("ix_contacts_merged_into_id", "contacts", ["merged_into_id"], postgresql_where=is_merged)


def _make_consent_events() -> None:
    op.create_table(
        "consent_events",
        _id(),
        _tenant_id(),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("unit_id", sa.Uuid()),
        sa.Column("message_id", sa.Uuid()),
        sa.Column("words", sa.Text()),
        sa.Column("noted_by_id", sa.Uuid()),
        sa.Column("note", sa.String(500)),
        sa.Column("happened_at", INSTANT, nullable=False),
        _created_at(),
        sa.CheckConstraint("kind IN ('opted_out', 'opted_in')", name=op.f("ck_consent_events_kind")),
        sa.CheckConstraint("source IN ('message', 'staff', 'remembered')", name=op.f("ck_consent_events_source")),
        _same_tenant("consent_events", "contact_id", "contacts", on_delete="CASCADE"),
        _same_tenant("consent_events", "unit_id", "units"),
        _same_tenant("consent_events", "noted_by_id", "users"),
        _of_tenant("consent_events"),
        sa.PrimaryKeyConstraint("id", name="pk_consent_events"),
    )
    op.create_index("ix_consent_events_contact_id_happened_at", "consent_events", ["contact_id", "happened_at"])
    op.create_index(
        "uq_consent_events_message_id_kind",
        "consent_events",
        ["message_id", "kind"],
        unique=True,
        postgresql_where=sa.text("message_id IS NOT NULL"),
    )


def _make_contact_merges() -> None:
    op.create_table(
        "contact_merges",
        _id(),
        _tenant_id(),
        sa.Column("kept_id", sa.Uuid(), nullable=False),
        sa.Column("other_id", sa.Uuid(), nullable=False),
        sa.Column("merged_by_id", sa.Uuid()),
        sa.Column("before", JSONB(), nullable=False),
        _created_at(),
        sa.Column("undone_at", INSTANT),
        _same_tenant("contact_merges", "kept_id", "contacts", on_delete="CASCADE"),
        _same_tenant("contact_merges", "other_id", "contacts", on_delete="CASCADE"),
        _same_tenant("contact_merges", "merged_by_id", "users"),
        _of_tenant("contact_merges"),
        sa.PrimaryKeyConstraint("id", name="pk_contact_merges"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_contact_merges_tenant_id_id"),
    )
    for column in ("kept_id", "other_id"):
        op.create_index(f"ix_contact_merges_{column}", "contact_merges", [column])


def _make_contact_tags() -> None:
    op.create_table(
        "contact_tags",
        _tenant_id(),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("tag_id", sa.Uuid(), nullable=False),
        sa.Column("import_id", sa.Uuid()),
        _same_tenant("contact_tags", "contact_id", "contacts", on_delete="CASCADE"),
        _same_tenant("contact_tags", "tag_id", "tags", on_delete="CASCADE"),
        _same_tenant("contact_tags", "import_id", "imports"),
        _of_tenant("contact_tags"),
        sa.PrimaryKeyConstraint("contact_id", "tag_id", name="pk_contact_tags"),
    )
    op.create_index("ix_contact_tags_tag_id_contact_id", "contact_tags", ["tag_id", "contact_id"])
    op.create_index("ix_contact_tags_import_id", "contact_tags", ["import_id"], postgresql_where=HAS_IMPORT)


def _make_import_changes() -> None:
    op.create_table(
        "import_changes",
        _tenant_id(),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("before", JSONB(), nullable=False),
        sa.Column("after", JSONB(), nullable=False),
        _same_tenant("import_changes", "import_id", "imports", on_delete="CASCADE"),
        _same_tenant("import_changes", "contact_id", "contacts", on_delete="CASCADE"),
        _of_tenant("import_changes"),
        sa.PrimaryKeyConstraint("import_id", "contact_id", name="pk_import_changes"),
    )
    op.create_index("ix_import_changes_contact_id", "import_changes", ["contact_id"])


def _make_merged_messages() -> None:
    op.create_table(
        "merged_messages",
        _tenant_id(),
        sa.Column("merge_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("client_message_id", sa.String(120)),
        _same_tenant("merged_messages", "merge_id", "contact_merges", on_delete="CASCADE"),
        _same_tenant("merged_messages", "message_id", "messages", on_delete="CASCADE"),
        _of_tenant("merged_messages"),
        sa.PrimaryKeyConstraint("merge_id", "message_id", name="pk_merged_messages"),
    )
    op.create_index("ix_merged_messages_message_id", "merged_messages", ["message_id"])


def _extend_conversations() -> None:
    op.add_column("conversations", sa.Column("doubted_at", INSTANT))
    op.add_column("conversations", sa.Column("doubted_message_id", sa.Uuid()))
    op.create_index("ix_conversations_contact_id", "conversations", ["contact_id"])
    is_doubted = sa.text("doubted_at IS NOT NULL")
    op.create_index(
        "ix_conversations_doubted_at", "conversations", ["tenant_id", "doubted_at"], postgresql_where=is_doubted
    )


def _allow_deleting() -> None:
    """A company's own messages and events go after their time, or with the person whom they are about."""
    is_resend = sa.text("resend_of_id IS NOT NULL")
    op.create_index("ix_messages_resend_of_id", "messages", ["resend_of_id"], postgresql_where=is_resend)
    op.create_index("ix_webhook_events_tenant_id_id", "webhook_events", ["tenant_id", "id"])
    if_roles("GRANT DELETE ON webhook_events TO portal_tenant")
