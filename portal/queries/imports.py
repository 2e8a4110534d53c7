"""Imports as people look at them, and their files as they are read again."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func

from portal.db import db, end_read
from portal.errors import NotFound
from portal.models import Import, ImportChunk, ImportRow, RowKind
from portal.phone import Change, Reading
from portal.tables import text
from portal.tables.columns import ColumnRole
from portal.tables.rows import GoodRow, RowCheck, WrongRow
from portal.tables.text import Row
from portal.tenancy import TenantScope

PAGE = 50
# A spreadsheet is kept as this, whatever it came as.
KEPT_DELIMITER = ","


class RenumberedRow(NamedTuple):
    """A row whose number will be written in another way than it stands in the file."""

    line: int
    cells: list[str]
    typed: str
    reading: Reading

    @property
    def changes(self) -> tuple[Change, ...]:
        return self.reading.changes


def list_imports(scope: TenantScope, *, before: UUID | None = None, limit: int = PAGE) -> list[Import]:
    """The youngest imports; those older than `before`."""
    statement = scope.select(Import).order_by(Import.id.desc()).limit(limit)
    return list(db.session.scalars(statement if before is None else statement.where(Import.id < before)))


def get_import(scope: TenantScope, import_id: UUID) -> Import:
    """Raises NotFound."""
    return scope.get(Import, import_id)


def list_rows(
    scope: TenantScope, import_id: UUID, kind: RowKind, *, after_line: int = 0, limit: int = PAGE
) -> list[ImportRow]:
    """The kept rows of that kind in the file's order; of each kind only the first ones are kept."""
    wanted = scope.select(ImportRow).where(
        ImportRow.import_id == import_id, ImportRow.kind == kind, ImportRow.line > after_line
    )
    return list(db.session.scalars(wanted.order_by(ImportRow.line).limit(limit)))


def count_rows(scope: TenantScope, import_id: UUID) -> dict[RowKind, int]:
    """Kind -> rows that are kept; `Import.counts` has how many there are."""
    kept = scope.select(ImportRow, ImportRow.kind, func.count()).where(ImportRow.import_id == import_id)
    return {RowKind(kind): number for kind, number in db.session.execute(kept.group_by(ImportRow.kind))}


def read_wrong(scope: TenantScope, import_id: UUID) -> Iterator[WrongRow]:
    """All rows that cannot be imported, while the file is kept; no connection is held between two pieces of it.

    Raises NotFound when the content is gone, or nobody said yet what the columns are.
    """
    check, rows = _read_again(scope, import_id)
    return (checked for row in rows if isinstance(checked := check(row), WrongRow))


def read_renumbered(scope: TenantScope, import_id: UUID) -> Iterator[RenumberedRow]:
    """All rows whose number will be written in another way. Raises as `read_wrong`."""
    check, rows = _read_again(scope, import_id)
    return (
        RenumberedRow(row.line, row.cells, row.cells[check.phone_column], checked.reading)
        for row in rows
        if isinstance(checked := check(row), GoodRow) and checked.reading.changes
    )


def chunks(scope: TenantScope, import_id: UUID) -> Iterator[bytes]:
    """The file, piece by piece."""
    number = 0
    of_import = scope.select(ImportChunk, ImportChunk.content).where(ImportChunk.import_id == import_id)
    while (content := db.session.scalar(of_import.where(ImportChunk.number == number))) is not None:
        yield bytes(content)
        number += 1


def read_table(listed: Import, content: Iterable[bytes]) -> Iterator[Row]:
    """The rows of the file without its header, by the layout that was found. Raises BrokenTable."""
    layout = listed.layout or {}
    rows = text.read_rows(content, encoding=layout["encoding"], delimiter=layout["delimiter"] or KEPT_DELIMITER)
    if layout["has_header"]:
        next(rows, None)
    return rows


def roles_of(listed: Import) -> list[ColumnRole]:
    """What a person said that each column is."""
    return [ColumnRole.from_dict(role) for role in listed.mapping or []]


def _read_again(scope: TenantScope, import_id: UUID) -> tuple[RowCheck, Iterator[Row]]:
    listed = get_import(scope, import_id)
    if listed.mapping is None or listed.content_until is None:
        raise NotFound("the file is not kept any more, or its columns are not known")
    return RowCheck(roles_of(listed)), read_table(listed, _resting(chunks(scope, import_id)))


def _resting(content: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in content:
        # Detached, the rows that the caller holds stay readable.
        db.session.expunge_all()
        end_read()
        yield chunk
