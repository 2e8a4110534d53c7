"""The script as a file: made from the migrations, current, and read by psql."""

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from portal.cli.golive import sql
from portal.monitor.golive_sql import revisions, script
from portal.monitor.golive_sql.revisions import Revision
from tests.golive.sql.bench import SUCCESS, Bench, blocks
from tests.golive.sql.older import PLAIN, TABLES

ROOT = Path(__file__).resolve().parents[3]
CURRENT = ROOT / "docs/golive/production_migration.sql"
COMMAND = "flask --app wsgi golive sql --output docs/golive/production_migration.sql"


def test_file_in_the_tree_is_current(text: str) -> None:
    assert CURRENT.read_text(encoding="utf-8") == text, f"run: {COMMAND}"


def test_command_writes_the_file_or_shows_it(text: str, tmp_path: Path) -> None:
    shown = CliRunner().invoke(sql)
    written = CliRunner().invoke(sql, ["--output", str(tmp_path / "script.sql")])

    assert shown.output == text
    assert written.exit_code == 0
    assert (tmp_path / "script.sql").read_text(encoding="utf-8") == text


def test_each_migration_is_one_guarded_block_with_its_stamp(text: str) -> None:
    parts = blocks(text)

    before = "NULL"
    for revision in revisions.list_revisions():
        (part,) = [part for part in parts if f"RAISE NOTICE '{revision.number}: applied." in part]
        assert f"IF version >= '{revision.number}' THEN" in part
        assert f"'{revision.number}'" in revision.statements[-1]
        assert revision.statements[-1] in part
        assert f"IF version IS DISTINCT FROM {before} THEN" in part
        before = f"'{revision.number}'"


def test_nothing_in_it_needs_to_stand_outside_a_transaction(text: str) -> None:
    outside = text
    for part in blocks(text):
        outside = outside.replace(part, "")

    assert "CONCURRENTLY" not in text
    assert all(line.startswith("--") for line in outside.splitlines() if line)


def test_quotes_of_the_script_are_refused_in_a_migration(monkeypatch: pytest.MonkeyPatch) -> None:
    clash = Revision("0001", None, "Clash", ("SELECT $sql$ 1 $sql$;",))
    monkeypatch.setattr(script, "list_revisions", lambda: [clash])

    with pytest.raises(ValueError, match="0001 uses a quote"):
        script.build()


def test_psql_runs_it_and_shows_every_check(bench: Bench, tmp_path: Path, text: str, client_programs: None) -> None:
    (tmp_path / "script.sql").write_text(text, encoding="utf-8")
    bench.begin(TABLES, PLAIN)
    command = ["psql", bench.url, "-v", "ON_ERROR_STOP=1", "-qtA", "-f", str(tmp_path / "script.sql")]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)

    notices = [line.partition("NOTICE:")[2].strip() for line in ran.stderr.splitlines() if "NOTICE:" in line]
    assert notices[-1] == SUCCESS
    assert sum(": applied." in notice for notice in notices) == len(revisions.list_revisions())
    shown = ran.stdout.split()
    assert "index idx_messages_client_message_id_unit of messages|t" in ran.stdout
    assert not [line for line in ran.stdout.splitlines() if line.endswith("|f")]
    assert len(shown) > len(notices)
