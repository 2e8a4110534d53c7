"""Answers with a quote, and reactions: what Evolution is asked (contract §5, §5.3)."""

import base64

import pytest

from portal.evolution import errors
from portal.evolution.client import EvolutionClient
from portal.evolution.errors import EvolutionRejected
from portal.evolution.types import MessageKey, OutgoingMedia, Reference, SentMessage
from tests.evolution.conftest import MESSAGE_ID, said
from tests.evolution.little_servers import Scripted
from tests.files import PDF

MARIA = "5511999990002@s.whatsapp.net"
THEIRS = MessageKey("3A0123456789ABCDEF01", MARIA, from_me=False)
IN_A_GROUP = MessageKey("3A01", "120363000000000001@g.us", from_me=False, participant=MARIA)
SENT = {"key": {"remoteJid": MARIA, "fromMe": True, "id": MESSAGE_ID}}
QUOTED = {
    "key": {"id": "3A0123456789ABCDEF01", "remoteJid": MARIA, "fromMe": False},
    "message": {"conversation": "Abre hoje?"},
}


def test_a_text_quotes_a_message_with_its_content(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(201, SENT)

    client.send_text(
        "unit_1", number="5511999990002", text="Sim", message_id=MESSAGE_ID, quoted=Reference(THEIRS, "Abre hoje?")
    )

    asked = {"number": "5511999990002", "text": "Sim", "messageId": MESSAGE_ID, "quoted": QUOTED}
    assert evolution.asked[0].body == asked


def test_a_file_quotes_a_message_with_its_content(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(201, SENT)

    client.send_media(
        "unit_1",
        number="5511999990002",
        media=OutgoingMedia("document", "boleto.pdf", "application/pdf", PDF),
        caption="",
        message_id=MESSAGE_ID,
        quoted=Reference(THEIRS, "Abre hoje?"),
    )

    body = evolution.asked[0].body
    assert (body["quoted"], body["media"]) == (QUOTED, base64.b64encode(PDF).decode())


@pytest.mark.parametrize("sign", ["👍", ""], ids=["given", "taken_back"])
def test_a_reaction_names_its_message_and_nothing_else(evolution: Scripted, client: EvolutionClient, sign: str) -> None:
    evolution.answer(201, SENT)

    sent = client.send_reaction("unit_1", key=THEIRS, sign=sign)

    assert sent == SentMessage(external_id=MESSAGE_ID, jid=MARIA)
    asked = evolution.asked[0]
    assert (asked.method, asked.path) == ("POST", "/message/sendReaction/unit_1")
    assert asked.body == {"key": QUOTED["key"], "reaction": sign}


def test_who_wrote_in_a_group_is_told(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(201, SENT)

    client.send_reaction("unit_1", key=IN_A_GROUP, sign="👍")

    assert evolution.asked[0].body["key"] == {
        "id": "3A01",
        "remoteJid": "120363000000000001@g.us",
        "fromMe": False,
        "participant": MARIA,
    }


def test_a_sign_that_evolution_takes_for_none_was_surely_not_sent(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(400, said(400, ["Reaction must be a single emoji or empty string"]))

    with pytest.raises(EvolutionRejected) as raised:
        client.send_reaction("unit_1", key=THEIRS, sign="🫨")

    assert raised.value.code == errors.INVALID_REQUEST
