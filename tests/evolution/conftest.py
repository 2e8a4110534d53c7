"""A little server that answers as told, and a client of it."""

from collections.abc import Iterator

import pytest

from portal.evolution.client import EvolutionClient
from portal.evolution.types import SentMessage
from tests.evolution.little_servers import Scripted

KEY = "a-key-for-tests-only"
MESSAGE_ID = "3EB00123456789ABCDEF01"


@pytest.fixture
def evolution() -> Iterator[Scripted]:
    scripted = Scripted()
    yield scripted
    scripted.stop()


@pytest.fixture
def client(evolution: Scripted) -> EvolutionClient:
    return EvolutionClient(evolution.url, KEY)


def said(status: int, message: object, error: str = "Bad Request") -> dict[str, object]:
    return {"status": status, "error": error, "response": {"message": message}}


def send(client: EvolutionClient) -> SentMessage:
    return client.send_text("unit_1", number="5531999990003", text="Olá", message_id=MESSAGE_ID)
