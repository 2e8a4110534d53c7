"""The columns of a list, and the page that says what an import would change, before it does."""

import re

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.db import atomic, db
from portal.models import Contact, Suppression, SuppressionReason
from portal.services import suppression
from portal.tenancy import TenantScope, acting_for
from tests.background.work import work_off
from tests.web.imports import MIXED, check, read, supposed, upload


def test_columns_are_supposed_by_their_names_with_examples(admin: FlaskClient) -> None:
    page = admin.get(read(admin)).text

    assert supposed(page) == {
        "kind-0": "phone",
        "field-0": "Telefone",
        "kind-1": "name",
        "field-1": "Nome",
        "kind-2": "attribute",
        "field-2": "Cidade",
    }
    assert re.findall(r"<li dir=\"auto\">(\w+)</li>", page) == ["Ana", "Bia", "Recife", "Olinda"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"kind-0": "ignore"}, "Say which column holds the phone number."),
        ({"kind-1": "phone"}, "Only one column can be the phone number."),
        ({"kind-2": "name"}, "Only one column can be the name."),
        ({"field-2": " "}, "Give the field of the column “Cidade” a name."),
        ({"tags": "x" * 61}, "A tag has at most 60 characters."),
    ],
    ids=["no phone", "two phones", "two names", "field without a name", "long tag"],
)
def test_columns_that_cannot_be_are_refused_and_kept_as_chosen(
    admin: FlaskClient, changes: dict[str, str], sentence: str
) -> None:
    address = read(admin)
    form = {**supposed(admin.get(address).text), **changes}

    answer = admin.post(f"{address}/columns", data=form)

    assert answer.status_code == 422
    assert sentence in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert supposed(answer.text) == {name: value for name, value in form.items() if name != "tags"}


@pytest.mark.parametrize("form", [{}, {"kind-0": "phone", "kind-1": "nonsense", "kind-2": "name"}])
def test_form_that_is_not_about_these_columns_is_refused(admin: FlaskClient, form: dict[str, str]) -> None:
    assert admin.post(f"{read(admin)}/columns", data=form).status_code == 400


def test_columns_are_not_chosen_while_the_file_is_being_read(admin: FlaskClient) -> None:
    address = upload(admin)

    answer = admin.post(f"{address}/columns", data={})

    assert answer.status_code == 409
    assert "The file is being read" in answer.text


def test_columns_of_a_checked_list_can_be_chosen_once_more(admin: FlaskClient) -> None:
    address = check(admin, tags="vip, novos")
    link = re.search(r'href="([^"]+columns=change)"', admin.get(address).text)
    assert link
    form = admin.get(link[1]).text

    admin.post(f"{address}/columns", data={**supposed(form), "kind-2": "ignore"})
    work_off()

    assert 'value="vip, novos"' in form
    assert "Checked, and nothing changed yet" in admin.get(address).text
    assert '<option value="ignore" selected>' in admin.get(link[1]).text


def test_check_says_what_would_change_and_changes_nothing(admin: FlaskClient, acme: TenantScope) -> None:
    page = admin.get(check(admin, MIXED, tags="vip")).text

    assert "2 people can be imported." in page
    assert "4 rows are wrong and stay out." in page
    assert _tallies(page) == {
        "new people": "2",
        "wrong rows": "4",
        "repeated row": "1",
        "number written differently": "1",
    }
    assert "Everybody gets: vip" in page
    assert "Import 2 people</button>" in page
    with acting_for(acme):
        assert db.session.scalars(acme.select(Contact)).all() == []


def test_numbers_of_the_check_lead_to_their_rows(admin: FlaskClient) -> None:
    page = admin.get(check(admin, MIXED)).text

    targets = re.findall(r'<a href="#(\w+)">', page)

    assert targets == ["wrong", "repeated", "renumbered"]
    assert [target for target in targets if f'id="{target}"' not in page] == []


