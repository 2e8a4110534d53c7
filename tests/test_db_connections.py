"""What a connection to the database still knows with its next transaction, and when it is tried before its use."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

import portal.db
from portal.db import db

# As often as psycopg sees a statement before it prepares it, and once more.
OFTEN_ENOUGH = 6
PREPARED = text("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%often%' AND NOT from_sql")
OFTEN = text("SELECT 1 AS often")
OWN_PID = text("SELECT pg_backend_pid()")


@pytest.fixture
def engine(database: None) -> Iterator[Engine]:
    """One connection of its own."""
    engine = create_engine(db.engine.url, pool_size=1, max_overflow=0)
    yield engine
    engine.dispose()


@pytest.fixture
def table(database: None) -> Iterator[str]:
    do("CREATE TABLE changed (number integer)")
    yield "changed"
    do("DROP TABLE changed")


def do(statement: str) -> None:
    """As a deploy does it: by another connection."""
    with db.engine.begin() as connection:
        connection.execute(text(statement))


def read(engine: Engine, statement: str, times: int = 1) -> None:
    """Each time in a transaction of its own, which is rolled back."""
    for _time in range(times):
        with engine.connect() as connection:
            connection.execute(text(statement))


def count_prepared(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(PREPARED) or 0)


def end(engine: Engine, pid: int | None) -> None:
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})


@pytest.mark.commits
def test_statement_that_is_only_read_with_is_prepared_once_and_stays_so(engine: Engine) -> None:
    read(engine, str(OFTEN), times=OFTEN_ENOUGH)

    assert count_prepared(engine) == 1


@pytest.mark.commits
def test_after_an_error_nothing_that_was_prepared_counts_any_more(engine: Engine) -> None:
    read(engine, str(OFTEN), times=OFTEN_ENOUGH)
    with pytest.raises(DBAPIError):
        read(engine, "SELECT 1 / 0")

    assert count_prepared(engine) == 0


@pytest.mark.commits
def test_statement_on_a_table_that_was_changed_since_fails_once_at_most(engine: Engine, table: str) -> None:
    read(engine, f"SELECT number FROM {table}", times=OFTEN_ENOUGH)
    do(f"ALTER TABLE {table} ALTER COLUMN number TYPE text")
    with pytest.raises(DBAPIError, match="cached plan must not change result type"):
        read(engine, f"SELECT number FROM {table}")

    read(engine, f"SELECT number FROM {table}")


@pytest.mark.commits
def test_stale_connection_is_replaced_before_its_use(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portal.db, "PROVEN_FOR_S", 0.0)
    with engine.connect() as connection:
        first = connection.scalar(OWN_PID)
    end(db.engine, first)

    with engine.connect() as connection:
        second = connection.scalar(OWN_PID)

    assert second != first


@pytest.mark.commits
def test_connection_that_was_used_a_moment_ago_is_not_tried_again(engine: Engine) -> None:
    with engine.connect() as connection:
        first = connection.scalar(OWN_PID)
    end(db.engine, first)

    with pytest.raises(OperationalError), engine.connect() as connection:
        connection.scalar(OWN_PID)
