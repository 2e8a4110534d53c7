"""Tenants are separated by construction: who may see what is bound to the session, here and in the database.

Three fences (ADR 1): only a scope builds statements on tenant-owned tables, a session guard refuses every
other statement on them, and PostgreSQL's row-level security filters once more by the bound tenant.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast
from uuid import UUID

import psycopg
from psycopg.pq import Escaping, ExecStatus, TransactionStatus
from sqlalchemy import (
    Connection,
    Delete,
    Result,
    Select,
    Update,
    UpdateBase,
    Uuid,
    bindparam,
    delete,
    event,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.orm import ORMExecuteState, Session, SessionTransaction

from portal import statement_tables
from portal.db import Base, ReadingConnection, atomic, db
from portal.errors import NotFound
from portal.owners import owned_by, owned_by_any, owned_sparsely_by
from portal.permissions import ALLOWED_BY_GRANT, Permission, Role, allows

Model = TypeVar("Model", bound=Base)
TENANT_ROLE = "portal_tenant"
SYSTEM_ROLE = "portal_system"
# Of pages in memory or on SSD, beside one in a row; PostgreSQL's own 4, meant for disks that turn, reads whole tables.
RANDOM_PAGE_COST = "1.1"


class UnscopedQuery(Exception):
    """A statement on tenant-owned tables that no scope built, or that a scope of another tenant built."""


@dataclass(frozen=True)
class TokenUse:
    """A company's API token, which acts here instead of a person. A test token's messages reach nobody."""

    id: UUID
    permissions: frozenset[Permission]
    is_test: bool = False


def may(role: Role, token: TokenUse | None, permission: Permission) -> bool:
    """Whether a token may by its scopes, or a person by their role."""
    return permission in token.permissions if token else allows(role, permission)


@dataclass(frozen=True)
class TenantScope:
    """What one person, or a worker on behalf of one tenant, may see: the tenant, and maybe only some units."""

    tenant_id: UUID
    user_id: UUID | None = None
    role: Role = Role.TENANT_ADMIN
    unit_ids: frozenset[UUID] | None = None
    address: str | None = None
    token: TokenUse | None = None
    # The tenant lets the portal's operators read its messages for now.
    is_granted: bool = False

    def allows(self, permission: Permission) -> bool:
        return may(self.role, self.token, permission) or self.is_granted and permission in ALLOWED_BY_GRANT

    @property
    def is_test(self) -> bool:
        """Whether what is done here only rehearses."""
        return self.token is not None and self.token.is_test

    def select(self, model: type[Base], *columns: Any) -> Select[Any]:
        """Select the tenant's rows of the model, or these columns of them."""
        statement = select(*(columns or (model,))).where(*self._limits(model))
        return statement.execution_options(tenant_scoped=self.tenant_id)

    def along_ids(self, model: type[Base], *columns: Any) -> Select[Any]:
        """The same, for what goes along the ids of a large table: the newest of the tenant's rows, or all since one."""
        return self.select(model, *columns).where(owned_sparsely_by(_column(model, "tenant_id"), self._owner))

    def update(self, model: type[Base]) -> Update:
        return update(model).where(*self._limits(model)).execution_options(tenant_scoped=self.tenant_id)

    def delete(self, model: type[Base]) -> Delete:
        return delete(model).where(*self._limits(model)).execution_options(tenant_scoped=self.tenant_id)

    def insert(self, model: type[Base], rows: Iterable[Mapping[str, Any]]) -> Insert:
        """Insert these rows, stamped with the tenant."""
        stamped = [{**row, "tenant_id": self.tenant_id} for row in rows]
        # Of several rows SQLAlchemy writes the statement anew each time.
        values = stamped[0] if len(stamped) == 1 else stamped
        return insert(model).values(values).execution_options(tenant_scoped=self.tenant_id)

    def insert_one(self, model: type[Base]) -> Insert:
        """For a form: insert the row whose columns `execute` is given, stamped with the tenant."""
        # Not in bulk, which returns nothing.
        one = {"tenant_scoped": self.tenant_id, "dml_strategy": "orm"}
        return insert(model).values(tenant_id=self._owner).execution_options(**one)

    def insert_missing(self, model: type[Base], rows: Iterable[Mapping[str, Any]]) -> None:
        """Insert those of the rows that are not there yet, however many: one statement whose text never changes."""
        stamped = [{**row, "tenant_id": self.tenant_id} for row in rows]
        if stamped:
            statement = insert(model).on_conflict_do_nothing().execution_options(tenant_scoped=self.tenant_id)
            db.session.execute(statement, stamped)

    def insert_found(self, model: type[Base], columns: Sequence[str], found: Select[Any]) -> Insert:
        """Insert what this scope's select finds, its columns in that order, stamped with the tenant."""
        stamped = found.add_columns(literal(self.tenant_id))
        statement = insert(model).from_select([*columns, "tenant_id"], stamped)
        return statement.execution_options(tenant_scoped=self.tenant_id)

    def get(self, model: type[Model], id_: UUID) -> Model:
        """The row with that id. Raises NotFound: another tenant's row does not exist for this scope."""
        row: Model | None = db.session.scalar(self.select(model).where(_column(model, "id") == id_))
        if row is None:
            raise NotFound(f"no such {model.__name__.lower()}")
        return row

    def add(self, row: Model) -> Model:
        """Stamp the row with the tenant and add it to the session."""
        row.tenant_id = self.tenant_id  # type: ignore[attr-defined]
        db.session.add(row)
        return row

    def execute(self, form: "Form", **values: Any) -> Result[*tuple[Any, ...]]:
        """Fill in the form with this scope and these values, and execute it."""
        statement = form.statement(is_limited=self.unit_ids is not None)
        # Told beside the statement: to a copy of it SQLAlchemy would look at each of its parts anew.
        whose = {"tenant_scoped": self.tenant_id}
        return db.session.execute(statement, {**values, **self._own_values}, execution_options=whose)

    @property
    def _own_values(self) -> dict[str, Any]:
        """What a form leaves open, by the names that `_StandIn` gave it."""
        units = {} if self.unit_ids is None else {"scope_unit_ids": sorted(self.unit_ids)}
        return {"scope_tenant_id": self.tenant_id, "scope_user_id": self.user_id, **units}

    def _limits(self, model: type[Base]) -> list[Any]:
        owner_column = "id" if model.__tablename__ == "tenants" else "tenant_id"
        limits = [owned_by(_column(model, owner_column), self._owner)]
        unit_column = "id" if model.__tablename__ == "units" else "unit_id"
        if self.unit_ids is not None and hasattr(model, unit_column):
            limits.append(owned_by_any(_column(model, unit_column), self._units))
        return limits

    @property
    def _owner(self) -> Any:
        return self.tenant_id

    @property
    def _units(self) -> Any:
        return sorted(self.unit_ids or ())


