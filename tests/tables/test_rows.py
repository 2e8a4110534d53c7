"""One row of a file: a person, or what is wrong with it, cell by cell."""

import pytest

from portal.tables.columns import ColumnRole
from portal.tables.rows import GoodRow, RowCheck, WrongRow
from portal.tables.text import Row

ROLES = [
    ColumnRole("phone"),
    ColumnRole("name"),
    ColumnRole("attribute", "cidade"),
    ColumnRole("tags"),
    ColumnRole("ignore"),
]
NUMBER = "11 99999-0001"


def checked(*cells: str, roles: list[ColumnRole] = ROLES) -> GoodRow | WrongRow:
    return RowCheck(roles)(Row(7, list(cells)))


def problems(*cells: str) -> dict[int, str]:
    found = checked(*cells)
    return {index: str(problem) for index, problem in found.problems.items()} if isinstance(found, WrongRow) else {}


def test_row_becomes_a_person() -> None:
    found = checked(NUMBER, "  Ana   Souza ", " Recife ", "vip; Cliente,VIP |", "anything")

    assert isinstance(found, GoodRow)
    assert (found.line, found.reading.number, found.name) == (7, "5511999990001", "Ana Souza")
    assert (found.attributes, found.tags) == ({"cidade": "Recife"}, ["vip", "Cliente"])


def test_empty_and_missing_cells_say_nothing() -> None:
    for cells in ((NUMBER,), (NUMBER, "", " ", "", "")):
        found = checked(*cells)

        assert isinstance(found, GoodRow)
        assert (found.name, found.attributes, found.tags) == (None, {}, [])


def test_apostrophe_that_kept_a_spreadsheet_from_running_a_cell_is_taken_off_again() -> None:
    found = checked(NUMBER, "'=Ana", "'-5 a 10", "")

    assert isinstance(found, GoodRow)
    assert (found.name, found.attributes) == ("=Ana", {"cidade": "-5 a 10"})


def test_any_other_apostrophe_stays() -> None:
    found = checked(NUMBER, "'Ana' = D'Ávila", "'s-Gravenhage", "")

    assert isinstance(found, GoodRow)
    assert (found.name, found.attributes) == ("'Ana' = D'Ávila", {"cidade": "'s-Gravenhage"})


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("5511999990001", "5511999990001"),
        ("'+5511999990001", "5511999990001"),
        ("5511999990001.0", "5511999990001"),
        ("11999990001,00", "5511999990001"),
        ("+55 (11) 9999-0001", "5511999990001"),
        ("tel: 11 99999-0001", "5511999990001"),
    ],
)
def test_number_is_read_however_it_was_kept(cell: str, number: str) -> None:
    found = checked(cell)

    assert isinstance(found, GoodRow)
    assert found.reading.number == number


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("", "phone_missing"),
        ("   ", "phone_missing"),
        ("'", "phone_missing"),
        ("Ana", "not_a_phone"),
        ("99999-0001", "not_a_phone"),
        ("123.456.789-00", "not_a_phone"),
        ("5,51199E+12", "shortened_by_excel"),
        ("5.51199E+12", "shortened_by_excel"),
        ("55119999e8", "shortened_by_excel"),
        ("11 99999-0001 / 11 98888-0002", "several_phones"),
        ("11999990001;11988880002", "several_phones"),
        ("11 99999-0001 ou 11 98888-0002", "several_phones"),
    ],
)
def test_number_that_cannot_be_read_says_why(cell: str, problem: str) -> None:
    assert problems(cell, "Ana") == {0: problem}


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        ((NUMBER, "x" * 121), {1: "name_too_long"}),
        ((NUMBER, "x" * 120), {}),
        ((NUMBER, "", "x" * 501), {2: "value_too_long"}),
        ((NUMBER, "", "x" * 500), {}),
        ((NUMBER, "", "", "x" * 61), {3: "tag_too_long"}),
        ((NUMBER, "", "", "x" * 60), {}),
        ((NUMBER, "", "", ",".join(str(tag) for tag in range(21))), {3: "too_many_tags"}),
        ((NUMBER, "", "", ",".join(str(tag) for tag in range(20))), {}),
        ((NUMBER, "", "", "", "", "", "more"), {5: "too_many_cells"}),
        ((NUMBER, "", "", "", "", "", " "), {}),
        (("", "x" * 121), {0: "phone_missing", 1: "name_too_long"}),
    ],
)
def test_limits_are_checked_cell_by_cell(cells: tuple[str, ...], found: dict[int, str]) -> None:
    assert problems(*cells) == found


def test_wrong_row_keeps_its_cells_as_they_stand() -> None:
    found = checked(" x ", "Ana")

    assert isinstance(found, WrongRow)
    assert (found.line, found.cells) == (7, [" x ", "Ana"])


def test_several_columns_of_tags_are_one_set() -> None:
    found = checked(NUMBER, "vip", "VIP, novo", roles=[ColumnRole("phone"), ColumnRole("tags"), ColumnRole("tags")])

    assert isinstance(found, GoodRow)
    assert found.tags == ["vip", "novo"]
