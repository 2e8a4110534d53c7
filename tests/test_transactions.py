"""How a transaction begins: with whom it is for, in one message to the database; and what is said where it cannot."""

import pytest
from sqlalchemy import create_engine, event, func, select, text
from sqlalchemy.exc import DBAPIError, OperationalError

from portal import tenancy
from portal.db import db
from portal.tenancy import SYSTEM_ROLE, across_tenants

WHY = "a test asks"
ROLE = select(func.current_setting("role"))


def end(pid: int) -> None:
    """As the database's restart does it: from elsewhere."""
    engine = create_engine(db.engine.url)
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid, 2000)"), {"pid": pid})
    engine.dispose()


@pytest.mark.commits
def test_transaction_begins_without_a_statement_of_its_own(database: None) -> None:
    statements: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        statements.append(statement)

    with across_tenants(WHY):
        db.session.scalar(ROLE)
    event.listen(db.engine, "before_cursor_execute", note)
    with across_tenants(WHY):
        role = db.session.scalar(ROLE)
    event.remove(db.engine, "before_cursor_execute", note)

    assert (role, len(statements)) == (SYSTEM_ROLE, 1)


@pytest.mark.commits
def test_connection_that_is_gone_is_an_error_of_the_database_and_the_next_transaction_has_another(
    database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However long the end of the other takes on a busy machine, the pool shall not try the connection before its use.
    monkeypatch.setattr("portal.db.PROVEN_FOR_S", 60.0)
    with across_tenants(WHY):
        pid = db.session.scalar(select(func.pg_backend_pid()))
    end(pid)
    with pytest.raises(OperationalError), across_tenants(WHY):
        db.session.scalar(ROLE)

    with across_tenants(WHY):
        assert db.session.scalar(ROLE) == SYSTEM_ROLE


@pytest.mark.commits
def test_transaction_without_its_role_never_begins(database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenancy, "SYSTEM_ROLE", "somebody_else")

    with pytest.raises(DBAPIError, match='role "somebody_else" does not exist'), across_tenants(WHY):
        db.session.scalar(ROLE)


@pytest.mark.commits
def test_value_is_told_as_it_is_whatever_stands_in_it(database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenancy, "SYSTEM_ROLE", "'; DROP TABLE tenants; --")

    with pytest.raises(DBAPIError, match="does not exist"), across_tenants(WHY):
        db.session.scalar(ROLE)
