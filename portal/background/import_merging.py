"""The check of a file, and the import itself: one transaction each, of which nothing stays unless all of it does."""

from typing import Any
from uuid import UUID

from portal.background import import_statements as statements
from portal.background.import_people import Findings, find_people
from portal.background.import_watch import Interrupted, Watch
from portal.clock import now
from portal.db import analyze_if_grown, atomic, db
from portal.models import Contact, ContactTag, Import, ImportRow, ImportState
from portal.tenancy import TenantScope

SLICE = 5_000
# How much of the import it is to read and check the file once more.
CHECKING = 0.5


def check(scope: TenantScope, import_id: UUID, watch: Watch) -> None:
    """Count and keep what is to be said about the file before a person decides. Raises BrokenTable."""
    with atomic():
        listed = scope.get(Import, import_id)
        watch.begin(listed.total)
        findings = find_people(scope, listed, watch)
        _keep_rows(scope, import_id, findings)
        watch.settle(ImportState.CHECKED, counts=findings.to_counts())


def merge(scope: TenantScope, import_id: UUID, watch: Watch) -> None:
    """Add and change contacts, as the file says at this moment: they may be others than at the check."""
    with atomic():
        listed = scope.get(Import, import_id)
        watch.begin(listed.total)
        findings = find_people(scope, listed, watch, end=CHECKING)
        at = now()
        done = _write(scope, listed, watch, {"at": at, "tag_names": listed.tag_names})
        counts = {
            **findings.to_counts(),
            **done,
            "unchanged": findings.counts["good"] - done["added"] - done["updated"],
        }
        watch.settle(ImportState.DONE, counts=counts, finished_at=at)


def _keep_rows(scope: TenantScope, import_id: UUID, findings: Findings) -> None:
    earlier = scope.delete(ImportRow).where(ImportRow.import_id == import_id)
    db.session.execute(earlier.execution_options(synchronize_session=False))
    scope.insert_missing(ImportRow, [{"import_id": import_id, **row} for row in findings.rows])


def _write(scope: TenantScope, listed: Import, watch: Watch, values: dict[str, Any]) -> dict[str, int]:
    """How many contacts were added, updated and tagged. Raises Interrupted, Cancelled."""
    values = {**values, "tenant_id": scope.tenant_id, "import_id": listed.id}
    db.session.execute(statements.INDEX_PEOPLE)
    db.session.execute(statements.ANALYZE_PEOPLE)
    last_line = db.session.execute(statements.LAST_LINE).scalar_one()
    db.session.execute(statements.ADD_TAGS, values)
    done = {"added": 0, "updated": 0, "tagged": 0}
    for after in range(0, last_line, SLICE):
        watch.look(CHECKING + (1 - CHECKING) * after / last_line)
        _write_slice({**values, "after": after, "upto": after + SLICE}, done)
    if db.session.execute(statements.FIND_MERGED, values).first() is not None:
        # Somebody made one of these people a part of another since they were found: what was written is nobody's.
        raise Interrupted
    return done


def _write_slice(values: dict[str, Any], done: dict[str, int]) -> None:
    wanted, added = db.session.execute(statements.ADD_CONTACTS, values).one()
    if added < wanted:
        db.session.execute(statements.MEET_OTHERS, values)
    done["added"] += added
    analyze_if_grown(Contact, done["added"])
    done["updated"] += db.session.execute(statements.CHANGE_CONTACTS, values).scalar_one()
    done["tagged"] += db.session.execute(statements.TAG_CONTACTS, values).scalar_one()
    analyze_if_grown(ContactTag, done["tagged"])
