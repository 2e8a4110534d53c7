"""Spreadsheets are read by a process of their own: what goes wrong there is a sentence, and nothing else."""

import io
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path

import psutil
import pytest
import xlsxwriter

from portal.tables import spreadsheet
from portal.tables.problems import BrokenTable
from portal.tables.spreadsheet import cell_text, to_csv

Fill = Callable[[xlsxwriter.Workbook], None]


def make_book(folder: Path, fill: Fill) -> Path:
    path = folder / "list.xlsx"
    with xlsxwriter.Workbook(path) as book:
        fill(book)
    return path


def read(path: Path) -> tuple[str, str]:
    """The name of the sheet, and the text."""
    written = io.BytesIO()
    name = to_csv(path, lambda piece: written.write(piece) and None)
    return name, written.getvalue().decode()


def refusal(path: Path) -> tuple[str, dict[str, object]]:
    with pytest.raises(BrokenTable) as refused:
        read(path)
    return refused.value.problem, refused.value.details


def readers() -> list[psutil.Process]:
    """The processes that read spreadsheets at this moment."""
    return [child for child in psutil.Process().children() if "portal.tables.spreadsheet" in child.cmdline()]


def rewrite(path: Path, part: str, change: Callable[[bytes], bytes]) -> Path:
    """The same package with one part changed."""
    with zipfile.ZipFile(path) as package:
        parts = {name: package.read(name) for name in package.namelist()}
    parts[part] = change(parts[part])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in parts.items():
            package.writestr(name, content)
    return path


def people(book: xlsxwriter.Workbook) -> None:
    sheet = book.add_worksheet("Clientes")
    sheet.write_row(0, 0, ["Telefone", "Nome"])
    sheet.write_row(1, 0, [5511999990001, "João; da\nSilva"])


def test_first_sheet_that_holds_something_is_read(tmp_path: Path) -> None:
    def fill(book: xlsxwriter.Workbook) -> None:
        book.add_worksheet("Vazia")
        people(book)
        book.add_worksheet("Outra").write(0, 0, "x")

    assert read(make_book(tmp_path, fill)) == ("Clientes", "Telefone,Nome\n5511999990001,João; da Silva\n")


def test_sheet_in_sight_goes_before_a_hidden_one(tmp_path: Path) -> None:
    def fill(book: xlsxwriter.Workbook) -> None:
        hidden = book.add_worksheet("Escondida")
        hidden.write(0, 0, "x")
        people(book)
        book.worksheets()[1].activate()
        hidden.hide()

    assert read(make_book(tmp_path, fill))[0] == "Clientes"


def test_number_of_a_line_is_the_number_of_the_row(tmp_path: Path) -> None:
    def fill(book: xlsxwriter.Workbook) -> None:
        sheet = book.add_worksheet()
        sheet.write(2, 0, "Telefone")
        sheet.write(4, 0, "two\nlines\r\nand more")
        sheet.write(5, 0, "last")

    assert read(make_book(tmp_path, fill))[1].split("\n")[2::2] == ["Telefone", "two lines and more", ""]


def test_formula_is_what_the_spreadsheet_shows_of_it(tmp_path: Path) -> None:
    def fill(book: xlsxwriter.Workbook) -> None:
        sheet = book.add_worksheet()
        sheet.write_formula(0, 0, '=CMD("calc")', value="calculado")

    assert read(make_book(tmp_path, fill))[1] == "calculado\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5511999990001.0, "5511999990001"),
        (1e12, "1000000000000"),
        (1e300, "1e+300"),
        (10.5, "10.5"),
        (float("nan"), "nan"),
        (True, "True"),
        (datetime(2024, 1, 2), "2024-01-02"),
        (datetime(2024, 1, 2, 3, 4), "2024-01-02T03:04:00"),
        (date(2024, 1, 2), "2024-01-02"),
        (time(3, 4), "03:04:00"),
        ("a\r\nb", "a b"),
        ("", ""),
    ],
)
def test_cell_becomes_what_a_person_would_have_typed(value: object, text: str) -> None:
    assert cell_text(value) == text


