"""Whoever writes in a conversation that is over opens it again, which is told once, whatever comes at one time."""

from collections.abc import Callable
from typing import Any

import pytest

from portal.models import Conversation, ConversationEvent
from portal.tenancy import TenantScope
from tests.conversation_work import events, set_work
from tests.inbox.conftest import Evolution
from tests.inbox.payloads import SENT_AT, message

Rows = Callable[..., list[Any]]
LATER = SENT_AT + 60


@pytest.fixture
def closed(scope: TenantScope, unit: object, evolution: Evolution, rows: Rows) -> Conversation:
    """One in which Maria wrote before it was closed."""
    evolution.tell(("messages.upsert", message("3A01", "Bom dia")))
    conversation: Conversation = rows(Conversation)[0]
    set_work(scope, conversation.id, status="closed")
    return conversation


def test_customer_who_writes_again_opens_it(
    scope: TenantScope, closed: Conversation, evolution: Evolution, rows: Rows
) -> None:
    news = [message(f"3A1{number}", "Oi?", messageTimestamp=LATER + number) for number in range(3)]

    evolution.tell(*(("messages.upsert", one) for one in news))

    assert rows(Conversation)[0].status == "open"
    assert events(scope, "kind", "created_by_id", "conversation_id") == [("reopened", None, closed.id)]


def test_customer_who_calls_opens_it(scope: TenantScope, closed: Conversation, evolution: Evolution) -> None:
    call = {"id": "C1", "chatId": "5511999990002@s.whatsapp.net", "from": "5511999990002@s.whatsapp.net"}

    evolution.tell(("call", {**call, "status": "offer", "date": "2026-05-04T15:00:00.000Z", "isVideo": False}))

    assert events(scope) == ["reopened"]


@pytest.mark.usefixtures("unit")
def test_nothing_is_told_of_a_conversation_that_is_open(evolution: Evolution, rows: Rows) -> None:
    evolution.tell(("messages.upsert", message("3A01")))
    evolution.tell(("messages.upsert", message("3A02", messageTimestamp=LATER)))

    assert rows(ConversationEvent) == []


def test_what_the_phone_sent_leaves_it_closed(closed: Conversation, evolution: Evolution, rows: Rows) -> None:
    sent = message("3A02", "Até logo", messageTimestamp=LATER)
    sent["key"] = {**sent["key"], "fromMe": True}

    evolution.tell(("messages.upsert", sent))

    assert (rows(Conversation)[0].status, rows(ConversationEvent)) == ("closed", [])


def test_message_that_is_known_opens_nothing(closed: Conversation, evolution: Evolution, rows: Rows) -> None:
    evolution.replay()

    assert (rows(Conversation)[0].status, rows(ConversationEvent)) == ("closed", [])


@pytest.mark.usefixtures("unit")
def test_chat_that_the_phone_brings_of_before_waits_for_nobody(
    scope: TenantScope, evolution: Evolution, rows: Rows
) -> None:
    evolution.tell(("messages.set", [message("3A01", "Bom dia"), message("3A02", "Oi?", messageTimestamp=LATER)]))
    before = rows(Conversation)[0].status

    evolution.tell(("messages.upsert", message("3A03", "Voltei", messageTimestamp=LATER + 1)))

    assert (before, rows(Conversation)[0].status) == ("closed", "open")
    assert events(scope) == ["reopened"]


@pytest.mark.usefixtures("unit")
@pytest.mark.parametrize("first", ["live", "history"])
def test_chat_with_a_message_of_now_waits_in_whatever_order_it_is_told(
    evolution: Evolution, rows: Rows, first: str
) -> None:
    live = ("messages.upsert", message("3A02", "Oi?", messageTimestamp=LATER))
    history = ("messages.set", [message("3A01", "Bom dia")])

    evolution.tell(*((live, history) if first == "live" else (history, live)))

    assert (rows(Conversation)[0].status, rows(ConversationEvent)) == ("open", [])


@pytest.mark.usefixtures("unit")
def test_history_closes_no_conversation_that_goes_on(evolution: Evolution, rows: Rows) -> None:
    evolution.tell(("messages.upsert", message("3A02", "Oi?", messageTimestamp=LATER)))

    evolution.tell(("messages.set", [message("3A01", "Bom dia")]))

    assert rows(Conversation)[0].status == "open"
