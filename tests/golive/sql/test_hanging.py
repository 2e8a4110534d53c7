"""What hangs on the older tables, and databases that the script leaves alone."""

from contextlib import suppress

import psycopg
import pytest

from tests.golive.sql.bench import SUCCESS, Bench, blocks
from tests.golive.sql.older import CONTACT, CONVERSATION, MESSAGE, PLAIN, TABLES, UNIT, id_of, values

SAME_PERSON = f"""
INSERT INTO contacts VALUES {values((id_of(CONTACT, 3), "551199990001", None))};
INSERT INTO conversations VALUES {values((id_of(CONVERSATION, 3), id_of(UNIT, 1), id_of(CONTACT, 3), "open"))};
"""
ORDERS = f"""
CREATE TABLE orders (
    id integer PRIMARY KEY, contact_id uuid REFERENCES contacts (id) ON DELETE CASCADE,
    conversation_id uuid REFERENCES conversations (id),
    message_id uuid CONSTRAINT about REFERENCES messages (id) ON UPDATE CASCADE ON DELETE RESTRICT DEFERRABLE
);
INSERT INTO orders VALUES {values((1, id_of(CONTACT, 3), id_of(CONVERSATION, 3), id_of(MESSAGE, 1)))};
"""


@pytest.fixture
def shop(bench: Bench) -> Bench:
    """An older database in which another table refers to the older ones."""
    bench.begin(TABLES, PLAIN, SAME_PERSON, ORDERS)
    return bench


def references(bench: Bench) -> list[str]:
    query = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'orders'::regclass AND contype = 'f'"
    return sorted(bench.values_of(query))


def refused(bench: Bench, *statements: str) -> str:
    with pytest.raises(psycopg.Error) as caught:
        bench.run(*statements)
    return str(caught.value)


def test_references_of_other_tables_lead_to_the_portals_rows(shop: Bench, text: str) -> None:
    shop.run(text)

    assert references(shop) == [
        "FOREIGN KEY (contact_id) REFERENCES contacts(id) ON DELETE CASCADE",
        "FOREIGN KEY (conversation_id) REFERENCES conversations(id) ON DELETE SET NULL",
        "FOREIGN KEY (message_id) REFERENCES messages(id) ON UPDATE CASCADE ON DELETE SET NULL DEFERRABLE",
    ]
    (order,) = shop.rows_of("SELECT * FROM orders")
    assert (order["contact_id"], order["conversation_id"]) == (id_of(CONTACT, 1), id_of(CONVERSATION, 1))
    assert order["message_id"] == id_of(MESSAGE, 1)


def test_references_of_other_tables_keep_nobody_from_being_erased(shop: Bench, text: str) -> None:
    shop.run(text)

    shop.run("DELETE FROM messages", "DELETE FROM conversation_aliases", "DELETE FROM conversations")

    assert shop.rows_of("SELECT conversation_id, message_id FROM orders") == [
        {"conversation_id": None, "message_id": None}
    ]


def test_reference_that_would_keep_somebody_from_being_erased_is_told(bench: Bench, text: str) -> None:
    bench.begin(TABLES, PLAIN, "CREATE TABLE orders (contact_id uuid NOT NULL REFERENCES contacts (id))")

    said = bench.run(text)

    assert (
        "WARNING: orders: its reference orders_contact_id_fkey will keep rows of contacts from being erased:"
        " FOREIGN KEY (contact_id) REFERENCES contacts(id)"
    ) in said


def test_reference_that_cannot_be_made_again_is_named(shop: Bench, text: str) -> None:
    shop.run("CREATE UNIQUE INDEX ON contacts (phone)", "ALTER TABLE orders ADD of text REFERENCES contacts (phone)")

    said = shop.run(text)

    (told,) = [line for line in said if "cannot be made again" in line]
    assert "orders: its reference orders_of_fkey" in told
    assert len(references(shop)) == 3
    assert said[-1] == f"NOTICE: {SUCCESS}"


