"""Real servers, one schema built by the migrations, and a fresh look at it for every test.

An ordinary test runs in one transaction that is rolled back, its commits included. A test marked `commits` really
commits, for what needs several connections (relays, threads, SKIP LOCKED): its tables are emptied afterwards.
"""

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.engine import Engine
from werkzeug.security import generate_password_hash
from xdist.remote import Producer

from local import postgres
from local.services import Services
from portal import clock, counters
from portal.app import create_app
from portal.config import Config
from portal.db import Base, db
from portal.extensions import parts
from portal.services import accounts, passwords
from tests import groups

SETTINGS = {
    "SECRET_KEY": "a-secret-for-tests-only-of-32-characters-and-more",
    "BASE_URL": "http://portal.test",
    "EVOLUTION_API_URL": "http://evolution.test",
    "EVOLUTION_API_KEY": "a-key-for-tests-only",
    "PORTAL_ENV": "development",
}
# These look at programs from the outside.
OUTSIDE_THE_APP = ("local", "browser", "chaos", "first_day")


quick_hash = partial(generate_password_hash, method="pbkdf2:sha256:1")
NOBODYS_HASH = quick_hash("nobody")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> groups.Grouped | None:
    return groups.Grouped(config, log) if config.option.dist == "loadfile" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        groups.order(items)


@pytest.fixture(scope="session")
def worker_name(request: pytest.FixtureRequest) -> str:
    """Tell the processes of pytest-xdist apart, and two runs on the same server."""
    return f"{getattr(request.config, 'workerinput', {}).get('workerid', 'main')}_{os.getpid()}"


@pytest.fixture(scope="session")
def services(worker_name: str) -> Iterator[Services]:
    """PostgreSQL and Redis: the ones named by TEST_DATABASE_URL and TEST_REDIS_URL, else embedded ones."""
    named = {name: os.environ.get(f"TEST_{name}", "") for name in ("DATABASE_URL", "REDIS_URL")}
    named["REDIS_URL"] = _own_redis(named["REDIS_URL"], worker_name)
    prefer = "any" if all(named.values()) else "wheels"
    # Not pytest's own folder: as root that is closed to the user who runs PostgreSQL.
    with tempfile.TemporaryDirectory(prefix="portal-test-") as folder:
        Path(folder).chmod(0o755)
        with Services(Path(folder) / "instance", prefer=prefer, durable=False, env=named) as services:
            yield services


@pytest.fixture(scope="session")
def schema(services: Services, worker_name: str) -> Iterator[str]:
    """The name of a database that the migrations built and nobody writes to: the template of the others."""
    name = f"portal_test_{worker_name}_schema"
    services.drop_database(name)
    app = create_app(make_config(services.create_database(name), services.redis_url))
    migrated = app.test_cli_runner().invoke(args=["db", "upgrade"])
    assert migrated.exit_code == 0, migrated.output
    # A template may have no connections.
    with app.app_context():
        db.engine.dispose()
    yield name
    services.drop_database(name)


@pytest.fixture(autouse=True)
def _quick_hashes(request: pytest.FixtureRequest) -> Iterator[None]:
    """Making a password's hash takes long, on purpose, and most tests need somebody to sign in."""
    # A patch of its own: what a test patches must be undone before its rows are.
    with pytest.MonkeyPatch.context() as patch:
        if not request.node.get_closest_marker("slow_hashes"):
            patch.setattr(accounts, "generate_password_hash", quick_hash)
            patch.setattr(passwords, "generate_password_hash", quick_hash)
            # What the password of an unknown account is compared with.
            patch.setattr(accounts, "_NOBODYS_HASH", NOBODYS_HASH)
        yield


