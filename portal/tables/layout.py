"""How a file is to be read, found in one pass over all of it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from portal.tables.columns import letters, looks_like_number, suggest
from portal.tables.detect import has_header
from portal.tables.problems import BrokenTable, FileProblem
from portal.tables.text import Row

ROWS_LOOKED_AT = 200
SAMPLES = 3
LONGEST_SAMPLE = 80
LONGEST_COLUMN_NAME = 120


@dataclass(frozen=True)
class Layout:
    """What the columns are called, what stands in the first rows, and how many rows there are without the header."""

    names: list[str]
    has_header: bool
    rows: int
    first_rows: list[list[str]] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The part of it that is stored and shown."""
        roles = suggest(self.names, self.first_rows, has_header=self.has_header)
        return {
            "has_header": self.has_header,
            "columns": [
                {"name": name, "samples": _samples(self.first_rows, index)} for index, name in enumerate(self.names)
            ],
            "suggested": [role.to_dict() for role in roles],
        }


def describe(rows: Iterable[Row], *, most_rows: int, most_columns: int) -> Layout:
    """Read all rows and say what they look like. Raises BrokenTable for what makes the whole file unusable."""
    rows = iter(rows)
    first = next(rows, None)
    if first is None:
        raise BrokenTable(FileProblem.EMPTY)
    is_header = has_header(first.cells)
    seen = [] if is_header else [first.cells]
    # One cell more than there may be is enough to know that there are too many.
    seen += [row.cells[: most_columns + 1] for row in islice(rows, ROWS_LOOKED_AT)]
    names = _names(first.cells, seen, is_header=is_header)
    _refuse_columns(names, seen, most=most_columns, is_header=is_header)
    return Layout(names, is_header, _count(rows, begin=len(seen), most=most_rows), seen)


def _names(first: Sequence[str], seen: Sequence[Sequence[str]], *, is_header: bool) -> list[str]:
    if not is_header:
        return [letters(index) for index in range(max(map(len, seen)))]
    width = max((number for number, cell in enumerate(first, start=1) if cell.strip()), default=0)
    given = [" ".join(cell.split())[:LONGEST_COLUMN_NAME] for cell in first[:width]]
    return [name or letters(index) for index, name in enumerate(given)]


def _refuse_columns(names: Sequence[str], seen: Sequence[Sequence[str]], *, most: int, is_header: bool) -> None:
    if not seen:
        raise BrokenTable(FileProblem.EMPTY)
    if len(names) > most:
        raise BrokenTable(FileProblem.TOO_MANY_COLUMNS, columns=len(names), most=most)
    counted = Counter(name.casefold() for name in names)
    doubled = [name for name in dict.fromkeys(names) if counted[name.casefold()] > 1]
    if is_header and doubled:
        raise BrokenTable(FileProblem.DOUBLED_COLUMN, names=doubled)
    if len(names) == 1 and not any(looks_like_number(row[0]) for row in seen if row):
        raise BrokenTable(FileProblem.NO_PHONE_COLUMN)


def _count(rows: Iterator[Row], *, begin: int, most: int) -> int:
    count = begin + sum(1 for _row in islice(rows, max(0, most - begin)))
    if count > most or next(rows, None) is not None:
        raise BrokenTable(FileProblem.TOO_MANY_ROWS)
    return count


def _samples(rows: Sequence[Sequence[str]], index: int) -> list[str]:
    filled = (row[index].strip() for row in rows if index < len(row))
    return [value[:LONGEST_SAMPLE] for value in islice(filter(None, dict.fromkeys(filled)), SAMPLES)]
