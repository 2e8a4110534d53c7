"""Several programs in one terminal: started together, told apart by colour, ended together."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import IO, Self

from local.processes import LocalError, kill_group, start

COLOURS = {"setup": 35, "web": 36, "worker": 33, "evolution": 32}
STOP_S = 25
LOOK_S = 0.1


class StopRequests:
    """The first SIGINT, SIGTERM or SIGHUP interrupts what is going on; a later one makes the ending hurry."""

    def __init__(self) -> None:
        self.is_ending = False
        self.is_urgent = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._take)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self.is_ending:
            self.is_urgent = True
            return
        self.is_ending = True
        raise KeyboardInterrupt


@dataclass(frozen=True)
class Child:
    name: str
    process: subprocess.Popen[bytes]
    reader: threading.Thread


class Supervisor:
    """Starts programs and shows what they say; the end of the `with` block ends them all."""

    def __init__(self, stops: StopRequests) -> None:
        self._stops = stops
        self._children: list[Child] = []
        self._terminal = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stops.is_ending = True
        self._stop_all()

    def start(self, name: str, command: Sequence[str], env: Mapping[str, str]) -> Child:
        """Start a program and show its lines under its name."""
        process = start(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert process.stdout is not None
        reader = threading.Thread(target=self._show, args=(name, process.stdout), daemon=True)
        reader.start()
        child = Child(name, process, reader)
        self._children.append(child)
        return child

    def finish(self, name: str, command: Sequence[str], env: Mapping[str, str]) -> None:
        """Run a program to its end. Raises LocalError when it fails."""
        child = self.start(name, command, env)
        while child.process.poll() is None:
            self.require_all(but=child)
            time.sleep(LOOK_S)
        self._children.remove(child)
        child.reader.join(1)
        if child.process.returncode != 0:
            raise LocalError(f"{name} failed with exit code {child.process.returncode}.")

    def require_all(self, *, but: Child | None = None) -> None:
        """Raise LocalError naming the first program that has ended."""
        for child in self._children:
            if child is not but and child.process.poll() is not None:
                child.reader.join(1)
                raise LocalError(f"{child.name} ended with exit code {child.process.returncode}: stopping everything.")

    def say(self, name: str, line: str) -> None:
        with self._terminal:
            print(f"{_prefix(name)} {line}", flush=True)

    def _show(self, name: str, lines: IO[bytes]) -> None:
        for line in lines:
            self.say(name, line.decode(errors="replace").rstrip())

    def _stop_all(self) -> None:
        """End the first one last: the others may still call it."""
        deadline = time.monotonic() + STOP_S
        self._stop(self._children[1:], deadline)
        self._stop(self._children[:1], deadline)
        self._children.clear()

    def _stop(self, children: Sequence[Child], deadline: float) -> None:
        for child in children:
            if child.process.poll() is None:
                child.process.terminate()
        while any(child.process.poll() is None for child in children):
            if self._stops.is_urgent or time.monotonic() > deadline:
                break
            time.sleep(LOOK_S)
        for child in children:
            kill_group(child.process)
            child.reader.join(1)


def _prefix(name: str) -> str:
    label = f"[{name}]".ljust(11)
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return label
    return f"\033[{COLOURS.get(name, 37)}m{label}\033[0m"