def test_wrong_row_has_its_line_and_the_reason_above_the_cell(admin: FlaskClient) -> None:
    page = admin.get(check(admin, MIXED)).text

    assert _wrong_cells(page) == {
        "3": ["Not a telephone number", "1199"],
        "4": ["Shortened by Excel: format the column as text and write the whole number", "5,51199E+12"],
        "5": ["No number"],
        "6": [
            "More than one number: keep one",
            "11 99999-0003 / 11 99999-0004",
            "More cells than there are columns",
            "mais",
        ],
    }
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_only_the_first_wrong_rows_are_shown(admin: FlaskClient) -> None:
    content = "telefone;nome\n" + "".join(f"{number};x\n" for number in range(60))

    page = admin.get(check(admin, content)).text

    assert len(_wrong_cells(page)) == 50
    assert "Only the first 50 are shown. The download has all of them." in page


def test_changed_number_is_shown_before_and_after_with_the_reason(admin: FlaskClient) -> None:
    page = admin.get(check(admin, MIXED + "1133334444;Loja;Natal\n")).text

    section = page.partition('id="renumbered"')[2].partition("</section>")[0]
    rows = [re.findall(r"<t[dh][^>]*>([^<]*)</t", row) for row in section.split("<tr>")[2:]]
    assert rows == [
        ["8", "11 8888-0005", "+55 11 98888-0005", "country code added, ninth digit added"],
        ["9", "1133334444", "+55 11 3333-4444", "country code added"],
    ]
    assert "1 mobile number of the old kind: the ninth digit is added." in page
    assert "2 without country code: 55 (Brazil) is put before them." in page
    assert "1 is a landline: it stays as it is, and may not be on WhatsApp." in page


def test_repeated_row_names_the_row_that_counts(admin: FlaskClient) -> None:
    assert "Row 7: same number as in row 2" in admin.get(check(admin, MIXED)).text


def test_people_who_opted_out_or_were_erased_are_told_apart(admin: FlaskClient, acme: TenantScope) -> None:
    with acting_for(acme), atomic():
        acme.add(Contact(phone="5511999990001", name="Ana", opted_out_at=now()))
        for fingerprint in suppression.fingerprints("5511999990002"):
            acme.add(Suppression(fingerprint=fingerprint, reason=SuppressionReason.ERASED))

    page = admin.get(check(admin)).text

    assert 'Row 2: <span dir="auto">+55 11 99999-0001 · Ana · Recife</span>' in page
    assert "1 person asked to be erased" in page
    assert "1 person can be imported." in page


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("telefone;nome\n1;Ana\n2;Bia\n", "something is wrong in every one"),
        ("telefone;nome\n1;Ana\n+55 11 99999-0001;Bia\n", None),
    ],
    ids=["all wrong", "one good"],
)
def test_there_is_a_button_to_import_only_where_there_is_somebody(
    admin: FlaskClient, content: str, sentence: str | None
) -> None:
    page = admin.get(check(admin, content)).text

    assert ("Import 1 person</button>" in page) is (sentence is None)
    assert (sentence or "1 person can be imported.") in page


def test_nothing_is_confirmed_where_nobody_is_good(admin: FlaskClient) -> None:
    address = check(admin, "telefone;nome\n1;Ana\n")

    answer = admin.post(f"{address}/confirm")

    assert answer.status_code == 409
    assert "No row of this file can be imported." in answer.text


def test_nobody_finds_another_companys_import(admin: FlaskClient, rival: TenantScope) -> None:
    address = check(admin).replace("/acme/", "/rival/")

    assert admin.get(address).status_code == 404


def _tallies(page: str) -> dict[str, str]:
    found = re.findall(r'<li class="tally[^>]*>.*?<strong>([\d,]+)</strong> ([^<]+)<', page)
    return {label: number for number, label in found}


def _wrong_cells(page: str) -> dict[str, list[str]]:
    """Line -> the reasons and the cells below them."""
    section = page.partition('id="wrong"')[2].partition("</section>")[0]
    rows = re.findall(r'<th scope="row"[^>]*>(\d+)</th>(.*?)</tr>', section, re.S)
    bad = re.compile(r'<td[^>]*class="listing__bad">(.*?)</td>', re.S)
    return {line: re.findall(r">([^<]+)<", "".join(bad.findall(cells))) for line, cells in rows}
