"""Edits, deletions, calls and history: applied whatever comes first, and shown where lists show them."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest

from portal.models import Conversation, Direction, EarlyReceipt, Message, MessageKind
from portal.services import conversations
from portal.tenancy import TenantScope, acting_for
from tests.inbox.conftest import Evolution
from tests.inbox.payloads import MARIA, OWN, SENT_AT, at, message, receipt

pytestmark = pytest.mark.usefixtures("unit")
Rows = Callable[..., list[Any]]
QUESTION = message("3A01", "Vem hj?")


def edit(text: str, second: int, *, id_: str = "3A01") -> dict[str, Any]:
    key = {"remoteJid": OWN, "fromMe": True, "id": id_}
    told = {"conversation": text}
    return {"key": key, "type": "MESSAGE_EDIT", "editedMessage": told, "timestampMs": str((SENT_AT + second) * 1000)}


NEWS = {
    "message": ("messages.upsert", QUESTION),
    "first edit": ("messages.edited", edit("Vem hoje?", 10)),
    "second edit": ("messages.edited", edit("Vem hoje à tarde?", 20)),
}


@pytest.mark.parametrize("order", list(permutations(NEWS)), ids="-".join)
def test_the_newest_edit_shows_and_the_first_text_is_kept(
    evolution: Evolution, rows: Rows, order: tuple[str, ...]
) -> None:
    for second, name in enumerate(order):
        evolution.tell((*NEWS[name], at(second)))
    evolution.replay()

    seen, conversation = rows(Message)[0], rows(Conversation)[0]
    assert (seen.body, seen.original_body) == ("Vem hoje à tarde?", "Vem hj?")
    assert seen.edited_at == datetime.fromtimestamp(SENT_AT + 20, tz=UTC)
    assert (conversation.last_message_preview, conversation.unread) == ("Vem hoje à tarde?", 1)


@pytest.mark.parametrize("is_early", [True, False])
def test_a_deleted_message_keeps_its_text_but_no_list_shows_it(
    evolution: Evolution, rows: Rows, is_early: bool
) -> None:
    news = [("messages.upsert", QUESTION), ("messages.delete", {"remoteJid": MARIA, "fromMe": False, "id": "3A01"})]
    for one in reversed(news) if is_early else news:
        evolution.tell(one)

    seen, conversation = rows(Message)[0], rows(Conversation)[0]
    assert (seen.body, seen.deleted_at is not None) == ("Vem hj?", True)
    assert (conversation.last_message_kind, conversation.last_message_preview) == (MessageKind.DELETION, "")


def test_a_newer_message_stays_in_view_when_an_older_one_is_deleted(evolution: Evolution, rows: Rows) -> None:
    evolution.tell(
        ("messages.upsert", QUESTION),
        ("messages.upsert", message("3A02", "Oi?", messageTimestamp=SENT_AT + 60)),
        ("messages.delete", {"remoteJid": MARIA, "fromMe": False, "id": "3A01"}),
    )

    assert rows(Conversation)[0].last_message_preview == "Oi?"


def call(status: str, second: int) -> dict[str, Any]:
    date = datetime.fromtimestamp(SENT_AT + second, tz=UTC).isoformat()
    return {"chatId": MARIA, "from": MARIA, "id": "CALL1", "date": date, "offline": False, "status": status}


@pytest.mark.parametrize("order", list(permutations(["offer", "ringing", "timeout"])), ids="-".join)
def test_news_of_one_call_is_one_line(evolution: Evolution, rows: Rows, order: tuple[str, ...]) -> None:
    seconds = {"offer": 0, "ringing": 1, "timeout": 40}
    for status in order:
        evolution.tell(("call", [call(status, seconds[status])]))

    seen, conversation = rows(Message)[0], rows(Conversation)[0]
    assert len(rows(Message)) == 1
    assert (seen.kind, seen.details["outcome"], seen.direction) == (MessageKind.CALL, "missed", Direction.INBOUND)
    assert seen.occurred_at == datetime.fromtimestamp(SENT_AT, tz=UTC)
    assert (conversation.unread, conversation.last_message_kind) == (1, MessageKind.CALL)


def test_a_call_that_was_taken_and_ended_was_not_missed(evolution: Evolution, rows: Rows) -> None:
    evolution.tell(("call", [call("terminate", 90), call("accept", 5), call("offer", 0)]))

    assert rows(Message)[0].details["outcome"] == "accepted"


def history(number: int) -> list[dict[str, Any]]:
    return [
        message(f"3A1{place:04d}", f"antes {place}", from_me=place % 2 == 1, messageTimestamp=SENT_AT - place)
        for place in range(number)
    ]


def test_history_is_there_and_asks_for_nothing(evolution: Evolution, rows: Rows) -> None:
    evolution.tell(("messages.set", history(500)))

    conversation = rows(Conversation)[0]
    assert len(rows(Message)) == 500
    assert (conversation.unread, conversation.last_message_preview) == (0, "antes 0")


@pytest.mark.parametrize("is_history_first", [True, False])
def test_a_message_that_is_history_and_news_waits_once(
    evolution: Evolution, rows: Rows, is_history_first: bool
) -> None:
    news = [("messages.set", [QUESTION]), ("messages.upsert", QUESTION)]
    for one in news if is_history_first else reversed(news):
        evolution.tell(one)

    assert (rows(Conversation)[0].unread, len(rows(Message))) == (1, 1)


@pytest.mark.parametrize("is_early", [True, False])
def test_what_was_read_on_the_phone_does_not_wait_here(evolution: Evolution, rows: Rows, is_early: bool) -> None:
    news = [("messages.upsert", QUESTION), ("messages.update", receipt("3A01", "READ", from_me=False))]
    for one in reversed(news) if is_early else news:
        evolution.tell(one)

    assert (rows(Conversation)[0].unread, rows(EarlyReceipt)) == (0, [])


def test_what_is_read_on_the_phone_after_somebody_looked_here_takes_nothing_away(
    scope: TenantScope, evolution: Evolution, rows: Rows
) -> None:
    evolution.tell(("messages.upsert", QUESTION))
    with acting_for(scope):
        conversations.mark_read(scope, rows(Conversation)[0].id)
    evolution.tell(("messages.upsert", message("3A02", "Oi?", messageTimestamp=SENT_AT + 60)))
    evolution.tell(("messages.update", receipt("3A01", "READ", from_me=False)))

    assert rows(Conversation)[0].unread == 1


def test_a_reaction_waits_for_nobody(evolution: Evolution, rows: Rows) -> None:
    heart = {"reactionMessage": {"text": "❤️", "key": {"id": "3A01", "fromMe": True, "remoteJid": MARIA}}}
    evolution.tell(("messages.upsert", message("3A05", message=heart, messageType="reactionMessage")))

    seen = rows(Message)[0]
    assert (seen.kind, seen.body, seen.refers_to, rows(Conversation)[0].unread) == ("reaction", "❤️", "3A01", 0)
