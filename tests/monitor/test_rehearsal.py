"""The rehearsal of a restore: a copy is the same, whatever is not is told, and nothing else is touched."""

import shlex
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg
import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select

from local.services import Services
from portal.app import create_app
from portal.db import db
from portal.extensions import init_parts
from portal.models import Evidence, EvidenceItem
from portal.monitor import rehearsal
from portal.tenancy import across_tenants
from tests.companies import make_company
from tests.conftest import make_config

PASSWORD = "a-password-that-nobody-may-see"


@pytest.fixture(scope="module")
def portal(app: Flask, services: Services, schema: str, worker_name: str, client_programs: None) -> Iterator[Flask]:
    """The portal on a database of its own, with a company in it."""
    name = f"portal_rehearsed_{worker_name}"
    services.drop_database(name)
    portal = create_app(make_config(services.create_database(name, template=schema), services.redis_url))
    with portal.app_context():
        make_company("acme")
        db.session.remove()
    yield portal
    with portal.app_context():
        db.engine.dispose()
    services.drop_database(name)
    # The parts are one per process: give the other tests theirs back.
    init_parts(app, make_config(app.config["SQLALCHEMY_DATABASE_URI"], services.redis_url))


@pytest.fixture
def empty(services: Services, worker_name: str) -> Iterator[str]:
    name = f"portal_restored_{worker_name}"
    services.drop_database(name)
    yield services.create_database(name)
    services.drop_database(name)


@pytest.fixture
def rehearse(portal: Flask) -> Callable[[str], Result]:
    def run(into: str) -> Result:
        # Inside another app's context the command would work on that one's database.
        with portal.app_context():
            done = portal.test_cli_runner().invoke(args=["golive", "rehearse-restore", "--into", into])
            db.session.remove()
        return done

    return run


def last_evidence(portal: Flask) -> Evidence | None:
    with portal.app_context(), across_tenants("a test looks"):
        newest = select(Evidence).where(Evidence.item == EvidenceItem.RESTORE).order_by(Evidence.id.desc())
        return db.session.scalars(newest).first()


def run_in(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


def break_restore(patch: pytest.MonkeyPatch, statement: str) -> None:
    """Let something happen to the copy that no program reports."""
    restore = rehearsal._restore

    def restore_and_break(program: str, env: dict[str, str], file: Path) -> float:
        took_s = restore(program, env, file)
        subprocess.run(
            ["psql", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--command", statement],
            env=env,
            check=True,
            capture_output=True,
        )
        return took_s

    patch.setattr(rehearsal, "_restore", restore_and_break)


def test_copy_is_the_same_and_that_is_kept_as_evidence(
    portal: Flask, rehearse: Callable[[str], Result], empty: str
) -> None:
    done = rehearse(empty)

    assert done.exit_code == 0, done.output
    assert "secrets can be read" in done.stdout
    kept = last_evidence(portal)
    assert kept is not None
    assert kept.is_ok
    assert kept.record is not None
    assert kept.record["rows"]["messages"] > 0
    with psycopg.connect(empty) as connection:
        (copied,) = connection.execute("SELECT count(*) FROM messages").fetchone() or (None,)
    assert copied == kept.record["rows"]["messages"]


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("INSERT INTO metric_totals VALUES ('http_requests', 1)", "metric_totals: 1 instead of 0"),
        ("DROP TABLE metric_minutes", "metric_minutes: none instead of 0"),
        ("UPDATE alembic_version SET version_num = '0001'", "it is at migration 0001, not "),
        ("DROP INDEX ix_releases_registered_at", "indexes: "),
        ("DROP TRIGGER note_received ON messages", "triggers: "),
        ("DROP POLICY tenant ON messages", "policies: "),
        (
            "UPDATE evolution_servers SET api_key_encrypted = 'lost'",
            "evolution_servers.api_key_encrypted: 1 cannot be read",
        ),
    ],
    ids=["a row", "a table", "the migration", "an index", "a trigger", "a policy", "a secret"],
)
def test_difference_is_told_and_the_command_fails(
    portal: Flask,
    rehearse: Callable[[str], Result],
    empty: str,
    monkeypatch: pytest.MonkeyPatch,
    statement: str,
    told: str,
) -> None:
    break_restore(monkeypatch, statement)

    done = rehearse(empty)

    assert f"FAIL  {told}" in done.stdout
    assert "What was restored is not what was dumped." in done.stderr
    assert done.exit_code == 1
    kept = last_evidence(portal)
    assert kept is not None
    assert not kept.is_ok


