"""What is counted of the database: how long statements take, and connections that fail."""

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import create_engine, func, select, text
from sqlalchemy.exc import OperationalError, ProgrammingError, TimeoutError

import portal.db
from portal.counters import DATABASE_MS
from portal.db import db
from portal.monitor.database import UNCOUNTED, CountedPool, count_statements
from portal.monitor.percentiles import number_of
from portal.tenancy import across_tenants
from tests.evolution.little_servers import closed_port

Take = Callable[[], dict[str, int]]
ERRORS = "db_connection_errors"


@pytest.fixture(autouse=True)
def _counting() -> None:
    count_statements()
    with across_tenants("a test makes its connection"):
        db.session.connection()


def test_each_statement_is_counted_with_the_time_it_takes(counted: Take) -> None:
    with across_tenants("a test asks"):
        db.session.execute(select(func.pg_sleep(0.06)))
        db.session.execute(select(func.pg_sleep(0)))
        found = counted()

    assert number_of(DATABASE_MS, found) == 2
    assert sum(found.get(DATABASE_MS.bucket(bound), 0) for bound in (75, 100, 200, 500)) == 1
    assert found["db_ms_sum"] >= 60_000


def test_what_begins_a_transaction_is_not_counted(counted: Take) -> None:
    with across_tenants("a test begins a transaction"):
        db.session.connection()

    assert number_of(DATABASE_MS, counted()) == 0


def test_statement_that_says_so_is_not_counted(counted: Take) -> None:
    with across_tenants("a test asks"):
        db.session.execute(select(1).execution_options(**UNCOUNTED))

    assert counted() == {}


def test_database_that_cannot_be_reached_is_a_connection_error(counted: Take) -> None:
    engine = create_engine(f"postgresql+psycopg://nobody@127.0.0.1:{closed_port()}/none")

    with pytest.raises(OperationalError):
        engine.connect()

    assert counted() == {ERRORS: 1}


def test_wrong_statement_is_no_connection_error(counted: Take) -> None:
    with across_tenants("a test asks"), pytest.raises(ProgrammingError):
        db.session.execute(text("SELECT * FROM nothing"))

    assert ERRORS not in counted()


@pytest.mark.commits
def test_connection_that_is_lost_counts_and_one_that_the_pool_finds_stale_does_not(
    counted: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portal.db, "PROVEN_FOR_S", 0.0)
    engine = create_engine(db.engine.url)
    kill = text("SELECT pg_terminate_backend(:pid)")
    with engine.connect() as connection, db.engine.connect() as killer:
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
        killer.execute(kill, {"pid": pid})
        with pytest.raises(OperationalError):
            connection.execute(text("SELECT 1"))
    while_used = counted().get(ERRORS, 0)
    with engine.connect() as connection:
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
    with db.engine.connect() as killer:
        killer.execute(kill, {"pid": pid})
    with engine.connect() as connection:
        answer = connection.scalar(text("SELECT 1"))
    engine.dispose()

    assert (while_used, answer, counted().get(ERRORS, 0)) == (1, 1, 0)


@pytest.mark.commits
def test_pool_without_a_connection_to_give_is_a_connection_error(counted: Take) -> None:
    engine = create_engine(db.engine.url, poolclass=CountedPool, pool_size=1, max_overflow=0, pool_timeout=0.01)

    with engine.connect(), pytest.raises(TimeoutError):
        engine.connect()
    engine.dispose()

    assert counted().get(ERRORS) == 1


def test_portal_takes_its_connections_from_that_pool(app: Flask) -> None:
    assert app.config["SQLALCHEMY_ENGINE_OPTIONS"]["poolclass"] is CountedPool
