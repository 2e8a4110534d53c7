"""Reading a file for the first time: what it is, how it is written, and what its columns look like."""

import tempfile
from pathlib import Path
from typing import Any
from uuid import UUID

from portal.background.import_watch import Watch
from portal.db import atomic, db
from portal.models import Import, ImportChunk, ImportState
from portal.queries import imports as queries
from portal.services.imports import MIB, MOST_COLUMNS, MOST_ROWS
from portal.tables import detect, spreadsheet, text
from portal.tables.detect import FileKind
from portal.tables.layout import describe
from portal.tenancy import TenantScope

# How much of the work it is to find the encoding.
DECODING = 0.2


def read(scope: TenantScope, import_id: UUID, watch: Watch) -> None:
    """Find the layout, and ask a person what the columns are. Raises BrokenTable."""
    with atomic():
        listed = scope.get(Import, import_id)
        watch.begin(listed.size)
        written = _find_text(scope, import_id, watch)
        content = watch.follow(queries.chunks(scope, import_id), begin=DECODING)
        delimiter = written["delimiter"] or queries.KEPT_DELIMITER
        rows = text.read_rows(content, encoding=written["encoding"], delimiter=delimiter)
        found = describe(rows, most_rows=MOST_ROWS, most_columns=MOST_COLUMNS)
        watch.settle(ImportState.MAPPING, layout={**written, **found.to_dict()}, counts={"rows": found.rows})


def _find_text(scope: TenantScope, import_id: UUID, watch: Watch) -> dict[str, Any]:
    head = next(queries.chunks(scope, import_id), b"")[: detect.HEAD]
    if detect.recognise(head) == FileKind.SPREADSHEET:
        return {"encoding": "utf-8", "delimiter": None, "sheet": _convert(scope, import_id, watch)}
    encoding = detect.find_encoding(watch.follow(queries.chunks(scope, import_id), end=DECODING))
    beginning = "".join(text.decode([head], encoding))
    return {"encoding": encoding, "delimiter": detect.find_delimiter(beginning), "sheet": None}


def _convert(scope: TenantScope, import_id: UUID, watch: Watch) -> str:
    """Put the text of the spreadsheet in the place of the file, and give the name of the sheet."""
    with tempfile.NamedTemporaryFile(prefix="portal-import-", suffix=".xlsx") as original:
        for chunk in queries.chunks(scope, import_id):
            original.write(chunk)
        original.flush()
        content = _Content(scope, import_id, watch)
        sheet = spreadsheet.to_csv(Path(original.name), content.write)
    watch.begin(content.end())
    return sheet


class _Content:
    """A file that is written anew, in pieces of the same size as every other one's."""

    def __init__(self, scope: TenantScope, import_id: UUID, watch: Watch) -> None:
        self._scope, self._import_id, self._watch = scope, import_id, watch
        self._waiting = bytearray()
        self._number = self._size = 0
        old = scope.delete(ImportChunk).where(ImportChunk.import_id == import_id)
        db.session.execute(old.execution_options(synchronize_session=False))

    def write(self, piece: bytes) -> None:
        self._watch.look(0.0)
        self._waiting += piece
        if len(self._waiting) >= MIB:
            self._store()

    def end(self) -> int:
        """The size of it all."""
        self._store()
        return self._size

    def _store(self) -> None:
        chunk = {"import_id": self._import_id, "number": self._number, "content": bytes(self._waiting)}
        db.session.execute(self._scope.insert(ImportChunk, [chunk]))
        self._number += 1
        self._size += len(self._waiting)
        self._waiting.clear()