def test_package_without_a_spreadsheet_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.xlsx"
    found = {}
    for part in ("word/document.xml", "xl/workbook.bin", "content.xml", "anything"):
        with zipfile.ZipFile(path, "w") as package:
            package.writestr(part, "x")
        found[part] = refusal(path)[1]["found"]

    assert list(found.values()) == ["Word", "XLSB", "OpenDocument", "ZIP"]


def test_bomb_is_recognised_by_its_table_of_contents(tmp_path: Path) -> None:
    path = make_book(tmp_path, people)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as package, package.open("xl/bomb.xml", "w") as bomb:
        for _ in range(spreadsheet.LARGEST_UNPACKED // (16 << 20) + 1):
            bomb.write(bytes(16 << 20))

    assert path.stat().st_size < 2_000_000
    assert refusal(path) == ("unpacks_too_large", {})


def test_bomb_that_lies_about_its_size_ends_only_the_other_process(tmp_path: Path) -> None:
    def far_away(book: xlsxwriter.Workbook) -> None:
        sheet = book.add_worksheet()
        sheet.write(0, 0, "Telefone")
        sheet.write(1_048_575, 16_383, "x")

    path = make_book(tmp_path, far_away)
    before = psutil.Process().memory_info().rss
    problem, _ = refusal(path)

    assert problem in ("unpacks_too_large", "broken_spreadsheet")
    assert psutil.Process().memory_info().rss - before < 50_000_000
    assert readers() == []


def test_entities_that_grow_are_not_followed(tmp_path: Path) -> None:
    laughs = b'<!DOCTYPE x [<!ENTITY a "ha">' + b"".join(
        b'<!ENTITY %c "%s">' % (98 + level, b"&%c;" % (97 + level) * 10) for level in range(10)
    )
    path = make_book(tmp_path, people)
    rewrite(
        path,
        "xl/sharedStrings.xml",
        lambda part: part.replace(b"<sst", laughs + b"]><sst", 1).replace(b"<t>Nome</t>", b"<t>&k;</t>"),
    )

    try:
        _, text = read(path)
    except BrokenTable as e:
        text = e.problem

    assert "haha" not in text
    assert len(text) < 1_000


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content[:200],
        lambda content: b"PK\x03\x04" + bytes(500),
        lambda content: content[: -len(content) // 2],
    ],
    ids=["cut off", "only the name of it", "half"],
)
def test_broken_package_is_refused(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    path = make_book(tmp_path, people)
    path.write_bytes(spoil(path.read_bytes()))

    assert refusal(path) == ("broken_spreadsheet", {})


def test_broken_sheet_is_refused(tmp_path: Path) -> None:
    path = rewrite(make_book(tmp_path, people), "xl/worksheets/sheet1.xml", lambda part: part[: len(part) // 2])

    assert refusal(path) == ("broken_spreadsheet", {})


def test_spreadsheet_that_holds_nothing_is_refused(tmp_path: Path) -> None:
    assert refusal(make_book(tmp_path, lambda book: book.add_worksheet() and None)) == ("no_sheet", {})


def test_more_text_than_allowed_ends_the_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheet, "LARGEST_OUTPUT", 10)

    assert refusal(make_book(tmp_path, people)) == ("unpacks_too_large", {})


def test_process_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheet, "MOST_TIME_S", 0.0)

    assert refusal(make_book(tmp_path, people)) == ("unpacks_too_large", {})


def test_whoever_takes_the_text_may_end_it(tmp_path: Path) -> None:
    class Enough(Exception):
        pass

    def stop(piece: bytes) -> None:
        raise Enough

    with pytest.raises(Enough):
        to_csv(make_book(tmp_path, people), stop)

    assert readers() == []
