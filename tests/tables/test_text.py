"""Text with separators, whatever it holds: rows with the number of their line, in little memory."""

import tracemalloc
from collections.abc import Iterator

import pytest

from portal.tables.problems import BrokenTable
from portal.tables.text import LONGEST_LINE, MOST_LINES_IN_ROW, Row, read_rows


def rows_of(content: bytes, *, encoding: str = "utf-8", delimiter: str = ";", piece: int = 7) -> list[Row]:
    """Read in pieces that end anywhere."""
    chunks = (content[start : start + piece] for start in range(0, len(content), piece))
    return list(read_rows(chunks, encoding=encoding, delimiter=delimiter))


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["unix", "windows", "old mac"])
@pytest.mark.parametrize("piece", [1, 2, 3, 1000])
def test_lines_end_in_any_way_and_pieces_anywhere(end: bytes, piece: int) -> None:
    content = end.join([b"a;b", b"1;2", b"3;4"])

    assert rows_of(content, piece=piece) == [(1, ["a", "b"]), (2, ["1", "2"]), (3, ["3", "4"])]


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("utf-8", "utf-8"),
        ("utf-8", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16-be", "utf-16-be"),
        ("cp1252", "cp1252"),
    ],
)
def test_every_encoding_gives_the_same_text(encoding: str, written: str) -> None:
    content = "nome;João\nação;€".encode(written)

    assert rows_of(content, encoding=encoding) == [(1, ["nome", "João"]), (2, ["ação", "€"])]


@pytest.mark.parametrize("hint", ["sep=;", "SEP=,", '"sep=;"'])
def test_line_that_tells_excel_the_separator_is_no_row(hint: str) -> None:
    content = f"\ufeff{hint}\r\na;b\r\nsep=;\r\n".encode()

    assert rows_of(content) == [(2, ["a", "b"]), (3, ["sep=", ""])]


def test_row_is_known_by_the_line_where_it_begins() -> None:
    content = b'a;b\n\n;;\n1;"two\nlines"\n2;x\n'

    assert rows_of(content) == [(1, ["a", "b"]), (4, ["1", "two\nlines"]), (6, ["2", "x"])]


def test_quotes_hold_separators_and_quotes() -> None:
    assert rows_of(b'"a;b";"say ""hi""";c "d"') == [(1, ["a;b", 'say "hi"', 'c "d"'])]


def test_nuls_are_left_out() -> None:
    assert rows_of(b"1\x001;A\x00na\n") == [(1, ["11", "Ana"])]


@pytest.mark.parametrize(
    "content", [b"", b"\n\n\n", b"   \n", b"\xef\xbb\xbf"], ids=["nothing", "blank", "spaces", "mark"]
)
def test_what_holds_nothing_has_no_rows(content: bytes) -> None:
    assert [row for row in rows_of(content) if any(cell.strip() for cell in row.cells)] == []


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b'a;b\n1;"Ana\n2;Bia\n', 2),
        (b'a;"b', 1),
        (b'a;b\n1;"' + b"Ana\n" * (MOST_LINES_IN_ROW + 1) + b'"\n2;x\n', 2),
        (b'a;b\n1;"' + b"0123456789\n" * 20_000, 2),
    ],
    ids=["to the end", "at once", "over many lines", "over very many"],
)
def test_quote_that_is_never_closed_is_found_where_it_began(content: bytes, line: int) -> None:
    with pytest.raises(BrokenTable) as refused:
        rows_of(content, piece=50_000)

    assert (refused.value.problem, refused.value.details) == ("unclosed_quote", {"line": line})


@pytest.mark.parametrize(
    "content",
    [b"a;b\n" + b"x" * (LONGEST_LINE + 200_000), b"a;b\n1;" + b"x" * 200_000 + b"\n"],
    ids=["without end", "one huge cell"],
)
def test_line_that_is_too_long_is_named(content: bytes) -> None:
    with pytest.raises(BrokenTable) as refused:
        rows_of(content, piece=100_000)

    assert (refused.value.problem, refused.value.details) == ("line_too_long", {"line": 2})


def test_one_line_of_a_hundred_megabytes_takes_no_memory() -> None:
    passed = 0

    def endless() -> Iterator[bytes]:
        nonlocal passed
        for _ in range(100):
            passed += 1
            yield b"x" * 1024 * 1024

    tracemalloc.start()
    with pytest.raises(BrokenTable, match="line_too_long"):
        list(read_rows(endless(), encoding="utf-8", delimiter=","))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert passed <= 3
    assert peak < 12 * 1024 * 1024
