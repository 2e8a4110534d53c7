"""The third fence, asked by raw SQL: the database shows a tenant's transaction that tenant's rows only."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, Table, inspect, text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from portal.db import Base, atomic, db
from portal.models import Conversation
from portal.tenancy import SYSTEM_ROLE, TENANT_ROLE, across_tenants, acting_for
from tests.companies import Company, make_company
from tests.factories import make_conversation

OWNED = {
    str(table.name): "id" if table.name == "tenants" else "tenant_id"
    for table in Base.metadata.sorted_tables
    if table.name == "tenants" or "tenant_id" in table.c
}
WHOSE = {"tenant_id", "unit_id"}
TENANTS_MAY_CHANGE = sorted(set(OWNED) - {"tenants", "audit_events"})
# People of two kinds: an operator belongs to no tenant, so their id cannot stand beside one.
ONE_PERSON = {
    ("account_links", "created_by_id"),
    *(
        (table, "user_id")
        for table in ("account_links", "api_tokens", "audit_events", "recovery_codes", "user_sessions")
    ),
}
REFUSED = "row-level security|permission denied"


@pytest.fixture
def acme(database: None) -> Company:
    return make_company("acme")


@pytest.fixture
def rival(database: None) -> Company:
    return make_company("rival")


@contextmanager
def acting_as(role: str, tenant_id: UUID | None = None) -> Iterator[Connection]:
    """A connection with that role and tenant, whose changes are undone."""
    db.session.remove()
    connection: Any = db.engine
    with connection.begin_nested() as savepoint:
        connection.execute(
            text("SELECT set_config('role', :role, true), set_config('portal.tenant_id', :tenant, true)"),
            {"role": role, "tenant": "" if tenant_id is None else str(tenant_id)},
        )
        yield connection
        savepoint.rollback()


def owners(connection: Connection, table: str) -> set[UUID]:
    return set(connection.scalars(text(f"SELECT {OWNED[table]} FROM {table}")))


def some_row(table: str, tenant_id: UUID) -> str:
    """One of that tenant's rows, as JSON."""
    with acting_as("none") as connection:
        found = text(f"SELECT to_jsonb(t)::text FROM {table} t WHERE {OWNED[table]} = :tenant LIMIT 1")
        row: str = connection.execute(found, {"tenant": tenant_id}).scalar_one()
    return row


def insert_of(table: Table) -> str:
    columns = ", ".join(column.name for column in table.c if column.identity is None)
    return f"INSERT INTO {table.name} ({columns}) SELECT {columns} FROM jsonb_populate_record(null::{table.name}, :row)"


def test_tenant_sees_its_own_rows_and_no_others(acme: Company, rival: Company, subtests: pytest.Subtests) -> None:
    for table in OWNED:
        with subtests.test(table), acting_as(TENANT_ROLE, acme.scope.tenant_id) as connection:
            assert owners(connection, table) == {acme.scope.tenant_id}


def test_transaction_of_no_tenant_sees_nothing(acme: Company, subtests: pytest.Subtests) -> None:
    for table in OWNED:
        with subtests.test(table), acting_as(TENANT_ROLE) as connection:
            assert owners(connection, table) == set()


def test_system_sees_every_tenants_rows(acme: Company, rival: Company, subtests: pytest.Subtests) -> None:
    for table in OWNED:
        with subtests.test(table), acting_as(SYSTEM_ROLE) as connection:
            assert owners(connection, table) >= {acme.scope.tenant_id, rival.scope.tenant_id}


def test_tenant_cannot_insert_a_row_of_another(acme: Company, rival: Company, subtests: pytest.Subtests) -> None:
    for table in OWNED:
        with subtests.test(table):
            row = some_row(table, rival.scope.tenant_id)

            with (
                pytest.raises(ProgrammingError, match=REFUSED),
                acting_as(TENANT_ROLE, acme.scope.tenant_id) as connection,
            ):
                connection.execute(text(insert_of(Base.metadata.tables[table])), {"row": row})


def test_tenant_cannot_give_its_rows_to_another(acme: Company, rival: Company, subtests: pytest.Subtests) -> None:
    for table in TENANTS_MAY_CHANGE:
        with (
            subtests.test(table),
            pytest.raises(ProgrammingError, match=REFUSED),
            acting_as(TENANT_ROLE, acme.scope.tenant_id) as connection,
        ):
            connection.execute(text(f"UPDATE {table} SET tenant_id = :tenant"), {"tenant": rival.scope.tenant_id})


def test_tenant_cannot_reach_anothers_rows_to_change_them(
    acme: Company, rival: Company, subtests: pytest.Subtests
) -> None:
    for table in TENANTS_MAY_CHANGE:
        with subtests.test(table):
            changed = text(f"UPDATE {table} SET tenant_id = tenant_id WHERE tenant_id = :tenant")

            with acting_as(TENANT_ROLE, acme.scope.tenant_id) as connection:
                assert connection.execute(changed, {"tenant": rival.scope.tenant_id}).rowcount == 0
                assert connection.execute(changed, {"tenant": acme.scope.tenant_id}).rowcount > 0