class _StandIn(TenantScope):
    """Whoever will execute a form: what it builds leaves their tenant and units open, and nobody may execute that."""

    @property
    def _owner(self) -> Any:
        return bindparam("scope_tenant_id", type_=Uuid())

    @property
    def _units(self) -> Any:
        return bindparam("scope_unit_ids")


# The id of no tenant: what is not filled in by a scope, the session guard refuses.
_NO_TENANT = UUID(int=0)


class Form:
    """A statement that is built once for the scopes of all tenants.

    For statements that are large and asked all the time: to build one takes longer than its answer. `build` gets a
    scope that leaves open whose it is, and names its own values with `bindparam`; `TenantScope.execute` fills in both.
    """

    def __init__(self, build: Callable[[TenantScope], UpdateBase | Select[Any]]) -> None:
        self._build = build
        self._built: dict[bool, UpdateBase | Select[Any]] = {}

    def statement(self, *, is_limited: bool) -> UpdateBase | Select[Any]:
        """The open statement, for scopes of some units only or of all."""
        if is_limited not in self._built:
            user_id: Any = bindparam("scope_user_id", type_=Uuid())
            scope = _StandIn(_NO_TENANT, user_id, unit_ids=frozenset() if is_limited else None)
            built = self._built[is_limited] = self._build(scope)
            statement_tables.note_form(built)
        return self._built[is_limited]


@dataclass(frozen=True)
class _Access:
    """Whose rows the session's next transaction may touch: one tenant's, everybody's, or (neither) nobody's."""

    tenant_id: UUID | None = None
    system_reason: str | None = None
    # Whether each statement gets a plan for its own values: one for all values is made for a company of middling size.
    is_planned_anew: bool = False


NOBODY = _Access()


def bind(scope: TenantScope) -> None:
    """Let the session see this tenant, until `unbind`. Ends the transaction that found the scope.

    For pages and the API, where one person looks at the longest thread and the largest company just as at the others.
    """
    _switch(_Access(tenant_id=scope.tenant_id, is_planned_anew=True))


def plan_once() -> None:
    """Let PostgreSQL keep a plan for all values, from the next transaction on: for what it can hardly plan badly."""
    info = db.session().info
    info["access"] = replace(info.get("access", NOBODY), is_planned_anew=False)


def unbind() -> None:
    """Let the session see nobody's rows again, if there is one."""
    if not db.session.registry.has():
        return
    session = db.session()
    session.rollback()
    session.info.pop("access", None)


@contextmanager
def acting_for(scope: TenantScope) -> Iterator[TenantScope]:
    """See this tenant inside the block: for workers, commands and tests."""
    with _access(_Access(tenant_id=scope.tenant_id)):
        yield scope


@contextmanager
def across_tenants(reason: str) -> Iterator[None]:
    """See every tenant inside the block; the reason stands where a reader asks why."""
    with _access(_Access(system_reason=reason)):
        yield


@contextmanager
def beside(reason: str) -> Iterator[Session]:
    """Read every tenant's committed rows from within one tenant's transaction, which goes on as it was."""
    session: Session = db.session.session_factory()
    session.info["access"] = _Access(system_reason=reason)
    try:
        yield session
    finally:
        session.close()


