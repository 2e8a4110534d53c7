"""Web servers to measure, each a process of its own on a stage's database."""

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from bench.stage import ROOT, Stage, usage
from local.processes import free_port

# As in production, with a line of the log for each request.
PRODUCTION = MappingProxyType({"PORTAL_ENV": "production", "BASE_URL": "https://portal.test", "LOG_LEVEL": "INFO"})
WORKERS, THREADS = 2, 8
NO_SETTINGS: Mapping[str, str] = MappingProxyType({})
START_S = 60


@dataclass(frozen=True)
class Server:
    port: int
    pid: int

    def cpu_s(self) -> float:
        return sum(each.cpu_s for each in usage(self.pid).values())


def start_gunicorn(
    ending: ExitStack,
    stage: Stage,
    app: str,
    *,
    workers: int = WORKERS,
    env: Mapping[str, str] = NO_SETTINGS,
    log: Path | None = None,
) -> Server:
    """With the portal's `gunicorn.conf.py`, whatever the app is; what it says is kept in `log`."""
    kind = ("--worker-class", "gthread", "--threads", str(THREADS))
    return _start_gunicorn(ending, stage, app, kind, workers, env, log)


def start_worker(ending: ExitStack, stage: Stage, *, env: Mapping[str, str], log: Path) -> int:
    """The portal's own worker, as `Procfile` has it; its pid."""
    process = _open(ending, stage, ("portal.worker",), env, log)
    stage.wait_for_worker()
    return process.pid


def start_sync_gunicorn(ending: ExitStack, stage: Stage, app: str, *, env: Mapping[str, str] = NO_SETTINGS) -> Server:
    """One request at a time in each process, and a connection for each request."""
    return _start_gunicorn(ending, stage, app, ("--worker-class", "sync"), WORKERS, env)


def start_granian(ending: ExitStack, stage: Stage, app: str, *, env: Mapping[str, str] = NO_SETTINGS) -> Server:
    port = free_port()
    size = ("--workers", str(WORKERS), "--blocking-threads", str(THREADS))
    flags = ("--interface", "wsgi", "--no-ws", "--host", "127.0.0.1", "--port", str(port), *size)
    return _start(ending, stage, port, ("granian", *flags, app), env)


def _start_gunicorn(
    ending: ExitStack,
    stage: Stage,
    app: str,
    kind: Sequence[str],
    workers: int,
    env: Mapping[str, str],
    log: Path | None = None,
) -> Server:
    port = free_port()
    flags = (*kind, "--workers", str(workers), "--bind", f"127.0.0.1:{port}")
    return _start(ending, stage, port, ("gunicorn", *flags, app), {"WEB_CONCURRENCY": str(workers), **env}, log)


def _start(
    ending: ExitStack,
    stage: Stage,
    port: int,
    command: Sequence[str],
    env: Mapping[str, str],
    log: Path | None = None,
) -> Server:
    process = _open(ending, stage, command, env, log)
    _wait_for(port)
    return Server(port, process.pid)


def _open(
    ending: ExitStack, stage: Stage, command: Sequence[str], env: Mapping[str, str], log: Path | None
) -> "subprocess.Popen[bytes]":
    said = ending.enter_context((log or Path(os.devnull)).open("wb"))
    process = subprocess.Popen(
        [sys.executable, "-m", *command], env={**stage.env, **env}, cwd=ROOT, stdout=said, stderr=subprocess.STDOUT
    )
    ending.callback(process.wait)
    ending.callback(process.terminate)
    return process


def _wait_for(port: int) -> None:
    until = time.monotonic() + START_S
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/health")
            connection.getresponse().read()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
