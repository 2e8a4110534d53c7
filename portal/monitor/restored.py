"""What the current schema of a database of the portal holds, to be compared with what another one does."""

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
from psycopg import sql

from portal.extensions import parts
from portal.secrets import Unreadable
from portal.services import key_rotation

TABLES = """
    SELECT c.relname FROM pg_class c
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace = to_regnamespace(quote_ident(current_schema())) ORDER BY 1
"""
# What keeps the rows in order, by what it is called.
KEEPERS = {
    "indexes": "SELECT count(*) FROM pg_indexes WHERE schemaname = current_schema()",
    "constraints": (
        "SELECT count(*) FROM pg_constraint WHERE connamespace = to_regnamespace(quote_ident(current_schema()))"
        # Newer versions list what may not be empty as well.
        " AND contype <> 'n'"
    ),
    "triggers": (
        "SELECT count(*) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
        " WHERE NOT tgisinternal AND c.relnamespace = to_regnamespace(quote_ident(current_schema()))"
    ),
    "policies": "SELECT count(*) FROM pg_policies WHERE schemaname = current_schema()",
    "guarded tables": (
        "SELECT count(*) FROM pg_class WHERE relrowsecurity"
        " AND relnamespace = to_regnamespace(quote_ident(current_schema()))"
    ),
}


@dataclass(frozen=True)
class Holding:
    """The migration that a database is at, its rows by table, and how many of each of KEEPERS it has."""

    head: str
    rows: dict[str, int]
    keepers: dict[str, int]

    @property
    def rows_in_all(self) -> int:
        return sum(self.rows.values())

    def differences(self, other: "Holding") -> Iterator[str]:
        """In what the other one, which was made from this, is not the same."""
        if self.head != other.head:
            yield f"it is at migration {other.head}, not {self.head}"
        counted = {**self.rows, **self.keepers}
        found = {**other.rows, **other.keepers}
        for name in sorted(counted.keys() | found.keys()):
            if counted.get(name) != found.get(name):
                yield f"{name}: {found.get(name, 'none')} instead of {counted.get(name, 'none')}"


def look(connection: psycopg.Connection) -> Holding:
    """Count all that is there, as the transaction of the connection sees it."""
    names = [name for (name,) in connection.execute(TABLES)]
    rows = {name: _count(connection, sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name))) for name in names}
    head = (
        connection.execute("SELECT version_num FROM alembic_version").fetchone() if "alembic_version" in rows else None
    )
    keepers = {name: _count(connection, sql.SQL(statement)) for name, statement in KEEPERS.items()}
    return Holding(str(head[0]) if head else "none", rows, keepers)


def read_secrets(connection: psycopg.Connection) -> tuple[int, list[str]]:
    """How many secrets the keys of the settings open there, and a line for each column in which they do not all."""
    opened, wrong = 0, []
    for table, column in key_rotation.encrypted_columns():
        its_name = sql.Identifier(column.name)
        statement = sql.SQL("SELECT {} FROM {} WHERE {} IS NOT NULL").format(
            its_name, sql.Identifier(table.name), its_name
        )
        read = [_opens(value) for (value,) in connection.execute(statement)]
        opened += sum(read)
        wrong += [f"{table.name}.{column.name}: {read.count(False)} cannot be read"] if not all(read) else []
    return opened, wrong


def _opens(encrypted: str) -> bool:
    try:
        parts.vault.decrypt(encrypted)
    except Unreadable:
        return False
    return True


def _count(connection: psycopg.Connection, statement: sql.SQL | sql.Composed) -> int:
    (number,) = connection.execute(statement).fetchone() or (0,)
    return int(number)