@contextmanager
def apart(scope: TenantScope) -> Iterator[Session]:
    """Write the tenant's rows in a transaction of their own, seen by all at once, while a long one is under way."""
    session: Session = db.session.session_factory()
    session.info["access"] = _Access(tenant_id=scope.tenant_id)
    try:
        yield session
        session.commit()
    finally:
        session.close()


@contextmanager
def tenant_transaction(scope: TenantScope) -> Iterator[TenantScope]:
    """One transaction that sees this tenant only: what a relay does for one unit."""
    with acting_for(scope), atomic():
        yield scope


@contextmanager
def _access(access: _Access) -> Iterator[None]:
    before = db.session().info.get("access", NOBODY)
    _switch(access)
    try:
        yield
    except BaseException:
        # Inside a transaction nothing was switched, and the transaction belongs to whoever opened it.
        if not db.session().info.get("in_atomic"):
            db.session.rollback()
            db.session().info["access"] = before
        raise
    _switch(before)


def _switch(access: _Access) -> None:
    session = db.session()
    current: _Access = session.info.get("access", NOBODY)
    if current == access or (current.system_reason and access.system_reason):
        return
    if session.info.get("in_atomic"):
        raise RuntimeError("the tenant cannot change inside a transaction")
    if session.new or session.dirty or session.deleted:
        raise RuntimeError("changes would be lost: the tenant changes before they were committed")
    # The rows that were read stay readable, detached: a rollback alone would expire them, and only `atomic` commits.
    session.expunge_all()
    session.rollback()
    session.info["access"] = access


@event.listens_for(Session, "do_orm_execute")
def _refuse_unscoped(state: ORMExecuteState) -> None:
    if state.is_relationship_load or state.is_column_load:
        return
    access: _Access = state.session.info.get("access", NOBODY)
    if access.system_reason is not None:
        return
    owned = statement_tables.find_owned(state.statement)
    if not owned:
        return
    scoped_to = state.execution_options.get("tenant_scoped")
    if scoped_to is None or scoped_to != access.tenant_id:
        raise UnscopedQuery(f"{', '.join(sorted(owned))}: built for {scoped_to}, session sees {access.tenant_id}")


@event.listens_for(Session, "before_flush")
def _refuse_foreign_rows(session: Session, flush_context: object, instances: object) -> None:
    access: _Access = session.info.get("access", NOBODY)
    if access.system_reason is not None:
        return
    for row in (*session.new, *session.dirty, *session.deleted):
        tenant_id = getattr(row, "tenant_id", access.tenant_id)
        if tenant_id != access.tenant_id:
            raise UnscopedQuery(f"{type(row).__name__} of {tenant_id}, session sees {access.tenant_id}")


@event.listens_for(Session, "after_begin")
def _bind_database_role(session: Session, transaction: SessionTransaction, connection: Connection) -> None:
    if transaction.nested:
        return
    access: _Access = session.info.get("access", NOBODY)
    is_system = access.system_reason is not None
    settings = {
        "portal.tenant_id": "" if access.tenant_id is None else str(access.tenant_id),
        "portal.is_system": "on" if is_system else "",
        "plan_cache_mode": "force_custom_plan" if access.is_planned_anew else "auto",
        "random_page_cost": RANDOM_PAGE_COST,
    }
    if _has_roles(connection):
        settings["role"] = SYSTEM_ROLE if is_system else TENANT_ROLE
    _begin_with(settings, connection)


def _begin_with(settings: Mapping[str, str], connection: Connection) -> None:
    """Begin the transaction and set these for it in one message: whatever is asked waits for each."""
    pgconn = cast(ReadingConnection, connection.connection.driver_connection).pgconn
    quote = Escaping(pgconn).escape_literal
    told = (f"set_config('{name}', {quote(value.encode()).decode()}, true)" for name, value in settings.items())
    statement = f"SELECT {', '.join(told)}"
    # The look at the roles, the first on a connection, has begun one already.
    begin = "BEGIN ISOLATION LEVEL READ COMMITTED; " if pgconn.transaction_status == TransactionStatus.IDLE else ""
    with suppress(psycopg.Error):
        if pgconn.exec_(f"{begin}{statement}".encode()).status == ExecStatus.TUPLES_OK:
            return
        pgconn.exec_(b"ROLLBACK")
    # Once more by SQLAlchemy, which knows what to raise, and what to do with a connection that is gone.
    connection.exec_driver_sql(statement)


def _has_roles(connection: Connection) -> bool:
    """Whether this database user may act as the portal's roles; asked once per connection.

    Where it may not (a host that denies CREATE ROLE), the migration forced the policies on the owner instead.
    """
    if "portal_has_roles" not in connection.info:
        found = connection.execute(
            text(
                "SELECT count(*) FROM pg_roles WHERE rolname IN (:a, :b) AND pg_has_role(session_user, oid, 'MEMBER')"
            ),
            {"a": TENANT_ROLE, "b": SYSTEM_ROLE},
        )
        connection.info["portal_has_roles"] = found.scalar_one() == 2
    return bool(connection.info["portal_has_roles"])


def _column(model: type[Base], name: str) -> Any:
    return getattr(model, name)
