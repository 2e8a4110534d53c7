"""A portal to measure: a database of its own, units that may send, messages that wait, and the real worker."""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from flask import Flask

from local.processes import free_port
from local.services import Services
from portal.app import create_app
from portal.config import Config
from portal.db import db
from portal.extensions import parts
from portal.monitor import flusher
from portal.queue import QUEUES

ROOT = Path(__file__).resolve().parent.parent
API_KEY = "a-key-for-measurements-only"
WORKER_START_S = 60
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Usage:
    """CPU seconds and resident memory of processes."""

    cpu_s: float
    memory_mb: float


@dataclass
class Stage:
    """An empty, migrated portal; `gateways` are the addresses of its Evolution servers."""

    app: Flask
    env: dict[str, str]
    gateways: list[str]

    def connect(self) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(self.env["DATABASE_URL"], autocommit=True)

    def run(self, statement: str, *values: object) -> None:
        with self.connect() as connection:
            connection.execute(statement, values)  # type: ignore[arg-type]

    def count(self, statement: str) -> int:
        with self.connect() as connection:
            row = connection.execute(statement).fetchone()  # type: ignore[arg-type]
            return int(str(row[0])) if row else 0

    def states(self) -> dict[str, int]:
        """Status -> messages of the last server."""
        query = (
            "SELECT status, count(*) FROM messages m JOIN lanes l ON l.unit_id = m.unit_id JOIN evolution_servers s"
            " ON s.id = l.evolution_server_id WHERE s.name = %s GROUP BY 1"
        )
        name = f"server-{len(self.gateways) - 1}"
        with self.connect() as connection:
            return {str(row[0]): int(str(row[1])) for row in connection.execute(query, (name,))}

    def fill(self, *, units: int, messages: int, gap_s: float = 0.0) -> None:
        """So many units, shared out over the servers, each with one contact and so many messages that wait.

        With a gap every chat is a cold one, and the lanes leave that time between two messages.
        """
        with self.app.app_context():
            keys = [parts.vault.encrypt(API_KEY) for _ in self.gateways]
        with self.connect() as connection:
            connection.execute("INSERT INTO tenants (id, name, slug) VALUES (gen_random_uuid(), 'Bench', 'bench')")
            for number, (url, key) in enumerate(zip(self.gateways, keys, strict=True)):
                connection.execute(
                    "INSERT INTO evolution_servers (id, name, url, api_key_encrypted, is_default, capacity, version,"
                    " version_read_at) VALUES (gen_random_uuid(), %s, %s, %s, %s, 10000, '2.3.6', now())",
                    ("default" if number == 0 else f"server-{number}", url, key, number == 0),
                )
            for statement in FILL:
                connection.execute(statement, {"units": units, "messages": messages, "gap_s": gap_s})  # type: ignore[arg-type]
            connection.execute("ANALYZE")

    def start_worker(self, folder: Path) -> "subprocess.Popen[bytes]":
        """The portal's worker; when each send began is noted in the folder's `starts`."""
        env = {**self.env, "BENCH_STARTS": str(folder / "starts")}
        with (folder / "worker.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "bench.worker"], env=env, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT
            )

    def wait_for_worker(self) -> None:
        """Until each of its processes has said that it is there."""
        until = time.monotonic() + WORKER_START_S
        while self.count("SELECT count(*) FROM relays") < len(QUEUES):
            if time.monotonic() > until:
                raise RuntimeError("the worker does not start; see its log")
            time.sleep(0.1)