def test_tenant_cannot_reach_anothers_rows_to_delete_them(
    acme: Company, rival: Company, subtests: pytest.Subtests
) -> None:
    for table in sorted(set(TENANTS_MAY_CHANGE) - {"webhook_events"}):
        with subtests.test(table), acting_as(TENANT_ROLE, acme.scope.tenant_id) as connection:
            deleted = connection.execute(
                text(f"DELETE FROM {table} WHERE tenant_id = :tenant"), {"tenant": rival.scope.tenant_id}
            )

            assert deleted.rowcount == 0


@pytest.mark.parametrize("table", ["evolution_servers", "relays"])
def test_tenant_cannot_read_what_is_the_operators(acme: Company, table: str) -> None:
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        acting_as(TENANT_ROLE, acme.scope.tenant_id) as connection,
    ):
        connection.execute(text(f"SELECT * FROM {table}"))


@pytest.mark.parametrize("role", [TENANT_ROLE, SYSTEM_ROLE])
@pytest.mark.parametrize(
    "change", ["UPDATE audit_events SET action = 'x'", "DELETE FROM audit_events", "TRUNCATE audit_events"]
)
def test_nobody_changes_the_audit_log(acme: Company, role: str, change: str) -> None:
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        acting_as(role, acme.scope.tenant_id) as connection,
    ):
        connection.execute(text(change))


@pytest.mark.parametrize(
    "change", ["UPDATE audit_events SET action = 'x'", "DELETE FROM audit_events", "TRUNCATE audit_events"]
)
def test_not_even_the_owner_of_the_tables_changes_the_audit_log(acme: Company, change: str) -> None:
    with pytest.raises(ProgrammingError, match="only added to"), acting_as("none") as connection:
        connection.execute(text(change))


def test_every_session_of_the_portal_acts_as_one_of_the_roles(acme: Company) -> None:
    now_acting = text("SELECT current_user")

    with acting_for(acme.scope):
        assert db.session.connection().execute(now_acting).scalar_one() == TENANT_ROLE
    with across_tenants("a look"):
        assert db.session.connection().execute(now_acting).scalar_one() == SYSTEM_ROLE
    assert db.session.connection().execute(now_acting).scalar_one() == TENANT_ROLE


def test_tables_of_tenants_are_those_that_the_database_has(database: None) -> None:
    with acting_as("none") as connection:
        found = connection.scalars(
            text(
                "SELECT table_name FROM information_schema.columns"
                " WHERE table_schema = 'public' AND column_name = 'tenant_id'"
            )
        )

        assert {*found, "tenants"} == set(OWNED)


def test_every_table_of_a_tenant_has_row_level_security(database: None, subtests: pytest.Subtests) -> None:
    for table in OWNED:
        with subtests.test(table), acting_as("none") as connection:
            is_on = connection.scalar(
                text("SELECT relrowsecurity FROM pg_class WHERE oid = :t ::regclass"), {"t": table}
            )
            policies = connection.execute(
                text("SELECT policyname, cmd, permissive FROM pg_policies WHERE tablename = :t ORDER BY 1"),
                {"t": table},
            )

            assert is_on is True
            assert [tuple(policy) for policy in policies] == [
                ("system", "ALL", "PERMISSIVE"),
                ("tenant", "ALL", "PERMISSIVE"),
            ]


def test_policies_of_tenants_are_planned_for_any_of_them(database: None) -> None:
    with acting_as("none") as connection:
        policies = connection.execute(text("SELECT tablename, qual FROM pg_policies WHERE policyname = 'tenant'"))

        assert {table for table, condition in policies if "( SELECT " in condition} == set(OWNED)


def test_companies_and_units_are_planned_for_as_a_quarter(database: None) -> None:
    columns = {(str(table.name), column.name) for table in Base.metadata.sorted_tables for column in table.c}
    planned = text(
        "SELECT attrelid::regclass::text, attname FROM pg_attribute WHERE attoptions @> ARRAY['n_distinct=4']"
    )
    with acting_as("none") as connection:
        found = {(table, column) for table, column in connection.execute(planned)}

    assert found == {(table, column) for table, column in columns if table in OWNED and column in WHOSE}


@pytest.mark.parametrize("role", [TENANT_ROLE, SYSTEM_ROLE])
def test_roles_can_neither_log_in_nor_pass_a_policy_unseen(database: None, role: str) -> None:
    with acting_as("none") as connection:
        rights = connection.execute(
            text("SELECT rolcanlogin, rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = :role"),
            {"role": role},
        ).one()

    assert not any(rights)


def test_every_reference_between_tables_of_tenants_names_the_tenant(database: None, subtests: pytest.Subtests) -> None:
    for table in OWNED:
        with subtests.test(table):
            loose = {
                (table, *key["constrained_columns"])
                for key in inspect(db.engine).get_foreign_keys(table)
                if key["referred_table"] in set(OWNED) - {"tenants"}
                and ("tenant_id" not in key["constrained_columns"] or "tenant_id" not in key["referred_columns"])
            }

            assert loose <= ONE_PERSON


def test_database_refuses_a_row_that_mixes_tenants(acme: Company, rival: Company) -> None:
    contact_id = make_conversation(rival.scope, rival.unit, phone="12125550001").contact_id
    mixed = Conversation(tenant_id=acme.scope.tenant_id, unit_id=acme.unit.id, contact_id=contact_id)

    with (
        pytest.raises(IntegrityError, match="fk_conversations_tenant_id_contact_id_contacts"),
        across_tenants("even the system may not mix them"),
        atomic(),
    ):
        db.session.add(mixed)
