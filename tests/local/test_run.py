"""`make run`, from the outside."""

import http.client
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from local.instance import Instance
from local.people import PEOPLE
from local.processes import free_port

ROOT = Path(__file__).resolve().parents[2]
SECONDS_TO_START = 90


@dataclass(frozen=True)
class Run:
    """A run of the portal that has printed its box."""

    process: subprocess.Popen[str]
    box: str
    port: int
    folder: Path

    def stop(self, how: signal.Signals) -> str:
        """End it and give what it said since the box."""
        self.process.send_signal(how)
        said, _ = self.process.communicate(timeout=60)
        return said


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="portal-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name) / "instance"


@pytest.fixture
def run(folder: Path) -> Iterator[Run]:
    port = free_port()
    process = start(folder, PORT=str(port))
    yield Run(process, read_box(process), port, folder)
    process.kill()
    process.communicate()


def test_the_box_names_addresses_and_sign_ins_that_work(run: Run) -> None:
    phone = re.search(r"Simulated phone +http://127\.0\.0\.1:(\d+)(/\S+)", run.box)

    assert status_of(run.port, "/login") == 200
    assert phone is not None
    assert status_of(int(phone[1]), phone[2]) == 200
    assert [person.email for person in PEOPLE if token_of(run, person.email) is None] == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["interrupted", "terminated"])
def test_a_stop_leaves_nothing_running_and_is_no_error(run: Run, how: signal.Signals) -> None:
    parts = psutil.Process(run.process.pid).children(recursive=True)

    run.stop(how)

    assert run.process.returncode == 0
    assert len(parts) > 5
    assert [part for part in parts if _is_alive(part)] == []


def test_a_second_run_keeps_the_sign_ins(run: Run) -> None:
    before = Instance(run.folder).known_passwords()

    run.stop(signal.SIGTERM)
    again = start(run.folder, PORT=str(run.port))
    box = read_box(again)
    again.terminate()
    again.communicate(timeout=60)

    assert len(before) == len(PEOPLE)
    assert [password for password in before.values() if password not in box] == []


def test_two_runs_at_a_time_are_refused_with_the_address_of_the_first(run: Run) -> None:
    second = start(run.folder)
    said, _ = second.communicate(timeout=30)

    assert second.returncode == 1
    assert f"already runs at http://127.0.0.1:{run.port}" in said


def test_when_a_part_dies_the_run_names_it_and_ends(run: Run) -> None:
    worker = next(part for part in psutil.Process(run.process.pid).children() if "portal.worker" in part.cmdline())
    parts = psutil.Process(run.process.pid).children(recursive=True)

    worker.kill()
    said, _ = run.process.communicate(timeout=60)

    assert run.process.returncode == 1
    assert "worker ended with exit code -9" in said
    assert [part for part in parts if _is_alive(part)] == []


def test_a_busy_port_is_said_in_one_line(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said, _ = start(folder, PORT=str(port)).communicate(timeout=30)

    assert said.strip() == f"Port {port} (from PORT) is busy: free it or set PORT to another one."


def test_secrets_are_made_once_and_only_their_owner_may_read_them(tmp_path: Path) -> None:
    first = Instance(tmp_path).secret("SECRET_KEY")
    password = Instance(tmp_path).password("admin@example.test")

    assert Instance(tmp_path).secret("SECRET_KEY") == first
    assert Instance(tmp_path).known_passwords() == {"admin@example.test": password}
    assert min(len(first), len(password)) >= 16
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}


def start(folder: Path, **env: str) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    return subprocess.Popen(
        [sys.executable, "-m", "local.run", "--folder", str(folder)],
        cwd=ROOT,
        env={**kept, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def read_box(process: subprocess.Popen[str]) -> str:
    """Read what it says up to the last line of the box."""
    assert process.stdout is not None
    deadline = time.monotonic() + SECONDS_TO_START
    said = ""
    while "Stop with Ctrl-C" not in said:
        line = process.stdout.readline()
        assert line, said
        assert time.monotonic() < deadline, said
        said += line
    return said


def status_of(port: int, path: str) -> int:
    return ask(port, "GET", path)[0]


def token_of(run: Run, email: str) -> str | None:
    """Sign in through the API with the password that the box shows."""
    shown = re.search(rf"{re.escape(email)} +(\S+)", run.box)
    password = shown[1] if shown else ""
    _, body = ask(run.port, "POST", "/admin/login", body=json.dumps({"email": email, "password": password}))
    token: str | None = json.loads(body).get("accessToken")
    return token


def ask(port: int, method: str, path: str, body: str | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, body=body, headers={"Content-Type": "application/json"})
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found


def _is_alive(process: psutil.Process) -> bool:
    """Whether it still does anything: where nobody collects orphans, a dead one stays in the list."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
