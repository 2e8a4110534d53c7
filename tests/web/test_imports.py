"""Bringing in a list: the upload, what stands on the way to the check, and who may do it."""

import io
import re
from collections.abc import Callable
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.db import atomic, db
from portal.models import Import, ImportState
from portal.permissions import Role
from portal.tenancy import TenantScope, acting_for
from tests.background.work import work_off
from tests.factories import make_user
from tests.web.conftest import OpenBrowser
from tests.web.htmx import PART, poll
from tests.web.imports import GOOD, LIST, START, check, read, send_file, supposed, table, upload


def test_start_page_says_what_a_list_may_be(admin: FlaskClient) -> None:
    page = admin.get(START).text

    assert all(words in page for words in ("at most 128 MB", "1,000,000 rows and 100 columns", "kept for 7 days"))
    assert "UTF-8 or Latin-1" in page
    assert 'data-largest="134217728"' in page


def test_example_is_a_list_that_can_be_imported_as_it_is(admin: FlaskClient) -> None:
    example = admin.get(f"{START}/example.csv")

    page = admin.get(check(admin, example.data)).text

    assert table(example)[0] == ["Phone number", "Name", "Tags", "City"]
    assert "3 people can be imported." in page
    assert "wrong" not in page


def test_portuguese_example_is_one_too(admin: FlaskClient) -> None:
    with admin.session_transaction() as session:
        session["locale"] = "pt_BR"
    example = admin.get(f"{START}/example.csv").data
    with admin.session_transaction() as session:
        session["locale"] = "en"

    page = admin.get(check(admin, example)).text

    assert "3 people can be imported." in page


def test_uploaded_file_is_read_by_a_worker_while_the_page_tells_of_it(admin: FlaskClient) -> None:
    address = upload(admin)
    waiting = admin.get(address).text

    work_off()

    assert "The file is being read" in waiting
    assert '<noscript><meta http-equiv="refresh" content="2"></noscript>' in waiting
    assert "Say what the columns are" in admin.get(address).text
    assert "http-equiv" not in admin.get(address).text


def test_page_follows_the_work_and_is_quiet_while_nothing_changes(admin: FlaskClient) -> None:
    page = admin.get(upload(admin)).text
    quiet = poll(admin, page, "import")
    work_off()

    news = poll(admin, page, "import")

    assert (quiet.status_code, quiet.text) == (204, "")
    assert "Say what the columns are" in news.text
    assert "<html" not in news.text
    assert "hx-get" not in news.text


def test_end_of_the_work_is_announced(admin: FlaskClient) -> None:
    page = admin.get(read(admin), headers=PART).text

    assert 'data-announce="Say what the columns are"' in page


def test_progress_is_told_in_percent_and_rows(admin: FlaskClient, at_work: str) -> None:
    page = admin.get(at_work).text

    assert '<label for="import-bar">42%, about row 5,229 of 12,452</label>' in page
    assert '<progress class="import__bar" id="import-bar" max="100" value="42">' in page


def test_work_that_was_asked_to_stop_says_so_and_cannot_be_asked_again(admin: FlaskClient, at_work: str) -> None:
    answer = admin.post(f"{at_work}/cancel")
    page = admin.get(at_work).text

    assert answer.status_code == 303
    assert "It is being stopped." in page
    assert f'action="{at_work}/cancel"' not in page


@pytest.mark.parametrize("bring", [upload, read, check], ids=["reading", "mapping", "checked"])
def test_import_is_cancelled_before_anything_changed(admin: FlaskClient, bring: Callable[[FlaskClient], str]) -> None:
    address = bring(admin)

    admin.post(f"{address}/cancel")

    page = admin.get(address).text
    assert "This import was cancelled" in page
    assert "Nothing was changed, and the file was deleted." in page


