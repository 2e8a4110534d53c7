"""Every kind of message in its thread: readable, in order, and harmless whoever wrote it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event

from portal.clock import now
from portal.db import atomic, db
from portal.models import (
    Contact,
    ContactKind,
    Conversation,
    Direction,
    Message,
    MessageKind,
    MessageSource,
    Repair,
    RepairKind,
    Unit,
)
from portal.services import conversations
from portal.tenancy import TenantScope, acting_for
from tests import files
from tests.factories import make_conversation, make_message, make_remote_media
from tests.web.htmx import PART, poll

REACTION, POLL, UNKNOWN = MessageKind.REACTION, MessageKind.POLL, MessageKind.UNKNOWN
EVIL = '"><script>alert(1)</script>'
NOON = datetime(2026, 5, 4, 15, 0, tzinfo=UTC)


@pytest.fixture
def thread(conversation: Conversation) -> str:
    return f"/t/acme/conversations/{conversation.id}"


def bubble(page: str, message: Message) -> str:
    """What the page shows of this message, without its tags."""
    found = re.search(rf'id="message-{message.id}">(.*?)(?:</ol>|<li class="(?:bubble|aside|gap))', page, re.S)
    assert found, "the message is not shown"
    return " ".join(re.sub(r"<[^>]+>", " ", found[1]).split())


@pytest.mark.parametrize(
    ("kind", "body", "details", "words"),
    [
        (
            MessageKind.LOCATION,
            "Padaria\nRua 1",
            {"latitude": -23.5, "longitude": -46.6},
            "Location Padaria Rua 1 Open",
        ),
        (MessageKind.LOCATION, "", {"isLive": True}, "Live location Location"),
        (MessageKind.STICKER, "", None, "Sticker"),
        (MessageKind.TEXT, "Sim", {"isAnswer": True, "choice": "s"}, "Chosen from a list or by a button Sim"),
        (MessageKind.TEXT, "Oi", {"isForwarded": True}, "Forwarded Oi"),
        (MessageKind.IMAGE, "", {"isViewOnce": True}, "To be seen once Photo"),
        (MessageKind.AUDIO, "", {"isVoiceNote": True}, "Voice message Audio"),
        (MessageKind.CALL, "", {"outcome": "missed", "isVideo": True}, "Missed video call"),
        (MessageKind.CALL, "", {"outcome": "accepted", "isVideo": False}, "Answered call"),
        (MessageKind.CALL, "", {"outcome": "rejected"}, "Declined call"),
        (MessageKind.CALL, "", None, "Call"),
        (UNKNOWN, "", {"originalType": "orderMessage"}, "An order from the catalogue. See it on the phone."),
        (UNKNOWN, "Churrasco", {"originalType": "eventMessage"}, "An event. See it on the phone. Churrasco"),
        (UNKNOWN, "", {"originalType": "viewOnce", "isViewOnce": True}, "can be seen only once, and only on the phone"),
        (UNKNOWN, "", {"originalType": "fooMessage"}, "does not know yet (fooMessage): see it on the phone"),
        (UNKNOWN, "", None, "does not know yet: see it on the phone"),
    ],
)
def test_every_kind_can_be_read(
    admin: FlaskClient,
    acme: TenantScope,
    conversation: Conversation,
    thread: str,
    kind: MessageKind,
    body: str,
    details: dict[str, Any] | None,
    words: str,
) -> None:
    message = make_message(acme, conversation, kind=kind, body=body, details=details)

    assert words in bubble(admin.get(thread).text, message)


def test_place_links_to_a_map_that_learns_nothing_of_us(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    for latitude, longitude in ((-23.5505, -46.6333), (91, 0), (0, "x"), (True, None)):
        details = {"latitude": latitude, "longitude": longitude}
        make_message(acme, conversation, kind=MessageKind.LOCATION, body="", details=details)

    page = admin.get(thread).text

    address = "https://www.openstreetmap.org/?mlat=-23.550500&amp;mlon=-46.633300#map=16/-23.550500/-46.633300"
    assert f'href="{address}" target="_blank" rel="noopener noreferrer"' in page
    assert page.count("openstreetmap") == 1


def test_each_number_of_a_card_begins_a_conversation(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    cards = [{"name": "João", "phones": ["5511988880001", "14155550123", "ramal 12"]}, {"phones": "x"}, "x"]
    message = make_message(
        acme, conversation, kind=MessageKind.CONTACT_CARD, body="João · +5511988880001", details={"cards": cards}
    )

    page = admin.get(thread).text

    words = bubble(page, message)
    assert all(part in words for part in ("João", "+55 11 98888-0001", "+1 415-555-0123", "ramal 12"))
    assert 'href="/t/acme/units/jardins/send?phone=%2B14155550123"' in page
    assert 'value="+5511988880001"' in admin.get("/t/acme/units/jardins/send?phone=%2B5511988880001").text


def test_poll_shows_its_question_and_the_newest_vote_of_each(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    asked = make_message(
        acme, conversation, kind=POLL, body="Quando?\n• Manhã\n• Tarde", details={"options": ["Manhã", "Tarde"]}
    )
    for sender, votes in (("5511999990002", ["Manhã"]), ("5511999990002", ["Tarde"]), ("9@lid", ["Tarde", "Noite"])):
        details = {"isVote": True, "votes": votes, "sender": sender}
        vote = make_message(
            acme, conversation, kind=POLL, body=", ".join(votes), details=details, refers_to=asked.external_id
        )
    taken_back = make_message(acme, conversation, kind=POLL, body="", details={"isVote": True, "votes": []})

    page = admin.get(thread).text

    assert "Poll Quando? Manhã 0 votes Tarde 2 votes" in bubble(page, asked)
    assert "Voted in a poll: Tarde, Noite" in bubble(page, vote)
    assert "Took back a vote in a poll" in bubble(page, taken_back)


def test_reactions_stand_at_their_message_the_latest_of_each_person(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    first = make_message(acme, conversation, body="Chegou!")
    second = make_message(acme, conversation, body="Obrigada", direction=Direction.OUTBOUND)
    for target, sign, direction in (
        (first, "👍", Direction.INBOUND),
        (first, "❤️", Direction.INBOUND),
        (first, "❤️", Direction.OUTBOUND),
        (second, "😂", Direction.INBOUND),
        (second, "", Direction.INBOUND),
    ):
        make_message(acme, conversation, kind=REACTION, body=sign, direction=direction, refers_to=target.external_id)

    page = admin.get(thread).text

    assert "❤️ 2 Maria, You" in bubble(page, first)
    assert "👍" not in page
    assert "😂" not in page
    assert page.count('id="message-') == 2


def test_reaction_to_a_message_that_is_not_here_is_one_small_line(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    given = make_message(acme, conversation, kind=REACTION, body="🙏", refers_to="3AGONE")
    taken = make_message(acme, conversation, kind=REACTION, body="", refers_to="3AGONE")

    page = admin.get(thread).text

    assert "Reacted with 🙏 to an earlier message" in bubble(page, given)
    assert "Took back a reaction to an earlier message" in bubble(page, taken)


def test_new_reaction_is_news_to_an_open_thread(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    message = make_message(acme, conversation)
    page = admin.get(thread).text
    quiet = poll(admin, page, "messages")
    make_message(acme, conversation, kind=REACTION, body="👍", refers_to=message.external_id)

    news = poll(admin, page, "messages")

    assert quiet.status_code == 204
    assert "👍" in bubble(news.text, message)


def test_answer_shows_what_it_answers(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, connected_unit: Unit, thread: str
) -> None:
    first = make_message(acme, conversation, body="Qual o preço?")
    gone = make_message(acme, conversation, body="Segredo", deleted_at=now())
    elsewhere = make_message(acme, make_conversation(acme, connected_unit, phone="5511999990009"), body="De outra")
    answers = {
        refers_to: make_message(acme, conversation, body="R", direction=Direction.OUTBOUND, refers_to=refers_to)
        for refers_to in (first.external_id, gone.external_id, elsewhere.external_id, "3AGONE")
    }

    page = admin.get(thread).text

    shown = {refers_to: bubble(page, answer) for refers_to, answer in answers.items()}
    assert f'class="quote" href="#message-{first.id}"' in page
    assert "In answer to: Maria Qual o preço?" in shown[first.external_id]
    assert "In answer to: Maria This message was deleted" in shown[gone.external_id]
    assert "In answer to: Answer to an earlier message" in shown["3AGONE"]
    assert "De outra" not in shown[elsewhere.external_id]


def test_edited_message_says_when_and_what_it_said_first(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    message = make_message(acme, conversation, body="Certo", original_body="Errado", edited_at=NOON)

    words = bubble(admin.get(thread).text, message)

    assert "Certo What it said first Errado edited at 5/4/26 12:00" in words.replace("\u202f", " ")


def test_deleted_message_says_so_before_it_tells_what_it_was(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    message = make_message(acme, conversation, body="Ops", deleted_at=NOON)

    page = admin.get(thread).text

    assert "This message was deleted What it said Ops deleted at 5/4/26" in bubble(page, message)
    assert f'<details class="bubble__first" id="first-{message.id}">' in page
    assert "This message was deleted" not in admin.get("/t/acme/conversations").text


def test_ad_is_linked_only_to_the_web(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    for url in ("https://loja.example/ad", "javascript:alert(1)", "//evil.example", None):
        make_message(acme, conversation, details={"ad": {"title": "Promo", "body": "50%", "url": url}})

    page = admin.get(thread).text

    assert page.count("Came by an advertisement") == 4
    assert 'href="https://loja.example/ad" target="_blank" rel="noopener noreferrer"' in page
    assert "javascript:" not in page
    assert "evil.example" not in page


def test_message_of_the_phone_is_ours_and_says_so(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    message = make_message(acme, conversation, direction=Direction.OUTBOUND, source=MessageSource.PHONE)

    words = bubble(admin.get(thread).text, message)

    assert words.startswith("We wrote:")
    assert "sent from the phone" in words
    assert "Evolution" not in words


def test_group_shows_who_wrote(admin: FlaskClient, acme: TenantScope, connected_unit: Unit) -> None:
    group = make_chat(acme, connected_unit, ContactKind.GROUP, "120363000000000000@g.us")
    shown = [
        make_message(acme, group, details=details)
        for details in (
            {"senderName": "Rita", "sender": "5511999990003"},
            {"sender": "5511999990003"},
            {"sender": "123456789012345@lid"},
        )
    ]

    page = admin.get(f"/t/acme/conversations/{group.id}").text

    assert ["Rita" in bubble(page, shown[0]), "+55 11 99999-0003" in bubble(page, shown[1])] == [True, True]
    assert "Unknown number" in bubble(page, shown[2])
    assert "123456789012345" not in page
    assert 'id="composer-text"' in page


@pytest.mark.parametrize(
    ("kind", "jid", "words"),
    [
        (ContactKind.STORIES, "status@broadcast", "These are stories, which can only be looked at."),
        (ContactKind.BROADCAST, "1700000000@broadcast", "This is a broadcast list"),
    ],
)
def test_nobody_writes_into_stories_and_lists(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, kind: ContactKind, jid: str, words: str
) -> None:
    chat = make_chat(acme, connected_unit, kind, jid)
    make_message(acme, chat)
    address = f"/t/acme/conversations/{chat.id}"

    page = admin.get(address).text
    refused = admin.post(f"{address}/messages", data={"text": "Oi"}, headers=PART)

    assert words in page
    assert 'id="composer-text"' not in page
    assert (refused.status_code, words in refused.text) == (409, True)
    with acting_for(acme):
        assert len(list(db.session.scalars(acme.select(Message)))) == 1


def test_gap_is_told_before_what_was_fetched_after_it(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    repair_id = make_hole(acme, conversation)
    make_message(acme, conversation, body="Antes", at=NOON)
    first = make_message(acme, conversation, body="Um", at=NOON + timedelta(minutes=5), repair_id=repair_id)
    make_message(acme, conversation, body="Dois", at=NOON + timedelta(minutes=6), repair_id=repair_id)

    page = re.sub(r"\s+", " ", admin.get(thread).text)

    told = "The portal was not reached from 12:02 PM to 12:31 PM. 2 messages were fetched afterwards."
    assert page.count(told) == 1
    assert page.index("Antes") < page.index(told) < page.index(f'id="message-{first.id}"')


def test_hostile_words_stay_words(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    evil = {
        "originalType": EVIL,
        "senderName": EVIL,
        "cards": [{"name": EVIL, "phones": [EVIL]}],
        "options": [EVIL],
        "ad": {"title": EVIL, "body": EVIL, "url": f"https://x/{EVIL}"},
        "latitude": EVIL,
        "outcome": EVIL,
        "votes": EVIL,
    }
    first = make_message(acme, conversation, body=EVIL, original_body=EVIL, edited_at=now(), details=evil)
    make_message(acme, conversation, kind=REACTION, body=EVIL, refers_to=first.external_id, details=evil)
    for kind in MessageKind:
        make_message(acme, conversation, kind=kind, body=EVIL, details=evil, refers_to=first.external_id)
    for broken in ([], "x", {"cards": 7, "options": {}, "ad": [], "sender": 5, "votes": [None]}, {"isVote": True}):
        for kind in MessageKind:
            make_message(acme, conversation, kind=kind, body="", details=broken)

    answer = admin.get(thread)

    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert "<script>alert" not in admin.get("/t/acme/conversations").text


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        (MessageKind.DELETION, "", "This message was deleted"),
        (MessageKind.CALL, "", "Call"),
        (REACTION, "👍", "Reaction: 👍"),
        (REACTION, "", "Reaction taken back"),
        (POLL, "Quando?\n• Manhã", "Poll: Quando?"),
        (MessageKind.LOCATION, "Padaria\nRua 1", "Location: Padaria"),
        (MessageKind.CONTACT_CARD, "João · +5511988880001", "Contact: João · +5511988880001"),
        (MessageKind.TEXT, "Uma\nlinha", "Uma linha"),
    ],
)
def test_list_has_a_line_for_each_kind(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, kind: MessageKind, body: str, words: str
) -> None:
    make_message(acme, conversation, kind=kind, body=body)

    line = re.search(r'<span class="chat__last"[^>]*>(.*?)</span>', admin.get("/t/acme/conversations").text, re.S)

    assert line
    assert line[1].strip() == words


def test_older_part_shows_the_same(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    message = make_message(acme, conversation, at=NOON, deleted_at=NOON)
    later = f"{(NOON + timedelta(hours=1)).isoformat()}~{UUID(int=0)}"

    page = admin.get(thread, query_string={"before": later}).text

    assert "This message was deleted" in bubble(page, message)


def test_poll_of_a_thread_costs_the_same_whatever_is_in_it(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    def add(number: int) -> None:
        for _ in range(number):
            repair_id = make_hole(acme, conversation)
            media_id = make_remote_media(acme, thumbnail=files.JPEG)
            first = make_message(acme, conversation, kind=MessageKind.IMAGE, media_id=media_id, repair_id=repair_id)
            for kind in (REACTION, POLL, MessageKind.TEXT):
                make_message(
                    acme, conversation, kind=kind, body="x", details={"isVote": True}, refers_to=first.external_id
                )
            make_message(acme, conversation, body="x", refers_to=f"3A{number}")

    add(1)
    page = admin.get(thread).text
    with counted() as few:
        poll(admin, page, "messages")
    add(8)
    with counted() as many:
        poll(admin, page, "messages")
    with counted() as again:
        poll(admin, page, "messages")

    # Beside what is read, the first look at new messages marks them as read.
    assert len(again) == len(few)
    assert len(many) <= len(few) + 2


def make_chat(scope: TenantScope, unit: Unit, kind: ContactKind, jid: str) -> Conversation:
    with acting_for(scope), atomic():
        contact = scope.add(Contact(kind=kind, chat_jid=jid, name="Conversa"))
        db.session.flush()
        conversation_id = conversations.find_or_open_conversation(scope, unit.id, contact.id)
        return scope.get(Conversation, conversation_id)


def make_hole(scope: TenantScope, conversation: Conversation) -> UUID:
    """A time from 12:02 to 12:31 by the unit's clock, in which nothing was heard."""
    span = {"began_at": NOON + timedelta(minutes=2), "ended_at": NOON + timedelta(minutes=31)}
    with acting_for(scope), atomic():
        repair = scope.add(Repair(unit_id=conversation.unit_id, kind=RepairKind.HOLE, **span))
        db.session.flush()
        return repair.id


@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements on tables that run meanwhile."""
    statements: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if re.match(r"\s*(SELECT .* FROM|UPDATE|INSERT|DELETE)", statement, re.S):
            statements.append(statement)

    engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    yield statements
    event.remove(engine, "before_cursor_execute", note)
