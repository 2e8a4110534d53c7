import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.db import atomic, db
from portal.models import (
    ConnectionStatus,
    Conversation,
    Direction,
    Message,
    MessageStatus,
    StatusReason,
    Unit,
)
from portal.queries.conversations import PAGE
from portal.services.connections import lock_connection, set_status
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_conversation, make_message, make_unit
from tests.web.htmx import PART, poll, post_part


def test_list_shows_who_wrote_what_and_how_much_is_unread(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    make_message(acme, conversation, body="Bom dia")

    page = admin.get("/t/acme/conversations").text

    assert "Maria" in page
    assert "Bom dia" in page
    assert 'data-unread="1"' in page
    assert "<title>(1) Conversations" in page


def test_unit_filter_stays_in_the_address(admin: FlaskClient, acme: TenantScope, conversation: Conversation) -> None:
    make_message(acme, conversation)
    make_unit(acme, "moema")

    assert "Maria" not in admin.get("/t/acme/conversations?unit=moema").text
    assert "Maria" in admin.get("/t/acme/conversations?unit=jardins").text
    assert admin.get("/t/acme/conversations?unit=none").status_code == 404


def test_list_poll_without_news_is_empty(admin: FlaskClient, acme: TenantScope, conversation: Conversation) -> None:
    make_message(acme, conversation)
    page = admin.get("/t/acme/conversations").text
    quiet = poll(admin, page, "conversation-list")
    make_message(acme, conversation, body="E então?")

    news = poll(admin, page, "conversation-list")

    assert (quiet.status_code, quiet.text) == (204, "")
    assert "E então?" in news.text


def test_opening_a_thread_marks_it_as_read(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    make_message(acme, conversation)

    admin.get(thread)

    assert _unread(acme, conversation) == 0


def test_open_thread_takes_new_messages_and_marks_them_read(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    make_message(acme, conversation, body="Primeira")
    page = admin.get(thread).text
    quiet = poll(admin, page, "messages")
    make_message(acme, conversation, body="Segunda")

    news = poll(admin, page, "messages")

    assert quiet.status_code == 204
    assert "Primeira" in news.text
    assert "Segunda" in news.text
    assert _unread(acme, conversation) == 0


@pytest.mark.parametrize(
    ("status", "columns", "words"),
    [
        (MessageStatus.QUEUED, {}, "Waiting to be sent"),
        (MessageStatus.SENDING, {}, "Being sent"),
        (MessageStatus.SENT, {}, "Handed to Evolution"),
        (MessageStatus.SENT, {"accepted_at": now()}, "Accepted by WhatsApp"),
        (MessageStatus.DELIVERED, {}, "Delivered"),
        (MessageStatus.READ, {}, "Read"),
        (MessageStatus.FAILED, {"error_code": "not_on_whatsapp"}, "This number is not on WhatsApp"),
        (MessageStatus.FAILED, {"error_code": "something_new"}, "Evolution could not send it."),
        (MessageStatus.UNCONFIRMED, {}, "We do not know whether it was sent"),
        (MessageStatus.CANCELLED, {}, "Cancelled"),
    ],
)
def test_every_rung_of_the_ladder_has_its_words(
    admin: FlaskClient,
    acme: TenantScope,
    conversation: Conversation,
    thread: str,
    status: MessageStatus,
    columns: dict[str, object],
    words: str,
) -> None:
    make_message(acme, conversation, direction=Direction.OUTBOUND, status=status, **columns)

    assert words in admin.get(thread).text


def test_text_of_a_customer_is_shown_as_text(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    make_message(acme, conversation, body="<script>alert(1)</script>")

    page = admin.get(thread).text

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page


def test_reply_is_queued_and_shown(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    part = post_part(admin, f"{thread}/messages", {"text": "Já vou\nagora"})
    plain = admin.post(f"{thread}/messages", data={"text": "Sem script"})

    assert 'id="messages"' in part.text
    assert "Já vou\nagora" in part.text
    assert (plain.status_code, plain.location) == (303, thread)
    assert [message.status for message in _messages(acme, conversation)] == ["queued", "queued"]


def test_second_click_sends_nothing_and_another_text_does(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    form_id = _form_id(admin.get(thread).text)
    for text in ("Já vou", "Já vou", "Estou indo"):
        answer = post_part(admin, f"{thread}/messages", {"text": text, "form_id": form_id})
    again = _form_id(answer.text)
    post_part(admin, f"{thread}/messages", {"text": "Já vou", "form_id": again})

    assert again != form_id
    assert [message.body for message in _messages(acme, conversation)] == ["Já vou", "Estou indo", "Já vou"]


def test_second_click_on_a_message_to_a_number_sends_nothing(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, conversation: Conversation
) -> None:
    page = f"/t/acme/units/{connected_unit.slug}/send"
    data = {"phone": "+55 11 99999-0002", "text": "Olá", "form_id": _form_id(admin.get(page).text)}

    first, second = admin.post(page, data=data), admin.post(page, data=data)

    assert first.status_code == second.status_code == 303
    assert first.location == second.location
    assert [message.body for message in _messages(acme, conversation)] == ["Olá"]


@pytest.mark.parametrize("headers", [PART, {}], ids=["htmx", "plain"])
def test_refused_reply_keeps_its_text(admin: FlaskClient, thread: str, headers: dict[str, str]) -> None:
    text = "a" * 10_001

    answer = admin.post(f"{thread}/messages", data={"text": text}, headers=headers)

    assert answer.status_code == 422
    assert text in answer.text
    assert "The message is too long" in answer.text
    assert answer.headers["HX-Retarget"] == "#composer"
    assert ("<html" in answer.text) is not bool(headers)


def test_reply_of_a_unit_that_is_away_is_held_and_says_so(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, conversation: Conversation, thread: str
) -> None:
    with acting_for(acme), atomic():
        connection = lock_connection(acme, connected_unit.id)
        set_status(connection, ConnectionStatus.DISCONNECTED, StatusReason.LOGGED_OUT)

    answer = post_part(admin, f"{thread}/messages", {"text": "Oi"})

    assert answer.status_code == 200
    assert "is held and sent once it is connected" in answer.text


def test_unit_that_was_never_connected_cannot_reply_and_says_why(
    admin: FlaskClient, acme: TenantScope, unit: Unit
) -> None:
    conversation = make_conversation(acme, unit)
    address = f"/t/acme/conversations/{conversation.id}"

    page, refused = admin.get(address).text, post_part(admin, f"{address}/messages", {"text": "Oi"})

    assert "This unit was never connected to WhatsApp, so nothing can be sent." in page
    assert "/t/acme/units/centro/connect" in page
    assert refused.status_code == 409
    assert ">Oi</textarea>" in refused.text


def test_older_messages_come_page_by_page(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    for number in range(PAGE + 1):
        make_message(acme, conversation, body=f"linha {number}.", at=now() - timedelta(minutes=PAGE - number))
    page = admin.get(thread).text
    older = page.split('hx-get="')
    address = next(part.split('"')[0].replace("&amp;", "&") for part in older if "before=" in part.split('"')[0])

    part, plain = admin.get(address, headers=PART).text, admin.get(address).text

    assert "linha 0." not in page
    assert "linha 1." in page
    assert "linha 0." in part
    assert "linha 1." not in part
    assert "<html" not in part
    assert "linha 0." in plain


def test_first_message_to_a_number_opens_its_conversation(admin: FlaskClient, connected_unit: Unit) -> None:
    answer = admin.post("/t/acme/units/jardins/send", data={"phone": "11 98888-0001", "text": "Olá!"})

    assert answer.status_code == 303
    assert "+55 11 98888-0001" in admin.get(answer.location).text


def test_wrong_number_is_explained_and_the_fields_kept(admin: FlaskClient, connected_unit: Unit) -> None:
    answer = admin.post("/t/acme/units/jardins/send", data={"phone": "123", "text": "Olá!"})

    assert answer.status_code == 422
    assert "This is not a telephone number" in answer.text
    assert 'value="123"' in answer.text
    assert "Olá!</textarea>" in answer.text


def test_thread_of_a_rival_does_not_exist(admin: FlaskClient, rival: TenantScope) -> None:
    theirs = make_conversation(rival, make_unit(rival, "centro"))

    assert admin.get(f"/t/acme/conversations/{theirs.id}").status_code == 404
    assert admin.post(f"/t/acme/conversations/{theirs.id}/messages", data={"text": "Oi"}).status_code == 404


def test_crooked_place_in_a_list_is_refused(admin: FlaskClient, thread: str) -> None:
    assert admin.get("/t/acme/conversations?before=nonsense").status_code == 400
    assert admin.get(f"{thread}?before=nonsense").status_code == 400


def _unread(scope: TenantScope, conversation: Conversation) -> int:
    with acting_for(scope):
        found = scope.select(Conversation, Conversation.unread).where(Conversation.id == conversation.id)
        return int(db.session.scalars(found).one())


def _messages(scope: TenantScope, conversation: Conversation) -> list[Message]:
    with acting_for(scope):
        own = scope.select(Message).where(Message.conversation_id == conversation.id)
        return list(db.session.scalars(own.order_by(Message.id)))


def _form_id(page: str) -> str:
    found = re.search(r'name="form_id" value="([0-9a-f]+)"', page)
    assert found, "the form cannot be told from the next one"
    return found[1]
