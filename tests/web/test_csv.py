import pytest

from portal.web.csv import harmless


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        '=HYPERLINK("http://x","y")',
        "+1+1",
        "+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(A1)",
        "\t=1+1",
        "\r=1+1",
        "\n=1+1",
        "  =1+1",
        "＝1+1",
        "+55 11 99999-0002; =1",
        "+55 (11) 99999\n=1",
    ],
)
def test_cell_that_a_spreadsheet_would_run_is_text(cell: str) -> None:
    assert harmless(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["Olá", "", "1=1", "a-b", "+55 11 99999-0002", "+1 (555) 010-0001", "'=1"])
def test_harmless_cell_stays_as_it_is(cell: str) -> None:
    assert harmless(cell) == cell


@pytest.mark.parametrize(("cell", "text"), [(None, ""), (7, "7"), (-7, "'-7")])
def test_other_values_become_text(cell: object, text: str) -> None:
    assert harmless(cell) == text
