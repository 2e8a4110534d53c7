"""Imports into a database that takes its contacts for none: how many rows are read for each that is looked up."""

import pytest
from sqlalchemy import text

from portal.background import import_merging, import_people
from portal.db import db
from portal.models import ImportState
from portal.tenancy import TenantScope, across_tenants
from tests.background.lists import bring, import_list, tags_of, undo
from tests.factories import make_tenant

ROWS, SLICE = 2_000, 250
LIST = "Telefone;Nome;Tags\n" + "".join(f"55119{60_000_000 + number};Ana;vip\n" for number in range(ROWS))
# An import looks for each person while it checks and once more for each tag; more by far is all of them, each time.
MOST_READ_A_ROW = 10


def execute(statement: str) -> None:
    with across_tenants("a test is the table's owner"):
        db.session.execute(text("SET LOCAL ROLE NONE"))
        db.session.execute(text(statement))


def rows_read() -> int:
    """How many contacts this transaction found by its indexes."""
    with across_tenants("a test looks at the statistics"):
        seen = text("SELECT idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'contacts'")
        return int(db.session.execute(seen).scalar_one())


@pytest.fixture
def scope(database: None, monkeypatch: pytest.MonkeyPatch) -> TenantScope:
    """A company of which a list was undone, after which the database counted the rows that are left: none."""
    monkeypatch.setattr(import_people, "BATCH", SLICE)
    monkeypatch.setattr(import_merging, "SLICE", SLICE)
    scope = make_tenant()
    undo(scope, import_list(scope, LIST))
    execute("ANALYZE contacts, contact_tags")
    return scope


def test_import_reads_about_as_many_rows_as_it_has(scope: TenantScope) -> None:
    before = rows_read()

    assert import_list(scope, LIST).state == ImportState.DONE

    assert ROWS <= rows_read() - before < ROWS * MOST_READ_A_ROW
    assert tags_of(scope, f"55119{60_000_000 + ROWS - 1}") == ["vip"]


def test_so_do_the_same_list_once_more_and_its_undoing(scope: TenantScope) -> None:
    listed = import_list(scope, LIST)
    before = rows_read()

    again = import_list(scope, LIST + "x;;\n")
    undo(scope, listed)

    assert (again.counts or {})["unchanged"] == ROWS
    assert ROWS <= rows_read() - before < 3 * ROWS * MOST_READ_A_ROW
    assert bring(scope, LIST).state == ImportState.MAPPING
