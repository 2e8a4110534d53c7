"""Row-level security asks for the company in a sub-select, so that PostgreSQL plans for any company.

Where it sees the company itself, it looks it up in what ANALYZE last counted: of one that came or grew since, it takes
every table for empty, and of no rows each index is good enough, be it one that reads all of them. For the same
reason the search in messages asks no other index than its own. Which company it plans for instead is said by 0013.

Safe on a live table: each policy is replaced under a short lock of its own, and says what it said. Code of before minds
neither form. Going back brings the slow plans again.
"""

from alembic import op

from migrations.message_search import SEARCH, SEARCH_BY_WORDS
from migrations.row_security import ANY_TENANT, CURRENT_TENANT

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TABLES = (
    "access_grants",
    "account_links",
    "api_token_units",
    "api_tokens",
    "audit_events",
    "campaign_recipients",
    "campaigns",
    "connection_losses",
    "consent_events",
    "contact_merges",
    "contact_tags",
    "contacts",
    "conversation_aliases",
    "conversation_events",
    "conversations",
    "early_receipts",
    "erasures",
    "import_changes",
    "import_chunks",
    "import_rows",
    "imports",
    "lanes",
    "media",
    "merged_messages",
    "message_changes",
    "message_templates",
    "messages",
    "recovery_codes",
    "repairs",
    "scan_links",
    "suppressions",
    "tags",
    "template_versions",
    "tenant_settings",
    "tenants",
    "unit_whatsapp_connections",
    "units",
    "user_sessions",
    "user_units",
    "users",
    "webhook_deliveries",
    "webhook_endpoints",
    "webhook_events",
)


def upgrade() -> None:
    _ask_for(ANY_TENANT)
    op.execute(SEARCH_BY_WORDS)


def downgrade() -> None:
    op.execute(SEARCH)
    _ask_for(CURRENT_TENANT)


def _ask_for(tenant: str) -> None:
    # One transaction for all would wait for each table while it holds those before.
    with op.get_context().autocommit_block():
        for table in TABLES:
            owner_column = "id" if table == "tenants" else "tenant_id"
            op.execute(f"ALTER POLICY tenant ON {table} USING ({owner_column} = {tenant})")
