"""What `bench.soak` looks at every few seconds: memory, connections, what waits, errors, times, CPU and tables."""

import time
from collections.abc import Sequence
from pathlib import Path

import psycopg

from bench.rounds import percentile
from bench.soak_load import Interval, Load
from bench.stage import TICKS, Stage, children, memory_mb

TABLES = ("messages", "webhook_events", "conversations", "contacts", "message_changes", "lanes")
COUNTS = {
    "connections": "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    "events waiting": "SELECT count(*) FROM webhook_events WHERE state = 'new'",
    "messages waiting": "SELECT (SELECT count(*) FROM messages WHERE status = 'queued')"
    " + (SELECT count(*) FROM messages WHERE status = 'sending')",
    "failed or in doubt": "SELECT (SELECT count(*) FROM messages WHERE status = 'failed')"
    " + (SELECT count(*) FROM messages WHERE status = 'unconfirmed')",
    "parked events": "SELECT count(*) FROM webhook_events WHERE state = 'parked'",
}
SIZE = "SELECT pg_total_relation_size(%s::regclass) / 1e6"
SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
TROUBLE = (b'"level": "error"', b'"level": "critical"', b"Traceback (most recent call last)")
KEPT_LINES = 5


class Log:
    """How many lines of trouble a program has said, and the first of them."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self.troubles = 0
        self.lines: list[str] = []

    def read_on(self) -> int:
        for line in self._file:
            if any(mark in line for mark in TROUBLE):
                self.troubles += 1
                self.lines += [line.decode(errors="replace").strip()][: KEPT_LINES - len(self.lines)]
        return self.troubles


class CpuClock:
    """CPU seconds of the programs, of the whole database server on this machine, and of the measurement itself."""

    def __init__(self, connection: "psycopg.Connection[tuple[object, ...]]", programs: dict[str, int]) -> None:
        self._programs = programs
        row = connection.execute("SELECT pg_backend_pid()").fetchone()
        assert row is not None
        self._postmaster = _parent(int(str(row[0])))

    def read(self) -> dict[str, float]:
        programs = {**self._programs, "database": self._postmaster}
        used_s = {name: _used_s(pid) + sum(map(_used_s, children(pid))) for name, pid in programs.items()}
        return {**used_s, "measurement": time.process_time()}


class Looks:
    """All samples so far: each curve by its name, and when they were taken."""

    def __init__(self, stage: Stage, load: Load, programs: dict[str, int], logs: Sequence[Log]) -> None:
        self._load, self._programs, self._logs = load, programs, logs
        self._connection = stage.connect()
        self._clock = CpuClock(self._connection, programs)
        self._began_at = self._looked_at = time.monotonic()
        self._cpu_s = self._clock.read()
        self.at_s: list[float] = []
        self.curves: dict[str, list[float]] = {}

    def look(self) -> None:
        sample = {
            **self._memory(),
            **{name: self._number(statement) for name, statement in COUNTS.items()},
            "refused": float(self._load.refused.total()),
            "lines of trouble": float(sum(log.read_on() for log in self._logs)),
            **_times(self._load.take_interval()),
            **self._cpu(),
            **{f"{table}, MB": self._number(SIZE, table) for table in TABLES},
        }
        sample["errors"] = sum(sample[name] for name in ERRORS)
        self.at_s.append(round(self._looked_at - self._began_at, 1))
        for name, value in sample.items():
            self.curves.setdefault(name, []).append(round(value, 3))

    def close(self) -> None:
        self._connection.close()

    def _memory(self) -> dict[str, float]:
        found = {}
        for program, pid in self._programs.items():
            each = list(memory_mb(pid).values())
            found[f"{program}, MB"] = sum(each)
            found |= {f"{program} {place}, MB": used_mb for place, used_mb in enumerate(each)}
        return found

    def _number(self, statement: str, *values: object) -> float:
        row = self._connection.execute(statement, values).fetchone()
        assert row is not None
        return float(str(row[0]))

    def _cpu(self) -> dict[str, float]:
        """Shares of one core since the last look."""
        before, self._cpu_s = self._cpu_s, self._clock.read()
        since, self._looked_at = self._looked_at, time.monotonic()
        return {
            f"{name}, % of a core": (self._cpu_s[name] - before[name]) / (self._looked_at - since) * 100
            for name in before
        }


ERRORS = ("refused", "failed or in doubt", "parked events", "lines of trouble")


def _times(interval: Interval) -> dict[str, float]:
    """Of an interval in which nothing came, nothing: as if it had taken no time."""
    named = {"webhook": interval.webhook_ms, "API call": interval.api_ms, "late": interval.late_ms}
    return {
        f"{name} {which}, ms": percentile(took_ms, share) if took_ms else 0.0
        for name, took_ms in named.items()
        for which, share in SHARES.items()
    }


def _parent(pid: int) -> int:
    return int(_fields(pid)[1])


def _used_s(pid: int) -> float:
    """Its own, and that of its children which have ended. One that has just ended is among its parent's."""
    try:
        return sum(map(int, _fields(pid)[11:15])) / TICKS
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def _fields(pid: int) -> list[str]:
    """Of /proc/<pid>/stat, those behind the name."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
