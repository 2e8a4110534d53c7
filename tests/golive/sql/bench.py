"""Databases in every state that the script may meet, the ways to run it there, and all that can be seen afterwards."""

import json
import re
from dataclasses import dataclass
from typing import Any, LiteralString, cast

import psycopg
from flask import Flask
from psycopg import sql
from psycopg.rows import dict_row

from local.services import Services
from portal.db import db

SUCCESS = "ALL MIGRATIONS APPLIED SUCCESSFULLY"
BLOCK = re.compile(r"^DO \$golive\$.*?^END \$golive\$;$|^SELECT .*?;$", re.DOTALL | re.MULTILINE)
SEEN = {
    "columns": (
        "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default, is_identity,"
        " col_description(format('%I.%I', table_schema, table_name)::regclass, ordinal_position)"
        " FROM information_schema.columns WHERE table_schema = 'public'"
    ),
    "indexes": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "constraints": (
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace"
    ),
    "triggers": "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    "functions": "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
    "policies": "SELECT tablename, policyname, cmd, roles::text, qual, with_check FROM pg_policies",
    "storage": (
        "SELECT relname, relkind::text, relrowsecurity, relforcerowsecurity, reloptions::text FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S')"
    ),
    "grants": (
        "SELECT table_name, grantee, privilege_type FROM information_schema.table_privileges"
        " WHERE table_schema = 'public' AND grantee LIKE 'portal%'"
    ),
    "schemas": "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_'",
}
EMPTY = """
DROP SCHEMA IF EXISTS portal_older CASCADE;
DROP SCHEMA public CASCADE;
CREATE SCHEMA public AUTHORIZATION pg_database_owner;
GRANT USAGE ON SCHEMA public TO PUBLIC;
"""
Schema = dict[str, list[str]]
Rows = dict[str, list[dict[str, Any]]]


def blocks(script: str) -> list[str]:
    """The statements of the script, as psql tells them apart."""
    return BLOCK.findall(script)


@dataclass
class Bench:
    """One database at a time, under a portal that is configured for it."""

    services: Services
    portal: Flask
    name: str

    @property
    def url(self) -> str:
        return self.services.url_of(self.name)

    def begin(self, *statements: str) -> None:
        """Begin with an empty database and these. Quicker than another database: dropping one waits for the disk."""
        self._leave()
        self.run(EMPTY, *statements)

    def begin_as(self, template: str) -> None:
        """Begin with a copy of that database."""
        self.end()
        self.services.create_database(self.name, template=template)

    def end(self) -> None:
        self._leave()
        self.services.drop_database(self.name)

    def _leave(self) -> None:
        with self.portal.app_context():
            db.session.remove()
            db.engine.dispose()

    def run(self, *statements: str, url: str | None = None) -> list[str]:
        """Run one after the other, each in a transaction of its own; what the database says meanwhile."""
        said: list[str] = []
        with psycopg.connect(url or self.url, autocommit=True) as connection:
            connection.add_notice_handler(lambda notice: said.append(f"{notice.severity}: {notice.message_primary}"))
            for statement in statements:
                connection.execute(cast(LiteralString, statement))
        return said

    def rows_of(self, query: str) -> list[dict[str, Any]]:
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            return connection.execute(cast(LiteralString, query)).fetchall()

    def values_of(self, query: str) -> list[Any]:
        return [next(iter(row.values())) for row in self.rows_of(query)]

    def schema(self, *, is_legacy: bool = True) -> Schema:
        """All that the catalogs say; without `is_legacy` but for what an older database left."""
        seen = {
            part: sorted(json.dumps([*row.values()]) for row in self.rows_of(query)) for part, query in SEEN.items()
        }
        return {part: [line for line in lines if is_legacy or "legacy_" not in line] for part, lines in seen.items()}

    def rows(self) -> Rows:
        """Every row of every table, the revision among them."""
        with psycopg.connect(self.url) as connection:
            tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            query = sql.SQL("SELECT to_jsonb(t) FROM {} AS t ORDER BY to_jsonb(t)::text")
            return {
                str(table): [row[0] for row in connection.execute(query.format(sql.Identifier(table)))]
                for (table,) in sorted(tables)
            }

    def flask(self, *command: str) -> str:
        """Run `flask …` on the database; what it prints."""
        with self.portal.app_context():
            result = self.portal.test_cli_runner().invoke(args=list(command))
        assert result.exit_code == 0, result.output
        return result.output
