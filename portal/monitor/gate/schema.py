"""Whether the database has the schema that this code was written for, and keeps tenants apart."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import UnionType
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Constraint,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Select,
    Table,
    UniqueConstraint,
    column,
    func,
    inspect,
    select,
    table,
)
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.sql.schema import SchemaItem

from portal.db import Base, db, is_ahead, is_ours
from portal.monitor.gate.checks import Application, Check, Outcome, none_wrong
from portal.tenancy import TENANT_ROLE, across_tenants

WHY = "the gate looks at the schema, not at rows"
HEAD = "migration head"
# What the migrations make and no model names: the audit log only grows, and companies' programs are told of messages.
TRIGGERS = {
    ("audit_events", "only_added_to"),
    ("messages", "note_received"),
    ("messages", "note_received_late"),
    ("messages", "note_status"),
    ("messages", "note_status_made"),
}
POLICIES = ("tenant", "system")
# What the other checks say: that something is missing.
SAID_ELSEWHERE = frozenset({"add_table", "add_column", "add_index", "add_fk", "add_constraint", "modify_nullable"})
# Where docs/golive/production_migration.sql moves older tables, until it has ended.
OLDER = "portal_older"
NOT_COMPARED = "not compared: newer code migrated the database"

_classes = table("pg_class", column("oid"), column("relname"), column("relnamespace"))
_index_classes = _classes.alias()
_constraints = table("pg_constraint", column("conname"), column("conrelid"), column("contype"), column("convalidated"))
_indexes = table("pg_index", column("indexrelid"), column("indrelid"), column("indisvalid"))
_triggers = table("pg_trigger", column("tgname"), column("tgrelid"), column("tgenabled"))
_policies = table("pg_policies", column("schemaname"), column("tablename"), column("policyname"))


@contextmanager
def owner_connection() -> Iterator[Connection]:
    """A connection as the user of the settings, who owns the tables; only Alembic's own is closed to the system."""
    with across_tenants(WHY):
        connection = db.session.connection()
        connection.execute(select(func.set_config("role", "none", True)))
        yield connection


def known_head(application: Application) -> str:
    """The newest migration that this code has."""
    return ScriptDirectory(str(application.root / "migrations")).get_current_head() or "none"


def found_head(connection: Connection) -> str:
    """The newest migration that the database has seen."""
    return ", ".join(MigrationContext.configure(connection).get_current_heads()) or "none"


def _look_at_head(application: Application) -> Outcome:
    known = known_head(application)
    with owner_connection() as connection:
        found = found_head(connection)
    if is_ahead(found, known):
        return True, f"at {found}, ahead of this code's {known}, as after a rollback"
    return found == known, f"at {found}" if found == known else f"at {found}, this code needs {known}: flask db upgrade"


def _look_at_columns(application: Application) -> Outcome:
    with owner_connection() as connection:
        rows = inspect(connection).get_multi_columns()
    there = {(name, row["name"]): row["nullable"] for (_, name), found in rows.items() for row in found}
    columns = [column for one in _tables() for column in one.columns]
    wrong = [fault for column in columns if (fault := _fault_of(column, there))]
    return none_wrong(wrong, f"{len(columns)} in {len(Base.metadata.tables)} tables")


def _fault_of(column: Column[object], there: dict[tuple[str, str], bool]) -> str:
    at = (column.table.name, column.name)
    if at not in there:
        return f"{at[0]}.{at[1]} is missing"
    if there[at] != column.nullable:
        return f"{at[0]}.{at[1]} {'may' if there[at] else 'may not'} be empty"
    return ""


def _look_at_indexes(application: Application) -> Outcome:
    found = (
        select(_classes.c.relname, _index_classes.c.relname)
        .join(_indexes, _indexes.c.indrelid == _classes.c.oid)
        .join(_index_classes, _index_classes.c.oid == _indexes.c.indexrelid)
        .where(_indexes.c.indisvalid)
    )
    return _all_there({(one.name, _name_of(each)) for one in _tables() for each in one.indexes}, found)


def _look_at_foreign_keys(application: Application) -> Outcome:
    return _constraints_there(ForeignKeyConstraint, "f")


def _look_at_unique_keys(application: Application) -> Outcome:
    return _constraints_there(UniqueConstraint | PrimaryKeyConstraint, "up")


def _look_at_rules(application: Application) -> Outcome:
    return _constraints_there(CheckConstraint, "c")


