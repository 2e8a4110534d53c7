"""The third fence again: every way that SQL has of reaching a row, tried on every table that tenants own."""

import json
from collections.abc import Callable
from uuid import UUID

import pytest
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import Connection, Table, text
from sqlalchemy.exc import DataError, DBAPIError, ProgrammingError

from portal.db import Base, db
from portal.tenancy import SYSTEM_ROLE, TENANT_ROLE, across_tenants, acting_for
from tests.companies import Company, make_company
from tests.test_row_level_security import OWNED, acting_as, some_row

# `{table}` belongs to tenants, `{owner}` is its column that says to whom. Each counts rows of the other tenant.
READS = {
    "by name": "SELECT count(*) FROM {table} WHERE {owner} = :other",
    "all but one's own": "SELECT count(*) FROM {table} WHERE {owner} <> :own",
    "whatever the condition": "SELECT count(*) FROM {table} WHERE ({owner} = :other) OR 1 = 1 AND {owner} = :other",
    "in a subquery": "SELECT count(*) FROM (SELECT * FROM {table}) AS s WHERE {owner} = :other",
    "in an expression": "SELECT coalesce((SELECT 1 FROM {table} WHERE {owner} = :other LIMIT 1), 0)",
    "in a common table": "WITH s AS MATERIALIZED (SELECT * FROM {table}) SELECT count(*) FROM s WHERE {owner} = :other",
    "by a join": "SELECT count(*) FROM tenants AS own JOIN {table} AS t ON t.{owner} <> own.id",
    "by a lateral join": "SELECT count(*) FROM tenants AS own, LATERAL (SELECT * FROM {table}) AS t"
    " WHERE t.{owner} <> own.id",
    "in a union": "SELECT count(*) FROM (SELECT {owner} FROM {table} UNION ALL SELECT {owner} FROM {table}) AS s"
    " WHERE {owner} = :other",
    "by an aggregate": "SELECT count(*) FROM unnest((SELECT array_agg({owner}) FROM {table})) AS a WHERE a = :other",
    "by an exception": "SELECT count(*) FROM {table} WHERE {owner} = :other AND 1 / (length({owner}::text) - 36) = 0",
    "as a document": "SELECT count(*) FROM (SELECT to_jsonb(t) AS d FROM {table} AS t) AS s"
    " WHERE d ->> '{owner}' = CAST(:other AS text)",
    "by a sample": "SELECT count(*) FROM {table} TABLESAMPLE SYSTEM (100) WHERE {owner} = :other",
    "by statistics": "SELECT count(*) FROM pg_stats WHERE tablename = '{table}' AND :other IS NOT NULL",
}
# Each would change rows of the other tenant, and tells how many.
WRITES = {
    "update": "UPDATE {table} SET {owner} = {owner} WHERE {owner} = :other",
    "update of all others": "UPDATE {table} SET {owner} = {owner} WHERE {owner} <> :own",
    "update by a join": "UPDATE {table} AS t SET {owner} = t.{owner} FROM tenants AS own WHERE t.{owner} <> own.id",
    "delete": "DELETE FROM {table} WHERE {owner} = :other",
    "delete of all others": "DELETE FROM {table} WHERE {owner} <> :own",
    "delete by a join": "DELETE FROM {table} AS t USING tenants AS own WHERE t.{owner} <> own.id",
    "lock": "SELECT {owner} FROM {table} WHERE {owner} = :other FOR UPDATE",
}
NO_TENANT = [
    "",
    "''",
    "%",
    "*",
    "null",
    "0",
    "on",
    "00000000-0000-0000-0000-000000000000",
    "{}",
    "own' OR 'a' = 'a",
    "x, y",
]


@pytest.fixture
def acme(database: None) -> Company:
    return make_company("acme")


@pytest.fixture
def rival(database: None) -> Company:
    return make_company("rival")


@pytest.fixture
def tenants(acme: Company, rival: Company) -> dict[str, UUID]:
    return {"own": acme.scope.tenant_id, "other": rival.scope.tenant_id}


def rows_of(tenant_id: UUID) -> dict[str, list[str]]:
    """All of a tenant's rows, past all policies."""
    with acting_as("none") as connection:
        return {
            table: sorted(
                connection.scalars(
                    text(f"SELECT to_jsonb(t)::text FROM {table} AS t WHERE {owner} = :tenant"), {"tenant": tenant_id}
                )
            )
            for table, owner in OWNED.items()
        }


def needed(statement: str, tenants: dict[str, UUID]) -> dict[str, UUID]:
    return {name: value for name, value in tenants.items() if f":{name}" in statement}


