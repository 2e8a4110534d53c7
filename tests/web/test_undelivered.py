import csv
import io
import re
from datetime import timedelta
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.clock import now
from portal.db import atomic, db
from portal.models import Conversation, Direction, Message, MessageStatus, Unit
from portal.permissions import Role
from portal.queries.undelivered import PAGE
from portal.services import undelivered
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.factories import make_connected_unit, make_conversation, make_message, make_unit, make_user
from tests.web.conftest import OpenBrowser
from tests.web.htmx import poll, post_part

LIST = "/t/acme/undelivered"
FAILED = {"status": MessageStatus.FAILED, "error_code": "not_on_whatsapp", "failed_at": now()}
IN_DOUBT = {"status": MessageStatus.UNCONFIRMED, "error_code": "timed_out", "sending_at": now()}
SILENT = {"status": MessageStatus.SENT, "sent_at": now() - timedelta(minutes=11)}


def make_ours(scope: TenantScope, conversation: Conversation, **columns: object) -> Message:
    message = make_message(scope, conversation, direction=Direction.OUTBOUND, **columns)  # type: ignore[arg-type]
    with acting_for(scope), atomic():
        this = scope.update(Message).where(Message.id == message.id)
        db.session.execute(this.values(external_id=None).execution_options(synchronize_session=False))
    return message


def statuses() -> list[str]:
    with across_tenants("a test looks"):
        found = select(Message).order_by(Message.id).execution_options(populate_existing=True)
        return [str(message.status) for message in db.session.scalars(found)]


def hidden_ids(page: str) -> str:
    found = re.search(r'name="ids" value="([0-9a-f\- ]+)"', page)
    assert found, "the question is about no messages"
    return found[1]


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


def test_one_ticked_message_is_done_at_once(admin: FlaskClient, acme: TenantScope, conversation: Conversation) -> None:
    message = make_ours(acme, conversation, **FAILED)

    answer = admin.post(f"{LIST}?bucket=failed", data={"decision": "try_again", "ids": str(message.id)})

    assert (answer.status_code, answer.location) == (303, f"{LIST}?bucket=failed")
    assert "1 queued again." in admin.get(answer.location).text
    assert statuses() == ["queued"]


def test_many_are_asked_about_first(admin: FlaskClient, acme: TenantScope, conversation: Conversation) -> None:
    elsewhere = make_conversation(acme, make_connected_unit(acme, "moema"))
    messages = [make_ours(acme, chat, **FAILED) for chat in (conversation, conversation, elsewhere)]
    data = {"decision": "try_again", "ids": [str(message.id) for message in messages]}

    question = admin.post(f"{LIST}?bucket=failed", data=data).text
    before = statuses()
    answer = admin.post(
        f"{LIST}?bucket=failed", data={"decision": "try_again", "ids": hidden_ids(question), "confirmed": "1"}
    )

    assert "Try 3 messages again?" in question
    assert "2 messages go back to the queue of Jardins." in question
    assert "1 message goes back to the queue of Moema." in question
    assert before == ["failed"] * 3
    assert "3 queued again." in admin.get(answer.location).text
    assert statuses() == ["queued"] * 3


