"""Lists of people that a company brings: what a person decides about one, from the upload to its undoing.

The work itself is a worker's (`portal/background/imports.py`); here the row moves from one state to the next.
"""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from functools import partial
from hashlib import sha256
from io import BytesIO
from typing import BinaryIO
from uuid import UUID
from zoneinfo import ZoneInfo

from flask_babel import gettext as _

from portal import queue
from portal.clock import now
from portal.db import atomic, db, on_commit
from portal.errors import Conflict, Invalid, NotFound
from portal.models import Import, ImportChunk, ImportRow, ImportSource, ImportState, Unit
from portal.services import audit, mappings
from portal.tables.columns import ColumnRole
from portal.tenancy import TenantScope

MIB = 1024 * 1024
LARGEST_FILE = 128 * MIB
LARGEST_PASTE = 1 * MIB
MOST_ROWS = 1_000_000
MOST_COLUMNS = 100
KEPT_FOR = timedelta(days=7)
SAME_FILE_TODAY = "same_file_today"
LONGEST_FILE_NAME = 120
# Where a company has no unit that says it.
DEFAULT_TIME_ZONE = "America/Sao_Paulo"
CANCELLABLE = (
    ImportState.READING,
    ImportState.MAPPING,
    ImportState.CHECKING,
    ImportState.CHECKED,
    ImportState.IMPORTING,
)


def begin(scope: TenantScope, *, file_name: str, content: BinaryIO) -> Import:
    """Keep a file and let a worker read it. The same content imported today is refused, with a row that says so.

    Raises Invalid for `file`: empty, or larger than LARGEST_FILE.
    """
    name = file_name.replace("\x00", "").strip()[-LONGEST_FILE_NAME:]
    return _begin(scope, ImportSource.FILE, name, content, LARGEST_FILE)


def begin_pasted(scope: TenantScope, *, text: str) -> Import:
    """The same for a list that was pasted. Raises Invalid for `text`: nothing in it, or more than LARGEST_PASTE."""
    try:
        content = text.strip().encode("utf-8", "replace")
        return _begin(scope, ImportSource.PASTED, "", BytesIO(content), LARGEST_PASTE)
    except Invalid as e:
        raise Invalid({"text": e.fields["file"]}) from e


def map_columns(
    scope: TenantScope, import_id: UUID, *, roles: Sequence[ColumnRole], tag_names: Sequence[str]
) -> Import:
    """Note what each column is and which tags everybody gets, and let a worker check every row.

    Raises Invalid for `columns` and `tags`, Conflict when the import is past that.
    """
    with atomic():
        listed = _lock(scope, import_id, ImportState.MAPPING, ImportState.CHECKED, to=ImportState.CHECKING)
        listed.mapping = mappings.checked_roles(roles, mappings.column_names(listed))
        listed.tag_names = mappings.checked_tags(tag_names)
        listed.counts = {"rows": (listed.counts or {}).get("rows", 0)}
        _hand_over(listed, ImportState.CHECKING)
        columns = sum(role["kind"] != "ignore" for role in listed.mapping)
        _note(scope, listed, "import.mapped", columns=columns, tags=len(listed.tag_names))
    return listed


def confirm(scope: TenantScope, import_id: UUID) -> Import:
    """Let a worker import the good rows. Raises Conflict unless the import is checked and has some."""
    with atomic():
        listed = _lock(scope, import_id, ImportState.CHECKED, to=ImportState.IMPORTING)
        counts = listed.counts or {}
        if not counts.get("good"):
            raise Conflict(_("No row of this file can be imported."))
        _hand_over(listed, ImportState.IMPORTING)
        _note(scope, listed, "import.confirmed", rows=counts["rows"], good=counts["good"])
    return listed


def cancel(scope: TenantScope, import_id: UUID) -> Import:
    """Nothing of it is done: at once, or within a second where a worker is at it. Raises Conflict once it is done."""
    with atomic():
        listed = _lock(scope, import_id, *CANCELLABLE, to=ImportState.CANCELLED)
        if listed.relay_id is None:
            end(scope, listed, ImportState.CANCELLED)
        else:
            listed.cancel_asked_at = listed.cancel_asked_at or now()
        _note(scope, listed, "import.cancelled")
    return listed


def undo(scope: TenantScope, import_id: UUID) -> Import:
    """Let a worker take back what the import did. Raises Conflict unless it is done."""
    with atomic():
        listed = _lock(scope, import_id, ImportState.DONE, to=ImportState.UNDOING)
        _hand_over(listed, ImportState.UNDOING)
        _note(scope, listed, "import.undone")
    return listed