def reached(statement: str, tenants: dict[str, UUID], *, as_rows: bool) -> int:
    """How many rows the statement finds or changes, acting as the first tenant; none where it is refused."""
    try:
        with acting_as(TENANT_ROLE, tenants["own"]) as connection:
            result = connection.execute(text(statement), needed(statement, tenants))
            return result.rowcount if as_rows else int(result.scalar_one())
    except DBAPIError as e:
        if not isinstance(e.orig, InsufficientPrivilege):
            raise
        return 0


def run_as_tenants(*statements: str) -> None:
    """What somebody could do who had got hold of the role itself, and not of the portal's own user."""
    with acting_as("none") as connection:
        connection.execute(text(f"SET LOCAL SESSION AUTHORIZATION {TENANT_ROLE}"))
        for statement in statements:
            connection.execute(text(statement))


def test_no_way_of_reading_finds_a_row_of_another_tenant(
    tenants: dict[str, UUID], measured: Callable[[str], None]
) -> None:
    statements = {
        (table, way): read.format(table=table, owner=owner)
        for table, owner in OWNED.items()
        for way, read in READS.items()
    }

    found = {key for key, statement in statements.items() if reached(statement, tenants, as_rows=False)}

    assert found == set()
    measured(
        f"row-level security: {len(statements)} ways of reading {len(OWNED)} tables tried, {len(found)} rows found"
    )


@pytest.mark.parametrize("way", READS)
def test_each_way_of_reading_would_find_the_row_without_the_policies(tenants: dict[str, UUID], way: str) -> None:
    # Otherwise nothing would be proved above.
    statement = READS[way].format(table="messages", owner="tenant_id")

    with acting_as("none") as connection:
        if way == "by statistics":
            connection.execute(text("ANALYZE messages"))
        if way == "by an exception":
            with pytest.raises(DBAPIError, match="division by zero"):
                connection.execute(text(statement), needed(statement, tenants))
        else:
            assert connection.execute(text(statement), needed(statement, tenants)).scalar_one() > 0


def test_no_way_of_writing_reaches_a_row_of_another_tenant(
    tenants: dict[str, UUID], measured: Callable[[str], None]
) -> None:
    before = rows_of(tenants["other"])
    statements = {
        (table, way): write.format(table=table, owner=owner)
        for table, owner in OWNED.items()
        for way, write in WRITES.items()
    }

    changed = {key for key, statement in statements.items() if reached(statement, tenants, as_rows=True)}

    assert changed == set()
    assert rows_of(tenants["other"]) == before
    measured(
        f"row-level security: {len(statements)} ways of writing {len(OWNED)} tables tried, {len(changed)} rows changed"
    )


def test_copy_gives_out_ones_own_rows_only_and_takes_none_in(
    tenants: dict[str, UUID], subtests: pytest.Subtests
) -> None:
    for table, owner in OWNED.items():
        with subtests.test(table):
            with acting_as(TENANT_ROLE, tenants["own"]) as connection:
                assert {*copied(connection, f"COPY (SELECT {owner} FROM {table}) TO STDOUT")} == {str(tenants["own"])}
            with acting_as(TENANT_ROLE, tenants["own"]) as connection:
                assert {*copied(connection, f"COPY {table} ({owner}) TO STDOUT")} == {str(tenants["own"])}
            with (
                acting_as(TENANT_ROLE, tenants["own"]) as connection,
                pytest.raises(Exception, match="row-level|denied"),
            ):
                copied(connection, f"COPY {table} ({owner}) FROM STDIN")


def copied(connection: Connection, statement: str) -> list[str]:
    """The lines that COPY gives out."""
    with connection.connection.cursor().copy(statement) as copy:
        return b"".join(bytes(part) for part in copy).decode().split()


def test_insert_that_meets_anothers_row_neither_changes_nor_shows_it(
    tenants: dict[str, UUID], subtests: pytest.Subtests
) -> None:
    before = rows_of(tenants["other"])

    for table in keyed_apart_from_tenants():
        with subtests.test(str(table.name)):
            mixed = json.loads(some_row(table.name, tenants["other"])) | {"tenant_id": str(tenants["own"])}
            row = {"row": json.dumps(mixed)}

            with (
                pytest.raises(ProgrammingError, match="row-level security|permission denied"),
                acting_as(TENANT_ROLE, tenants["own"]) as connection,
            ):
                connection.execute(text(upsert_of(table)), row)

    assert rows_of(tenants["other"]) == before


def keyed_apart_from_tenants() -> list[Table]:
    """The tables in which a row of one tenant can meet another's by its key."""
    tables = [Base.metadata.tables[name] for name in sorted(set(OWNED) - {"tenants"})]
    return [table for table in tables if "tenant_id" not in table.primary_key.columns]


