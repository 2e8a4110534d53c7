"""A running portal on servers of its own, each of which may fail: two workers, and a proxy before every server."""

import asyncio
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg

from local.people import UNITS
from local.postgres import SOCKET_NAME
from local.services import DATABASE, Prefer, Services
from tests.chaos.conftest import FLAGS
from tests.chaos.proxies import Proxy, Reach, proxying
from tests.chaos.rules import WORKERS
from tests.chaos.scenarios import Fault
from tests.chaos.surroundings import Clock, SmallDisk, jumping_clock, small_disk
from tests.running.stack import Stack, open_stack

# Of a small disk the log must leave most to what is written meanwhile.
SETTINGS = ("min_wal_size = '32MB'", "max_wal_size = '64MB'")


@dataclass(frozen=True)
class Site:
    """`instances`: unit -> its linked instance."""

    stack: Stack
    services: Services
    proxies: dict[Fault, Proxy]
    disk: SmallDisk | None
    clock: Clock | None
    instances: dict[str, str]

    @property
    def impossible(self) -> dict[Fault, str]:
        """What cannot be done on this machine, and why."""
        wanted = {
            Fault.DISK_FULL: (self.disk, "no disk may be mounted"),
            Fault.CLOCK_JUMPED: (self.clock, "libfaketime is not installed"),
        }
        return {fault: why for fault, (found, why) in wanted.items() if found is None}


@contextmanager
def open_site() -> Iterator[Site]:
    with ExitStack() as ending:
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="portal-test-")))
        folder.chmod(0o755)
        disk = ending.enter_context(small_disk(folder / "servers"))
        clock = ending.enter_context(jumping_clock(folder))
        # Durable: what is acknowledged must outlive a crash of the database.
        services = ending.enter_context(Services(folder / "servers", prefer=Prefer.WHEELS))
        make_frugal(services)
        lay = ending.enter_context(proxying())
        proxies: dict[Fault, Proxy] = {}

        def detour(env: Mapping[str, str]) -> Mapping[str, str]:
            if not proxies:
                redis, evolution = urlsplit(env["REDIS_URL"]), urlsplit(env["EVOLUTION_API_URL"])
                proxies[Fault.DATABASE_CUT] = lay(reach_database(services))
                proxies[Fault.REDIS_CUT] = lay(reach_port(redis.port))
                proxies[Fault.EVOLUTION_CUT] = lay(reach_port(evolution.port))
            return detoured(env, proxies, clock)

        stack = ending.enter_context(
            open_stack(services, DATABASE, folder / "instance", flags=FLAGS, workers=WORKERS, detour=detour)
        )
        instances = {unit: stack.link(unit, number=f"55119888800{place}1") for place, unit in enumerate(UNITS)}
        yield Site(stack, services, proxies, disk, clock, instances)


def make_frugal(services: Services) -> None:
    with psycopg.connect(services.database_url, autocommit=True) as connection:
        for setting in SETTINGS:
            connection.execute(f"ALTER SYSTEM SET {setting}")  # type: ignore[arg-type]
        connection.execute("SELECT pg_reload_conf()")


def detoured(env: Mapping[str, str], proxies: Mapping[Fault, Proxy], clock: Clock | None) -> dict[str, str]:
    """The environment of a portal that reaches its servers through the proxies, and has that clock."""
    database, redis = urlsplit(env["DATABASE_URL"]), urlsplit(env["REDIS_URL"])
    hosts = {fault: f"127.0.0.1:{proxy.port}" for fault, proxy in proxies.items()}
    return {
        **env,
        "DATABASE_URL": f"postgresql://{database.username}@{hosts[Fault.DATABASE_CUT]}{database.path}",
        "REDIS_URL": f"redis://:{redis.password}@{hosts[Fault.REDIS_CUT]}{redis.path}",
        "EVOLUTION_API_URL": f"http://{hosts[Fault.EVOLUTION_CUT]}",
        **(clock.env if clock else {}),
    }


def reach_database(services: Services) -> Reach:
    """By its socket, which may lie elsewhere after a restart."""

    def socket_path() -> str:
        (folder,) = parse_qs(urlsplit(services.postgres.url(DATABASE)).query)["host"]
        return f"{folder}/{SOCKET_NAME}"

    return lambda: asyncio.open_unix_connection(socket_path())


def reach_port(port: int | None) -> Reach:
    return lambda: asyncio.open_connection("127.0.0.1", port)
