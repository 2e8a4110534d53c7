"""Text with separators, row by row: whatever the file holds, only a piece of it is in memory."""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from portal.tables.problems import BrokenTable, FileProblem

PIECE = 64 * 1024
LONGEST_LINE = 1024 * 1024
# A cell may hold line breaks, say an address; a quote that nobody closed would take in row after row.
MOST_LINES_IN_ROW = 100
# A byte order mark is no part of the first cell.
CODECS = {"utf-8": "utf-8-sig"}
# By this first line Excel is told what stands between the cells; it is nobody's row.
_HINT = re.compile(r"(?i)sep=.?")
# No text has a NUL once it is decoded here: where the reader gives this back as a row, all quotes were closed.
_END = "\x00"


class Row(NamedTuple):
    """A row that holds something, and the line of the file where it begins, the first being 1."""

    line: int
    cells: list[str]


def read_rows(chunks: Iterable[bytes], *, encoding: str, delimiter: str) -> Iterator[Row]:
    """The rows, without the blank ones and Excel's hint.

    Raises BrokenTable for a line without end or a quote that is never closed.
    """
    reader = csv.reader(_lines(decode(chunks, encoding)), delimiter=delimiter, skipinitialspace=True)
    line = 1
    try:
        for cells in reader:
            if cells == [_END]:
                return
            is_open_at_end = bool(cells) and cells[-1].endswith(_END)
            if is_open_at_end or reader.line_num - line >= MOST_LINES_IN_ROW:
                raise BrokenTable(FileProblem.UNCLOSED_QUOTE, line=line)
            if any(cells) and not (line == 1 and _HINT.fullmatch("".join(cells))):
                yield Row(line, cells)
            line = reader.line_num + 1
    except csv.Error as e:
        # A cell that is longer than the reader allows.
        is_one_line = reader.line_num == line
        raise BrokenTable(FileProblem.LINE_TOO_LONG if is_one_line else FileProblem.UNCLOSED_QUOTE, line=line) from e


def decode(chunks: Iterable[bytes], encoding: str) -> Iterator[str]:
    """The text in small pieces, with `\\n` at the end of every line and without NULs."""
    codec = codecs.getincrementaldecoder(CODECS.get(encoding, encoding))("replace")
    decoder = io.IncrementalNewlineDecoder(codec, translate=True)
    for chunk in chunks:
        for start in range(0, len(chunk), PIECE):
            yield decoder.decode(chunk[start : start + PIECE]).replace("\x00", "")
    yield decoder.decode(b"", final=True).replace("\x00", "")


def _lines(pieces: Iterable[str]) -> Iterator[str]:
    number, rest = 1, ""
    for piece in pieces:
        *lines, rest = (rest + piece).split("\n")
        number += len(lines)
        if len(rest) > LONGEST_LINE:
            raise BrokenTable(FileProblem.LINE_TOO_LONG, line=number)
        for line in lines:
            yield line + "\n"
    yield rest + "\n"
    yield _END