def test_database_that_holds_anything_is_refused(rehearse: Callable[[str], Result], empty: str) -> None:
    run_in(empty, "CREATE TABLE precious (id int)")

    done = rehearse(empty)

    assert done.exit_code == 1
    assert "this database is not empty: it has 1 tables, views or sequences" in done.stderr


def test_own_database_is_refused(portal: Flask, rehearse: Callable[[str], Result]) -> None:
    own = str(portal.config["SQLALCHEMY_DATABASE_URI"]).replace("+psycopg", "")

    done = rehearse(own)

    assert "this is the portal's own database" in done.stderr
    assert done.exit_code == 1


def test_database_that_does_not_answer_is_named_without_its_address(rehearse: Callable[[str], Result]) -> None:
    done = rehearse(f"postgresql://portal:{PASSWORD}@127.0.0.1:1/nowhere")

    assert "into: the database does not answer (OperationalError)" in done.stderr
    assert PASSWORD not in done.output + done.stderr


def test_database_behind_a_pooler_that_takes_no_options_is_reached(
    rehearse: Callable[[str], Result], empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = psycopg.connect

    def refuse_options(url: str, **how: object) -> psycopg.Connection:
        if "options" in how:
            raise psycopg.OperationalError("unsupported startup parameter: options")
        return connect(url, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(rehearsal.psycopg, "connect", refuse_options)

    assert rehearse(empty).exit_code == 0


def test_name_of_a_database_is_not_taken_for_an_address(
    rehearse: Callable[[str], Result], services: Services, worker_name: str
) -> None:
    name = f"portal://restored={worker_name}"
    services.drop_database(name)
    services.create_database(name)
    try:
        done = rehearse(urlsplit(services.database_url)._replace(path=f"/{quote(name, safe='')}").geturl())
    finally:
        services.drop_database(name)

    assert done.exit_code == 0, done.stderr


def test_only_the_schema_in_the_target_has_to_be_empty(rehearse: Callable[[str], Result], empty: str) -> None:
    run_in(empty, "CREATE SCHEMA auth CREATE TABLE users (id int)")

    assert rehearse(empty).exit_code == 0


def script(folder: Path, name: str, *lines: str) -> None:
    path = folder / name
    path.write_text("\n".join(("#!/bin/sh", *lines)) + "\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ((), "pg_dump is not installed: install PostgreSQL's client programs, say the package postgresql-client-"),
        (("echo 'pg_dump (PostgreSQL) 9.6'",), "pg_dump is of PostgreSQL 9, the server "),
        (("echo 'pg_dump (PostgreSQL) 99.1'",), "pg_dump is of PostgreSQL 99, into is "),
    ],
    ids=["missing", "too old", "too new"],
)
def test_program_that_will_not_do_is_named_with_what_to_install(
    rehearse: Callable[[str], Result],
    empty: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    lines: tuple[str, ...],
    told: str,
) -> None:
    # So that the newest program is too new, whatever the server of the tests is.
    monkeypatch.setattr(rehearsal, "FIRST_WITH_TIMEOUT", 90)
    if lines:
        script(tmp_path, "pg_dump", *lines)
    monkeypatch.setenv("PATH", str(tmp_path))

    done = rehearse(empty)

    assert told in done.stderr
    assert done.exit_code == 1


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([f"pg_dump: error: password={PASSWORD} is wrong"], "password=[MASKED] is wrong"),
        (
            [
                f'pg_dump: error: COPY into "messages": ERROR:  invalid input syntax for type uuid: "{PASSWORD}"',
                f'CONTEXT:  COPY messages, line 1, column id: "pg_dump: error: {PASSWORD}"',
            ],
            'COPY into "messages": ERROR:  invalid input syntax for type uuid',
        ),
        ([f"DETAIL:  Key (body)=({PASSWORD}) already exists."], "it did not say why"),
        (
            ["pg_dump: error: connection failed: FATAL:  unsupported startup parameter in options: portal.is_system"],
            "a pooler stands in front, which refuses its settings: name the direct address of the database",
        ),
    ],
    ids=["a password", "a text", "a row", "a pooler"],
)
def test_what_a_program_says_when_it_fails_is_told_without_what_nobody_may_see(
    rehearse: Callable[[str], Result],
    empty: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    lines: list[str],
    told: str,
) -> None:
    monkeypatch.setattr(rehearsal, "FIRST_WITH_TIMEOUT", 100)
    script(
        tmp_path,
        "pg_dump",
        '[ "$1" = --version ] && echo "pg_dump (PostgreSQL) 99" && exit',
        *(f"echo {shlex.quote(line)} >&2" for line in lines),
        "exit 1",
    )
    script(tmp_path, "pg_restore", 'echo "pg_restore (PostgreSQL) 99"')
    monkeypatch.setenv("PATH", str(tmp_path))

    done = rehearse(empty)

    assert f"pg_dump failed: {told}\n" in done.stderr
    assert PASSWORD not in done.output + done.stderr


