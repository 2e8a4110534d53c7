"""Imports for a company of which the database knows nothing yet: how many rows it reads for each that is looked up."""

import pytest
from sqlalchemy import text

from portal.background import import_merging, import_people, import_undoing
from portal.db import atomic, db
from portal.models import ImportState
from portal.tenancy import TenantScope, across_tenants
from tests.background.lists import import_list, tags_of, undo
from tests.factories import make_tenant

ROWS, SLICE = 2_000, 250
LIST = "Telefone;Nome;Tags\n" + "".join(f"55119{60_000_000 + number};Ana;vip\n" for number in range(ROWS))
ADD_CONTACTS = text(
    "INSERT INTO contacts (id, tenant_id, kind, phone, created_at)"
    " SELECT gen_random_uuid(), :tenant_id, 'person', 551170000000 + n, now() FROM generate_series(1, 2000) AS n"
)
# An import looks for each person while it checks and once more for each tag; more by far is all of them, each time.
MOST_READ_A_ROW = 10


@pytest.fixture(params=["counted as empty", "another company's"])
def scope(request: pytest.FixtureRequest, database: None, monkeypatch: pytest.MonkeyPatch) -> TenantScope:
    """A new company, after the database counted the contacts of the one before, which has them still or no more."""
    monkeypatch.setattr(import_people, "BATCH", SLICE)
    monkeypatch.setattr(import_merging, "SLICE", SLICE)
    monkeypatch.setattr(import_undoing, "SLICE", SLICE)
    before = make_tenant("before")
    with across_tenants("a test is the owner of the tables"), atomic():
        db.session.execute(text("SET LOCAL ROLE NONE"))
        db.session.execute(ADD_CONTACTS, {"tenant_id": before.tenant_id})
        if request.param == "counted as empty":
            db.session.execute(text("DELETE FROM contacts"))
        db.session.execute(text("ANALYZE contacts, contact_tags"))
    return make_tenant("new")


def rows_read() -> int:
    """How many contacts this transaction found by an index."""
    with across_tenants("a test looks at the statistics"):
        seen = text("SELECT idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'contacts'")
        return int(db.session.execute(seen).scalar_one())


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
