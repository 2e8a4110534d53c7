"""On what it was measured: the machine, how busy it was, and the versions of what ran."""

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psycopg
import redis

PACKAGES = ("flask", "gunicorn", "granian", "sqlalchemy", "psycopg", "redis", "rq", "requests")


def describe(database_url: str, redis_url: str) -> dict[str, object]:
    with psycopg.connect(database_url) as connection:
        server_version = connection.info.parameter_status("server_version")
    return {
        "processor": _processor(),
        "processors": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "postgresql": server_version,
        "redis": redis.Redis.from_url(redis_url).info("server")["redis_version"],
        "packages": {name: version(name) for name in PACKAGES},
    }


@dataclass(frozen=True)
class Moment:
    """An instant, and how many processes had wanted a processor in the minute before."""

    at: str
    load: float


def moment() -> Moment:
    return Moment(datetime.now(UTC).isoformat(timespec="seconds"), os.getloadavg()[0])


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
