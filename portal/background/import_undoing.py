"""Undoing an import: what it brought goes, what it changed is as it was before, and what people built on it stays."""

from collections import Counter
from collections.abc import Iterator
from uuid import UUID

from portal.background import undo_statements as statements
from portal.background.import_watch import Watch
from portal.clock import now
from portal.db import atomic, db
from portal.models import Import, ImportState
from portal.tenancy import TenantScope

SLICE = 5_000


def undo(scope: TenantScope, import_id: UUID, watch: Watch) -> None:
    """Take back what the import did: all of it, or nothing for now."""
    with atomic():
        listed = scope.get(Import, import_id)
        watch.begin(listed.total)
        values: dict[str, object] = {"tenant_id": scope.tenant_id, "import_id": import_id}
        tags = list(db.session.scalars(statements.TAKE_TAGS, values))
        # Outcome -> contacts: removed, restored, or why one is kept.
        outcomes: Counter[str] = Counter()
        for outcome, number in _outcomes(values, watch):
            outcomes[outcome] += number
        db.session.execute(statements.FORGET_CHANGES, values)
        db.session.execute(statements.REMOVE_TAGS, {**values, "tags": tags, "made_at": listed.finished_at})
        told: dict[str, object] = {"removed": outcomes.pop("removed", 0), "restored": outcomes.pop("restored", 0)}
        told |= {"kept": outcomes.total(), "kept_because": dict(outcomes)}
        watch.settle(ImportState.UNDONE, counts={**(listed.counts or {}), **told}, undone_at=now())


def _outcomes(values: dict[str, object], watch: Watch) -> Iterator[tuple[str, int]]:
    """(outcome, how many), slice by slice."""
    for statement in (statements.DROP_TOUCHED, statements.MAKE_TOUCHED, statements.INDEX_TOUCHED):
        db.session.execute(statement, values)
    db.session.execute(statements.ANALYZE_TOUCHED)
    db.session.execute(statements.LOOK_UP_BY_KEYS)
    db.session.execute(statements.FORGET_PLANS)
    size = db.session.execute(statements.COUNT_TOUCHED).scalar_one()
    for after in range(0, size, SLICE):
        watch.look(after / size)
        these = {**values, "after": after, "upto": after + SLICE}
        for outcome, statement in (("removed", statements.REMOVE_CONTACTS), ("restored", statements.RESTORE_CONTACTS)):
            for reason, number in db.session.execute(statement, these):
                yield reason or outcome, number
