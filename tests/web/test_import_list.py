"""The list of imports: which file, who, how it stands."""

import re

from flask.testing import FlaskClient

from portal.queries.imports import PAGE
from tests.web.imports import LIST, check, read, upload


def test_list_of_imports_teaches_while_it_is_empty(admin: FlaskClient) -> None:
    assert "No list was imported yet" in admin.get(LIST).text


def test_list_says_which_file_who_and_how_it_stands(admin: FlaskClient) -> None:
    read(admin, name="<i>antiga</i>.csv")
    check(admin, "telefone\n11 99999-0001\nx\n", name="nova.csv")

    page = admin.get(LIST).text

    assert page.index("nova.csv") < page.index("&lt;i&gt;antiga&lt;/i&gt;.csv")
    assert page.count("admin@acme.test</span>") == 2
    assert "Waits for its columns" in page
    assert "Waits for your go-ahead" in page
    assert "2 rows, 1 wrong" in page


def test_list_whose_name_is_blank_has_a_name_all_the_same(admin: FlaskClient) -> None:
    read(admin, name="  ")

    assert "List without a name" in admin.get(LIST).text


def test_earlier_imports_come_page_by_page(admin: FlaskClient) -> None:
    for number in range(PAGE + 1):
        upload(admin, f"telefone\n{number}\n", name=f"lista {number}.csv")
    page = admin.get(LIST).text
    link = re.search(r'href="([^"]*before=[^"]*)"', page)
    assert link

    earlier = admin.get(link[1]).text

    assert "lista 0.csv" not in page
    assert "lista 0.csv" in earlier
    assert "lista 1.csv" not in earlier


def test_crooked_position_in_the_list_is_refused(admin: FlaskClient) -> None:
    assert admin.get(f"{LIST}?before=x").status_code == 400