@pytest.mark.parametrize(
    ("hanging", "named"),
    [
        ("CREATE VIEW report AS SELECT name FROM contacts", "view report"),
        ("CREATE MATERIALIZED VIEW report AS SELECT count(*) FROM messages", "view report"),
        (
            "CREATE TABLE notes (id int); CREATE POLICY own ON notes USING (EXISTS (SELECT FROM users))",
            "policy own on notes",
        ),
        (
            "CREATE FUNCTION newest() RETURNS text BEGIN ATOMIC SELECT content FROM messages; END",
            "function newest()",
        ),
        ("CREATE TABLE notes (of units)", "column of of table notes"),
        ("CREATE TABLE notes (those units[])", "column those of table notes"),
        ("CREATE TYPE pair AS (first users, second users)", "column first of composite type pair, column second of"),
        ("CREATE DOMAIN one_unit AS units CHECK (value IS NOT NULL)", "type one_unit"),
        (
            "ALTER TABLE messages ADD n serial; CREATE TABLE notes (n int DEFAULT nextval('messages_n_seq'))",
            "default value for column n of table notes",
        ),
        ("CREATE TABLE shops () INHERITS (units)", "table shops, which inherits from units"),
    ],
)
def test_what_would_keep_the_older_tables_is_named_and_nothing_is_changed(
    bench: Bench, text: str, hanging: str, named: str
) -> None:
    bench.begin(TABLES, PLAIN, hanging)
    schema, rows = bench.schema(), bench.rows()

    message = refused(bench, text)

    assert "these hang on tables that have to be moved: " + named in message
    assert (bench.schema(), bench.rows()) == (schema, rows)


def test_no_block_does_anything_after_the_first_was_refused(bench: Bench, text: str) -> None:
    bench.begin(TABLES, PLAIN)
    bench.run("CREATE VIEW report AS SELECT name FROM contacts")
    schema = bench.schema()

    said = []
    for part in blocks(text):
        with suppress(psycopg.Error):
            said += bench.run(part)

    assert bench.schema() == schema
    assert f"NOTICE: {SUCCESS}" not in said


def test_portals_own_tables_without_a_revision_are_left_alone(bench: Bench, text: str) -> None:
    bench.begin(text)
    bench.run("DROP TABLE alembic_version")
    schema = bench.schema()

    message = refused(bench, text)

    assert "look like the portal's own" in message
    assert bench.schema() == schema


def test_newer_database_is_left_alone(bench: Bench, text: str) -> None:
    bench.begin(text)
    bench.run("UPDATE alembic_version SET version_num = '9999'")

    assert "which this script does not know" in refused(bench, text)


def test_other_tables_of_names_that_the_portal_needs_are_named_and_nothing_is_changed(bench: Bench, text: str) -> None:
    bench.begin(TABLES, PLAIN, "CREATE TABLE tags (id int); CREATE TABLE alerts (id int); INSERT INTO tags VALUES (7)")
    schema, rows = bench.schema(), bench.rows()

    message = refused(bench, text)

    assert "these tables are another program's, and their names are needed: alerts, tags" in message
    assert (bench.schema(), bench.rows()) == (schema, rows)


@pytest.mark.parametrize(
    ("broken", "missing"),
    [
        ("DROP INDEX idx_messages_retry_failed", "index idx_messages_retry_failed of messages"),
        (
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_messages_client_message_id'::regclass",
            "index ix_messages_client_message_id of messages",
        ),
        ("ALTER TABLE messages DROP COLUMN error_details", "column error_details of messages"),
        ("COMMENT ON COLUMN messages.retry_count IS NULL", "column retry_count of messages"),
        (
            "ALTER TABLE campaign_recipients DROP CONSTRAINT uq_campaign_recipients_campaign_id_contact_id",
            "constraint UNIQUE (campaign_id, contact_id) of campaign_recipients",
        ),
        (
            "ALTER TABLE campaigns DROP CONSTRAINT fk_campaigns_tenant_id_unit_id_units",
            "constraint FOREIGN KEY (tenant_id, unit_id) REFERENCES units(tenant_id, id) of campaigns",
        ),
        ("DROP TABLE early_receipts", "table early_receipts of early_receipts"),
    ],
)
def test_what_is_missing_is_named_and_no_success_is_told(bench: Bench, text: str, broken: str, missing: str) -> None:
    bench.begin(text, broken)

    message = refused(bench, text)

    assert "the database is not as it should be; missing: " + missing in message
    assert SUCCESS not in message


def test_older_tables_stay_until_their_rows_are_copied(bench: Bench, text: str) -> None:
    bench.begin(TABLES, PLAIN)
    parts = blocks(text)
    bench.run(*parts[:-3], "INSERT INTO tenants (id, name, slug) VALUES (gen_random_uuid(), 'Legacy', 'legacy')")

    message = refused(bench, *parts)

    assert "a company with the short name legacy already" in message
    assert len(bench.values_of("SELECT id FROM portal_older.messages")) == 3
    bench.run("UPDATE tenants SET slug = 'other'")
    assert bench.run(*parts)[-1] == f"NOTICE: {SUCCESS}"
