"""Every kind of message can be read, in its thread and in the list, and is harmless whoever wrote it."""

import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.models import Conversation, MessageKind
from portal.tenancy import TenantScope
from tests.factories import make_message
from tests.web.threads import bubble

POLL, UNKNOWN = MessageKind.POLL, MessageKind.UNKNOWN
EVIL = '"><script>alert(1)</script>'


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
    make_message(acme, conversation, kind=MessageKind.REACTION, body=EVIL, refers_to=first.external_id, details=evil)
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
        (MessageKind.IMAGE, "", "Photo"),
        (MessageKind.VIDEO, "", "Video"),
        (MessageKind.AUDIO, "", "Audio"),
        (MessageKind.DOCUMENT, "contrato.pdf", "contrato.pdf"),
        (MessageKind.DOCUMENT, "", "Document"),
        (MessageKind.STICKER, "", "Sticker"),
        (MessageKind.UNKNOWN, "", "Message"),
        (MessageKind.IMAGE, "Esta aqui", "Esta aqui"),
        (MessageKind.DELETION, "", "This message was deleted"),
        (MessageKind.CALL, "", "Call"),
        (MessageKind.REACTION, "👍", "Reaction: 👍"),
        (MessageKind.REACTION, "", "Reaction taken back"),
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


def test_list_speaks_portuguese(admin: FlaskClient, acme: TenantScope, conversation: Conversation) -> None:
    make_message(acme, conversation, kind=MessageKind.IMAGE, body="")

    assert "Foto" in admin.get("/t/acme/conversations", headers={"Accept-Language": "pt-BR"}).text
