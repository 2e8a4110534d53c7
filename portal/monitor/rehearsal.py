"""A rehearsal of the worst day: the database is dumped, restored into an empty one, and compared.

PostgreSQL's own programs do it, as on that day. Passwords reach them by their environment only. Only the schema of the
portal's tables is copied: hosts keep schemas and extensions of theirs in the same database, which nobody else may make.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from portal.errors import Conflict, Invalid
from portal.extensions import parts
from portal.logs import mask
from portal.monitor import restored
from portal.monitor.restored import Holding
from portal.tenancy import SYSTEM_ROLE, TENANT_ROLE

CONNECT_TIMEOUT_S = 10
INSTALL = "install PostgreSQL's client programs, say the package postgresql-client-{major}"
# What a transaction says where the policies are forced on the owner of the tables (migration 0002).
AS_SYSTEM = "SET LOCAL portal.is_system = on"
PROGRAM_AS_SYSTEM = "-c portal.is_system=on"
# What a pooler says to that: `unsupported startup parameter`.
REFUSED_BY_POOLER = "startup parameter"
DIRECT = "a pooler stands in front, which refuses its settings: name the direct address of the database"
# From this version on the programs set `transaction_timeout`, which older servers do not know.
FIRST_WITH_TIMEOUT = 17
SCHEMA = """
    SELECT nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = to_regclass('alembic_version')
"""
# Of the list of a dump: the schema, which is there, and rights to what others will make, which only they may give.
NOT_RESTORED = re.compile(r"^\d+; \d+ \d+ (SCHEMA -|DEFAULT ACL) ")
# A value of a row, as the server quotes it: `invalid input syntax for type uuid: "…"`.
QUOTED_VALUE = re.compile(r':\s+".*')
PLACE = "SELECT pg_postmaster_start_time(), (SELECT oid FROM pg_database WHERE datname = current_database())"
# Tables and the like in that schema that belong to no extension: hosts put views of theirs into every database.
OWN_RELATIONS = """
    SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND n.nspname = %s
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
"""


@dataclass(frozen=True)
class Rehearsal:
    """What came of it. `differences`: in what the restored database is another one, a line each."""

    held: Holding
    secrets: int
    size_bytes: int
    dump_s: float
    restore_s: float
    differences: tuple[str, ...]

    @property
    def is_ok(self) -> bool:
        return not self.differences

    @property
    def detail(self) -> str:
        held = f"{self.held.rows_in_all} rows of {len(self.held.rows)} tables at {self.held.head}"
        took = f"{self.size_bytes / 1024:.0f} KiB, dumped in {self.dump_s:.1f} s, restored in {self.restore_s:.1f} s"
        read = f"{self.secrets} secrets can be read"
        return f"{held}; {took}; " + (read if self.is_ok else f"{len(self.differences)} differences")


def rehearse(target_url: str) -> Rehearsal:
    """Dump the portal's database and restore it into the empty one at that URL, which keeps the copy.

    Raises Invalid for a target that is not empty or is the portal's own, Conflict when a program is missing or fails.
    """
    with _connected(parts.config.database_url.replace("+psycopg", "", 1), "DATABASE_URL") as source:
        schema = _schema_of(source)
        with _connected(target_url, "into") as target:
            _refuse_unfit(source, target, schema)
            dump, restore = (_program(name, source, target) for name in ("pg_dump", "pg_restore"))
            _make_roles(target)
            _make_schema(target, schema)
            into = _environment(target)
        with tempfile.TemporaryDirectory(prefix="portal-rehearsal-") as folder:
            file = Path(folder) / "portal.dump"
            held, dump_s = _dump(dump, source, schema, file)
            size_bytes = file.stat().st_size
            restore_s = _restore(restore, into, file)
    with _connected(target_url, "into") as target, _as_system(target, schema):
        found = restored.look(target)
        secrets, unreadable = restored.read_secrets(target)
    return Rehearsal(held, secrets, size_bytes, dump_s, restore_s, (*held.differences(found), *unreadable))


@contextmanager
def _connected(url: str, name: str) -> Iterator[psycopg.Connection]:
    try:
        connection = psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_S, autocommit=True)
    except psycopg.Error as e:
        # What the driver says may hold the address.
        raise Invalid({name: f"the database does not answer ({type(e).__name__})"}) from e
    with connection:
        yield connection


@contextmanager
def _as_system(connection: psycopg.Connection, schema: str) -> Iterator[None]:
    """A transaction that sees one moment of all rows, by the names of that schema.

    What it sets ends with it: a pooler gives the connection to somebody else then.
    """
    connection.isolation_level, connection.read_only = psycopg.IsolationLevel.REPEATABLE_READ, True
    with connection.transaction():
        connection.execute(AS_SYSTEM)
        connection.execute("SELECT set_config('search_path', quote_ident(%s), true)", [schema])
        yield


def _schema_of(source: psycopg.Connection) -> str:
    found = source.execute(SCHEMA).fetchone()
    if found is None:
        raise Conflict("The database has no tables of the portal: flask db upgrade makes them.")
    return str(found[0])


def _refuse_unfit(source: psycopg.Connection, target: psycopg.Connection, schema: str) -> None:
    if source.execute(PLACE).fetchone() == target.execute(PLACE).fetchone():
        raise Invalid({"into": "this is the portal's own database"})
    (relations,) = target.execute(OWN_RELATIONS, [schema]).fetchone() or (0,)
    if relations:
        raise Invalid({"into": f"this database is not empty: it has {relations} tables, views or sequences"})
    if _major_of(target) < _major_of(source):
        versions = f"is PostgreSQL {_major_of(target)}, the portal's {_major_of(source)}"
        raise Invalid({"into": f"this server {versions}: restore into the same version or a newer one"})


def _program(name: str, source: psycopg.Connection, target: psycopg.Connection) -> str:
    """Where the program lies. It must not be older than the source's server, nor speak what the target's does not."""
    needed = _major_of(source)
    path = shutil.which(name)
    if path is None:
        raise Conflict(f"{name} is not installed: {INSTALL.format(major=needed)}.")
    told = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    major = int(found[0]) if (found := re.search(r"\d+", told)) else 0
    if major < needed:
        raise Conflict(f"{name} is of PostgreSQL {major}, the server {needed}: {INSTALL.format(major=needed)}.")
    if major >= FIRST_WITH_TIMEOUT > _major_of(target):
        versions = f"{name} is of PostgreSQL {major}, into is {_major_of(target)} and does not take what that writes"
        raise Conflict(f"{versions}: {INSTALL.format(major=needed)}, and put it first in PATH.")
    return path


def _make_roles(target: psycopg.Connection) -> None:
    """The policies name the portal's roles, which belong to a server and not to a dump."""
    for role in (TENANT_ROLE, SYSTEM_ROLE):
        name = sql.Identifier(role)
        if target.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone() is not None:
            continue
        try:
            target.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(name))
            target.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(name))
        except psycopg.errors.InsufficientPrivilege:
            # Where the source has none either, the dump names none.
            return


