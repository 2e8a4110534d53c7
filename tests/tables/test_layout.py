"""How a file is to be read: found in one pass, and refused as a whole where it cannot be."""

import time

import pytest

from portal.tables.layout import Layout, describe
from portal.tables.problems import BrokenTable
from portal.tables.text import Row

NUMBER = "11 99999-0001"


def layout_of(*rows: list[str], most_rows: int = 10, most_columns: int = 3) -> Layout:
    return describe(
        (Row(line, cells) for line, cells in enumerate(rows, 1)), most_rows=most_rows, most_columns=most_columns
    )


def test_columns_have_names_samples_and_suggested_roles() -> None:
    found = layout_of(["Telefone", "Nome"], [NUMBER, "Ana"], [NUMBER, " Bia "], ["", "Cai"], [NUMBER, "Dora"])

    assert found.to_dict() == {
        "has_header": True,
        "columns": [{"name": "Telefone", "samples": [NUMBER]}, {"name": "Nome", "samples": ["Ana", "Bia", "Cai"]}],
        "suggested": [{"kind": "phone", "field": ""}, {"kind": "name", "field": ""}],
    }
    assert found.rows == 4


def test_list_that_begins_with_a_person_has_columns_without_names() -> None:
    found = layout_of([NUMBER, "Ana"], [NUMBER, "Bia", "x"])

    assert (found.names, found.has_header, found.rows) == (["A", "B", "C"], False, 2)


def test_columns_without_a_name_get_a_letter_and_empty_ones_at_the_end_are_none() -> None:
    assert layout_of(["Telefone", "", "Nome", " ", ""], [NUMBER, "x", "Ana"]).names == ["Telefone", "B", "Nome"]


def test_header_with_endless_empty_cells_is_read_at_once() -> None:
    began = time.process_time()

    assert layout_of(["Telefone", *[""] * 200_000], [NUMBER]).names == ["Telefone"]
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("rows", "problem", "details"),
    [
        ([], "empty", {}),
        ([["Telefone", "Nome"]], "empty", {}),
        ([["Telefone", "a", "b", "c"], [NUMBER]], "too_many_columns", {"columns": 4, "most": 3}),
        ([["Telefone", "Nome", "NOME"], [NUMBER]], "doubled_column", {"names": ["Nome", "NOME"]}),
        ([["Nome"], ["Ana"], ["Bia"]], "no_phone_column", {}),
        ([["Telefone"], *[[NUMBER]] * 11], "too_many_rows", {}),
    ],
    ids=["nothing", "only a header", "columns", "doubled", "no number", "rows"],
)
def test_file_that_cannot_be_used_is_refused(rows: list[list[str]], problem: str, details: dict[str, object]) -> None:
    with pytest.raises(BrokenTable) as refused:
        layout_of(*rows)

    assert (refused.value.problem, refused.value.details) == (problem, details)


def test_as_many_rows_as_allowed_are_counted() -> None:
    assert layout_of(["Telefone"], *[[NUMBER]] * 10).rows == 10


def test_rows_beyond_those_looked_at_count_too() -> None:
    rows = [["Telefone"], *[[NUMBER]] * 500]

    assert layout_of(*rows, most_rows=500).rows == 500
    with pytest.raises(BrokenTable, match="too_many_rows"):
        layout_of(*rows, most_rows=499)


def test_file_with_a_thousand_columns_is_refused_without_a_header_too() -> None:
    with pytest.raises(BrokenTable, match="too_many_columns"):
        layout_of([NUMBER] * 10_000)
