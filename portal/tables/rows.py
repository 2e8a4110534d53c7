"""One row: the person it tells of, or what is wrong with it, cell by cell."""

import re
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from portal import phone
from portal.phone import Reading
from portal.tables.columns import TAX_NUMBER, ColumnRole
from portal.tables.text import Row

LONGEST_NAME = 120
LONGEST_VALUE = 500
LONGEST_TAG = 60
MOST_TAGS = 20

_BETWEEN_TAGS = re.compile(r"[,;|\n]")
_SHORTENED = re.compile(r"\d+(?:[.,]\d+)?[eE]\+?\d+")
# A whole number that went through a program which only knows numbers with decimals.
_WITH_DECIMALS = re.compile(r"(\d{8,15})[.,]0+")
_BETWEEN_NUMBERS = re.compile(r"[/;,|\n]|\s(?:e|ou|and|or)\s")
# Tables that go out carry an apostrophe before what a spreadsheet would run; it is no part of what comes back.
_GUARD = re.compile(r"^'(?=\s*[=+\-@＝＋－＠])")
_SEVERAL_DIGITS = re.compile(r"(?:\D*\d){8}")


class RowProblem(StrEnum):
    PHONE_MISSING = "phone_missing"
    NOT_A_PHONE = "not_a_phone"
    SEVERAL_PHONES = "several_phones"
    SHORTENED_BY_EXCEL = "shortened_by_excel"
    NAME_TOO_LONG = "name_too_long"
    VALUE_TOO_LONG = "value_too_long"
    TAG_TOO_LONG = "tag_too_long"
    TOO_MANY_TAGS = "too_many_tags"
    TOO_MANY_CELLS = "too_many_cells"


class GoodRow(NamedTuple):
    """The person of a row. What the file leaves empty is None or missing."""

    line: int
    reading: Reading
    name: str | None
    attributes: dict[str, str]
    tags: list[str]


class WrongRow(NamedTuple):
    """A row that cannot be imported; `problems` by the index of the column."""

    line: int
    cells: list[str]
    problems: dict[int, RowProblem]


class RowCheck:
    """Checks rows whose columns are these."""

    def __init__(self, roles: Sequence[ColumnRole]) -> None:
        self._width = len(roles)
        self.phone_column = next(index for index, role in enumerate(roles) if role.kind == "phone")
        self._name_column = next((index for index, role in enumerate(roles) if role.kind == "name"), None)
        self._tag_columns = [index for index, role in enumerate(roles) if role.kind == "tags"]
        self._fields = [(index, role.field) for index, role in enumerate(roles) if role.kind == "attribute"]

    def __call__(self, row: Row) -> GoodRow | WrongRow:
        line, cells = row
        problems: dict[int, RowProblem] = {}
        if len(cells) != self._width:
            cells = self._fitted(cells, problems)
        reading = _read_phone(cells[self.phone_column])
        if isinstance(reading, RowProblem):
            problems[self.phone_column] = reading
        name = self._name(cells, problems)
        attributes = self._attributes(cells, problems)
        tags = self._tags(cells, problems) if self._tag_columns else []
        if problems or isinstance(reading, RowProblem):
            return WrongRow(line, row.cells, problems)
        return GoodRow(line, reading, name, attributes, tags)

    def _fitted(self, cells: list[str], problems: dict[int, RowProblem]) -> list[str]:
        if any(cell.strip() for cell in cells[self._width :]):
            problems[self._width] = RowProblem.TOO_MANY_CELLS
        return cells + [""] * (self._width - len(cells))

    def _name(self, cells: list[str], problems: dict[int, RowProblem]) -> str | None:
        if self._name_column is None:
            return None
        name = " ".join(_GUARD.sub("", cells[self._name_column]).split())
        if len(name) > LONGEST_NAME:
            problems[self._name_column] = RowProblem.NAME_TOO_LONG
        return name or None

    def _attributes(self, cells: list[str], problems: dict[int, RowProblem]) -> dict[str, str]:
        found = {}
        for index, field in self._fields:
            if value := _GUARD.sub("", cells[index].strip()):
                found[field] = value
                if len(value) > LONGEST_VALUE:
                    problems[index] = RowProblem.VALUE_TOO_LONG
        return found

    def _tags(self, cells: list[str], problems: dict[int, RowProblem]) -> list[str]:
        found: dict[str, str] = {}
        for index in self._tag_columns:
            for tag in cells[index] and split_tags(cells[index]):
                found.setdefault(tag.lower(), tag)
                if len(tag) > LONGEST_TAG:
                    problems[index] = RowProblem.TAG_TOO_LONG
            if len(found) > MOST_TAGS:
                problems[index] = RowProblem.TOO_MANY_TAGS
        return list(found.values())


@lru_cache(maxsize=1_024)
def split_tags(cell: str) -> tuple[str, ...]:
    """The tags of a cell, in which a comma, a semicolon or a bar stands between two."""
    return tuple(tag for part in _BETWEEN_TAGS.split(cell) if (tag := " ".join(part.split())))


def _read_phone(cell: str) -> Reading | RowProblem:
    text = cell.strip().lstrip("'")
    if not text:
        return RowProblem.PHONE_MISSING
    if _SHORTENED.fullmatch(text):
        return RowProblem.SHORTENED_BY_EXCEL
    if TAX_NUMBER.fullmatch(text):
        return RowProblem.NOT_A_PHONE
    if whole := _WITH_DECIMALS.fullmatch(text):
        text = whole[1]
    try:
        return phone.read(text)
    except phone.NotAPhone:
        numbers = [part for part in _BETWEEN_NUMBERS.split(text) if _SEVERAL_DIGITS.match(part)]
        return RowProblem.SEVERAL_PHONES if len(numbers) > 1 else RowProblem.NOT_A_PHONE
