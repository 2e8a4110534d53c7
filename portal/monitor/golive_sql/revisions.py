"""What each migration does, as SQL: Alembic's offline mode needs no database."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.script import ScriptDirectory

MIGRATIONS = Path(__file__).resolve().parents[3] / "migrations"
# Between statements Alembic opens and ends transactions and says where it is. In the script each revision is one
# block, and so one transaction; the table of the version is made before all of them.
_NO_STATEMENT = re.compile(r"--|BEGIN;|COMMIT;|CREATE TABLE alembic_version\b")
_CONCURRENTLY = re.compile(r"(?<=INDEX )CONCURRENTLY ")


@dataclass(frozen=True)
class Revision:
    """One migration: its number, the one before, why it is there, and its statements, the stamp the last of them."""

    number: str
    before: str | None
    title: str
    statements: tuple[str, ...]


class _Statements(StringIO):
    """Alembic writes one statement at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def write(self, text: str) -> int:
        self.found.append("\n".join(line.rstrip() for line in text.strip().splitlines()))
        return len(text)


def list_revisions() -> list[Revision]:
    """All of them, the first one first."""
    scripts = list(ScriptDirectory.from_config(_config()).walk_revisions())[::-1]
    befores = [None, *(script.revision for script in scripts)]
    return [
        Revision(script.revision, before, script.doc.splitlines()[0], tuple(_statements(before, script.revision)))
        for before, script in zip(befores, scripts, strict=False)
    ]


def _statements(since: str | None, until: str) -> Iterator[str]:
    written = _Statements()
    command.upgrade(_config(written), f"{since or 'base'}:{until}", sql=True)
    for statement in written.found:
        if not _NO_STATEMENT.match(statement):
            # Only outside a transaction an index can be made while the table is written to.
            yield _CONCURRENTLY.sub("", statement)


def _config(buffer: StringIO | None = None) -> AlembicConfig:
    config = AlembicConfig(output_buffer=buffer)
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
