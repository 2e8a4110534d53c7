"""The tables around an import: wrong rows to be corrected and uploaded again, and numbers written differently."""

import pytest
from flask.testing import FlaskClient

from tests.web.imports import MIXED, check, read, supposed, table


def test_wrong_rows_are_downloaded_with_the_reason_and_harm_nobody(admin: FlaskClient) -> None:
    answer = admin.get(f"{check(admin, MIXED)}/wrong.csv")

    header, *rows = table(answer)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="wrong-rows.csv"'
    assert header == ["Telefone", "Nome", "Cidade", "Problem"]
    assert rows[0] == ["1199", "<script>alert(1)</script>", "Natal", "Telefone: Not a telephone number"]
    assert rows[2] == ["", "Caio", "Natal", "Telefone: No number"]
    assert rows[3] == [
        "11 99999-0003 / 11 99999-0004",
        "'=HYPERLINK(1)",
        "Natal",
        "Telefone: More than one number: keep one; More cells than there are columns",
        "mais",
    ]


def test_corrected_download_is_uploaded_as_it_is(admin: FlaskClient) -> None:
    download = admin.get(f"{check(admin, MIXED)}/wrong.csv").text.replace("1199,", "11 99999-1199,")

    address = check(admin, download)

    assert supposed(admin.get(f"{address}?columns=change").text)["kind-3"] == "ignore"
    assert "1 person can be imported." in admin.get(address).text
    assert table(admin.get(f"{address}/wrong.csv"))[0] == ["Telefone", "Nome", "Cidade", "Problem"]


def test_download_of_a_list_without_names_names_its_columns(admin: FlaskClient) -> None:
    address = check(admin, "+55 11 99999-0001;Ana\n11;Bia\n")

    header, row = table(admin.get(f"{address}/wrong.csv"))

    assert header == ["Phone number", "Name", "Problem"]
    assert row == ["11", "Bia", "Phone number: Not a telephone number"]


def test_changed_numbers_are_downloaded(admin: FlaskClient) -> None:
    header, row = table(admin.get(f"{check(admin, MIXED)}/renumbered.csv"))

    assert header == ["Row", "In the file", "Will be", "Why"]
    assert row == ["8", "11 8888-0005", "+55 11 98888-0005", "country code added, ninth digit added"]


@pytest.mark.parametrize("name", ["wrong", "renumbered"])
def test_there_is_nothing_to_download_before_the_columns_are_known(admin: FlaskClient, name: str) -> None:
    assert admin.get(f"{read(admin)}/{name}.csv").status_code == 404
