"""What a list came to: imported, refused, undone, or nothing."""

import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.db import atomic, db
from portal.models import Contact, Import, ImportState
from portal.tenancy import TenantScope, acting_for
from tests.background.work import work_off
from tests.web.imports import GOOD, MIXED, carry_out, check, read, table, upload


def test_imported_list_says_what_it_did(admin: FlaskClient, acme: TenantScope) -> None:
    with acting_for(acme), atomic():
        acme.add(Contact(phone="5511999990001", name="Aninha"))

    address = carry_out(admin, MIXED, tags="vip")
    page = admin.get(address).text

    assert "The list was imported" in page
    assert re.findall(r"<strong>(\d+)</strong> ([^<]+)<", page) == [
        ("1", "person added"),
        ("1", "person got other data"),
        ("2", "people tagged"),
        ("4", "wrong rows"),
    ]
    assert f"/t/acme/contacts?import={address.rpartition('/')[2]}" in page


def test_wrong_rows_stay_at_hand_while_the_file_is_kept(admin: FlaskClient) -> None:
    address = carry_out(admin, MIXED)
    page = admin.get(address).text

    assert "kept for 7 more days" in page
    assert f'href="{address}/wrong.csv"' in page
    assert len(table(admin.get(f"{address}/wrong.csv"))) == 5


def test_file_is_gone_after_its_time_and_the_people_stay(admin: FlaskClient, acme: TenantScope) -> None:
    address = carry_out(admin, MIXED)
    with acting_for(acme), atomic():
        db.session.execute(acme.update(Import).values(content_until=now() - timedelta(hours=1)))
    work_off()

    page = admin.get(address).text

    assert "The file was deleted; the contacts stay." in page
    assert "wrong.csv" not in page
    assert admin.get(f"{address}/wrong.csv").status_code == 404


def test_list_of_people_who_are_there_already_says_so(admin: FlaskClient) -> None:
    carry_out(admin)

    page = admin.get(carry_out(admin, GOOD + "\n")).text

    assert "Everybody in this list was there already, with the same data." in page


def test_import_is_not_confirmed_twice(admin: FlaskClient) -> None:
    address = carry_out(admin)

    answer = admin.post(f"{address}/confirm")

    assert answer.status_code == 409
    assert 'role="alert"' in answer.text
    assert "The list was imported" in answer.text


def test_same_list_on_the_same_day_is_refused_and_leads_to_the_first(admin: FlaskClient) -> None:
    first = carry_out(admin)

    page = admin.get(upload(admin)).text

    assert "This file cannot be imported as it is" in page
    assert "This very list was imported today already" in page
    assert f'href="{first}"' in page
    assert "Upload your file again" in page


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("telefone;nome\n", "There is no row in it."),
        ("%PDF-1.7\n", "Its content is no table but something else: PDF."),
        ("telefone;nome;Nome\n1;2;3\n", "Several columns have the same name: “nome”, “Nome”."),
        ("nome\nAna\n", "There is no telephone number in it."),
        ('telefone;nome\n1;"Ana\n', "In line 2 a quotation mark is opened and never closed"),
        ("telefone" + ";x" * 100 + "\n1;2\n", "It has more than 100 columns."),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "It is in the old format of Excel (XLS)."),
        (b"\x00\x01\x02\x03" * 200, "something else: data of an unknown kind."),
        (b"PK\x03\x04" + bytes(600), "The spreadsheet is damaged and cannot be opened."),
    ],
    ids=["empty", "pdf", "doubled", "no phone", "quote", "columns", "xls", "binary", "broken"],
)
def test_file_that_is_no_list_is_refused_with_the_next_step(
    admin: FlaskClient, content: str | bytes, sentence: str
) -> None:
    page = admin.get(read(admin, content)).text

    assert sentence in page
    assert "Nothing was changed." in page
    assert "Upload your file again" in page


def test_import_that_did_not_work_says_that_nothing_was_changed(admin: FlaskClient, acme: TenantScope) -> None:
    address = upload(admin)
    _put(acme, state=ImportState.FAILED, problem="gave_up")

    page = admin.get(address).text

    assert "This import did not work" in page
    assert "The portal tried several times and did not come to an end." in page
    assert "Nothing was changed." in page


def test_undoing_asks_first_and_says_what_will_happen(admin: FlaskClient, acme: TenantScope) -> None:
    with acting_for(acme), atomic():
        acme.add(Contact(phone="5511999990001", name="Aninha"))
    address = carry_out(admin)

    page = admin.get(f"{address}/undo").text

    assert "Undo this import?" in page
    assert "The 1 contact that this import added is removed." in page
    assert "The 1 contact that it changed gets back the name and the fields of before." in page
    assert "This cannot be taken back." in page
    with acting_for(acme):
        assert len(db.session.scalars(acme.select(Contact)).all()) == 2


def test_undone_import_says_what_became_of_it(admin: FlaskClient, acme: TenantScope) -> None:
    address = carry_out(admin)
    with acting_for(acme), atomic():
        bia = acme.update(Contact).where(Contact.phone == "5511999990002")
        db.session.execute(bia.values(edited_at=now()))

    answer = admin.post(f"{address}/undo")
    work_off()
    page = admin.get(address).text

    assert answer.status_code == 303
    assert "This import was undone" in page
    assert "1 contact was removed.</p>" in page
    assert "1 contact was left as it is:" in page
    assert "1: they were changed since" in page


@pytest.mark.parametrize("method", ["get", "post"])
def test_only_what_was_imported_is_undone(admin: FlaskClient, method: str) -> None:
    address = check(admin)

    answer = getattr(admin, method)(f"{address}/undo")

    assert answer.status_code == 409


def test_undoing_that_did_not_work_leaves_the_list_imported_and_says_so(admin: FlaskClient, acme: TenantScope) -> None:
    address = carry_out(admin)
    _put(acme, problem="gave_up")

    page = admin.get(address).text

    assert "The list was imported" in page
    assert "nothing was taken back" in page


def _put(scope: TenantScope, **values: object) -> None:
    with acting_for(scope), atomic():
        db.session.execute(scope.update(Import).values(**values))
