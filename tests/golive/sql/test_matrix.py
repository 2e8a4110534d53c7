"""Whatever the database was, and however often and in whatever way the script is run: it ends the same, and clean."""

import pytest

from portal.db import db
from tests.companies import make_company
from tests.golive.sql.bench import SUCCESS, Bench, Schema, blocks
from tests.golive.sql.older import DUPLICATES, GO_LIVE_COLUMNS, LOOSE_TABLES, MESSES, PLAIN, TABLES

OLDER = {
    "plain": (TABLES, PLAIN),
    "half-way": (TABLES, PLAIN, GO_LIVE_COLUMNS),
    "with duplicates": (TABLES, PLAIN, DUPLICATES),
    "with messes": (LOOSE_TABLES, MESSES),
    "without rows": (TABLES,),
    "of one table": ("CREATE TABLE contacts (id uuid, phone text); INSERT INTO contacts VALUES (NULL, '1')",),
}
# A company as the first revision has it.
FIRST_ROWS = """
INSERT INTO tenants (id, name, slug) VALUES (gen_random_uuid(), 'Acme', 'acme');
INSERT INTO units (id, tenant_id, name, slug) SELECT gen_random_uuid(), id, 'Centro', 'centro' FROM tenants;
INSERT INTO contacts (id, tenant_id, phone) SELECT gen_random_uuid(), id, '5511999990001' FROM tenants;
INSERT INTO conversations (id, tenant_id, unit_id, contact_id)
SELECT gen_random_uuid(), units.tenant_id, units.id, contacts.id FROM units, contacts;
INSERT INTO messages (id, tenant_id, unit_id, conversation_id, direction, body, status, occurred_at)
SELECT gen_random_uuid(), tenant_id, unit_id, id, 'inbound', 'Oi', 'received', now() FROM conversations;
"""
# Those after which something else is to be done, and the last.
REVISIONS = ["0001", "0002", "0005", "0008", "0009", "0010"]


ALL_AT_ONCE, BY_BLOCK = "all at once", "block by block"


def cut(text: str, way: str) -> list[str]:
    return [text] if way == ALL_AT_ONCE else blocks(text)


def assert_ends_the_same(bench: Bench, statements: list[str], wanted: Schema) -> None:
    """Run once more: nothing changes, and the portal finds nothing to do."""
    schema, rows = bench.schema(), bench.rows()

    said = bench.run(*statements)

    assert said[-1] == f"NOTICE: {SUCCESS}"
    assert (bench.schema(), bench.rows()) == (schema, rows)
    assert bench.schema(is_legacy=False) == wanted
    bench.flask("db", "upgrade")
    bench.flask("db", "check")
    assert (bench.schema(), bench.rows()) == (schema, rows)


@pytest.mark.parametrize("way", [ALL_AT_ONCE, BY_BLOCK])
def test_empty_database(bench: Bench, text: str, wanted: Schema, way: str) -> None:
    statements = cut(text, way)
    bench.begin()

    said = bench.run(*statements)

    assert said[-1] == f"NOTICE: {SUCCESS}"
    assert_ends_the_same(bench, statements, wanted)


@pytest.mark.parametrize(
    ("state", "way"),
    [
        ("plain", ALL_AT_ONCE),
        ("plain", BY_BLOCK),
        ("half-way", ALL_AT_ONCE),
        ("with duplicates", BY_BLOCK),
        ("with messes", ALL_AT_ONCE),
        ("with messes", BY_BLOCK),
        ("without rows", BY_BLOCK),
        ("of one table", ALL_AT_ONCE),
    ],
)
def test_older_database(bench: Bench, text: str, wanted: Schema, state: str, way: str) -> None:
    statements = cut(text, way)
    bench.begin(*OLDER[state])

    said = bench.run(*statements)

    assert said[-1] == f"NOTICE: {SUCCESS}"
    assert bench.values_of("SELECT slug FROM tenants") == ["legacy"]
    assert_ends_the_same(bench, statements, wanted)


@pytest.mark.parametrize("revision", REVISIONS)
def test_half_migrated_database(bench: Bench, text: str, wanted: Schema, revision: str) -> None:
    statements = cut(text, BY_BLOCK if int(revision) % 2 else ALL_AT_ONCE)
    bench.begin()
    bench.flask("db", "upgrade", REVISIONS[0])
    bench.run(FIRST_ROWS)
    bench.flask("db", "upgrade", revision)

    said = bench.run(*statements)

    assert said[-1] == f"NOTICE: {SUCCESS}"
    assert bench.values_of("SELECT body FROM messages") == ["Oi"]
    assert_ends_the_same(bench, statements, wanted)


def test_migrated_database_with_rows_is_left_as_it_is(bench: Bench, text: str, schema: str, wanted: Schema) -> None:
    bench.begin_as(schema)
    with bench.portal.app_context():
        make_company("acme")
        make_company("rival")
        db.session.remove()
    rows = bench.rows()

    bench.run(*blocks(text))

    assert bench.rows() == rows
    assert len(rows["messages"]) == 2
    assert_ends_the_same(bench, [text], wanted)


def test_older_database_of_which_the_script_was_stopped_after_any_block(
    bench: Bench, text: str, wanted: Schema
) -> None:
    parts = blocks(text)
    bench.begin(TABLES, PLAIN)
    bench.run(text)
    rows = _without_times(bench)

    # The last two only look. Of the revisions every third is as good as all.
    for stop in [1, 2, *range(3, len(parts) - 4, 4), len(parts) - 3, len(parts) - 2]:
        bench.begin(TABLES, PLAIN)
        bench.run(*parts[:stop])
        bench.run(text)

        assert _without_times(bench) == rows
        assert bench.schema(is_legacy=False) == wanted


def test_older_database_that_a_release_went_on_with(bench: Bench, text: str, wanted: Schema) -> None:
    bench.begin(TABLES, PLAIN)
    bench.run(*blocks(text)[:3])
    bench.flask("db", "upgrade")

    bench.run(*blocks(text))

    assert len(bench.values_of("SELECT id FROM messages")) == 3
    assert_ends_the_same(bench, [text], wanted)


def _without_times(bench: Bench) -> dict[str, int | list[str]]:
    """What does not depend on when the script was run."""
    return {
        "counts": [f"{name} {len(rows)}" for name, rows in bench.rows().items()],
        "bodies": bench.values_of("SELECT id || body || status || direction FROM messages ORDER BY id"),
    }