def test_password_reaches_the_programs_by_their_environment_only(
    portal: Flask, services: Services, worker_name: str, empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"portal_typed_{worker_name}"
    run_in(services.database_url, f"DROP ROLE IF EXISTS {name}")
    run_in(services.database_url, f"CREATE ROLE {name} LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
    ran: list[tuple[list[str], dict[str, str]]] = []
    run = subprocess.run

    def noted(words: list[str], **how: object) -> object:
        if "env" in how:
            ran.append((list(map(str, words)), how["env"]))  # type: ignore[arg-type]
        return run(words, **how)  # type: ignore[call-overload]

    monkeypatch.setattr(rehearsal.subprocess, "run", noted)
    address = urlsplit(empty)
    with_password = address._replace(netloc=f"{name}:{PASSWORD}@{address.netloc.rpartition('@')[2]}").geturl()

    try:
        with portal.app_context():
            done = rehearsal.rehearse(with_password)
            db.session.remove()
    finally:
        run_in(empty, f"REASSIGN OWNED BY {name} TO CURRENT_USER")
        run_in(services.database_url, f"DROP ROLE {name}")

    assert done.is_ok
    assert [env["PGPASSWORD"] for _, env in ran][-1] == PASSWORD
    assert [words for words, _ in ran if PASSWORD in " ".join(words)] == []


def test_what_a_host_keeps_in_the_database_is_left_and_rows_under_forced_policies_are_copied(
    app: Flask, services: Services, worker_name: str, client_programs: None
) -> None:
    name = f"portal_owner_{worker_name}"
    services.drop_database(name)
    services.drop_database(f"{name}_copy")
    run_in(services.database_url, f"DROP ROLE IF EXISTS {name}")
    run_in(services.database_url, f"CREATE ROLE {name} LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB")
    urls = [services.create_database(each) for each in (name, f"{name}_copy")]
    for url in urls:
        run_in(url, f"ALTER DATABASE {urlsplit(url).path[1:]} OWNER TO {name}")
    own, copy = (as_user(url, name) for url in urls)
    plain = create_app(make_config(own, services.redis_url))
    try:
        with plain.app_context():
            assert plain.test_cli_runner().invoke(args=["db", "upgrade"]).exit_code == 0
            make_company("acme")
            db.session.remove()
            run_in(urls[0], "CREATE SCHEMA auth CREATE TABLE users (id int)")
            run_in(urls[0], "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC")

            done = rehearsal.rehearse(copy)

            db.session.remove()
            db.engine.dispose()
    finally:
        for database in (name, f"{name}_copy"):
            services.drop_database(database)
        run_in(services.database_url, f"DROP ROLE {name}")
        # The parts are one per process: give the other tests theirs back.
        init_parts(app, make_config(app.config["SQLALCHEMY_DATABASE_URI"], services.redis_url))

    assert done.differences == ()
    assert done.held.rows["messages"] > 0
    assert done.secrets > 0


def as_user(url: str, user: str) -> str:
    address = urlsplit(url)
    return address._replace(netloc=f"{user}@{address.netloc.rpartition('@')[2]}").geturl()
