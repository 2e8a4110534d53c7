"""What of the machine a running portal is given to fail: a small disk for its database, and a clock that jumps.

Neither can be had everywhere: `None` stands for one that this machine does not let us have.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil

from local import programs

SIZE = "400m"
PIECE = 65_536
CLOCK_LIBRARY = "usr/lib/*/faketime/libfaketimeMT.so.1"
SHIM = Path(__file__).parent / "clock"
# What libfaketime shares in memory outlives a process that is killed.
SHARED = "*faketime_s??_*"


class SmallDisk:
    """A disk in memory, for the database alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Leave no room on it; others write on it meanwhile."""
        zeros = bytes(PIECE)
        with contextlib.suppress(OSError), self._filler.open("wb", buffering=0) as file:
            while file.write(zeros):
                pass

    def clear(self) -> None:
        self._filler.unlink(missing_ok=True)


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk | None]:
    """Mount one there, which only root may, and in a container only one that was let."""
    folder.mkdir(parents=True)
    options = ["-t", "tmpfs", "-o", f"size={SIZE},mode=755", "tmpfs"]
    mounted = subprocess.run(["mount", *options, str(folder)], capture_output=True)
    if mounted.returncode != 0:
        yield None
        return
    try:
        yield SmallDisk(folder)
    finally:
        # A server that was killed may still be on its way out.
        subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)


class Clock:
    """The time of day of those who run with its environment; how long something takes stays true."""

    def __init__(self, library: Path, file: Path) -> None:
        self._file = file
        self.env = {
            "PYTHONPATH": os.pathsep.join((str(SHIM), str(programs.ROOT))),
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # gunicorn tells by the times of files whether its processes live.
            "NO_FAKE_STAT": "1",
        }
        self.jump(0)

    def jump(self, ahead_s: int) -> None:
        """Be so far ahead of the true time, or behind it, within a second."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{ahead_s:+d}\n")
        fresh.replace(self._file)


@contextlib.contextmanager
def jumping_clock(folder: Path) -> Iterator[Clock | None]:
    """A clock that is kept in this folder, where libfaketime is installed."""
    library = next(Path("/").glob(CLOCK_LIBRARY), None)
    if library is None:
        yield None
        return
    yield Clock(library, folder / "clock")
    for path in Path("/dev/shm").glob(SHARED):
        if not psutil.pid_exists(int(path.name.rpartition("_")[2])):
            path.unlink(missing_ok=True)
