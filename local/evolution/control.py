"""The simulator's own API: act as phones and customers, look behind the scenes, order faults."""

from collections import deque
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, request

from local.evolution.errors import to_response
from local.evolution.guards import simulator
from local.evolution.messages import NotOpen
from local.evolution.model import Customer, Instance, Message
from local.evolution.numbers import chat_of, digits_of
from local.evolution.phones import suggested_number
from local.evolution.settings import Fault, FaultMode, Switches
from local.evolution.sockets import NotScannable

blueprint = Blueprint("control", __name__, url_prefix="/simulator")

SWITCH_NAMES = {
    "createWaitS": "create_wait_s",
    "connectWaitS": "connect_wait_s",
    "sendLatencyS": "send_latency_s",
    "receiptDelayS": "receipt_delay_s",
    "readDelayS": "read_delay_s",
    "respondAfterSendS": "respond_after_send_s",
}
MAY_BE_OFF = ("receiptDelayS", "readDelayS")


class Refused(Exception):
    """Stop a request of the tool with a reason in plain words."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


@blueprint.errorhandler(Refused)
def show_refusal(error: Refused) -> Response:
    return to_response({"error": error.reason}, error.status)


@blueprint.errorhandler(NotScannable)
def show_not_scannable(_error: NotScannable) -> Response:
    return to_response({"error": "no code is shown that could be scanned"}, 409)


@blueprint.errorhandler(NotOpen)
def show_not_open(_error: NotOpen) -> Response:
    return to_response({"error": "the instance is not connected"}, 409)


@blueprint.get("/instances")
def list_instances() -> Response:
    return to_response([instance_json(instance) for instance in simulator().instances.list_all()])


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
    message = simulator().messages.customer_writes(instance, customer, required_text(body, "text"))
    return to_response(message_json(message), 201)


@blueprint.post("/instances/<name>/own-messages")
def owner_writes(name: str) -> Response:
    instance, body = known(name), json_body()
    text = required_text(body, "text")
    message = simulator().messages.owner_writes(instance, required_text(body, "to"), text)
    return to_response(message_json(message), 201)


@blueprint.get("/instances/<name>/chats")
def list_chats(name: str) -> Response:
    instance = known(name)
    with simulator().store.lock:
        chats = list(dict.fromkeys(message.chat for message in instance.messages.values()))
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


@blueprint.get("/settings")
def show_switches() -> Response:
    return to_response(switches_json(simulator().switches))


@blueprint.put("/settings")
def change_switches() -> Response:
    body, switches = json_body(), simulator().switches
    changes = {SWITCH_NAMES[name]: seconds(name, body[name]) for name in SWITCH_NAMES if name in body}
    faults = deque(read_fault(item) for item in body.get("failNextSends", ()))
    for attribute, value in changes.items():
        setattr(switches, attribute, value)
    if "failNextSends" in body:
        switches.faults = faults
    return to_response(switches_json(switches))


def known(name: str) -> Instance:
    """Give the instance of that name or refuse."""
    instance = simulator().instances.find(name)
    if instance is None:
        raise Refused(404, f"no instance is called {name}")
    return instance


def json_body() -> Mapping[str, Any]:
    """Read the body; none counts as an empty one."""
    body = request.get_json(silent=True) if request.data else {}
    if not isinstance(body, dict):
        raise Refused(400, "the body must be a JSON object")
    return body


def required_text(body: Mapping[str, Any], name: str) -> str:
    """Read a text that must be there."""
    value = body.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Refused(400, f"{name} is required")
    return value


def writing_customer(body: Mapping[str, Any]) -> Customer:
    """Give the customer who writes, with what this message says about name and addressing."""
    store = simulator().store
    customer = store.customer(chat_of(required_text(body, "from")))
    name = str(body.get("name") or customer.name)
    is_lid_addressed = bool(body.get("lid", customer.is_lid_addressed))
    customer = Customer(customer.number, name, is_lid_addressed, customer.reads)
    store.keep_customer(customer)
    return customer


def seconds(name: str, value: object) -> float | None:
    """Read a duration; receipts can be switched off with null."""
    if value is None and name in MAY_BE_OFF:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise Refused(400, f"{name} must be a number of seconds")
    return float(value)


def read_fault(item: Mapping[str, Any]) -> Fault:
    """Read one ordered fault: `{status, body}` or `{mode: hang | reset}`, both with `afterSend`."""
    try:
        mode = FaultMode(item.get("mode", FaultMode.ANSWER))
    except ValueError as e:
        raise Refused(400, "mode must be answer, hang or reset") from e
    return Fault(mode, int(item.get("status", 500)), item.get("body"), bool(item.get("afterSend", False)))


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
    }


def chat_json(instance: Instance, chat: str) -> dict[str, object]:
    """Write one chat with its messages, oldest first."""
    messages = [message_json(message) for message in instance.in_chat(chat)]
    return {**customer_json(simulator().store.customer(chat)), "messages": messages}


def customer_json(customer: Customer) -> dict[str, object]:
    """Write a customer."""
    return {
        "number": customer.number,
        "name": customer.name,
        "lid": customer.is_lid_addressed,
        "reads": customer.reads,
    }


def message_json(message: Message) -> dict[str, object]:
    """Write a message in short."""
    return {
        "id": message.key["id"],
        "fromMe": message.is_from_shop,
        "text": message.text,
        "timestamp": message.timestamp,
        "statuses": message.statuses,
    }


def switches_json(switches: Switches) -> dict[str, object]:
    """Write the switches by the names under which they are set."""
    shown = {name: getattr(switches, attribute) for name, attribute in SWITCH_NAMES.items()}
    return {**shown, "failNextSends": [fault_json(fault) for fault in list(switches.faults)]}


def fault_json(fault: Fault) -> dict[str, object]:
    """Write a fault as it is ordered."""
    return {"mode": fault.mode, "status": fault.status, "body": fault.body, "afterSend": fault.is_after_send}
