"""Where the host denies CREATE ROLE: the policies hold for the owner of the tables, whom they would pass unseen."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import ProgrammingError

from local.services import Services
from portal.app import create_app
from portal.cli.gate import application_of
from portal.db import atomic, db
from portal.extensions import init_parts
from portal.models import Tenant
from portal.monitor import gate
from portal.queries import message_search
from portal.tenancy import UnscopedQuery, across_tenants, acting_for
from tests.companies import Company, make_company
from tests.conftest import make_config
from tests.endpoints import make_endpoint, noted
from tests.factories import make_message
from tests.test_row_level_security import OWNED, TENANTS_MAY_CHANGE


@pytest.fixture(scope="module")
def plain_owner(services: Services, worker_name: str) -> Iterator[str]:
    """The URL of a database whose owner may neither create roles nor act as the portal's."""
    name = f"portal_plain_{worker_name}"
    services.drop_database(name)
    url = services.create_database(name)
    run(url, f"DROP ROLE IF EXISTS {name}")
    run(url, f"CREATE ROLE {name} LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB")
    run(url, f"ALTER DATABASE {name} OWNER TO {name}")
    yield as_user(url, name)
    services.drop_database(name)
    run(services.database_url, f"DROP ROLE {name}")


@pytest.fixture(scope="module")
def plain_portal(plain_owner: str, app: Flask, services: Services) -> Iterator[Flask]:
    """The portal on that database, with two companies in it."""
    plain = create_app(make_config(plain_owner, services.redis_url))
    migrated = plain.test_cli_runner().invoke(args=["db", "upgrade"])
    assert migrated.exit_code == 0, migrated.output
    yield plain
    with plain.app_context():
        db.engine.dispose()
    # The parts are one per process: give the other tests theirs back.
    init_parts(app, make_config(services.database_url, services.redis_url))


@pytest.fixture(scope="module")
def companies(plain_portal: Flask) -> tuple[Company, Company]:
    with plain_portal.app_context():
        return make_company("acme"), make_company("rival")


@pytest.fixture(autouse=True)
def _on_that_database(database: None, plain_portal: Flask) -> Iterator[None]:
    with plain_portal.app_context():
        yield
        db.session.remove()


@pytest.fixture
def acme(companies: tuple[Company, Company]) -> Company:
    return companies[0]


@pytest.fixture
def rival(companies: tuple[Company, Company]) -> Company:
    return companies[1]


def run(url: str, statement: str) -> None:

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[call-overload]


def as_user(url: str, name: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{name}@{host}").geturl()


def owners(table: str) -> set[object]:
    return set(db.session.connection().scalars(text(f"SELECT {OWNED[table]} FROM {table}")))


def test_portal_works_as_the_owner_and_forces_the_policies_on_it(acme: Company) -> None:
    forced = text("SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity")

    with acting_for(acme.scope):
        connection = db.session.connection()

        assert connection.scalar(text("SELECT current_user")).startswith("portal_plain_")
        assert set(connection.scalars(forced)) == set(OWNED)


@pytest.mark.parametrize("table", OWNED)
def test_owner_sees_the_bound_tenants_rows_only(acme: Company, rival: Company, table: str) -> None:
    with acting_for(acme.scope):
        assert owners(table) == {acme.scope.tenant_id}
    with acting_for(rival.scope):
        assert owners(table) == {rival.scope.tenant_id}


@pytest.mark.parametrize("table", OWNED)
def test_owner_sees_nothing_while_nobody_is_bound(acme: Company, table: str) -> None:
    assert owners(table) == set()


@pytest.mark.parametrize("table", OWNED)
def test_system_sees_all(acme: Company, rival: Company, table: str) -> None:
    with across_tenants("a test looks at all"):
        assert owners(table) >= {acme.scope.tenant_id, rival.scope.tenant_id}


@pytest.mark.parametrize("table", TENANTS_MAY_CHANGE)
def test_owner_cannot_give_the_bound_tenants_rows_to_another(acme: Company, rival: Company, table: str) -> None:
    given_away = text(f"UPDATE {table} SET tenant_id = :tenant")

    with acting_for(acme.scope), pytest.raises(ProgrammingError, match="row-level security"):
        db.session.connection().execute(given_away, {"tenant": rival.scope.tenant_id})


@pytest.mark.parametrize("change", ["UPDATE audit_events SET action = 'x'", "DELETE FROM audit_events"])
def test_audit_log_cannot_be_changed(acme: Company, change: str) -> None:
    with across_tenants("a test tries"):
        assert len(owners("audit_events")) > 0
        with pytest.raises(ProgrammingError, match="only added to"):
            db.session.connection().execute(text(change))


def test_what_happens_is_noted_for_the_companys_own_endpoints(acme: Company, rival: Company) -> None:
    ours, theirs = make_endpoint(acme.scope), make_endpoint(rival.scope)

    make_message(acme.scope, acme.conversation)

    assert (noted(ours), noted(theirs)) == ([("message.received", "received")], [])


def test_search_finds_the_bound_tenants_messages_only(acme: Company, rival: Company) -> None:
    for company in (acme, rival):
        make_message(company.scope, company.conversation, body=f"O boleto da {company.slug}")

    with acting_for(acme.scope):
        words = message_search.read_words("boletos")
        assert words is not None
        found = [hit.message.body for hit in message_search.find_messages(acme.scope, words)]

    assert found == ["O boleto da acme"]


def test_session_guard_holds_here_too(acme: Company) -> None:
    with acting_for(acme.scope), pytest.raises(UnscopedQuery):
        db.session.scalars(select(Tenant))


def test_integrator_gets_the_units_of_their_own_company(plain_portal: Flask, acme: Company, rival: Company) -> None:
    answer = plain_portal.test_client().get("/admin/units", headers={"Authorization": f"Bearer {acme.token}"})

    assert [unit["id"] for unit in answer.json] == [str(acme.unit.id)]


def test_migrations_go_down_and_up_again(plain_portal: Flask, acme: Company, rival: Company) -> None:
    runner = plain_portal.test_cli_runner()

    results = [runner.invoke(args=["db", *step]) for step in (["downgrade", "0001"], ["upgrade"], ["check"])]

    assert [result.exit_code for result in results] == [0, 0, 0], results[-1].output
    with acting_for(acme.scope), atomic():
        assert owners("messages") == {acme.scope.tenant_id}


def test_gate_says_that_the_policies_are_forced_and_sees_one_that_is_not(plain_portal: Flask) -> None:
    check = next(check for _, check in gate.checks_of(gate.Stage.RELEASE) if check.name == "row-level security")
    application = application_of(plain_portal)

    assert check.look(application) == (True, f"{len(OWNED)} tables, forced on the owner of the tables")
    with db.engine.begin() as connection:
        connection.execute(text("ALTER TABLE messages NO FORCE ROW LEVEL SECURITY"))
    try:
        assert check.look(application) == (False, "messages is open")
    finally:
        with db.engine.begin() as connection:
            connection.execute(text("ALTER TABLE messages FORCE ROW LEVEL SECURITY"))
