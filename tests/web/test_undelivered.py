"""The list of what did not arrive: what it shows, to whom, and as a table."""

import csv
import io
import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.models import Conversation, MessageStatus, Unit
from portal.queries.undelivered import PAGE
from portal.tenancy import TenantScope
from tests.factories import make_connected_unit, make_conversation, make_unit
from tests.web.htmx import poll
from tests.web.undelivered import FAILED, IN_DOUBT, LIST, SILENT, make_ours


def test_groups_say_how_many_of_which_unit_and_why(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    for columns in (FAILED, FAILED, IN_DOUBT, SILENT):
        make_ours(acme, conversation, **columns)

    page = admin.get(LIST).text

    assert "2 messages of Jardins: number not on WhatsApp" in page
    assert "1 message of Jardins: no answer in time" in page
    assert "1 message of Jardins: no receipt" in page


def test_empty_list_teaches_what_it_is_for(admin: FlaskClient, acme: TenantScope) -> None:
    assert "Everything arrived" in admin.get(LIST).text


def test_row_says_who_what_why_and_what_to_do(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    make_ours(acme, conversation, **FAILED, body="<b>Pronto</b>")

    page = admin.get(LIST).text

    assert "Maria" in page
    assert "+55 11 99999-0002" in page
    assert "&lt;b&gt;Pronto&lt;/b&gt;" in page
    assert "This number is not on WhatsApp." in page
    assert "Check it and send again." in page
    assert f"/t/acme/conversations/{conversation.id}" in page


def test_each_bucket_has_a_list_and_decisions_of_its_own(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    for columns in (FAILED, IN_DOUBT, SILENT):
        make_ours(acme, conversation, **columns)

    pages = {bucket: admin.get(f"{LIST}?bucket={bucket}").text for bucket in ("failed", "unconfirmed", "no_receipt")}

    buttons = {bucket: re.findall(r'name="decision" value="(\w+)"', page) for bucket, page in pages.items()}
    assert buttons == {
        "failed": ["try_again", "set_aside"],
        "unconfirmed": ["arrived", "send_again", "set_aside"],
        "no_receipt": ["send_again", "set_aside"],
    }
    assert "The person may get it twice" in pages["unconfirmed"]
    assert "The person may get it twice" in pages["no_receipt"]
    assert [page.count("undelivered__row") for page in pages.values()] == [1, 1, 1]


def test_message_that_is_not_late_yet_is_in_no_list(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    make_ours(acme, conversation, status=MessageStatus.SENT, sent_at=now() - timedelta(minutes=9))

    assert "Everything arrived" in admin.get(LIST).text


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("unit=jardins", ["Aqui"]),
        ("unit=moema", ["Lá"]),
        ("reason=expired", ["Lá"]),
        ("reason=expired&unit=jardins", []),
        ("since=2026-01-02", ["Lá", "Aqui"]),
        ("since=2999-01-01", []),
    ],
)
def test_list_is_filtered(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, query: str, shown: list[str]
) -> None:
    elsewhere = make_conversation(acme, make_connected_unit(acme, "moema"))
    make_ours(acme, conversation, **FAILED, body="Aqui")
    make_ours(acme, elsewhere, **{**FAILED, "error_code": "expired"}, body="Lá")

    page = admin.get(f"{LIST}?bucket=failed&{query}").text

    assert re.findall(r'undelivered__text" dir="auto">(\S+?)</p>', page) == shown


@pytest.mark.parametrize("query", ["bucket=nonsense", "since=yesterday", "before=x"])
def test_crooked_filter_is_refused(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, query: str
) -> None:
    make_ours(acme, conversation, **FAILED)

    assert admin.get(f"{LIST}?{query}").status_code == 400


def test_unit_of_nobody_is_not_there(admin: FlaskClient) -> None:
    assert admin.get(f"{LIST}?unit=nowhere").status_code == 404


def test_older_messages_come_page_by_page(admin: FlaskClient, acme: TenantScope, conversation: Conversation) -> None:
    for number in range(PAGE + 1):
        make_ours(acme, conversation, **FAILED, body=f"linha {number}.")
    page = admin.get(LIST).text
    link = re.search(r'href="([^"]*before=[^"]*)"', page)
    assert link

    older = admin.get(link[1].replace("&amp;", "&")).text

    assert "linha 0." not in page
    assert "linha 50." in page
    assert "linha 0." in older
    assert "linha 1." not in older


def test_groups_follow_by_themselves(admin: FlaskClient, acme: TenantScope, conversation: Conversation) -> None:
    make_ours(acme, conversation, **FAILED)
    page = admin.get(LIST).text
    quiet = poll(admin, page, "undelivered-groups")
    make_ours(acme, conversation, **FAILED)

    news = poll(admin, page, "undelivered-groups")

    assert (quiet.status_code, quiet.text) == (204, "")
    assert "2 messages of Jardins" in news.text
    assert "Update the list" in news.text
    assert "<html" not in news.text


def test_badge_counts_what_waits_for_a_decision(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    for columns in (FAILED, IN_DOUBT, SILENT, {**FAILED, "handled_at": now()}):
        make_ours(acme, conversation, **columns)

    page = admin.get("/t/acme/").text

    assert re.search(r'count--bad">3 <span class="visually-hidden">wait for a decision', page)


def test_operator_has_no_list_of_messages(operator: FlaskClient, acme: TenantScope) -> None:
    assert operator.get(LIST).status_code == 403
    assert operator.get(f"{LIST}.csv").status_code == 403
    assert "Not delivered" not in operator.get("/t/acme/").text


def test_table_holds_the_filter_and_harms_nobody(admin: FlaskClient, acme: TenantScope, connected_unit: Unit) -> None:
    chat = make_conversation(acme, connected_unit, name='=HYPERLINK("http://x")')
    make_ours(acme, chat, **FAILED, body='Olá,\n=1+1; "fim"', retry_count=3, last_retry_at=now())
    make_ours(acme, chat, **{**FAILED, "error_code": "expired"})

    answer = admin.get(f"{LIST}.csv?bucket=failed&reason=not_on_whatsapp")
    header, row = csv.reader(io.StringIO(answer.text.removeprefix("\ufeff")))

    assert answer.text.startswith("\ufeff")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="failed-acme.csv"'
    assert header[:4] == ["Unit", "Person", "Phone number", "Text"]
    assert row[:4] == ["Jardins", '\'=HYPERLINK("http://x")', "+55 11 99999-0002", 'Olá,\n=1+1; "fim"']
    assert row[5:9] == ["Not sent", "This number is not on WhatsApp. Check it and send again.", "not_on_whatsapp", "3"]


def test_portuguese_table_is_split_as_portuguese_spreadsheets_expect(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    make_ours(acme, conversation, **FAILED, body="um; dois")
    with admin.session_transaction() as session:
        session["locale"] = "pt_BR"

    header, row = csv.reader(io.StringIO(admin.get(f"{LIST}.csv").text), delimiter=";")

    assert len(header) == len(row) == 10
    assert row[3] == "um; dois"


def test_long_table_is_whole(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.queries.undelivered.BATCH", 2)
    for number in range(5):
        make_ours(acme, conversation, **FAILED, body=f"linha {number}")

    rows = list(csv.reader(io.StringIO(admin.get(f"{LIST}.csv").text)))[1:]

    assert [row[3] for row in rows] == [f"linha {number}" for number in (4, 3, 2, 1, 0)]


def test_unit_page_says_what_it_sends_and_what_it_did_not(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, conversation: Conversation
) -> None:
    quiet = admin.get("/t/acme/units/jardins").text
    for columns in (FAILED, IN_DOUBT, SILENT, {"status": MessageStatus.QUEUED}):
        make_ours(acme, conversation, **columns)

    page = admin.get("/t/acme/units/jardins").text

    assert "Nothing waits, and nothing went wrong." in quiet
    assert all(words in page for words in ("Waiting: 1", "Not sent: 1", "Not known: 1", "No receipt: 1"))
    assert "bucket=no_receipt&amp;unit=jardins" in page


def test_unit_that_left_the_list_takes_its_messages_along(admin: FlaskClient, acme: TenantScope) -> None:
    unit = make_unit(acme, "velha")
    make_ours(acme, make_conversation(acme, unit), **FAILED)

    admin.post("/t/acme/units/velha/archive")

    assert "Everything arrived" in admin.get(LIST).text
