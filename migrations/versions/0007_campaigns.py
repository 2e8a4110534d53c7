"""Campaigns: what is sent to many, the ledger of their recipients, and how fast a unit may send them.

Safe on a live table: the columns of `units`, `lanes` and `contacts` come with constant defaults, nothing is rewritten.
Going back drops the campaigns with their ledgers; the messages that they became stay in their conversations.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.row_security import protect

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
EMPTY_OBJECT, EMPTY_LIST = sa.text("'{}'::jsonb"), sa.text("'[]'::jsonb")
EVERY_DAY = sa.text("'[1, 2, 3, 4, 5, 6, 7]'::jsonb")


def upgrade() -> None:
    for table, columns in _added().items():
        for column in columns:
            op.add_column(table, column)
    _make_campaigns()
    _make_campaign_recipients()
    for table in ("campaigns", "campaign_recipients"):
        protect(table)


def downgrade() -> None:
    for table in ("campaign_recipients", "campaigns"):
        op.drop_table(table)
    for table, columns in _added().items():
        for column in columns:
            op.drop_column(table, column.name)


def _added() -> dict[str, list[sa.Column[object]]]:
    return {
        "units": [
            sa.Column("pace_min_s", sa.Float(), server_default="2", nullable=False),
            sa.Column("pace_max_s", sa.Float(), server_default="5", nullable=False),
            sa.Column("daily_cap", sa.Integer()),
            sa.Column("window_from", sa.Time()),
            sa.Column("window_to", sa.Time()),
            sa.Column("window_days", JSONB(), server_default=EVERY_DAY, nullable=False),
            sa.Column("skips_holidays", sa.Boolean(), server_default=sa.text("false"), nullable=False),
            sa.Column("warm_up_from", sa.Date()),
        ],
        "lanes": [
            sa.Column("campaign_at", INSTANT),
            sa.Column("campaign_until", INSTANT),
            sa.Column("campaign_day", sa.Date()),
            sa.Column("campaign_count", sa.Integer(), server_default="0", nullable=False),
        ],
        "contacts": [sa.Column("is_on_whatsapp", sa.Boolean()), sa.Column("number_checked_at", INSTANT)],
    }


def _make_campaigns() -> None:
    op.create_table(
        "campaigns",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("created_by_id", sa.Uuid()),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("audience", JSONB(), server_default=EMPTY_OBJECT, nullable=False),
        sa.Column("variants", JSONB(), server_default=EMPTY_LIST, nullable=False),
        sa.Column("media_id", sa.Uuid()),
        sa.Column("kind", sa.String(32), server_default="text", nullable=False),
        sa.Column("plan_state", sa.String(32), server_default="none", nullable=False),
        sa.Column("planned_at", INSTANT),
        sa.Column("plan_done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("plan_total", sa.Integer(), server_default="0", nullable=False),
        sa.Column("plan_attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("total", sa.Integer(), server_default="0", nullable=False),
        sa.Column("plan_problem", sa.String(32)),
        sa.Column("plan_problem_details", JSONB()),
        sa.Column("relay_id", sa.Uuid()),
        sa.Column("number_check_at", INSTANT),
        sa.Column("number_check_failures", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("state", sa.String(32), server_default="draft", nullable=False),
        sa.Column("scheduled_at", INSTANT),
        sa.Column("if_missed", sa.String(32), server_default="ask", nullable=False),
        sa.Column("started_at", INSTANT),
        sa.Column("started_by_id", sa.Uuid()),
        sa.Column("paused_at", INSTANT),
        sa.Column("pause_reason", sa.String(32)),
        sa.Column("pause_details", JSONB()),
        sa.Column("resumed_at", INSTANT),
        sa.Column("fed_at", INSTANT),
        sa.Column("finished_at", INSTANT),
        sa.Column("recheck_at", INSTANT),
        sa.Column("rechecked_at", INSTANT),
        sa.Column("recheck_found", sa.Integer(), server_default="0", nullable=False),
        _one_of(
            "campaigns",
            "state",
            "'draft', 'scheduled', 'processing', 'paused', 'completed', 'failed', 'cancelled'",
        ),
        _one_of("campaigns", "plan_state", "'none', 'waiting', 'done'"),
        _one_of("campaigns", "plan_problem", "'too_many', 'too_long', 'gave_up'"),
        _one_of(
            "campaigns",
            "pause_reason",
            "'person', 'missed_start', 'failures', 'opt_outs', 'blocks', 'number_limited'",
        ),
        _one_of("campaigns", "if_missed", "'start', 'ask'"),
        _same_tenant("campaigns", "unit_id", "units"),
        _same_tenant("campaigns", "created_by_id", "users"),
        _same_tenant("campaigns", "started_by_id", "users"),
        _same_tenant("campaigns", "media_id", "media"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_campaigns_tenant_id_tenants"),
        sa.PrimaryKeyConstraint("id", name="pk_campaigns"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_campaigns_tenant_id_id"),
    )
    for columns, condition in (
        (["unit_id", "fed_at"], "state = 'processing'"),
        (["scheduled_at"], "state = 'scheduled'"),
        (["recheck_at"], "recheck_at IS NOT NULL"),
        (["number_check_at"], "number_check_at IS NOT NULL"),
        (["media_id"], "media_id IS NOT NULL"),
    ):
        name = f"ix_campaigns_{'_'.join(columns)}"
        op.create_index(name, "campaigns", columns, postgresql_where=sa.text(condition))
    op.create_index(
        "ix_campaigns_plan_waiting", "campaigns", ["id"], postgresql_where=sa.text("plan_state = 'waiting'")
    )
    op.create_index("ix_campaigns_tenant_id_id", "campaigns", ["tenant_id", "id"])


def _make_campaign_recipients() -> None:
    op.create_table(
        "campaign_recipients",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("contact_id", sa.Uuid()),
        sa.Column("typed", sa.String(60)),
        sa.Column("line", sa.Integer()),
        sa.Column("is_renumbered", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("state", sa.String(32), server_default="pending", nullable=False),
        sa.Column("reason", sa.String(32)),
        sa.Column("body", sa.Text()),
        sa.Column("variant", sa.SmallInteger()),
        sa.Column("has_gaps", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("message_id", sa.Uuid()),
        sa.Column("conversation_id", sa.Uuid()),
        sa.Column("handed_at", INSTANT),
        sa.Column("replied_at", INSTANT),
        sa.Column("outcome", sa.String(32)),
        _one_of("campaign_recipients", "state", "'pending', 'handed', 'skipped', 'cancelled'"),
        _one_of(
            "campaign_recipients",
            "reason",
            "'invalid', 'duplicate', 'opted_out', 'without_number', 'not_on_whatsapp', 'excluded', 'erased'",
        ),
        _same_tenant("campaign_recipients", "campaign_id", "campaigns", on_delete="CASCADE"),
        _same_tenant("campaign_recipients", "contact_id", "contacts"),
        _same_tenant("campaign_recipients", "message_id", "messages"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_campaign_recipients_tenant_id_tenants"),
        sa.PrimaryKeyConstraint("campaign_id", "position", name="pk_campaign_recipients"),
        sa.UniqueConstraint("campaign_id", "contact_id", name="uq_campaign_recipients_campaign_id_contact_id"),
    )
    for name, columns, condition in (
        ("pending", ["campaign_id", "position"], "state = 'pending'"),
        ("handed_at", ["campaign_id", "handed_at"], "handed_at IS NOT NULL"),
        ("message_id", ["message_id"], "message_id IS NOT NULL"),
        ("contact_id", ["contact_id"], "contact_id IS NOT NULL"),
        ("unanswered", ["conversation_id"], "conversation_id IS NOT NULL AND replied_at IS NULL"),
    ):
        where = sa.text(condition)
        op.create_index(f"ix_campaign_recipients_{name}", "campaign_recipients", columns, postgresql_where=where)


def _one_of(table: str, column: str, values: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(f"{column} IN ({values})", name=op.f(f"ck_{table}_{column}"))


def _same_tenant(table: str, column: str, target: str, *, on_delete: str | None = None) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", column],
        [f"{target}.tenant_id", f"{target}.id"],
        name=f"fk_{table}_tenant_id_{column}_{target}",
        ondelete=on_delete,
    )
