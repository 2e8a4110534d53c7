"""The simulator's own API: what happens on phones after and beside writing.

POST /simulator/instances/<name>/edits      {"id", "text"}
POST /simulator/instances/<name>/deletions  {"id"}
POST /simulator/instances/<name>/own-reads  {"number"}: the owner reads a chat on the phone
POST /simulator/instances/<name>/calls      {"from", "answered"?, "video"?, "group"?}
POST /simulator/instances/<name>/history    {"messages", "chats", "days"?, "perWebhook"?, "numbers"?}
PUT  /simulator/instances/<name>/addressing {"addressing": "pn" | "lid" | "lidOnly" | null}
"""

from collections.abc import Mapping
from typing import Any

from flask import Response

from local.evolution.arrivals import NotOpen
from local.evolution.calls import Call
from local.evolution.control import message_json, show_nonsense, show_not_open
from local.evolution.control_faults import read_addressing
from local.evolution.errors import to_response
from local.evolution.guards import simulator
from local.evolution.history import Past
from local.evolution.model import Instance, Message
from local.evolution.numbers import chat_of
from local.evolution.tool import Refused, json_body, known, required_text, tool_blueprint

blueprint = tool_blueprint("control_events")
blueprint.register_error_handler(NotOpen, show_not_open)
blueprint.register_error_handler(ValueError, show_nonsense)

MOST_MESSAGES = 10_000


@blueprint.post("/instances/<name>/edits")
def edit(name: str) -> Response:
    instance, body = known(name), json_body()
    message = known_message(instance, body)
    simulator().changes.edit(instance, message, required_text(body, "text"))
    return to_response(message_json(message))


@blueprint.post("/instances/<name>/deletions")
def delete(name: str) -> Response:
    instance = known(name)
    message = known_message(instance, json_body())
    simulator().changes.delete(instance, message)
    return to_response(message_json(message))


@blueprint.post("/instances/<name>/own-reads")
def owner_reads(name: str) -> Response:
    number = required_text(json_body(), "number")
    return to_response({"read": simulator().changes.owner_reads(known(name), number)})


@blueprint.post("/instances/<name>/calls")
def call(name: str) -> Response:
    instance, body = known(name), json_body()
    customer = simulator().store.customer(chat_of(required_text(body, "from")))
    placed = Call(bool(body.get("answered")), bool(body.get("video")), body.get("group"))
    return to_response({"id": simulator().calls.ring(instance, customer, placed)}, 201)


@blueprint.post("/instances/<name>/history")
def hand_history_over(name: str) -> Response:
    instance, past = known(name), read_past(json_body())
    made = simulator().history.hand_over(instance, past)
    return to_response({"messages": len(made), "chats": past.chats, "ids": [one.key["id"] for one in made]}, 201)


@blueprint.put("/instances/<name>/addressing")
def set_addressing(name: str) -> Response:
    instance = known(name)
    instance.addressing = read_addressing(json_body().get("addressing"))
    simulator().store.changed()
    return to_response({"addressing": instance.addressing})


def known_message(instance: Instance, body: Mapping[str, Any]) -> Message:
    """Give the message that the body names by its id or refuse."""
    message = instance.messages.get(required_text(body, "id"))
    if message is None:
        raise Refused(404, "no message has this id")
    return message


def read_past(body: Mapping[str, Any]) -> Past:
    """Read how much history is wanted."""
    numbers = tuple(str(number) for number in body.get("numbers") or ())
    chats = whole_number(body, "chats", default=max(1, len(numbers)))
    return Past(
        messages=whole_number(body, "messages", default=100),
        chats=max(chats, len(numbers)),
        days=whole_number(body, "days", default=30),
        per_webhook=whole_number(body, "perWebhook", default=500),
        numbers=numbers,
    )


def whole_number(body: Mapping[str, Any], name: str, *, default: int) -> int:
    """Read a number of things."""
    value = body.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_MESSAGES:
        raise Refused(400, f"{name} must be a whole number from 1 to {MOST_MESSAGES}")
    return value
