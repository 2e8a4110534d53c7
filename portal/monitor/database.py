"""How long this process's statements take, and how often it gets no connection, counted as SQLAlchemy tells of it."""

import time
from functools import cache
from typing import Any

from sqlalchemy import Connection, Engine, PoolProxiedConnection, QueuePool, event
from sqlalchemy.engine.interfaces import DBAPICursor, ExceptionContext, ExecutionContext
from sqlalchemy.exc import TimeoutError

from portal import counters
from portal.counters import DATABASE_MS, Counted

# Execution options of a statement that is not counted: what writes the counts down must not make new ones.
UNCOUNTED = {"is_counted": False}
# The parts of a transaction: so quick, and in some so many, that they would hide the other statements.
FRAMES = ("SAVEPOINT ", "RELEASE SAVEPOINT ", "ROLLBACK TO SAVEPOINT ")


class CountedPool(QueuePool):
    """SQLAlchemy's own pool, which counts when it has no connection left to give."""

    def connect(self) -> PoolProxiedConnection:
        try:
            return super().connect()
        except TimeoutError:
            counters.count(Counted.DB_CONNECTION_ERRORS)
            raise


@cache
def count_statements() -> None:
    """Count the statements of this process from now on, and connections that fail; a second call does nothing."""
    event.listen(Engine, "before_cursor_execute", _begin)
    event.listen(Engine, "after_cursor_execute", _end)
    event.listen(Engine, "handle_error", _note_error)


def _begin(
    connection: Connection, cursor: DBAPICursor, statement: str, values: Any, context: ExecutionContext, many: bool
) -> None:
    connection.info["began_at"] = time.perf_counter()


def _end(
    connection: Connection, cursor: DBAPICursor, statement: str, values: Any, context: ExecutionContext, many: bool
) -> None:
    began_at = connection.info.get("began_at")
    # Nothing is known of one that was under way when the counting began.
    if began_at is None or statement.startswith(FRAMES) or not context.execution_options.get("is_counted", True):
        return
    counters.observe(DATABASE_MS, (time.perf_counter() - began_at) * 1000)


def _note_error(context: ExceptionContext) -> None:
    """A connection that was lost, or that could not be made.

    Not one that the pool finds to be stale before it hands it out: it makes another, and nobody notices.
    """
    is_connecting = context.connection is None
    if context.is_disconnect or is_connecting:
        counters.count(Counted.DB_CONNECTION_ERRORS)