def end(scope: TenantScope, listed: Import, state: ImportState) -> None:
    """It comes to nothing: what was kept of the file goes, in the transaction of the caller."""
    listed.state, listed.finished_at = state, now()
    listed.relay_id = listed.cancel_asked_at = None
    drop_content(scope, listed)


def drop_content(scope: TenantScope, listed: Import) -> None:
    """Forget the file and the rows that were shown of it, in the transaction of the caller."""
    listed.content_until = None
    if listed.layout:
        listed.layout = {**listed.layout, "columns": [{**column, "samples": []} for column in listed.layout["columns"]]}
    for model in (ImportChunk, ImportRow):
        of_import = scope.delete(model).where(model.import_id == listed.id)
        db.session.execute(of_import.execution_options(synchronize_session=False))


def _begin(scope: TenantScope, source: ImportSource, file_name: str, content: BinaryIO, most: int) -> Import:
    with atomic():
        listed = scope.add(
            Import(
                source=source,
                file_name=file_name,
                size=0,
                sha256="",
                tag_names=[],
                created_by_id=scope.user_id,
                content_until=now() + KEPT_FOR,
            )
        )
        db.session.flush()
        listed.size, listed.sha256 = _store(scope, listed.id, content, most)
        listed.total = listed.size
        if earlier := _imported_today(scope, listed.sha256):
            listed.problem = SAME_FILE_TODAY
            at = earlier.finished_at and earlier.finished_at.isoformat()
            listed.problem_details = {"import_id": str(earlier.id), "at": at}
            end(scope, listed, ImportState.REFUSED)
        _note(scope, listed, "import.begun", size=listed.size)
        on_commit(queue.wake_background)
    return listed


def _store(scope: TenantScope, import_id: UUID, content: BinaryIO, most: int) -> tuple[int, str]:
    """Size and SHA-256 of what was stored, piece by piece. Raises Invalid."""
    digest, size = sha256(), 0
    for number, piece in enumerate(iter(partial(content.read, MIB), b"")):
        digest.update(piece)
        size += len(piece)
        if size > most:
            raise Invalid({"file": _("This list is too large: at most %(limit)s MB.", limit=most // MIB)})
        chunk = {"import_id": import_id, "number": number, "content": piece}
        db.session.execute(scope.insert(ImportChunk, [chunk]))
    if not size:
        raise Invalid({"file": _("There is nothing in this list.")})
    return size, digest.hexdigest()


def _imported_today(scope: TenantScope, digest: str) -> Import | None:
    same = scope.select(Import).where(
        Import.sha256 == digest, Import.state == ImportState.DONE, Import.finished_at >= _begin_of_today(scope)
    )
    earlier: Import | None = db.session.scalar(same.order_by(Import.id.desc()).limit(1))
    return earlier


def _begin_of_today(scope: TenantScope) -> datetime:
    """By the clock of the company's first unit."""
    first = scope.select(Unit, Unit.time_zone).order_by(Unit.id).limit(1)
    zone = ZoneInfo(db.session.scalar(first) or DEFAULT_TIME_ZONE)
    return datetime.combine(now().astimezone(zone).date(), time(), zone)


def _lock(scope: TenantScope, import_id: UUID, *states: ImportState, to: ImportState) -> Import:
    """The import, held. Raises NotFound, and Conflict when it is in another state than these."""
    # The weaker lock: contacts that a worker adds at this moment name the import, and nobody should wait for it.
    this = scope.select(Import).where(Import.id == import_id).with_for_update(key_share=True)
    listed: Import | None = db.session.scalar(this.execution_options(populate_existing=True))
    if listed is None:
        raise NotFound("no such import")
    if listed.state not in states:
        raise Conflict(
            _("This import is “%(state)s” and cannot become “%(to)s”.", state=listed.state, to=to), code="import_state"
        )
    return listed


def _hand_over(listed: Import, state: ImportState) -> None:
    """A worker's turn, from its beginning."""
    listed.state, listed.done, listed.attempts = state, 0, 0
    listed.problem = listed.problem_details = None
    on_commit(queue.wake_background)


def _note(scope: TenantScope, listed: Import, action: str, **counts: int) -> None:
    audit.record(scope, action, ("import", listed.id), after=counts or None)