FILL = (
    "INSERT INTO units (id, tenant_id, name, slug) SELECT gen_random_uuid(), t.id, 'Unit ' || n, 'unit-' || n"
    " FROM tenants t, generate_series(1, %(units)s) n",
    "INSERT INTO unit_whatsapp_connections (id, tenant_id, unit_id, evolution_server_id, instance_name,"
    " instance_made_at, status, status_reason, connected_at)"
    " SELECT gen_random_uuid(), u.tenant_id, u.id, s.id, 'unit_' || u.id, now(),"
    " 'connected', 'scan_completed', now() FROM (SELECT *, row_number() OVER (ORDER BY id) - 1 AS n FROM units) u"
    " JOIN (SELECT id, row_number() OVER (ORDER BY name) - 1 AS n, count(*) OVER () AS many FROM evolution_servers) s"
    " ON u.n %% s.many = s.n",
    "INSERT INTO lanes (unit_id, tenant_id, evolution_server_id, is_open, has_work, cold_gap_s)"
    " SELECT unit_id, tenant_id, evolution_server_id, false, true, %(gap_s)s FROM unit_whatsapp_connections",
    "INSERT INTO contacts (id, tenant_id, phone, whatsapp_number) SELECT gen_random_uuid(), tenant_id, phone, phone"
    " FROM (SELECT tenant_id, '55119' || lpad((10000000 + row_number() OVER ())::text, 8, '0') AS phone FROM units) p",
    "INSERT INTO conversations (id, tenant_id, unit_id, contact_id) SELECT gen_random_uuid(), u.tenant_id, u.id, c.id"
    " FROM (SELECT *, row_number() OVER (ORDER BY id) n FROM units) u"
    " JOIN (SELECT *, row_number() OVER (ORDER BY id) n FROM contacts) c ON c.n = u.n",
    "INSERT INTO messages (id, tenant_id, unit_id, conversation_id, direction, kind, body, status, source, occurred_at,"
    " proposed_id, is_cold, expires_at) SELECT gen_random_uuid(), c.tenant_id, c.unit_id, c.id, 'outbound', 'text',"
    " c.unit_id || ' ' || n, 'queued', 'api', now(), '3EB0' || upper(substr(md5(c.id::text || n), 1, 18)),"
    " %(gap_s)s > 0, now() + interval '1 day' FROM generate_series(1, %(messages)s) n, conversations c",
)


@contextmanager
def open_stage(*, gateways: Sequence[Sequence[str]] = ((),)) -> Iterator[tuple[Stage, Path]]:
    """Servers of this machine when DATABASE_URL and REDIS_URL name them, else embedded ones; a gateway per entry, the
    entry being its flags. Several may be open at once."""
    with ExitStack() as ending:
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="portal-bench-")))
        folder.chmod(0o755)
        services = ending.enter_context(Services(folder / "instance"))
        name = f"portal_bench_{time.time_ns()}"
        ending.callback(services.drop_database, name)
        database_url = services.create_database(name)
        urls = [_start_gateway(ending, flags) for flags in gateways]
        env = {
            **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")},
            "DATABASE_URL": database_url,
            "REDIS_URL": services.redis_url,
            "SECRET_KEY": "a-secret-for-measurements-only-of-32-characters",
            "BASE_URL": "http://127.0.0.1:1",
            "EVOLUTION_API_URL": urls[0] if urls else "http://127.0.0.1:1",
            "EVOLUTION_API_KEY": API_KEY,
            "PORTAL_ENV": "development",
            "LOG_LEVEL": "WARNING",
        }
        app = create_app(Config.load(env))
        migrated = app.test_cli_runner().invoke(args=["db", "upgrade"])
        if migrated.exit_code:
            raise RuntimeError(migrated.output)
        yield Stage(app, env, urls), folder
        # What counted the requests to this app would miss its database.
        flusher.finish()
        with app.app_context():
            db.engine.dispose()


def _start_gateway(ending: ExitStack, flags: Sequence[str]) -> str:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "bench.gateway", f"--port={port}", *flags], cwd=ROOT)
    ending.callback(process.wait)
    ending.callback(process.terminate)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 10
    while True:
        try:
            report(url)
            return url
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def report(url: str) -> list[tuple[str, str, float]]:
    """(instance, text, when it came) of all sends since the last report."""
    with urllib.request.urlopen(f"{url}/report", timeout=30) as answer:
        return [tuple(note) for note in json.load(answer)]


def memory_mb(pid: int) -> dict[int, float]:
    """What a process and each of its children take for themselves, and of what they share their part (PSS)."""
    return {one: _proportional_kb(one) / 1024 for one in (pid, *children(pid))}


def _proportional_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def usage(pid: int) -> dict[str, Usage]:
    """Of a process and its children, by what they are: the supervisor and one process per queue."""
    pids = [pid, *children(pid)]
    return {f"{'worker' if one == pid else 'child'} {one}": _usage_of(one) for one in pids}


def children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in listed]


def _usage_of(pid: int) -> Usage:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    memory_kb = next(
        int(line.split()[1])
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmRSS")
    )
    return Usage((int(fields[11]) + int(fields[12])) / TICKS, memory_kb / 1024)
