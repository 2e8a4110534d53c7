"""Consoles that go on after an error, and what a release left that was killed."""

from contextlib import suppress

import psycopg
import pytest

from tests.golive.sql.bench import SUCCESS, Bench, Schema, blocks


def go_on(bench: Bench, parts: list[str]) -> list[str]:
    """As psql does without ON_ERROR_STOP."""
    said = []
    for part in parts:
        with suppress(psycopg.Error):
            said += bench.run(part)
    return said


def test_no_revision_is_applied_after_one_that_failed(bench: Bench, text: str, wanted: Schema) -> None:
    parts = blocks(text)
    bench.begin(*parts[:4])
    with psycopg.connect(bench.url) as other:
        other.execute("LOCK TABLE units IN ACCESS EXCLUSIVE MODE")
        # Whatever does not need that table would go on.
        said = go_on(bench, [part.replace("'4s'", "'20ms'") for part in parts])

    assert bench.values_of("SELECT version_num FROM alembic_version") == ["0002"]
    assert not [line for line in said if ": applied." in line or "none to copy" in line or SUCCESS in line]
    assert bench.run(*parts)[-1] == f"NOTICE: {SUCCESS}"
    assert bench.schema() == wanted


def test_revision_that_cannot_be_noted_is_not_applied(bench: Bench, text: str) -> None:
    parts = blocks(text)
    bench.begin(*parts[:4])
    bench.run("CREATE RULE nothing AS ON UPDATE TO alembic_version DO INSTEAD NOTHING")
    schema = bench.schema()

    with pytest.raises(psycopg.Error, match="0003: it cannot be noted in alembic_version"):
        bench.run(*parts)

    assert bench.schema() == schema


def test_index_whose_making_was_interrupted_is_made_anew(bench: Bench, text: str, wanted: Schema) -> None:
    parts = blocks(text)
    until = next(n for n, part in enumerate(parts) if "RAISE NOTICE '0008: applied." in part)
    bench.begin(
        *parts[:until],
        "CREATE INDEX ix_messages_client_message_id ON messages (tenant_id)",
        "CREATE INDEX ix_audit_events_user_id ON audit_events (id)",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid IN"
        " ('ix_messages_client_message_id'::regclass, 'ix_audit_events_user_id'::regclass)",
    )

    assert bench.run(*parts)[-1] == f"NOTICE: {SUCCESS}"

    assert bench.schema() == wanted
    assert bench.values_of("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid") == []


def test_release_makes_an_interrupted_index_anew(bench: Bench, text: str) -> None:
    parts = blocks(text)
    until = next(n for n, part in enumerate(parts) if "RAISE NOTICE '0008: applied." in part)
    bench.begin(
        *parts[:until],
        "CREATE INDEX ix_messages_client_message_id ON messages (tenant_id)",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_messages_client_message_id'::regclass",
    )

    bench.flask("db", "upgrade")

    bench.flask("db", "check")
    assert bench.values_of("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid") == []


def test_revision_is_nobodys_but_the_owners(bench: Bench, text: str) -> None:
    bench.begin(text)

    assert bench.values_of("SELECT relrowsecurity FROM pg_class WHERE oid = 'alembic_version'::regclass") == [True]
