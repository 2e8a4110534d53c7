"""Files of any bytes as lists of people: rows, or the one error that says what is wrong; and in time."""

import io
import json
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest
import xlsxwriter
from hypothesis import strategies as st

from portal import phone
from portal.tables import detect, spreadsheet, text
from portal.tables.columns import suggest
from portal.tables.detect import FileKind
from portal.tables.layout import describe
from portal.tables.problems import BrokenTable
from portal.tables.rows import GoodRow, RowCheck, WrongRow
from portal.tables.text import Row
from tests.fuzz.exploring import Say, explore

LONGEST_S = 20.0
MOST_ROWS, MOST_COLUMNS = 10_000, 60
FORMULAS = ["=1+1", '=HYPERLINK("http://x")', "+cmd|' /C calc'!A0", "@SUM(A1)", "-2+3", "'=1", "\t=1", "＝1"]
CELLS = st.sampled_from(
    ["", " ", "Ana", "João; da Silva", "5511999990001", "(11) 98765-4321", "5,5119E+12", "5511999990001.0", "a" * 5_000]
    + [
        "vip;novo",
        '"',
        '""',
        "\x00",
        "\ufeff",
        "\u2028",
        "\u202e",
        "٥٥١١",
        "123.456.789-09",
        "11 9999-0001 / 11 9999-0002",
    ]
    + FORMULAS
) | st.text(max_size=20)
ROWS = st.lists(st.lists(CELLS, max_size=6), max_size=12)
ENCODINGS = ["utf-8", "utf-8-sig", "cp1252", "latin-1", "utf-16", "utf-16-be", "utf-16-le"]
SHEET = "xl/worksheets/sheet1.xml"


@st.composite
def text_files(draw: st.DrawFn) -> bytes:
    """Rows as text, written in some way, to which something may have happened."""
    rows, delimiter = draw(ROWS), draw(st.sampled_from([";", ",", "\t", "|"]))
    end = draw(st.sampled_from(["\n", "\r\n", "\r", "\n\n"]))
    quoted = draw(st.sampled_from([str, lambda cell: '"' + cell.replace('"', '""') + '"', lambda cell: '"' + cell]))
    lines = end.join(delimiter.join(quoted(cell) for cell in row) for row in rows)
    content = lines.encode(draw(st.sampled_from(ENCODINGS)), errors="replace")
    return draw(st.just(content) | mutated(content))


def mutated(content: bytes) -> st.SearchStrategy[bytes]:
    """The content with a few bytes cut out, changed or put in."""
    places = st.integers(0, max(len(content), 1))
    change = st.tuples(places, st.integers(0, 8), st.binary(max_size=8))

    def apply(changes: Iterable[tuple[int, int, bytes]]) -> bytes:
        changed = content
        for at, cut, put in changes:
            changed = changed[:at] + put + changed[at + cut :]
        return changed

    return st.lists(change, min_size=1, max_size=5).map(apply)


def book(rows: list[list[str]]) -> bytes:
    written = io.BytesIO()
    with xlsxwriter.Workbook(written, {"in_memory": True}) as made:
        sheet = made.add_worksheet()
        for number, cells in enumerate(rows):
            sheet.write_row(number, 0, [cell.replace("\x00", "") for cell in cells])
    return written.getvalue()


BOOK = book([["Telefone", "Nome"], ["5511999990001", "Ana"], ["=1+1", "@x"]])
with zipfile.ZipFile(io.BytesIO(BOOK)) as package:
    PARTS = {name: package.read(name) for name in package.namelist()}


@st.composite
def books(draw: st.DrawFn) -> bytes:
    """A spreadsheet to which something happened: to the package, to one of its parts, or to none."""
    way = draw(st.sampled_from(["bytes", "part", "part", "lost", "bomb", "rows"]))
    if way == "bytes":
        return draw(mutated(BOOK))
    if way == "rows":
        return book(draw(ROWS))
    parts, name = dict(PARTS), draw(st.sampled_from(sorted(PARTS)))
    if way == "lost":
        del parts[name]
    elif way == "bomb":
        cell = b'<c r="XFD1048576" t="inlineStr"><is><t>x</t></is></c>'
        parts[SHEET] = parts[SHEET].replace(b"</sheetData>", b'<row r="1048576">' + cell + b"</row></sheetData>")
    else:
        parts[name] = draw(mutated(parts[name]))
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as package:
        for its_name, content in parts.items():
            package.writestr(its_name, content)
    return written.getvalue()


def read_through(content: bytes, *, encoding: str = "", delimiter: str = "") -> list[GoodRow | WrongRow]:
    """As an import does: what it is, how it is written, what its columns are, and each row."""
    encoding = encoding or detect.find_encoding([content])
    delimiter = delimiter or detect.find_delimiter("".join(text.decode([content[: detect.HEAD]], encoding)))
    rows = list(text.read_rows([content], encoding=encoding, delimiter=delimiter))
    layout = describe(rows, most_rows=MOST_ROWS, most_columns=MOST_COLUMNS)
    json.dumps(layout.to_dict())
    roles = suggest(layout.names, layout.first_rows, has_header=layout.has_header)
    if not any(role.kind == "phone" for role in roles):
        return []
    check = RowCheck(roles)
    return [check(row) for row in rows]


def check_rows(checked: list[GoodRow | WrongRow]) -> None:
    for row in checked:
        if isinstance(row, GoodRow):
            assert phone.canonical("+" + row.reading.number) == row.reading.number
            # The database takes no such character.
            assert "\x00" not in "".join([row.name or "", *row.attributes.values(), *row.tags])
        else:
            assert row.problems != {}


def test_text_of_any_bytes_is_rows_or_one_sentence(measured: Say) -> None:
    def check(content: bytes) -> None:
        began_at = time.monotonic()
        try:
            if detect.recognise(content[: detect.HEAD]) == FileKind.TEXT:
                check_rows(read_through(content))
        except BrokenTable as e:
            json.dumps(e.details)
        assert time.monotonic() - began_at < LONGEST_S

    explore("lists as text", check, measured, few=150, content=text_files() | st.binary(max_size=400))


def test_spreadsheet_of_any_bytes_is_rows_or_one_sentence(tmp_path: Path, measured: Say) -> None:
    path = tmp_path / "list.xlsx"

    def check(content: bytes) -> None:
        path.write_bytes(content)
        written, began_at = io.BytesIO(), time.monotonic()
        try:
            spreadsheet.to_csv(path, lambda piece: written.write(piece) and None)
            check_rows(read_through(written.getvalue(), encoding="utf-8", delimiter=","))
        except BrokenTable as e:
            json.dumps(e.details)
        assert time.monotonic() - began_at < LONGEST_S

    # Each is read by a process of its own.
    explore("lists as spreadsheets", check, measured, few=8, content=books())


@pytest.mark.parametrize("formula", FORMULAS)
def test_formula_in_a_list_is_text(formula: str) -> None:
    roles = suggest(["telefone", "nome"], [["5511999990001", formula]], has_header=True)

    row = RowCheck(roles)(Row(1, ["5511999990001", formula]))

    assert isinstance(row, GoodRow)
    assert row.name == " ".join(formula.removeprefix("'").split())
