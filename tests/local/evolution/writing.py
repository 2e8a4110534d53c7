"""Writing on simulated phones, and what the shop's webhook hears of it."""

from typing import Any

from tests.local.evolution.conftest import Receiver, World

EVENTS = ["MESSAGES_UPSERT", "MESSAGES_EDITED", "MESSAGES_DELETE", "MESSAGES_UPDATE", "CALL"]
PHONE = "5511999990002@s.whatsapp.net"
OWN = "5511999990001@s.whatsapp.net"


def ask(world: World, path: str, body: object) -> Any:
    """Ask the simulator's own API for something that must work."""
    answer = world.http.post(f"/simulator/instances/shop/{path}", json=body)
    assert answer.status_code < 300, answer.text
    return answer.get_json()


def write(world: World, receiver: Receiver, path: str = "messages", **body: object) -> Any:
    """Let somebody write and give the data of the webhook that tells of it."""
    known = len(receiver.of("messages.upsert"))
    written = ask(world, path, {"from": "5511999990002", "to": "5511999990002", **body})
    arrived = receiver.wait_for("messages.upsert", known + 1)
    return next(one.data for one in arrived if one.data["key"]["id"] == written["id"])
