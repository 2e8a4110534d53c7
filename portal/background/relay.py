"""The background relay: one piece of work after the other, each a row that says what is left to do."""

from collections.abc import Callable
from uuid import UUID

from portal.background import imports, planning
from portal.background.erasures import Erasures
from portal.background.mail import Mails
from portal.background.retention import Retention
from portal.background.tenant_erasures import TenantErasures


class BackgroundRelay:
    """Does what waits, one thing at a time; `is_stopping` ends a long one early, and it begins anew elsewhere."""

    def __init__(self, owner_id: UUID, is_stopping: Callable[[], bool]) -> None:
        self._owner_id = owner_id
        self._is_stopping = is_stopping
        self._mails = Mails()
        self._erasures = Erasures()
        self._tenant_erasures = TenantErasures()
        self._retention = Retention()

    def drain(self) -> float | None:
        """Do one piece of each kind of work; 0.0 when there may be more at once, None when nothing waits."""
        # First of all: a person waits before the page that it fills.
        did = planning.work(self._owner_id, self._is_stopping)
        did = self._mails.work() or did
        did = imports.work(self._owner_id, self._is_stopping) or did
        did = self._erasures.work() or did
        did = self._tenant_erasures.work() or did
        did = self._retention.work() or did
        return 0.0 if did else None