def test_pasted_list_is_read_like_a_file(admin: FlaskClient) -> None:
    data = {"text": "11 99999-0001\r\n11 99999-0002\r\n"}

    answer = admin.post(f"{START}/pasted", data=data, content_type="multipart/form-data")
    work_off()
    page = admin.get(answer.headers["Location"]).text

    assert "<h1" in page
    assert "Pasted list" in page
    assert supposed(page)["kind-0"] == "phone"


def test_pasted_list_may_be_larger_than_other_forms(admin: FlaskClient) -> None:
    # Flask itself takes 500 kB; above 512 kB its test client needs a file.
    data = {"text": "11 99999-0001\n" * 36_000}

    answer = admin.post(f"{START}/pasted", data=data, content_type="multipart/form-data")

    assert answer.status_code == 303


@pytest.mark.parametrize("name", ["", "leer.csv"], ids=["no file", "empty file"])
def test_upload_of_nothing_is_refused_beside_the_field(admin: FlaskClient, name: str) -> None:
    answer = send_file(admin, b"", name=name)

    assert answer.status_code == 422
    assert re.search(r'field__error" id="file-error">\w+', answer.text)
    assert 'aria-describedby="file-error"' in answer.text


def test_empty_paste_is_refused_beside_the_field(admin: FlaskClient) -> None:
    answer = admin.post(f"{START}/pasted", data={"text": " \n "}, content_type="multipart/form-data")

    assert answer.status_code == 422
    assert 'id="text-error"' in answer.text


def test_list_that_is_too_large_to_paste_is_refused_beside_the_field(
    admin: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.services.imports.LARGEST_PASTE", 100)
    data = {"text": "1" * 101}

    answer = admin.post(f"{START}/pasted", data=data, content_type="multipart/form-data")

    assert answer.status_code == 422
    assert "This list is too large" in answer.text


@pytest.mark.parametrize("address", [START, f"{START}/pasted"], ids=["file", "pasted"])
def test_request_above_all_limits_is_not_even_read(
    admin: FlaskClient, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr("portal.web.imports.LARGEST", {"create": 1000, "create_pasted": 1000})
    content = io.BytesIO(b"1" * 2000)

    answer = admin.post(address, data={"file": (content, "x.csv")}, content_type="multipart/form-data")

    assert answer.status_code == 413
    assert "at most 128 MB" in answer.text
    assert f'href="{START}"' in answer.text


def test_people_who_may_not_import_cannot_send_so_much(
    app: Flask, acme: TenantScope, browser: OpenBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.config, "MAX_CONTENT_LENGTH", 1000)
    # The check against forgery is what reads the form.
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", True)
    agent = browser(make_user("agent@acme.test", role=Role.AGENT))

    answer = send_file(agent, b"1" * 2000)

    assert answer.status_code == 413


@pytest.mark.parametrize("path", [LIST, START, f"{START}/example.csv"])
def test_agent_may_not_import(acme: TenantScope, browser: OpenBrowser, path: str) -> None:
    agent = browser(make_user("agent@acme.test", role=Role.AGENT))

    assert agent.get(path).status_code == 403
    assert send_file(agent, GOOD).status_code == 403


def test_every_form_carries_the_token_against_forgery(
    app: Flask, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = [admin.get(START).text, admin.get(upload(admin)).text]
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", True)

    refused = send_file(admin, GOOD)

    forms = [form for page in pages for form in re.findall(r"<form[^>]*contacts/import.*?</form>", page, re.S)]
    assert len(forms) == 3
    assert [form for form in forms if 'name="csrf_token"' not in form] == []
    assert refused.status_code == 400


@pytest.fixture
def at_work(admin: FlaskClient, acme: TenantScope) -> str:
    """The address of an import that a worker is at."""
    address = check(admin)
    counts = {"rows": 12_452, "good": 12_452}
    values = {"state": ImportState.IMPORTING, "relay_id": uuid4(), "done": 42, "total": 100, "counts": counts}
    with acting_for(acme), atomic():
        db.session.execute(acme.update(Import).values(values))
    return address
