"""Message templates: what a company prepared to write, with every version of it.

Safe on a live table: nothing that was there is touched but by foreign keys. Going back drops both tables; files that
only templates carried stay, unused.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.row_security import protect

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _make_message_templates()
    _make_template_versions()
    for table in ("message_templates", "template_versions"):
        protect(table)


def downgrade() -> None:
    for table in ("template_versions", "message_templates"):
        op.drop_table(table)


def _make_message_templates() -> None:
    op.create_table(
        "message_templates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("archived_at", INSTANT),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_message_templates_tenant_id_tenants"),
        sa.PrimaryKeyConstraint("id", name="pk_message_templates"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_message_templates_tenant_id_id"),
    )
    op.create_index(
        "uq_message_templates_tenant_id_name",
        "message_templates",
        ["tenant_id", sa.literal_column("lower(name)")],
        unique=True,
        postgresql_where=sa.text("archived_at IS NULL"),
    )


def _make_template_versions() -> None:
    op.create_table(
        "template_versions",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("template_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("variants", JSONB(), nullable=False),
        sa.Column("media_id", sa.Uuid()),
        sa.Column("created_by_id", sa.Uuid()),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        _same_tenant("template_id", "message_templates"),
        _same_tenant("media_id", "media"),
        _same_tenant("created_by_id", "users"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_template_versions_tenant_id_tenants"),
        sa.PrimaryKeyConstraint("template_id", "number", name="pk_template_versions"),
    )
    has_file = sa.text("media_id IS NOT NULL")
    op.create_index("ix_template_versions_media_id", "template_versions", ["media_id"], postgresql_where=has_file)


def _same_tenant(column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", column],
        [f"{target}.tenant_id", f"{target}.id"],
        name=f"fk_template_versions_tenant_id_{column}_{target}",
    )
