"""What a worker at an import tells others now and then, and is told by them."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Update

from portal.db import db
from portal.models import Import, ImportState
from portal.tenancy import TenantScope, apart

LOOK_S = 0.5


class Cancelled(Exception):
    """A person wants nothing of it to be done."""


class Interrupted(Exception):
    """This process ends, was taken for dead, or worked on what is so no more: the stage begins anew."""


class Watch:
    """Shows how far the work is and looks whether to go on, about twice a second, beside the long transaction."""

    def __init__(self, scope: TenantScope, import_id: UUID, owner_id: UUID, is_stopping: Callable[[], bool]) -> None:
        self.scope, self.import_id = scope, import_id
        self._owner_id, self._is_stopping = owner_id, is_stopping
        self._total = 1
        self._next_look = 0.0

    def begin(self, total: int) -> None:
        """There are so many bytes to do."""
        self._total = total

    def follow(self, content: Iterable[bytes], *, begin: float = 0.0, end: float = 1.0) -> Iterator[bytes]:
        """Pass the file on; all of it is that share of the work."""
        read = 0
        for chunk in content:
            self.look(begin + (end - begin) * read / self._total)
            yield chunk
            read += len(chunk)

    def look(self, share: float) -> None:
        """Note that this share of the work is done. Raises Cancelled and Interrupted."""
        if self._is_stopping():
            raise Interrupted
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_S
        noted = self._mine().values(done=int(self._total * min(share, 1.0)), total=self._total)
        with apart(self.scope) as session:
            self._go_on(session.execute(noted.returning(Import.cancel_asked_at)).first())

    def settle(self, state: ImportState, **values: Any) -> None:
        """The end of this stage, in the transaction that did it. Raises Cancelled when somebody was faster."""
        end = {"state": state, "relay_id": None, "attempts": 0, "done": self._total, "total": self._total, **values}
        self._go_on(db.session.execute(self._mine().values(end).returning(Import.cancel_asked_at)).first())

    def _mine(self) -> Update:
        this = self.scope.update(Import).where(Import.id == self.import_id, Import.relay_id == self._owner_id)
        # What the session holds of it would be written over it.
        return this.execution_options(synchronize_session=False)

    def _go_on(self, row: Row[Any] | None) -> None:
        if row is None:
            raise Interrupted
        if row.cancel_asked_at is not None:
            raise Cancelled
