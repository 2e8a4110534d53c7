"""Edits and deletions for everyone: what Evolution is asked, and what its answers mean (contract §7.2)."""

import pytest

from portal.evolution import errors
from portal.evolution.client import EvolutionClient
from portal.evolution.errors import EvolutionError, EvolutionRejected, EvolutionUnavailable, EvolutionUnknown
from portal.evolution.types import MessageKey, SentMessage
from tests.evolution.conftest import MESSAGE_ID, said
from tests.evolution.little_servers import Scripted

MARIA = "5511999990002@s.whatsapp.net"
OURS = MessageKey("3EB0A", MARIA, from_me=True)
KEY = {"id": "3EB0A", "remoteJid": MARIA, "fromMe": True}
SENT = {"key": {"remoteJid": MARIA, "fromMe": True, "id": MESSAGE_ID}}
TOLD = {"key": KEY, "timestampMs": 1_761_055_330_000, "type": 14}
LONG = {"low": 118928640, "high": 410, "unsigned": False}
DELETING_FAILED = "Error while deleting message for everyone"


@pytest.mark.parametrize(
    ("message", "told_ms"),
    [
        ({"protocolMessage": TOLD}, 1_761_055_330_000),
        ({"editedMessage": {"message": {"protocolMessage": TOLD}}}, 1_761_055_330_000),
        ({"protocolMessage": {**TOLD, "timestampMs": "1761055330000"}}, 1_761_055_330_000),
        ({"protocolMessage": {**TOLD, "timestampMs": LONG}}, 1_761_055_520_000),
        ({"protocolMessage": {**TOLD, "timestampMs": None}}, None),
        (None, None),
    ],
    ids=["number", "wrapped", "text", "pair", "nothing", "no_content"],
)
def test_an_edit_names_its_message_and_tells_when_it_was_made(
    evolution: Scripted, client: EvolutionClient, message: object, told_ms: int | None
) -> None:
    evolution.answer(200, {**SENT, "message": message})

    sent = client.edit_message("unit_1", key=OURS, text="Fechamos às 19h")

    assert sent == SentMessage(MESSAGE_ID, MARIA, told_ms)
    asked = evolution.asked[0]
    assert (asked.method, asked.path) == ("POST", "/chat/updateMessage/unit_1")
    assert asked.body == {"number": MARIA, "key": KEY, "text": "Fechamos às 19h"}


def test_a_deletion_names_its_message_and_nothing_else(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(201, SENT)

    sent = client.delete_message("unit_1", key=OURS)

    assert sent == SentMessage(MESSAGE_ID, MARIA)
    asked = evolution.asked[0]
    assert (asked.method, asked.path, asked.body) == ("DELETE", "/chat/deleteMessageForEveryone/unit_1", KEY)


ANSWERS = {
    "not_compatible": (400, ["Message not compatible"], EvolutionRejected, errors.NOT_EDITABLE),
    "other_address": (400, ["RemoteJid does not match"], EvolutionRejected, errors.OTHER_ADDRESS),
    "too_late": (400, ["Message is older than 15 minutes"], EvolutionRejected, errors.TOO_LATE),
    "not_stored_after_all": (404, ["Message not found"], EvolutionUnknown, errors.UNCLEAR),
    "closed": (500, "Connection Closed", EvolutionUnavailable, errors.UNIT_AWAY),
    "deleting_closed": (500, [DELETING_FAILED, "Error: Connection Closed"], EvolutionUnavailable, errors.UNIT_AWAY),
    "deleting_not_loaded": (
        500,
        [DELETING_FAILED, "TypeError: Cannot read properties of undefined (reading 'sendMessage')"],
        EvolutionUnavailable,
        errors.UNIT_AWAY,
    ),
    "deleting_timed_out": (500, [DELETING_FAILED, "Error: Timed Out"], EvolutionUnknown, errors.UNCLEAR),
    "deleting_database": (500, [DELETING_FAILED, "Error: (text)"], EvolutionUnknown, errors.UNCLEAR),
}


@pytest.mark.parametrize(("status", "words", "kind", "code"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_says_whether_a_change_may_have_been_made(
    evolution: Scripted,
    client: EvolutionClient,
    status: int,
    words: object,
    kind: type[EvolutionError],
    code: str,
) -> None:
    evolution.answer(status, said(status, words))

    with pytest.raises(kind) as raised:
        client.delete_message("unit_1", key=OURS)

    assert raised.value.code == code


@pytest.mark.parametrize(
    ("messages", "address"),
    [
        ({"records": [{"key": {"id": "3EB0A", "remoteJid": "123456789012345@lid"}}]}, "123456789012345@lid"),
        ({"records": []}, None),
        ({"records": [{"key": None}]}, None),
        (None, None),
    ],
    ids=["stored", "not_stored", "without_key", "without_answer"],
)
def test_the_address_of_a_stored_message_is_found_by_its_id(
    evolution: Scripted, client: EvolutionClient, messages: object, address: str | None
) -> None:
    evolution.answer(200, {"messages": messages})

    assert client.find_address("unit_1", "3EB0A") == address
    assert evolution.asked[0].path == "/chat/findMessages/unit_1"
    assert evolution.asked[0].body == {"where": {"key": {"id": "3EB0A"}}, "page": 1, "offset": 1}
