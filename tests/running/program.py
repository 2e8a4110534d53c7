"""One program of a running portal: started, killed and started again on its own, with all it says in a file."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from local.processes import kill_group, start, stop
from tests.running.waiting import until

START_S = 60


class Program:
    """Start it from the main thread only: on Linux a child ends with the thread that made it.

    `is_ready` is asked with the instant of the start, in seconds, to tell this run's signs of life from the last one's.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        env: Mapping[str, str],
        *,
        folder: Path,
        is_ready: Callable[[float], object],
    ) -> None:
        self.name = name
        self._command = command
        self._env = env
        self._log = folder / f"{name}.log"
        self._is_ready = is_ready
        self._process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0

    def start(self, *flags: str) -> None:
        """Start it and wait until it answers."""
        self.begin(*flags)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        until(self._lives_and_is_ready, f"answer of {self.name}", within_s=START_S)

    def begin(self, *flags: str) -> None:
        """Start it, whatever may be in its way just now."""
        self.started_at = time.time()
        with self._log.open("ab") as log:
            self._process = start([*self._command, *flags], env=self._env, stdout=log, stderr=subprocess.STDOUT)

    def stop(self) -> None:
        """Ask it to end, and see that it does."""
        if self._process is not None:
            stop(self._process, wait_s=30)
            self._process = None

    def kill(self) -> None:
        """End it and its children at once, as a crash of the machine would."""
        kill_group(self._running)
        self._process = None

    def terminate(self, *, times: int = 1, is_group: bool = False) -> tuple[float, int]:
        """Ask it to end, or it and its children, and give the seconds until it did and its exit code."""
        process, began_at = self._running, time.monotonic()
        for _ in range(times):
            (os.killpg if is_group else os.kill)(process.pid, signal.SIGTERM)
            time.sleep(0.05)
        code = process.wait(60)
        self._process = None
        return time.monotonic() - began_at, code

    @property
    def pid(self) -> int:
        return self._running.pid

    def said(self) -> str:
        """All that it and those before it wrote."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, f"{self.name} does not run"
        return self._process

    def _lives_and_is_ready(self) -> object:
        code = self._running.poll()
        assert code is None, f"{self.name} ended with exit code {code}:\n{self.said()[-3000:]}"
        return self._is_ready(self.started_at)
