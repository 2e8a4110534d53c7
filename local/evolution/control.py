"""The simulator's own API: act as phones and customers, look behind the scenes.

    POST /simulator/scan                           {"picture"}: scan what a PNG as `data:` address shows
    POST /simulator/instances/<name>/messages      {"from", "name"?, "kind"?, …}: a customer writes
    POST /simulator/instances/<name>/own-messages  {"to", "kind"?, …}: the owner writes on the phone

`kind` is `text` where it is missing, and one of `kinds.KINDS` or `sample_files.SAMPLES` else; every kind fills in what
is not given. Of all kinds: `place` (person, group with `group`, story, broadcast), `quote`, `target` and `id` (ids of
messages), `forwarded` (how often), `viewOnce` (true or "unavailable"), `ephemeral`, `addressing`, `timestamp`, and
`silent` (stored, not reported). Of files: `media` (base64), `mimetype`, `fileName`, `caption`, `seconds`, `fileLength`.
Of others: `text`, `emoji` ("" removes), `question`, `options`, `choice`, `latitude`, `longitude`, `placeName`,
`address`, `contactName`, `contactNumber`, `contactNames`, `vcard`, `type`.
The answer tells in `reported` whether Evolution told its webhook.
"""

from collections.abc import Mapping
from typing import Any

from flask import Response

from local.evolution.arrivals import Arrival, NotOpen
from local.evolution.camera import instance_in
from local.evolution.errors import to_response
from local.evolution.guards import simulator
from local.evolution.model import Customer, Instance, Message
from local.evolution.numbers import chat_of, digits_of
from local.evolution.phones import suggested_number
from local.evolution.sockets import NotScannable
from local.evolution.tool import Refused, json_body, known, required_text, tool_blueprint

blueprint = tool_blueprint("control")


@blueprint.errorhandler(NotScannable)
def show_not_scannable(_error: NotScannable) -> Response:
    return to_response({"error": "no code is shown that could be scanned"}, 409)


@blueprint.errorhandler(NotOpen)
def show_not_open(_error: NotOpen) -> Response:
    return to_response({"error": "the instance is not connected"}, 409)


@blueprint.errorhandler(ValueError)
def show_nonsense(error: ValueError) -> Response:
    return to_response({"error": str(error)}, 400)


@blueprint.get("/instances")
def list_instances() -> Response:
    return to_response([instance_json(instance) for instance in simulator().instances.list_all()])


@blueprint.post("/scan")
def scan_picture() -> Response:
    found = instance_in(required_text(json_body(), "picture"), simulator().instances.list_all())
    if found is None:
        raise Refused(404, "no instance shows this code")
    return scan(found.name)


@blueprint.post("/instances/<name>/scan")
def scan(name: str) -> Response:
    instance, body = known(name), json_body()
    number = body.get("number") or suggested_number(instance)
    simulator().sockets.scan(instance, number=number, profile_name=body.get("profileName") or "Demo shop")
    return to_response(instance_json(instance))


@blueprint.post("/instances/<name>/unlink")
def unlink(name: str) -> Response:
    instance = known(name)
    if not instance.is_paired:
        raise Refused(409, "no phone is linked")
    simulator().sockets.log_out(instance, "Stream Errored (conflict)")
    return to_response(instance_json(instance))


@blueprint.post("/instances/<name>/messages")
def customer_writes(name: str) -> Response:
    instance, body = known(name), json_body()
    customer = writing_customer(body)
    return to_response(arrival_json(simulator().arrivals.customer_sends(instance, customer, body)), 201)


@blueprint.post("/instances/<name>/own-messages")
def owner_writes(name: str) -> Response:
    instance, body = known(name), json_body()
    number = required_text(body, "to")
    return to_response(arrival_json(simulator().arrivals.owner_sends(instance, number, body)), 201)


@blueprint.get("/instances/<name>/chats")
def list_chats(name: str) -> Response:
    instance = known(name)
    with simulator().store.lock:
        chats = list(dict.fromkeys(one.chat for one in instance.messages.values() if one.has_arrived))
        return to_response([chat_json(instance, chat) for chat in chats])


@blueprint.get("/customers")
def list_customers() -> Response:
    return to_response([customer_json(customer) for customer in list(simulator().store.customers.values())])


@blueprint.post("/customers")
def keep_customer() -> Response:
    body = json_body()
    number = required_text(body, "number")
    name = str(body.get("name") or number)
    customer = Customer(number, name, bool(body.get("lid", False)), bool(body.get("reads", True)))
    simulator().store.keep_customer(customer)
    return to_response(customer_json(customer), 201)


@blueprint.get("/deliveries")
def list_deliveries() -> Response:
    return to_response([attempt.to_json() for attempt in list(simulator().webhooks.attempts)])


@blueprint.get("/sends")
def list_sends() -> Response:
    return to_response([send.to_json() for send in list(simulator().store.sends)])


def writing_customer(body: Mapping[str, Any]) -> Customer:
    """Give the customer who writes, with what this message says about name and addressing."""
    store = simulator().store
    customer = store.customer(chat_of(required_text(body, "from")))
    name = str(body.get("name") or customer.name)
    is_lid_addressed = bool(body.get("lid", customer.is_lid_addressed))
    customer = Customer(customer.number, name, is_lid_addressed, customer.reads)
    store.keep_customer(customer)
    return customer


def instance_json(instance: Instance) -> dict[str, object]:
    """Write what the tool shows of an instance."""
    socket = instance.socket
    return {
        "name": instance.name,
        "state": socket.state,
        "count": socket.count,
        "code": socket.code,
        "pairingCode": socket.pairing_code,
        "isPaired": instance.is_paired,
        "number": digits_of(instance.owner_jid) if instance.owner_jid else None,
        "profileName": instance.profile_name,
        "addressing": instance.addressing,
        "waiting": len(instance.waiting),
    }


def chat_json(instance: Instance, chat: str) -> dict[str, object]:
    """Write one chat with its messages, oldest first, as the customer has it."""
    messages = [message_json(message) for message in instance.in_chat(chat) if message.has_arrived]
    return {**customer_json(simulator().store.customer(chat)), "messages": messages}


def customer_json(customer: Customer) -> dict[str, object]:
    """Write a customer."""
    return {
        "number": customer.number,
        "name": customer.name,
        "lid": customer.is_lid_addressed,
        "reads": customer.reads,
    }


def arrival_json(arrival: Arrival) -> dict[str, object]:
    """Write what was written on a phone, and whether Evolution reported it."""
    return {**message_json(arrival.message), "reported": arrival.is_reported}


def message_json(message: Message) -> dict[str, object]:
    """Write a message in short."""
    return {
        "id": message.key["id"],
        "fromMe": message.is_from_shop,
        "type": message.type,
        "text": message.text,
        "timestamp": message.timestamp,
        "statuses": message.statuses,
    }