def _make_schema(target: psycopg.Connection, schema: str) -> None:
    if target.execute("SELECT FROM pg_namespace WHERE nspname = %s", [schema]).fetchone() is not None:
        return
    try:
        target.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    except psycopg.errors.InsufficientPrivilege as e:
        raise Invalid({"into": f"it has no schema {schema}, and its user may not make one"}) from e


def _dump(program: str, source: psycopg.Connection, schema: str, file: Path) -> tuple[Holding, float]:
    """Dump what one transaction sees, and say what that is."""
    env = _environment(source)
    env["PGOPTIONS"] = f"{env.get('PGOPTIONS', '')} {PROGRAM_AS_SYSTEM}".strip()
    of_schema = f"--schema={sql.Identifier(schema).as_string(source)}"
    words = ["--format=custom", "--no-owner", "--enable-row-security", of_schema, f"--file={file}"]
    with _as_system(source, schema):
        (snapshot,) = source.execute("SELECT pg_export_snapshot()").fetchone() or ("",)
        held = restored.look(source)
        began_at = time.monotonic()
        _run(program, [*words, f"--snapshot={snapshot}"], env)
        return held, time.monotonic() - began_at


def _restore(program: str, env: dict[str, str], file: Path) -> float:
    began_at = time.monotonic()
    listed = _run(program, ["--list", str(file)], env).splitlines()
    chosen = file.with_suffix(".list")
    chosen.write_text("\n".join(line for line in listed if not NOT_RESTORED.match(line)))
    # By itself the name would be read as an address where it holds `=` or `://`.
    database = make_conninfo(dbname=env["PGDATABASE"])
    words = ["--no-owner", "--exit-on-error", f"--use-list={chosen}", f"--dbname={database}", str(file)]
    _run(program, words, env)
    return time.monotonic() - began_at


def _run(program: str, words: list[str], env: dict[str, str]) -> str:
    """What it wrote. Raises Conflict with the error that it told when it failed."""
    done = subprocess.run([program, *words], env=env, capture_output=True, text=True)
    if done.returncode == 0:
        return done.stdout
    name = Path(program).name
    raise Conflict(f"{name} failed: {DIRECT if REFUSED_BY_POOLER in done.stderr else _error_in(done.stderr, name)}")


def _error_in(said: str, name: str) -> str:
    """Its own line about it: what the server adds, in lines of their own or quoted in this one, may be of a row."""
    errors = [line.partition(" error: ")[2] for line in said.splitlines() if line.startswith(f"{name}: error: ")]
    return mask(QUOTED_VALUE.sub("", errors[0])) if errors else "it did not say why"


def _environment(connection: psycopg.Connection) -> dict[str, str]:
    """What makes a program of PostgreSQL reach the same database, wherever the connection had it from."""
    told = {one.envvar.decode(): one.val.decode() for one in connection.pgconn.info if one.envvar and one.val}
    return {"PATH": os.defpath, "LC_ALL": "C", **told, "PGPASSWORD": connection.info.password}


def _major_of(connection: psycopg.Connection) -> int:
    return connection.info.server_version // 10_000
