"""The migrations build what the models say, on an empty database and on a filled one, down and up again."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config as AlembicConfig
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import inspect, text

from local.services import Services
from migrations import message_search
from portal.app import create_app
from portal.db import Base, db
from portal.extensions import init_parts
from tests.companies import make_company
from tests.conftest import make_config

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = (
    "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default, is_identity"
)
SCHEMA = {
    "columns": f"{COLUMNS} FROM information_schema.columns WHERE table_schema = 'public'",
    "indexes": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "constraints": (
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace"
    ),
    "triggers": "SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    "policies": "SELECT tablename, policyname, cmd, roles::text, qual, with_check FROM pg_policies",
    "security": (
        "SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class"
        " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    ),
    "grants": (
        "SELECT table_name, grantee, privilege_type FROM information_schema.table_privileges"
        " WHERE grantee LIKE 'portal\\_%' AND table_schema = 'public'"
    ),
}
# Names that an existing database and the people who watch it rely on.
KEPT_NAMES = {
    "units": {"id", "name", "slug"},
    "users": {"id", "email", "role"},
    "contacts": {"id", "phone", "name"},
    "conversations": {"id", "unit_id", "contact_id", "status"},
    "messages": {
        "id",
        "conversation_id",
        "status",
        "external_id",
        "created_at",
        "client_message_id",
        "retry_count",
        "last_retry_at",
        "error_details",
    },
    "unit_whatsapp_connections": {
        "id",
        "unit_id",
        "provider",
        "status",
        "status_reason",
        "connected_at",
        "disconnected_at",
        "qr_updated_at",
    },
}
KEPT_INDEXES = {
    "idx_unit_whatsapp_instance_lookup": ("unit_whatsapp_connections", ["instance_name"], True, None),
    "idx_messages_client_message_id_unit": ("messages", ["conversation_id", "client_message_id"], True, None),
    "idx_messages_retry_failed": ("messages", ["unit_id", "last_retry_at"], False, "status"),
}


@pytest.fixture
def empty(services: Services, worker_name: str, app: Flask) -> Iterator[Flask]:
    """The portal on an empty database."""
    with portal_on(services, f"portal_migrated_{worker_name}") as portal:
        yield portal


@pytest.fixture
def by_models(services: Services, worker_name: str, app: Flask) -> Iterator[Flask]:
    """The portal on a database that the models built, without migrations."""
    with portal_on(services, f"portal_modelled_{worker_name}") as portal:
        with portal.app_context():
            with db.engine.begin() as connection:
                # An index of the models calls them.
                for function in (message_search.MONTH, message_search.DOCUMENT):
                    connection.execute(text(function))
            Base.metadata.create_all(db.engine)
        yield portal


@contextmanager
def portal_on(services: Services, name: str) -> Iterator[Flask]:
    services.drop_database(name)
    portal = create_app(make_config(services.create_database(name), services.redis_url))
    yield portal
    with portal.app_context():
        db.engine.dispose()
    services.drop_database(name)
    # The parts are one per process: give the other tests theirs back.
    init_parts(portal, make_config(services.database_url, services.redis_url))


def run(portal: Flask, *command: str, ends_with: int = 0) -> None:
    """Run `flask db …`."""
    # Inside another app's context the command would work on that one's database.
    with portal.app_context():
        result = portal.test_cli_runner().invoke(args=["db", *command])
    assert result.exit_code == ends_with, result.output


def look(portal: Flask, *parts: str) -> dict[str, list[Any]]:
    """What the database says of its tables, but for the one in which Alembic keeps its place."""
    with portal.app_context(), db.engine.connect() as connection:
        found = {part: connection.execute(text(SCHEMA[part])) for part in parts or SCHEMA}
        return {part: sorted(_without_alembic(rows), key=str) for part, rows in found.items()}


def _without_alembic(rows: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in rows if not any("alembic_version" in str(value) for value in row)]


Rows = dict[str, list[dict[str, Any]]]


def rows(portal: Flask) -> Rows:
    """Every row of the tables that are there."""
    with portal.app_context(), db.engine.connect() as connection:
        names = [name for name in sorted(Base.metadata.tables) if inspect(connection).has_table(name)]
        return {
            name: list(connection.scalars(text(f"SELECT to_jsonb(t) FROM {name} t ORDER BY to_jsonb(t)::text")))
            for name in names
        }


def columns_of(held: Rows) -> dict[str, set[str]]:
    return {name: set().union(*found) for name, found in held.items()}


def only(columns: dict[str, set[str]], held: Rows) -> list[tuple[str, str]]:
    """(table, row) with only these columns: what an older schema can hold of the rows."""
    kept = [
        (name, {column: row[column] for column in sorted(row) if column in columns[name]})
        for name, found in held.items()
        if name in columns
        for row in found
    ]
    return sorted((name, json.dumps(row)) for name, row in kept)


def scripts() -> ScriptDirectory:
    config = AlembicConfig()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    return ScriptDirectory.from_config(config)


def test_there_is_one_head_and_one_way_to_it() -> None:
    revisions = [script.revision for script in scripts().walk_revisions()][::-1]

    assert len(scripts().get_heads()) == 1
    assert revisions == [f"{number:04}" for number in range(1, len(revisions) + 1)]


def test_file_of_each_migration_begins_with_its_number_and_says_why() -> None:
    for script in scripts().walk_revisions():
        assert Path(script.path).name.startswith(f"{script.revision}_")
        assert len(script.doc) > 20


def test_upgrade_of_an_empty_database_leaves_nothing_to_do(empty: Flask) -> None:
    run(empty, "upgrade")

    run(empty, "check")


def test_check_notices_what_a_migration_forgot(empty: Flask) -> None:
    run(empty, "upgrade")
    with empty.app_context(), db.engine.begin() as connection:
        connection.execute(text("ALTER TABLE messages DROP COLUMN error_details"))

    run(empty, "check", ends_with=1)


@pytest.mark.parametrize("part", ["columns", "indexes", "constraints"])
def test_migrations_build_what_the_models_say(empty: Flask, by_models: Flask, part: str) -> None:
    run(empty, "upgrade")

    assert look(empty, part) == look(by_models, part)


def test_empty_database_goes_down_to_nothing_and_up_again(empty: Flask) -> None:
    run(empty, "upgrade")
    before = look(empty)

    run(empty, "downgrade", "base")
    bare = look(empty)
    run(empty, "upgrade")

    assert bare == dict.fromkeys(SCHEMA, [])
    assert look(empty) == before


def test_filled_database_keeps_its_rows_down_one_and_up_one(empty: Flask) -> None:
    run(empty, "upgrade")
    _fill(empty)
    schema, filled = look(empty), rows(empty)

    run(empty, "downgrade")
    below = rows(empty)
    run(empty, "upgrade")

    assert only(columns_of(below), filled) == only(columns_of(below), below)
    assert only(columns_of(below), rows(empty)) == only(columns_of(below), below)
    assert all(filled[name] for name in ("tenants", "units", "messages", "unit_whatsapp_connections"))
    assert look(empty) == schema


def test_tests_end_where_code_comes_that_would_send_them(empty: Flask) -> None:
    run(empty, "upgrade")
    _fill(empty)
    run(empty, "downgrade", "0008")
    with empty.app_context(), db.engine.begin() as connection:
        connection.execute(text("UPDATE messages SET is_test = true, status = 'queued'"))
        connection.execute(text("UPDATE campaigns SET is_test = true, state = 'processing'"))
        tests = connection.scalars(text("SELECT count(*) FROM campaigns WHERE is_test")).one()

    run(empty, "downgrade", "0007")

    left = rows(empty)
    assert {message["status"] for message in left["messages"]} == {"cancelled"}
    assert (tests, len(left["campaigns"])) == (2, 0)


def test_whoever_was_only_invited_cannot_sign_in_where_code_comes_that_needs_a_password(empty: Flask) -> None:
    run(empty, "upgrade")
    _fill(empty)
    with empty.app_context(), db.engine.begin() as connection:
        connection.execute(text("UPDATE users SET password_hash = NULL WHERE email = 'agent@acme.test'"))

    run(empty, "downgrade", "0008")

    invited = [user for user in rows(empty)["users"] if user["email"] == "agent@acme.test"]
    assert [(user["password_hash"], user["disabled_at"] is None) for user in invited] == [("!", False)]


def test_filled_database_goes_down_to_nothing_and_up_again(empty: Flask) -> None:
    run(empty, "upgrade")
    _fill(empty)

    run(empty, "downgrade", "base")
    run(empty, "upgrade")

    assert set(map(len, rows(empty).values())) == {0}


def test_upgrade_that_was_run_already_changes_nothing(empty: Flask) -> None:
    run(empty, "upgrade")
    before = look(empty)

    run(empty, "upgrade")

    assert look(empty) == before


def test_code_that_was_rolled_back_leaves_the_newer_schema_alone(empty: Flask) -> None:
    run(empty, "upgrade")
    with empty.app_context(), db.engine.begin() as connection:
        connection.execute(text("ALTER TABLE units ADD COLUMN colour text"))
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    before = look(empty)

    run(empty, "upgrade")

    with empty.app_context(), db.engine.connect() as connection:
        assert connection.scalars(text("SELECT version_num FROM alembic_version")).one() == "9999"
    assert look(empty) == before


def test_roles_of_an_earlier_portal_on_the_server_are_used_again(empty: Flask) -> None:
    # The database of all other tests made them, unless it found them too.
    run(empty, "upgrade")

    granted = look(empty, "grants")["grants"]

    assert ("audit_events", "portal_tenant", "INSERT") in granted
    assert ("audit_events", "portal_system", "UPDATE") not in granted


@pytest.mark.parametrize("table", KEPT_NAMES)
def test_tables_and_columns_keep_their_names(database: None, table: str) -> None:
    columns = {column["name"] for column in inspect(db.engine).get_columns(table)}

    assert columns >= KEPT_NAMES[table]


@pytest.mark.parametrize("name", KEPT_INDEXES)
def test_indexes_keep_their_names_and_shapes(database: None, name: str) -> None:
    table, columns, is_unique, condition = KEPT_INDEXES[name]

    (index,) = [index for index in inspect(db.engine).get_indexes(table) if index["name"] == name]

    where = index.get("dialect_options", {}).get("postgresql_where")
    assert (index["column_names"], index["unique"]) == (columns, is_unique)
    assert (where is None) == (condition is None)
    assert (condition or "") in (where or "")


def _fill(portal: Flask) -> None:
    with portal.app_context():
        make_company("acme")
        make_company("rival")
        db.session.remove()