@pytest.fixture(scope="session")
def app(services: Services, schema: str, worker_name: str) -> Iterator[Flask]:
    """The portal on a database of its own."""
    name = f"portal_test_{worker_name}"
    services.drop_database(name)
    app = create_app(make_config(services.create_database(name, template=schema), services.redis_url))
    app.testing = True
    app.config["WTF_CSRF_ENABLED"] = False
    yield app
    with app.app_context():
        db.engine.dispose()
    services.drop_database(name)


@pytest.fixture(autouse=True)
def _own_clock() -> Iterator[None]:
    """The machine's: a worker that a test plays would leave the process with a clock that nobody sets any more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "_origin", None)
        yield


@pytest.fixture(autouse=True)
def database(request: pytest.FixtureRequest) -> Iterator[None]:
    """Leave the database as it was. Tests of the machine's side, which never ask for the app, go without."""
    if not _touches_portal(request):
        yield
        return
    app = request.getfixturevalue("app")
    with app.app_context():
        guard = _emptied_afterwards if request.node.get_closest_marker("commits") else _rolled_back
        yield from guard()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def redis_server(app: Flask) -> Iterator["redis.Redis"]:
    """The portal's Redis, empty before and after."""
    parts.redis.flushdb()
    yield parts.redis
    parts.redis.flushdb()


@pytest.fixture(scope="module")
def client_programs() -> Iterator[None]:
    """PostgreSQL's own programs: of the embedded server, or first of the PATH where the tests have another server."""
    (wheel,) = postgres._from_wheel()
    folders = [str(wheel.folder), os.environ["PATH"]]
    if os.environ.get("TEST_DATABASE_URL"):
        folders.reverse()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.pathsep.join(folders))
        yield


@pytest.fixture
def counted() -> Callable[[], dict[str, int]]:
    """What this process has counted since the test began, or since it was asked last."""
    counters.take()
    return counters.take


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Note a figure in one line, which the end of the run shows."""
    return lambda line: record_property("measured", line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for status in ("passed", "failed") for report in terminalreporter.getreports(status)]
    lines = [value for report in reports for name, value in report.user_properties if name == "measured"]
    if lines:
        terminalreporter.section("measured")
    for line in dict.fromkeys(lines):
        terminalreporter.write_line(line)


def make_config(database_url: str, redis_url: str, **changes: str) -> Config:
    """The settings of a test portal."""
    return Config.load({**SETTINGS, "DATABASE_URL": database_url, "REDIS_URL": redis_url, **changes})


def _own_redis(url: str, worker_name: str) -> str:
    """Give each process of pytest-xdist a database of its own: tests empty it."""
    number = re.match(r"gw(\d+)", worker_name)
    server, _, database = url.rpartition("/")
    if number is None or not database.isdigit():
        return url
    return f"{server}/{(int(database) + int(number[1])) % 16}"


def _touches_portal(request: pytest.FixtureRequest) -> bool:
    """Whether the test may reach the database: those of the machine's side and of running portals may not."""
    folder = request.path.relative_to(Path(__file__).parent).parts[0]
    return folder not in OUTSIDE_THE_APP or "app" in request.fixturenames


def _rolled_back() -> Iterator[None]:
    with db.engine.connect() as connection:
        outer = connection.begin()
        engine = db.engines[None]
        # The engine is swapped, not the session: every session of the app joins the transaction.
        db.engines[None] = connection  # type: ignore[assignment]
        db.session.configure(join_transaction_mode="create_savepoint")
        yield
        db.session.remove()
        db.engines[None] = engine
        outer.rollback()


def _emptied_afterwards() -> Iterator[None]:
    yield
    db.session.remove()
    _empty(db.engine)


def _empty(engine: Engine) -> None:
    names = [table.name for table in Base.metadata.sorted_tables]
    having_rows = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name})" for name in names)
    with engine.begin() as connection:
        # Past references, and past the trigger that lets the audit log only grow. Quicker than TRUNCATE of all, by far.
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for name in connection.scalars(text(having_rows)).all():
            connection.execute(text(f"DELETE FROM {name}"))
