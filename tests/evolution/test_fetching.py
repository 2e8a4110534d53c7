"""Fetching a customer's file: what Evolution is asked, what its answers mean, and that no answer is read for ever."""

import base64
import json
import socket
import time
from contextlib import suppress

import pytest

from portal.evolution import errors, lines
from portal.evolution.client import AROUND_A_FILE, EvolutionClient
from portal.evolution.errors import EvolutionError, EvolutionRejected, EvolutionUnavailable, EvolutionUnknown
from tests.evolution.conftest import KEY, said
from tests.evolution.little_servers import Scripted, read_request, respond, talking
from tests.files import PNG

MOST = 1024 * 1024


def answer_with(content: bytes) -> dict[str, object]:
    encoded = base64.b64encode(content).decode()
    return {"mediaType": "imageMessage", "fileName": "3A.png", "caption": "", "base64": encoded, "buffer": None}


def fetch(client: EvolutionClient, *, at_most: int = MOST) -> bytes:
    return client.fetch_media("unit_1", "3A0", at_most=at_most)


def test_a_file_is_asked_for_by_its_messages_id(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(201, answer_with(PNG))

    assert fetch(client) == PNG
    asked = evolution.asked[0]
    assert (asked.method, asked.path) == ("POST", "/chat/getBase64FromMediaMessage/unit_1")
    assert asked.body == {"message": {"key": {"id": "3A0"}}}


@pytest.mark.parametrize(
    ("status", "body", "error", "code"),
    [
        (400, said(400, ["Message not found"]), EvolutionRejected, errors.MEDIA_GONE),
        (400, said(400, ["The message is not of the media type"]), EvolutionRejected, errors.MEDIA_GONE),
        (400, said(400, ["Error: media expired"]), EvolutionRejected, errors.MEDIA_GONE),
        (400, said(400, ["TypeError: Cannot read properties of undefined"]), EvolutionUnknown, errors.UNCLEAR),
        (400, said(400, ["Error: Connection Closed"]), EvolutionUnavailable, errors.UNIT_AWAY),
        (404, said(404, ['The "unit_1" instance does not exist']), EvolutionUnavailable, errors.INSTANCE_UNKNOWN),
        (502, "bad gateway", EvolutionUnknown, errors.UNCLEAR),
        (201, {}, EvolutionUnknown, errors.UNCLEAR),
        (201, {"base64": ""}, EvolutionUnknown, errors.UNCLEAR),
        (201, {"base64": "no base64!"}, EvolutionUnknown, errors.UNCLEAR),
        (201, {"base64": "é"}, EvolutionUnknown, errors.UNCLEAR),
    ],
)
def test_answers_say_whether_it_may_still_be_had(
    evolution: Scripted, client: EvolutionClient, status: int, body: object, error: type[EvolutionError], code: str
) -> None:
    evolution.answer(status, body)

    with pytest.raises(error) as raised:
        fetch(client)

    assert raised.value.code == code


def test_a_file_may_be_as_large_as_asked_and_no_larger(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(201, answer_with(bytes(MOST)))
    evolution.answer(201, answer_with(bytes(MOST + 1)))

    assert len(fetch(client)) == MOST
    with pytest.raises(EvolutionRejected) as raised:
        fetch(client)

    assert raised.value.code == errors.MEDIA_TOO_LARGE


def test_an_endless_answer_is_left_unread() -> None:
    written = 0

    def pour(connection: socket.socket) -> None:
        nonlocal written
        read_request(connection)
        connection.sendall(b'HTTP/1.1 201 Created\r\nContent-Length: 1000000000\r\n\r\n{"base64":"')
        try:
            while written < 200 * MOST:
                written += connection.send(b"A" * 65536)
        except OSError:
            """The client has closed the connection."""

    with talking(pour) as url, pytest.raises(EvolutionRejected) as raised:
        fetch(EvolutionClient(url, KEY))

    assert raised.value.code == errors.MEDIA_TOO_LARGE
    # What the sockets hold comes on top.
    assert written < MOST * 4 // 3 + AROUND_A_FILE + 16 * MOST


def test_an_answer_that_trickles_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LONGEST_FETCH_S", 0.0)
    body = json.dumps(answer_with(PNG)).encode()

    def talk(connection: socket.socket) -> None:
        read_request(connection)
        respond(connection, body)

    with talking(talk) as url, pytest.raises(EvolutionUnknown) as raised:
        fetch(EvolutionClient(url, KEY))

    assert raised.value.code == errors.TIMED_OUT


def test_an_answer_that_trickles_is_given_up_whatever_was_asked() -> None:
    def drip(connection: socket.socket) -> None:
        read_request(connection)
        respond(connection, b"", length=40)
        with suppress(OSError):
            for _ in range(40):
                connection.sendall(b" ")
                time.sleep(0.1)

    begun_at = time.monotonic()
    with talking(drip) as url, pytest.raises(EvolutionUnknown) as raised:
        EvolutionClient(url, KEY, call_timeout_s=0.3).connection_state("unit_1")

    assert raised.value.code == errors.TIMED_OUT
    assert time.monotonic() - begun_at < 2


def test_an_answer_that_is_cut_short_is_no_file() -> None:
    body = json.dumps(answer_with(PNG)).encode()

    def talk(connection: socket.socket) -> None:
        read_request(connection)
        respond(connection, body[:-10], length=len(body))

    with talking(talk) as url, pytest.raises(EvolutionUnknown):
        fetch(EvolutionClient(url, KEY))