def upsert_of(table: Table) -> str:
    columns = ", ".join(column.name for column in table.c)
    key = ", ".join(column.name for column in table.primary_key)
    return (
        f"INSERT INTO {table.name} ({columns}) OVERRIDING SYSTEM VALUE"
        f" SELECT {columns} FROM jsonb_populate_record(null::{table.name}, :row)"
        f" ON CONFLICT ({key}) DO UPDATE SET tenant_id = excluded.tenant_id RETURNING *"
    )


@pytest.mark.parametrize("table", OWNED)
def test_tenant_empties_no_table(database: None, table: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), acting_as(TENANT_ROLE) as connection:
        connection.execute(text(f"TRUNCATE {table} CASCADE"))


def test_what_is_no_tenant_shows_nobodys_rows(tenants: dict[str, UUID]) -> None:
    found = {(value, table): shown(table, value) for value in NO_TENANT for table in OWNED}

    assert {key for key, number in found.items() if number} == set()


def shown(table: str, tenant: str) -> int:
    """How many rows a transaction sees to which that was said instead of a tenant's id."""
    try:
        with acting_as(TENANT_ROLE) as connection:
            connection.execute(text("SELECT set_config('portal.tenant_id', :value, true)"), {"value": tenant})
            return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())
    except DataError:
        # It is no id, and so the statement ends.
        return 0


@pytest.mark.parametrize("target", [SYSTEM_ROLE, "pg_read_all_data", "pg_read_server_files"])
def test_role_of_tenants_cannot_become_another_by_its_own_rights(database: None, target: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied to set role"):
        run_as_tenants(f"SET LOCAL ROLE {target}")


def test_role_of_tenants_cannot_become_the_owner_of_the_tables(database: None) -> None:
    with acting_as("none") as connection:
        owner = connection.scalar(text("SELECT quote_ident(session_user)"))

    with pytest.raises(ProgrammingError, match="permission denied to set role"):
        run_as_tenants(f"SET LOCAL ROLE {owner}")


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE messages DISABLE ROW LEVEL SECURITY",
        "DROP POLICY tenant ON messages",
        "CREATE POLICY mine ON messages USING (true)",
        "ALTER TABLE messages OWNER TO portal_tenant",
        "GRANT portal_system TO portal_tenant",
        "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE VIEW public.v AS SELECT * FROM messages",
        "ALTER TABLE messages DISABLE TRIGGER ALL",
        "SET LOCAL session_replication_role = replica",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT pg_read_file('/etc/hostname')",
        "SELECT lo_import('/etc/hostname')",
        "SELECT rolpassword FROM pg_authid",
    ],
)
def test_role_of_tenants_changes_no_rule(database: None, statement: str) -> None:
    with pytest.raises(DBAPIError) as refused:
        run_as_tenants(statement)

    assert isinstance(refused.value.orig, InsufficientPrivilege)


def test_no_function_but_the_search_acts_with_its_owners_rights(database: None) -> None:
    with acting_as("none") as connection:
        ours = connection.execute(
            text(
                "SELECT proname, prosecdef FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace"
                " WHERE nspname = 'public' AND NOT EXISTS"
                " (SELECT 1 FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')"
            )
        ).all()

    assert {name for name, _ in ours} >= {"note_webhook_deliveries", "refuse_change_of_audit_events"}
    # Under row security no index would serve it: it looks at the company itself (test_message_search.py).
    assert {name for name, acts_as_owner in ours if acts_as_owner} == {"search_messages"}


def test_nothing_shows_tables_past_their_policies(database: None) -> None:
    # A view reads with the rights of its owner, and a copy of rows has no policies.
    with acting_as("none") as connection:
        views = connection.scalars(
            text(
                "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
                " WHERE nspname = 'public' AND relkind IN ('v', 'm', 'f')"
            )
        ).all()

    assert views == []


@pytest.mark.commits
def test_tenant_of_a_transaction_is_forgotten_with_it(acme: Company) -> None:
    asked = text("SELECT current_setting('portal.tenant_id', true), current_setting('portal.is_system', true)")

    with acting_for(acme.scope):
        assert db.session.connection().execute(asked).one() == (str(acme.scope.tenant_id), "")
    with across_tenants("a test looks"):
        assert db.session.connection().execute(asked).one() == ("", "on")
    db.session.rollback()
    assert db.session.connection().execute(asked).one() == ("", "")
    db.session.remove()
    # The connection went back to the pool, for the next request.
    with db.engine.connect() as connection:
        assert tuple(value or "" for value in connection.execute(asked).one()) == ("", "")
        assert connection.scalar(text("SELECT current_user = session_user")) is True
