"""A rehearsal of the worst day: the database is dumped, restored into an empty one, and compared.

PostgreSQL's own programs do it, as on that day. Passwords reach them by their environment only.
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
from psycopg.conninfo import conninfo_to_dict

from portal.errors import Conflict, Invalid
from portal.extensions import parts
from portal.logs import mask
from portal.monitor import restored
from portal.monitor.restored import Holding
from portal.tenancy import SYSTEM_ROLE, TENANT_ROLE

CONNECT_TIMEOUT_S = 10
INSTALL = "install PostgreSQL's client programs, say the package postgresql-client-{major}"
# What a transaction says where the policies are forced on the owner of the tables (migration 0002).
AS_SYSTEM = "-c portal.is_system=on"
PLACE = "SELECT pg_postmaster_start_time(), (SELECT oid FROM pg_database WHERE datname = current_database())"
# Tables and the like that belong to no extension: hosts put views of theirs into every database.
OWN_RELATIONS = """
    SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
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
        with _connected(target_url, "into") as target:
            _refuse_unfit(source, target)
            dump, restore = _program("pg_dump", source), _program("pg_restore", source)
            _make_roles(target)
            into = _environment(target)
        with tempfile.TemporaryDirectory(prefix="portal-rehearsal-") as folder:
            file = Path(folder) / "portal.dump"
            held, dump_s = _dump(dump, source, file)
            size_bytes = file.stat().st_size
            restore_s = _restore(restore, into, file)
    with _connected(target_url, "into") as target:
        found = restored.look(target)
        secrets, unreadable = restored.read_secrets(target)
    return Rehearsal(held, secrets, size_bytes, dump_s, restore_s, (*held.differences(found), *unreadable))


@contextmanager
def _connected(url: str, name: str) -> Iterator[psycopg.Connection]:
    try:
        options = f"{conninfo_to_dict(url).get('options') or ''} {AS_SYSTEM}".strip()
        connection = psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_S, options=options, autocommit=True)
    except psycopg.Error as e:
        # What the driver says may hold the address.
        raise Invalid({name: f"the database does not answer ({type(e).__name__})"}) from e
    with connection:
        yield connection


def _refuse_unfit(source: psycopg.Connection, target: psycopg.Connection) -> None:
    if source.execute(PLACE).fetchone() == target.execute(PLACE).fetchone():
        raise Invalid({"into": "this is the portal's own database"})
    (relations,) = target.execute(OWN_RELATIONS).fetchone() or (0,)
    if relations:
        raise Invalid({"into": f"this database is not empty: it has {relations} tables, views or sequences"})
    if _major_of(target) < _major_of(source):
        versions = f"is PostgreSQL {_major_of(target)}, the portal's {_major_of(source)}"
        raise Invalid({"into": f"this server {versions}: restore into the same version or a newer one"})


def _program(name: str, source: psycopg.Connection) -> str:
    """Where the program lies. It must not be older than the server, or it refuses to dump it."""
    needed = _major_of(source)
    path = shutil.which(name)
    if path is None:
        raise Conflict(f"{name} is not installed: {INSTALL.format(major=needed)}.")
    told = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    major = int(found[0]) if (found := re.search(r"\d+", told)) else 0
    if major < needed:
        raise Conflict(f"{name} is of PostgreSQL {major}, the server {needed}: {INSTALL.format(major=needed)}.")
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


def _dump(program: str, source: psycopg.Connection, file: Path) -> tuple[Holding, float]:
    """Dump what one transaction sees, and say what that is."""
    source.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    (snapshot,) = source.execute("SELECT pg_export_snapshot()").fetchone() or ("",)
    held = restored.look(source)
    words = ["--format=custom", "--no-owner", "--enable-row-security", f"--snapshot={snapshot}", f"--file={file}"]
    dump_s = _run(program, words, _environment(source))
    source.execute("COMMIT")
    return held, dump_s


def _restore(program: str, env: dict[str, str], file: Path) -> float:
    return _run(program, ["--no-owner", "--exit-on-error", f"--dbname={env['PGDATABASE']}", str(file)], env)


def _run(program: str, words: list[str], env: dict[str, str]) -> float:
    """How many seconds it took. Raises Conflict with the last line that it said when it failed."""
    began_at = time.monotonic()
    done = subprocess.run([program, *words], env=env, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise Conflict(f"{Path(program).name} failed: {mask(said[0])}")
    return time.monotonic() - began_at


def _environment(connection: psycopg.Connection) -> dict[str, str]:
    """What makes a program of PostgreSQL reach the same database, wherever the connection had it from."""
    told = {one.envvar.decode(): one.val.decode() for one in connection.pgconn.info if one.envvar and one.val}
    return {"PATH": os.defpath, "LC_ALL": "C", **told, "PGPASSWORD": connection.info.password}


def _major_of(connection: psycopg.Connection) -> int:
    return connection.info.server_version // 10_000
