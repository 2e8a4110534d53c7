"""The database session, transactions, and what every table shares."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, cast
from uuid import UUID

import psycopg
import structlog
from flask_sqlalchemy import SQLAlchemy
from psycopg.errors import DeadlockDetected, LockNotAvailable
from psycopg.pq import ExecStatus, TransactionStatus
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Dialect,
    Engine,
    MetaData,
    Pool,
    Select,
    TableValuedAlias,
    Uuid,
    any_,
    bindparam,
    column,
    event,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError, InterfaceError, InvalidatePoolError, OperationalError, TimeoutError
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeEngine
from uuid_utils.compat import uuid7

from portal.clock import now

log = structlog.get_logger(__name__)

# Names by convention, so that a migration can drop what another one made.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {datetime: DateTime(timezone=True), UUID: Uuid()}


# Time-ordered ids keep inserts at the end of the index and make `ORDER BY id` the order of arrival.
Id = Annotated[UUID, mapped_column(primary_key=True, default=uuid7)]
CreatedAt = Annotated[datetime, mapped_column(default=now, server_default=text("now()"))]
# What was moved from an older database and the portal does not use.
LEGACY = "legacy_"
# A connection that was used within this time is taken to be there still: most of a page's looks follow another.
PROVEN_FOR_S = 1.0
# Of a version 7 UUID's 128 bits, the first 48 are its time.
_BITS_AFTER_TIME = 80

# Rows outlive the commit: what a service returns can be rendered without a second transaction.
db = SQLAlchemy(metadata=Base.metadata, disable_autonaming=True, session_options={"expire_on_commit": False})

# What a caller may answer with "try again later": the database did not take it.
STORAGE_DOWN = (DBAPIError, TimeoutError)
# Of these, not what is wrong with a row: the database is away, busy or ended a deadlock, and takes it later.
DATABASE_AWAY = (OperationalError, InterfaceError, TimeoutError)


def is_held_up(error: BaseException) -> bool:
    """Whether somebody else held what it needed: the database is there, and may well take it the next time."""
    return isinstance(getattr(error, "orig", None), DeadlockDetected | LockNotAvailable)


def wait_at_most(longest: str) -> None:
    """Until the transaction ends, let no statement wait longer for a lock: it fails, as `is_held_up` tells."""
    db.session.execute(select(func.set_config("lock_timeout", longest, True)))


class ReadingConnection(psycopg.Connection[Any]):
    """A connection that still knows its prepared statements when a transaction that went well is rolled back.

    Whatever only reads ends with a rollback here. Elsewhere one may undo the making of a table, so psycopg forgets all
    that it prepared, and the database would plan every statement of every page anew. After an error it does forget: a
    statement may have failed because it was prepared before a table was changed.
    """

    def rollback(self) -> None:
        if self.pgconn.transaction_status == TransactionStatus.INTRANS:
            self.pgconn.exec_(b"ROLLBACK")
        # It does nothing where nothing is left to roll back.
        super().rollback()


@event.listens_for(Engine, "do_connect")
def _connect(dialect: Dialect, record: object, values: Sequence[Any], named: Mapping[str, Any]) -> ReadingConnection:
    return ReadingConnection.connect(*values, **named)


@event.listens_for(Pool, "checkin")
def _note_use(connection: object, record: ConnectionPoolEntry) -> None:
    record.info["used_at"] = time.monotonic()


@event.listens_for(Pool, "checkout")
def _refuse_stale(connection: ReadingConnection, record: ConnectionPoolEntry, proxy: object) -> None:
    """Let the pool make another where the database is not at the other end any more: it may have been started anew."""
    unused_s = time.monotonic() - record.info.get("used_at", time.monotonic())
    if unused_s < PROVEN_FOR_S:
        return
    try:
        is_there = connection.pgconn.exec_(b"").status == ExecStatus.EMPTY_QUERY
    except psycopg.Error:
        is_there = False
    if not is_there:
        raise InvalidatePoolError


# The instant at which a statement is executed, however long ago it was built.
AT_EXECUTION = bindparam("now", callable_=lambda: now(), type_=DateTime(timezone=True))


def among(column: Any, values: Iterable[Any]) -> ColumnElement[bool]:
    """`column = ANY(values)`: one text, and one plan, for any number of values, where `IN` has one for each number."""
    return cast(ColumnElement[bool], column == any_(literal(list(values), ARRAY(column.type))))


def among_told(column: Any, name: str) -> ColumnElement[bool]:
    """`among` of values that are told under this name when the statement is executed."""
    return cast(ColumnElement[bool], column == any_(bindparam(name, type_=ARRAY(column.type))))


def found_once(found: Select[Any]) -> Select[Any]:
    """These rows, as those that an update or a delete is limited to: found once, before it begins.

    A plan may ask a plain sub-select anew for each row. One that passes over what is locked then finds others each
    time, and its limit holds for none of them.
    """
    return select(found.cte().prefix_with("MATERIALIZED"))


def as_table(types: Mapping[str, TypeEngine[Any]], rows: Sequence[Sequence[Any]]) -> TableValuedAlias:
    """These rows as a table within a statement, column by column: one text, and one plan, for any number of them."""
    arrays = [
        literal(list(values), ARRAY(type_))
        for type_, values in zip(types.values(), zip(*rows, strict=True), strict=True)
    ]
    return _table_of(arrays, types)


def told_table(types: Mapping[str, TypeEngine[Any]]) -> TableValuedAlias:
    """`as_table` of what is told when the statement is executed: of a column `at` the list `told_at`."""
    return _table_of([bindparam(f"told_{name}", type_=ARRAY(type_)) for name, type_ in types.items()], types)


def _table_of(arrays: Sequence[ColumnElement[Any]], types: Mapping[str, TypeEngine[Any]]) -> TableValuedAlias:
    columns = [column(name, type_) for name, type_ in types.items()]
    return func.unnest(*arrays).table_valued(*columns, name="told").render_derived()


def first_id_at(at: datetime) -> UUID:
    """The lowest id that a row made at that instant can have: ids begin with the milliseconds since 1970."""
    since_1970_ms = int(at.timestamp() * 1000)
    return UUID(int=max(0, since_1970_ms) << _BITS_AFTER_TIME)


def is_ours(name: str | None, kind: str, parents: Mapping[str, str | None]) -> bool:
    """Whether the schema is compared with what the database has by that name, as Alembic asks it."""
    return not any((part or "").startswith(LEGACY) for part in (name, parents.get("table_name")))


def is_ahead(found: str, known: str) -> bool:
    """Whether newer code migrated the database than this one, whose newest revision is `known`: they are numbers."""
    return found.isdigit() and known.isdigit() and int(found) > int(known)


def forget_plans() -> None:
    """Let the database plan anew what it plans once for a connection, its own checks of foreign keys among that.

    Such a plan was maybe made when a table had few rows, of which any index is good enough. A table that has just
    grown keeps it until it is analyzed, and each of a hundred thousand checks then reads all rows of a tenant.
    """
    db.session.execute(text("DISCARD PLANS"))


def analyze_if_grown(table: type[Base], by: int) -> None:
    """Let the database count a table of which it knows less than a tenth of what this transaction alone has added.

    By itself it counts rows after they are committed, within a minute. Until then it may take for empty what was
    emptied once, and any index for good enough: each look-up, those of foreign keys too, then reads all rows of a
    tenant. Only its owner may analyze a table; where somebody is at it, it is left to them.
    """
    known = text("SELECT reltuples, current_setting('role') FROM pg_class WHERE oid = CAST(:table AS regclass)")
    rows, role = db.session.execute(known, {"table": table.__tablename__}).one()
    if max(rows, 0) * 10 < by:
        db.session.execute(text("SET LOCAL ROLE NONE"))
        db.session.execute(text(f"ANALYZE (SKIP_LOCKED) {table.__tablename__}"))
        db.session.execute(text("SELECT set_config('role', :role, true)"), {"role": role})


@contextmanager
def atomic() -> Iterator[Session]:
    """One transaction around a service call; an inner use joins the outer one."""
    session = db.session()
    if session.info.get("in_atomic"):
        yield session
        return
    session.info["in_atomic"] = True
    try:
        yield session
        session.commit()
    except BaseException:
        session.info.pop("after_commit", None)
        session.rollback()
        raise
    finally:
        session.info.pop("in_atomic", None)
    _run_after_commit(session)


@contextmanager
def attempt() -> Iterator[None]:
    """A savepoint: when what is inside fails, nothing of it is left, what waits for the commit included."""
    session = db.session()
    number = len(session.info.get("after_commit", []))
    try:
        with session.begin_nested():
            yield
    except BaseException:
        del session.info.get("after_commit", [])[number:]
        raise


def on_commit(effect: Callable[[], None]) -> None:
    """Do this once the surrounding `atomic()` is on disk; it is forgotten when that fails."""
    session = db.session()
    if not session.info.get("in_atomic"):
        raise RuntimeError("on_commit needs an atomic() around it")
    session.info.setdefault("after_commit", []).append(effect)


def end_read() -> None:
    """Give the connection back between two looks at a row, so that waiting holds none."""
    session = db.session()
    if session.info.get("in_atomic") or session.new or session.dirty or session.deleted:
        raise RuntimeError("end_read would drop changes")
    session.rollback()
    session.expunge_all()


def _run_after_commit(session: Session) -> None:
    for effect in session.info.pop("after_commit", []):
        try:
            effect()
        except Exception:
            # The rows are committed and the relays poll: a lost effect costs half a second, not the request.
            log.exception("after-commit effect failed")
