"""What the database is asked: for tests that hold how often."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event

from portal.db import db


@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements on tables that run meanwhile."""
    statements: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if re.match(r"\s*(SELECT .*\bFROM\b|UPDATE|INSERT|DELETE)", statement, re.S):
            statements.append(statement)

    engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    yield statements
    event.remove(engine, "before_cursor_execute", note)