def _look_at_triggers(application: Application) -> Outcome:
    on_table = _triggers.c.tgrelid == _classes.c.oid
    found = select(_classes.c.relname, _triggers.c.tgname).join(_triggers, on_table)
    return _all_there(TRIGGERS, found.where(_triggers.c.tgenabled != "D"))


def _look_for_drift(application: Application) -> Outcome:
    with owner_connection() as connection:
        if is_ahead(found_head(connection), known_head(application)):
            return True, NOT_COMPARED
        options = {"compare_type": True, "compare_server_default": True, "include_name": is_ours}
        found = compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata)
    # What changes a column comes in lists, all else as it is.
    changes = [change for one in found for change in (one if isinstance(one, list) else [one])]
    others = [change for change in changes if change[0] not in SAID_ELSEWHERE]
    return none_wrong([_named(change) for change in others], "the models say what the database has")


def _look_at_row_security(application: Application) -> Outcome:
    """Ask the database itself, as a transaction that is nobody's, whether its policies hold for that."""
    owned = sorted(one.name for one in _tables() if one.name == "tenants" or "tenant_id" in one.c)
    # Outside of any tenant, so as the portal's transactions begin.
    role = db.session.scalar(select(func.current_user()))
    unguarded = [name for name in owned if not db.session.scalar(select(func.row_security_active(name)))]
    db.session.rollback()
    here = select(_policies.c.tablename, _policies.c.policyname).where(_policies.c.schemaname == func.current_schema())
    with owner_connection() as connection:
        there = {tuple(row) for row in connection.execute(here)}
    unguarded += [name for name in owned if any((name, policy) not in there for policy in POLICIES)]
    way = "by the portal's roles" if role == TENANT_ROLE else "forced on the owner of the tables"
    return none_wrong([f"{name} is open" for name in dict.fromkeys(unguarded)], f"{len(owned)} tables, {way}")


def _look_for_older_tables(application: Application) -> Outcome:
    with owner_connection() as connection:
        is_left = connection.scalar(select(func.to_regnamespace(OLDER))) is not None
    return not is_left, f"the schema {OLDER} is left: the move did not end" if is_left else "no move is under way"


def _constraints_there(kind: type | UnionType, codes: str) -> Outcome:
    found = select(_classes.c.relname, _constraints.c.conname).join(
        _constraints, _constraints.c.conrelid == _classes.c.oid
    )
    are_these = (_constraints.c.contype.in_(list(codes)), _constraints.c.convalidated)
    expected = {
        (one.name, _name_of(constraint))
        for one in _tables()
        for constraint in one.constraints
        if isinstance(constraint, kind)
    }
    return _all_there(expected, found.where(*are_these))


def _all_there(expected: set[tuple[str, str]], found: Select[Any]) -> Outcome:
    """`found` selects the names of tables and of what they have."""
    is_here = _classes.c.relnamespace == func.to_regnamespace(func.quote_ident(func.current_schema()))
    with owner_connection() as connection:
        there = {tuple(row) for row in connection.execute(found.where(is_here))}
    return none_wrong([f"{name} is missing on {of}" for of, name in sorted(expected - there)], f"{len(expected)} there")


def _tables() -> list[Table]:
    return Base.metadata.sorted_tables


def _name_of(what: Constraint | Index) -> str:
    """As PostgreSQL has it, which cuts long names off."""
    preparer = PGDialect().identifier_preparer  # type: ignore[no-untyped-call]
    name = preparer.format_index(what) if isinstance(what, Index) else preparer.format_constraint(what)
    return str(name).strip('"')


def _named(change: Sequence[object]) -> str:
    """`remove_index`, and what it is about, as far as that has a name."""
    what = next((part.name for part in change[1:] if isinstance(part, SchemaItem) and hasattr(part, "name")), None)
    names = [str(what)] if what else [part for part in change[1:4] if isinstance(part, str)]
    return f"{change[0]} {'.'.join(names)}"


CHECKS = (
    Check(HEAD, _look_at_head),
    Check("columns", _look_at_columns),
    Check("indexes", _look_at_indexes),
    Check("foreign keys", _look_at_foreign_keys),
    Check("unique keys", _look_at_unique_keys),
    Check("rules of columns", _look_at_rules),
    Check("triggers", _look_at_triggers),
    Check("schema as modelled", _look_for_drift, limit_s=30.0),
    Check("row-level security", _look_at_row_security),
    Check("older database", _look_for_older_tables),
)
