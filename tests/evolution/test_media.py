"""Sending a file: what Evolution is asked, what its answers mean, and how many go at a time (contract §5.2)."""

import base64
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from portal.evolution.client import FILES_AT_ONCE, EvolutionClient
from portal.evolution.errors import EvolutionFailed, EvolutionRejected, EvolutionUnavailable, EvolutionUnknown
from portal.evolution.types import OutgoingMedia, SentMessage
from tests.evolution.conftest import KEY, MESSAGE_ID, said
from tests.evolution.little_servers import Scripted, read_request, respond, talking
from tests.files import PDF

BILL = OutgoingMedia("document", "boleto.pdf", "application/pdf", PDF)
SENT = {"key": {"remoteJid": "553199990003@s.whatsapp.net", "fromMe": True, "id": MESSAGE_ID}}


def send(client: EvolutionClient, media: OutgoingMedia = BILL) -> SentMessage:
    return client.send_media("unit_1", number="5531999990003", media=media, caption="O boleto", message_id=MESSAGE_ID)


def test_a_file_is_sent_as_bare_base64_under_its_name(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(201, SENT)

    sent = send(client)

    assert sent == SentMessage(external_id=MESSAGE_ID, jid="553199990003@s.whatsapp.net")
    asked = evolution.asked[0]
    assert (asked.method, asked.path, asked.headers["apikey"]) == ("POST", "/message/sendMedia/unit_1", KEY)
    assert asked.body == {
        "number": "5531999990003",
        "mediatype": "document",
        "mimetype": "application/pdf",
        "fileName": "boleto.pdf",
        "media": base64.b64encode(PDF).decode(),
        "caption": "O boleto",
        "messageId": MESSAGE_ID,
    }


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, said(400, ["Owned media must be a url or base64"]), EvolutionRejected),
        (400, said(400, [{"jid": "1@s.whatsapp.net", "exists": False, "number": "1"}]), EvolutionRejected),
        (413, said(413, "request entity too large"), EvolutionRejected),
        (500, said(500, ["Error: (no content)"], "Internal Server Error"), EvolutionFailed),
        (500, said(500, ["Error: Connection Closed"], "Internal Server Error"), EvolutionUnavailable),
        (400, said(400, ["Error: Timed Out"]), EvolutionUnknown),
        (201, {}, EvolutionUnknown),
    ],
    ids=["no base64", "not on WhatsApp", "too large", "not prepared", "closed", "timed out", "no key"],
)
def test_answers_mean_what_they_mean_for_a_text(
    evolution: Scripted, client: EvolutionClient, status: int, body: object, error: type[Exception]
) -> None:
    evolution.answer(status, body)

    with pytest.raises(error):
        send(client)


def test_a_file_may_have_been_sent_when_evolution_does_not_answer() -> None:
    with talking(read_request) as url, pytest.raises(EvolutionUnknown):
        send(EvolutionClient(url, KEY))


def test_a_large_file_arrives_whole(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(201, SENT)
    content = bytes(range(256)) * 4096 * 16

    send(client, OutgoingMedia("video", "filme.mp4", "video/mp4", content))

    assert base64.b64decode(evolution.asked[0].body["media"], validate=True) == content


class Crowd:
    """Counts how many requests are open at a time, each of which waits for the last ones to come in."""

    def __init__(self) -> None:
        self._now, self.most, self._lock = 0, 0, threading.Lock()

    def talk(self, connection: socket.socket) -> None:
        read_request(connection)
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        threading.Event().wait(0.2)
        with self._lock:
            self._now -= 1
        respond(connection, json.dumps(SENT).encode())


@pytest.fixture
def crowd() -> Iterator[tuple[Crowd, str]]:
    crowd = Crowd()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)

        def accept() -> None:
            with ThreadPoolExecutor(16) as pool:
                for _ in range(3 * FILES_AT_ONCE):
                    connection, _address = listener.accept()
                    pool.submit(_talk_and_close, crowd, connection)

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        yield crowd, f"http://127.0.0.1:{listener.getsockname()[1]}"
        accepting.join(5)


def _talk_and_close(crowd: Crowd, connection: socket.socket) -> None:
    with connection:
        crowd.talk(connection)


def test_only_a_few_files_go_at_a_time(crowd: tuple[Crowd, str]) -> None:
    counted, url = crowd
    client = EvolutionClient(url, KEY)

    with ThreadPoolExecutor(3 * FILES_AT_ONCE) as pool:
        sent = list(pool.map(lambda _: send(client), range(3 * FILES_AT_ONCE)))

    assert len(sent) == 3 * FILES_AT_ONCE
    assert counted.most == FILES_AT_ONCE
