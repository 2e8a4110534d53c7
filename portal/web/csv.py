"""Tables as CSV that Excel, LibreOffice and Google Sheets open by a double click, and that runs nothing there."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO

from flask import Response, stream_with_context
from flask_babel import get_locale

# Without it Excel takes UTF-8 for Windows-1252.
BYTE_ORDER_MARK = "\ufeff"
# Excel splits at the list separator of its own language: in Portuguese the comma is in the numbers.
SEPARATORS = {"pt_BR": ";"}
# How spreadsheets begin a formula; the wide forms count in Asian ones.
FORMULA = re.compile(r"\s*[=+\-@\t\r\n＝＋－＠]")
# Digits and what stands between them cannot run anything, and an apostrophe would spoil the number for other programs.
TELEPHONE = re.compile(r"\+\d[\d ()-]*")
LINES_AT_ONCE = 200


def csv_response(file_name: str, header: Sequence[object], rows: Iterable[Sequence[object]]) -> Response:
    """Send the table while it is being read; `file_name` is ours, without the ending."""
    response = Response(stream_with_context(_lines(header, rows)), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{file_name}.csv"'
    return response


def harmless(cell: object) -> str:
    """The cell as text that no spreadsheet takes for a formula."""
    text = "" if cell is None else str(cell)
    if FORMULA.match(text) and not TELEPHONE.fullmatch(text):
        return f"'{text}"
    return text


def _lines(header: Sequence[object], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    buffer = StringIO()
    writer = csv.writer(buffer, delimiter=SEPARATORS.get(str(get_locale()), ","), lineterminator="\r\n")
    buffer.write(BYTE_ORDER_MARK)
    writer.writerow([harmless(cell) for cell in header])
    for number, row in enumerate(rows, start=1):
        writer.writerow([harmless(cell) for cell in row])
        if number % LINES_AT_ONCE == 0:
            yield _taken(buffer)
    yield _taken(buffer)


def _taken(buffer: StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
