"""What the page of one import shows, whatever state it is in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask_babel import format_percent
from flask_babel import gettext as _

from portal.errors import Conflict
from portal.models import Import, ImportRow, ImportState, RowKind
from portal.queries import imports as queries
from portal.queries import members
from portal.tenancy import TenantScope
from portal.web.import_columns import KINDS, Choice, columns_of, current_choice
from portal.web.import_words import counts_of, shown

AT_WORK = frozenset({ImportState.READING, ImportState.CHECKING, ImportState.IMPORTING, ImportState.UNDOING})
# Of which rows something is to be seen, by what is to be decided or was decided.
LISTED = {ImportState.CHECKED: tuple(RowKind), ImportState.DONE: (RowKind.WRONG,)}


@dataclass(frozen=True)
class ImportView:
    """One import as its page shows it; `choice` is there when the columns are to be chosen."""

    listed: Import
    who: str | None
    counts: Mapping[str, Any]
    rows: Mapping[RowKind, list[ImportRow]]
    choice: Choice | None
    # Field -> what is wrong with it; under "" what is wrong with the act as a whole.
    problems: Mapping[str, str]

    @property
    def columns(self) -> list[dict[str, Any]]:
        return columns_of(self.listed)

    @property
    def kinds(self) -> Mapping[str, str]:
        return KINDS

    @property
    def is_at_work(self) -> bool:
        return self.listed.state in AT_WORK

    @property
    def waits(self) -> bool:
        """Whether no worker has begun with it yet."""
        return self.listed.relay_id is None

    @property
    def percent(self) -> int:
        return min(100, 100 * self.listed.done // self.listed.total) if self.listed.total else 0

    @property
    def progress_words(self) -> str:
        """How far the work is, and how many rows that may be."""
        rows = self.counts["rows"] * self.percent // 100
        percent = str(format_percent(self.percent / 100))
        if not rows:
            return percent
        whole = shown(self.counts["rows"])
        return str(_("%(percent)s, about row %(row)s of %(whole)s", percent=percent, row=shown(rows), whole=whole))

    @property
    def news(self) -> tuple[object, ...]:
        """All that changes what the page shows while a worker is at it."""
        listed = self.listed
        return listed.state, self.waits, listed.done, listed.total, listed.cancel_asked_at


def make_view(
    scope: TenantScope,
    listed: Import,
    *,
    choice: Choice | None = None,
    problems: Mapping[str, str] | None = None,
    changes_columns: bool = False,
) -> ImportView:
    """Gather what the import's page shows; `changes_columns`: of a checked list they are to be chosen once more."""
    is_choosing = listed.state == ImportState.MAPPING or (listed.state == ImportState.CHECKED and changes_columns)
    kinds = () if is_choosing or choice else LISTED.get(listed.state, ())
    who = members.list_emails(scope, [listed.created_by_id]) if listed.created_by_id else {}
    return ImportView(
        listed=listed,
        who=next(iter(who.values()), None),
        counts=counts_of(listed),
        rows={kind: queries.list_rows(scope, listed.id, kind) for kind in kinds},
        choice=choice or (current_choice(listed) if is_choosing else None),
        problems=problems or {},
    )


def check_undoable(listed: Import) -> Import:
    """Raises Conflict when there is nothing to undo."""
    if listed.state != ImportState.DONE:
        raise Conflict(_("Only a list that was imported can be undone."))
    return listed
