"""Columns are recognised by the names that people give them, else by what stands in them."""

import pytest

from portal.tables.columns import ColumnRole, letters, looks_like_number, suggest

NUMBER = "11 99999-0001"


def kinds(names: list[str], rows: list[list[str]], *, has_header: bool = True) -> list[str]:
    return [role.kind for role in suggest(names, rows, has_header=has_header)]


@pytest.mark.parametrize(
    "name",
    [
        "Telefone",
        "CELULAR",
        "WhatsApp",
        "fone",
        "Número",
        "Tel.",
        "Contato",
        "Phone",
        "Mobile number",
        "cell",
        "Telefone 1",
    ],
)
def test_number_is_recognised_by_its_usual_names(name: str) -> None:
    assert kinds([name], [[NUMBER]]) == ["phone"]


@pytest.mark.parametrize("name", ["Nome", "nome completo", "Cliente", "Name", "Full Name", "  NOME "])
def test_name_is_recognised_by_its_usual_names(name: str) -> None:
    assert kinds(["Telefone", name], [[NUMBER, "Ana"]]) == ["phone", "name"]


@pytest.mark.parametrize("name", ["Tags", "etiquetas", "Grupo", "Grupos", "Label"])
def test_tags_are_recognised_by_their_usual_names(name: str) -> None:
    assert kinds(["Telefone", name], [[NUMBER, "vip"]]) == ["phone", "tags"]


def test_other_columns_are_fields_under_their_own_name() -> None:
    roles = suggest(["Telefone", "Cidade"], [[NUMBER, "Recife"]], has_header=True)

    assert roles == [ColumnRole("phone"), ColumnRole("attribute", "Cidade")]


@pytest.mark.parametrize("name", ["Problem", "Problema"])
def test_reason_column_of_a_download_is_left_out(name: str) -> None:
    assert kinds(["Telefone", name], [[NUMBER, "No number"]]) == ["phone", "ignore"]


def test_column_of_numbers_is_the_number_when_no_name_says_so() -> None:
    assert kinds(["Quem", "Onde"], [["Ana", NUMBER], ["Bia", NUMBER]]) == ["attribute", "phone"]


def test_named_column_with_numbers_goes_before_one_without() -> None:
    assert kinds(["Contato", "Celular"], [["Ana", NUMBER]]) == ["attribute", "phone"]


def test_of_two_named_columns_the_fuller_one_is_the_number() -> None:
    rows = [["", NUMBER], ["ramal", NUMBER]]

    assert kinds(["Telefone", "Celular"], rows) == ["attribute", "phone"]


def test_list_without_header_has_a_number_a_name_and_nothing_else() -> None:
    rows = [["Ana", NUMBER, "Recife"], ["Bia", NUMBER, "Belém"]]

    assert kinds(["A", "B", "C"], rows, has_header=False) == ["name", "phone", "ignore"]


def test_list_without_any_number_has_no_suggestion_for_it() -> None:
    assert "phone" not in kinds(["Nome", "Cidade"], [["Ana", "Recife"]])


@pytest.mark.parametrize(
    ("cell", "is_number"),
    [
        ("11 99999-0001", True),
        ("'+5511999990001", True),
        ("(11) 3456-7890", True),
        ("5,51199E+12", True),
        ("Ana 11 99999-0001", False),
        ("99999-0001", False),
        ("", False),
        ("2024", False),
    ],
)
def test_number_is_a_cell_that_holds_nothing_else(cell: str, is_number: bool) -> None:
    assert looks_like_number(cell) is is_number


@pytest.mark.parametrize(
    ("index", "name"), [(0, "A"), (25, "Z"), (26, "AA"), (51, "AZ"), (52, "BA"), (701, "ZZ"), (702, "AAA")]
)
def test_columns_without_a_name_are_called_as_in_a_spreadsheet(index: int, name: str) -> None:
    assert letters(index) == name


def test_role_is_stored_and_read_back() -> None:
    role = ColumnRole("attribute", "Cidade")

    assert ColumnRole.from_dict(role.to_dict()) == role


def test_unknown_role_is_refused() -> None:
    with pytest.raises(ValueError, match="boss"):
        ColumnRole.from_dict({"kind": "boss"})