def test_question_about_messages_that_may_have_arrived_warns(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    messages = [make_ours(acme, conversation, **IN_DOUBT) for _ in range(2)]

    data = {"decision": "send_again", "ids": [str(message.id) for message in messages]}
    question = admin.post(f"{LIST}?bucket=unconfirmed", data=data).text

    assert "2 messages of Jardins are sent a second time." in question
    assert "The person may get it twice" in question


def test_all_of_a_filter_are_exactly_those(admin: FlaskClient, acme: TenantScope, conversation: Conversation) -> None:
    expired = {**FAILED, "error_code": "expired"}
    for columns in (FAILED, expired, expired, IN_DOUBT):
        make_ours(acme, conversation, **columns)
    filtered = f"{LIST}?bucket=failed&reason=expired"

    question = admin.post(filtered, data={"decision": "set_aside", "every": "1"}).text
    # What fails while the person reads the question is not part of the answer.
    make_ours(acme, conversation, **expired)
    answer = admin.post(filtered, data={"decision": "set_aside", "ids": hidden_ids(question), "confirmed": "1"})

    assert "2 messages of Jardins leave this list; nothing is sent." in question
    assert "2 set aside." in admin.get(answer.location).text
    assert "1 message of Jardins: waited too long" in admin.get(LIST).text


def test_more_than_may_be_done_at_once_are_said_so(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.web.undelivered.MOST_AT_ONCE", 2)
    messages = [make_ours(acme, conversation, **FAILED) for _ in range(3)]

    page = admin.get(LIST).text
    question = admin.post(f"{LIST}?bucket=failed", data={"decision": "try_again", "every": "1"}).text

    assert "At most 2 at once, the oldest first." in page
    assert "The filter shows 3 messages. The 2 oldest of them are done now" in question
    assert hidden_ids(question).split() == [str(message.id) for message in messages[:2]]


def test_what_somebody_else_handled_meanwhile_is_said(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    messages = [make_ours(acme, conversation, **FAILED) for _ in range(3)]
    with acting_for(acme):
        undelivered.decide(acme, undelivered.Decision.SET_ASIDE, [messages[0].id])

    ids = " ".join(str(message.id) for message in messages)
    admin.post(f"{LIST}?bucket=failed", data={"decision": "try_again", "ids": ids, "confirmed": "1"})

    assert "2 queued again, 1 had been handled meanwhile." in admin.get(LIST).text


def test_nothing_ticked_is_said(admin: FlaskClient, acme: TenantScope, conversation: Conversation) -> None:
    make_ours(acme, conversation, **FAILED)

    answer = admin.post(f"{LIST}?bucket=failed", data={"decision": "try_again"})

    assert "Nothing was chosen." in admin.get(answer.location).text


@pytest.mark.parametrize("data", [{"decision": "burn", "every": "1"}, {"decision": "try_again", "ids": "x"}, {}])
def test_crooked_decision_is_refused(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, data: dict[str, str]
) -> None:
    make_ours(acme, conversation, **FAILED)

    assert admin.post(f"{LIST}?bucket=failed", data=data).status_code == 400
    assert statuses() == ["failed"]


def test_agent_sees_and_decides_only_in_their_units(
    acme: TenantScope, connected_unit: Unit, conversation: Conversation, browser: OpenBrowser
) -> None:
    elsewhere = make_conversation(acme, make_connected_unit(acme, "moema"))
    theirs, other = make_ours(acme, conversation, **FAILED), make_ours(acme, elsewhere, **FAILED)
    agent = browser(make_user("leo@acme.test", role=Role.AGENT, unit_slugs=("jardins",)))

    page, table = agent.get(LIST).text, agent.get(f"{LIST}.csv").text
    ids = f"{theirs.id} {other.id}"
    agent.post(f"{LIST}?bucket=failed", data={"decision": "try_again", "ids": ids, "confirmed": "1"})

    assert "1 message of Jardins" in page
    assert "Moema" not in page + table
    assert agent.get(f"{LIST}?unit=moema").status_code == 404
    assert statuses() == ["queued", "failed"]


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


def test_bubble_of_a_failed_message_is_tried_again_in_place(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    message = make_ours(acme, conversation, **FAILED)
    thread = f"/t/acme/conversations/{conversation.id}"
    address = f"/t/acme/messages/{message.id}/try_again"

    before = admin.get(thread).text
    answer = post_part(admin, address, {"next": thread})
    shown = admin.get(answer.location, headers={"HX-Request": "true"}).text

    assert f'hx-post="{address}"' in before
    assert "Waiting to be sent" in shown
    assert "<html" not in shown
    assert "queued again" not in admin.get("/t/acme/").text


def test_bubble_of_a_message_in_doubt_offers_what_a_person_may_decide(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    message = make_ours(acme, conversation, **IN_DOUBT)
    thread = f"/t/acme/conversations/{conversation.id}"
    page = admin.get(thread).text

    answer = admin.post(f"/t/acme/messages/{message.id}/send_again", data={"next": thread})
    after = admin.get(answer.location).text

    assert all(f"/messages/{message.id}/{decision}" in page for decision in ("arrived", "send_again", "set_aside"))
    assert "The person may get it twice" in page
    assert "Sent again at" in after
    assert "Sent again in the place of an earlier one, which may have arrived too." in after
    assert f"/messages/{message.id}/send_again" not in after


def test_thread_poll_brings_the_decision_of_somebody_else(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    message = make_ours(acme, conversation, **IN_DOUBT)
    page = admin.get(f"/t/acme/conversations/{conversation.id}").text
    quiet = poll(admin, page, "messages")
    with acting_for(acme):
        undelivered.decide(acme, undelivered.Decision.SET_ASIDE, [message.id])

    news = poll(admin, page, "messages")

    assert quiet.status_code == 204
    assert f"/messages/{message.id}/send_again" not in news.text


def test_decision_leads_nowhere_else(admin: FlaskClient, acme: TenantScope, conversation: Conversation) -> None:
    message = make_ours(acme, conversation, **FAILED)

    data = {"next": "https://elsewhere.test/"}
    answer = admin.post(f"/t/acme/messages/{message.id}/set_aside", data=data)

    assert answer.location == f"/t/acme/messages/{message.id}"


def test_message_of_nobody_is_not_there(admin: FlaskClient, acme: TenantScope) -> None:
    nobody = f"/t/acme/messages/{UUID(int=7)}"

    assert admin.get(nobody).status_code == 404
    assert admin.post(f"{nobody}/set_aside").status_code == 404


def test_unit_that_left_the_list_takes_its_messages_along(admin: FlaskClient, acme: TenantScope) -> None:
    unit = make_unit(acme, "velha")
    make_ours(acme, make_conversation(acme, unit), **FAILED)

    admin.post("/t/acme/units/velha/archive")

    assert "Everything arrived" in admin.get(LIST).text
