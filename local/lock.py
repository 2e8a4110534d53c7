"""One run per folder: two would write the same files."""

import fcntl
import os
from pathlib import Path

from local.processes import LocalError, read_pid


class FolderInUse(LocalError):
    """Another process, which is still alive, works in the folder."""


class FolderLock:
    """Held until released or until its process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lock"
        self._file: int | None = None

    def take(self) -> None:
        """Take the folder. Raises FolderInUse with the number of the process that has it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            raise FolderInUse(f"{self._path.parent} is in use by process {read_pid(self._path)}.") from None
        os.truncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
        self._file = file

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
