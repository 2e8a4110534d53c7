"""Starting and ending the processes that belong to a run."""

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG in <sys/prctl.h>
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class LocalError(Exception):
    """Something on this machine stands in the way; the message says what and what to do."""


@dataclass(frozen=True)
class Account:
    """An unprivileged user that stands in where a server refuses to run as root."""

    name: str
    uid: int
    gid: int

    @classmethod
    def for_root(cls) -> "Account | None":
        """Find one when we are root; an ordinary user needs none."""
        if os.geteuid() != 0:
            return None
        for name in ("postgres", "nobody", "daemon"):
            try:
                found = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(name, found.pw_uid, found.pw_gid)
        raise LocalError("PostgreSQL does not run as root and no other user was found. Run this as an ordinary user.")

    def can_enter(self, path: Path) -> bool:
        """Ask the system itself: every folder above may bar the way."""
        found = subprocess.run([shutil.which("test") or "test", "-x", str(path)], cwd="/", **identity(self))
        return found.returncode == 0

    def own(self, folder: Path) -> None:
        """Hand over the folder and all in it."""
        for path in (folder, *folder.rglob("*")):
            # The server of a run that was just killed takes its socket away while it ends.
            with contextlib.suppress(FileNotFoundError):
                os.chown(path, self.uid, self.gid, follow_symlinks=False)


def identity(account: Account | None) -> dict[str, Any]:
    """Give the arguments that make `subprocess` run as this account."""
    return {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": []}


def start(
    command: Sequence[str | Path],
    *,
    account: Account | None = None,
    dies_with_us: signal.Signals = signal.SIGTERM,
    **options: Any,
) -> subprocess.Popen[bytes]:
    """Start a child in a process group of its own, which Ctrl-C in the terminal does not reach.

    On Linux the child gets `dies_with_us` when we are killed and cannot end it ourselves.
    """
    options = {"stdin": subprocess.DEVNULL, **identity(account), **options}
    return subprocess.Popen(command, process_group=0, preexec_fn=_bind_to_parent(dies_with_us), **options)


def stop(process: subprocess.Popen[bytes], *, by: signal.Signals = signal.SIGTERM, wait_s: float = 20) -> None:
    """Ask the child to end, insist after the wait, and leave nothing of its group behind."""
    if process.poll() is None:
        process.send_signal(by)
        try:
            process.wait(wait_s)
        except subprocess.TimeoutExpired:
            process.kill()
    kill_group(process)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End what the child has left in its group, the child included."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def stop_leftover(pid: int, *, is_ours: Callable[[psutil.Process], bool], by: signal.Signals) -> None:
    """End the server that an earlier, killed run left behind, unless the number belongs to somebody else by now."""
    try:
        process = psutil.Process(pid)
        if not is_ours(process):
            return
        process.send_signal(by)
        process.wait(20)
    except psutil.TimeoutExpired:
        process.kill()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return


def read_pid(path: Path) -> int | None:
    """The number in the file's first line, or None when there is none."""
    try:
        return int(path.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def is_port_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: connections of a run that just ended do not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _bind_to_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    """The system forgets the request when the user changes: it is made last, right before the program starts."""
    libc = _libc
    if libc is None:
        return None
    return lambda: libc.prctl(SET_DEATH_SIGNAL, int(death_signal))
