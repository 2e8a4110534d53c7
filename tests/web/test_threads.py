"""A thread: who wrote what, in answer to what, and what became of it, in order."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from flask.testing import FlaskClient

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
from tests.statements import counted
from tests.web.htmx import PART, poll
from tests.web.threads import bubble

REACTION = MessageKind.REACTION
NOON = datetime(2026, 5, 4, 15, 0, tzinfo=UTC)


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
            for kind in (REACTION, MessageKind.POLL, MessageKind.TEXT):
                make_message(
                    acme, conversation, kind=kind, body="x", details={"isVote": True}, refers_to=first.external_id
                )
            make_message(acme, conversation, body="x", refers_to=f"3A{number}")

    def look() -> list[str]:
        # The first look at new messages also marks them as read.
        poll(admin, page, "messages")
        with counted() as statements:
            assert poll(admin, page, "messages").status_code == 200
        return statements

    page = admin.get(thread).text
    add(1)
    few = look()
    add(8)

    assert len(look()) == len(few) > 2


def make_chat(scope: TenantScope, unit: Unit, kind: ContactKind, jid: str) -> Conversation:
    with acting_for(scope), atomic():
        contact = scope.add(Contact(kind=kind, chat_jid=jid, name="Conversa"))
        db.session.flush()
        conversation_id = conversations.open_conversation(scope, unit.id, contact.id).id
        return scope.get(Conversation, conversation_id)


def make_hole(scope: TenantScope, conversation: Conversation) -> UUID:
    """A time from 12:02 to 12:31 by the unit's clock, in which nothing was heard."""
    span = {"began_at": NOON + timedelta(minutes=2), "ended_at": NOON + timedelta(minutes=31)}
    with acting_for(scope), atomic():
        repair = scope.add(Repair(unit_id=conversation.unit_id, kind=RepairKind.HOLE, **span))
        db.session.flush()
        return repair.id
