"""Writes down what this process counted, every few seconds and at its end: only a kill loses the last of it.

What cannot be written, since the database is away, is kept and written later, as counts of that later minute. It takes
no more room meanwhile: there are only so many names.
"""

import atexit
import random
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

import structlog
from sqlalchemy import BigInteger, String, TableValuedAlias, func, select
from sqlalchemy.dialects.postgresql import Insert, insert

from portal import counters
from portal.db import as_table, atomic, db
from portal.models import MetricMinute, MetricTotal
from portal.monitor import database
from portal.tenancy import across_tenants

log = structlog.get_logger(__name__)

EVERY_S = 5.0
# Processes that began together do not stay together.
JITTER = 0.2
# How long the end of a process waits for a flush under way.
LAST_S = 5.0

AppContext = Callable[[], AbstractContextManager[object]]

_starting = threading.Lock()
_flusher: "Flusher | None" = None


def start(app_context: AppContext) -> None:
    """Count this process's statements and flush its counts from now on, until it ends; a second call changes nothing.

    A process that was forked after this has to call it for itself.
    """
    global _flusher
    if _flusher is not None and _flusher.is_alive():
        return
    with _starting:
        if _flusher is None or not _flusher.is_alive():
            database.count_statements()
            _flusher = Flusher(app_context)
            _flusher.start()
            atexit.register(finish)


def finish() -> None:
    """Flush what is left at an orderly end. A process that never started has nothing to flush."""
    if _flusher is not None and _flusher.is_alive():
        _flusher.finish()


def flush() -> None:
    """Add what was counted to its minute and to the totals, in one transaction."""
    counts = counters.take()
    if not counts:
        return
    try:
        with across_tenants("counts are of all tenants together"), atomic():
            for statement in (_add_to_minute(counts), _add_to_totals(counts)):
                db.session.execute(statement.execution_options(**database.UNCOUNTED))
    except BaseException:
        counters.give_back(counts)
        raise


class Flusher(threading.Thread):
    """The thread that flushes; daemonic, so that it keeps no process alive."""

    def __init__(self, app_context: AppContext) -> None:
        super().__init__(name="flusher", daemon=True)
        self._app_context = app_context
        self._ending = threading.Event()
        # Whether the last flush failed: of a database that is away for an hour one line is enough.
        self._is_behind = False

    def run(self) -> None:
        while not self._ending.wait(EVERY_S * random.uniform(1 - JITTER, 1 + JITTER)):
            self._flush()

    def finish(self) -> None:
        """End the thread and flush once more; from another one."""
        self._ending.set()
        self.join(LAST_S)
        self._flush()

    def _flush(self) -> None:
        try:
            with self._app_context():
                flush()
        except Exception as e:
            if not self._is_behind:
                log.warning("counts not written yet", error=type(e).__name__)
            self._is_behind = True
        else:
            if self._is_behind:
                log.info("counts written again")
            self._is_behind = False


def _add_to_minute(counts: Mapping[str, int]) -> Insert:
    told = _as_rows(counts)
    this_minute = func.date_trunc("minute", func.now())
    rows = select(this_minute, told.c.name, told.c.count).order_by(told.c.name)
    statement = insert(MetricMinute).from_select(["minute", "name", "count"], rows)
    added = MetricMinute.count + statement.excluded["count"]
    return statement.on_conflict_do_update(index_elements=["minute", "name"], set_={"count": added})


def _add_to_totals(counts: Mapping[str, int]) -> Insert:
    told = _as_rows(counts)
    statement = insert(MetricTotal).from_select(
        ["name", "count"], select(told.c.name, told.c.count).order_by(told.c.name)
    )
    added = MetricTotal.count + statement.excluded["count"]
    return statement.on_conflict_do_update(index_elements=["name"], set_={"count": added})


def _as_rows(counts: Mapping[str, int]) -> TableValuedAlias:
    """Sorted by name: processes that flush at once wait for each other, and never in a circle."""
    return as_table({"name": String(), "count": BigInteger()}, sorted(counts.items()))
