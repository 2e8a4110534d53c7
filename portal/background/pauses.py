"""What this process found waiting, and when it looks at it again."""

import time
from uuid import UUID


class Pauses:
    """Kept in memory: another process, or this one begun anew, only looks once more than it had to."""

    def __init__(self, pause_s: float) -> None:
        self._pause_s = pause_s
        self._over_at: dict[UUID, float] = {}

    def begin(self, id_: UUID) -> None:
        self._over_at[id_] = time.monotonic() + self._pause_s

    def end(self, id_: UUID) -> None:
        self._over_at.pop(id_, None)

    def is_over(self, id_: UUID) -> bool:
        """Whether to look at it; what was never put off is looked at."""
        if time.monotonic() < self._over_at.get(id_, 0.0):
            return False
        self.end(id_)
        return True
