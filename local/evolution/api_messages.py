"""Routes of Evolution for sending, looking up numbers and reading stored messages."""

import math
import socket
import struct
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, g, request

from local.evolution.errors import ApiError, RawError, to_response
from local.evolution.guards import on_instance, parse_body, simulator, valid_body
from local.evolution.model import Instance, Message
from local.evolution.numbers import BROADCAST, GROUP, Lookup, jid_for, look_up
from local.evolution.payloads import record_json, status_json
from local.evolution.settings import Fault, FaultMode
from local.evolution.validation import SEND_TEXT, WHATSAPP_NUMBERS, violations

blueprint = Blueprint("api_messages", __name__)
blueprint.before_request(parse_body)

HANG_S = 600.0
PAGE_SIZE = 50
CLOSED = {
    "data": None,
    "isBoom": True,
    "isServer": False,
    "output": {
        "statusCode": 428,
        "payload": {"statusCode": 428, "error": "Precondition Required", "message": "Connection Closed"},
        "headers": {},
    },
}


@blueprint.post("/message/sendText/<name>")
@on_instance
def send_text(instance: Instance) -> Response:
    body = valid_body(SEND_TEXT)
    if not body["text"].strip():
        raise ApiError(400, ["Text is required"])
    messages, switches = simulator().messages, simulator().switches
    jid = messages.recipient(instance, body["number"])
    messages.pause(switches.send_latency_s + body.get("delay", 0) / 1000)
    if not instance.is_open:
        raise ApiError(400, ["Error: Connection Closed"])
    fault = next_fault()
    if fault and not fault.is_after_send:
        return fail(fault)
    answer = messages.send(instance, jid, body)
    messages.pause(switches.respond_after_send_s)
    return fail(fault) if fault else to_response(answer, 201)


def next_fault() -> Fault | None:
    """Take the fault that was ordered for this send, if any."""
    try:
        return simulator().switches.faults.popleft()
    except IndexError:
        return None


def fail(fault: Fault) -> Response:
    """Answer as ordered, or not at all."""
    if fault.mode is FaultMode.ANSWER:
        return to_response(fault.body, fault.status)
    if fault.mode is FaultMode.HANG:
        simulator().messages.pause(HANG_S)
    reset_connection()
    return Response(status=502)


def reset_connection() -> None:
    """Break the connection, so that the caller never learns what happened."""
    connection: socket.socket | None = request.environ.get("werkzeug.socket")
    if connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)


@blueprint.post("/chat/whatsappNumbers/<name>")
@on_instance
def whatsapp_numbers(instance: Instance) -> Response:
    found = violations(g.body, WHATSAPP_NUMBERS)
    if found:
        raise RawError(400, {"status": 400, "error": "Bad Request", "message": [found]})
    if "numbers" not in g.body or not instance.socket.is_started:
        raise RawError(400, {})
    if not instance.is_open:
        raise RawError(400, CLOSED)
    can_check_lids = simulator().settings.version_number[:2] >= (2, 4)
    found_numbers = [look_up_any(number, can_check_lids=can_check_lids) for number in g.body["numbers"]]
    return to_response([lookup_json(instance, one) for one in sorted(found_numbers, key=lookup_rank)])


def look_up_any(number: str, *, can_check_lids: bool) -> Lookup:
    """Look a number up; groups and broadcast lists are unknown here."""
    jid = jid_for(number)
    if jid.endswith((GROUP, BROADCAST)):
        return Lookup(jid, exists=False, number=number)
    return look_up(number, can_check_lids=can_check_lids)


def lookup_rank(found: Lookup) -> int:
    """Order an answer as Evolution does: broadcast lists, groups, persons."""
    return 0 if found.jid.endswith(BROADCAST) else 1 if found.jid.endswith(GROUP) else 2


def lookup_json(instance: Instance, found: Lookup) -> dict[str, object]:
    """Write what is known of a number, with the name of a contact that wrote before."""
    names = [message.push_name for message in instance.in_chat(found.jid) if not message.is_from_shop]
    return {**found.to_json(), "name": names[-1]} if names else found.to_json()


@blueprint.post("/chat/findMessages/<name>")
@on_instance
def find_messages(instance: Instance) -> Response:
    where = g.body.get("where") or {}
    with simulator().store.lock:
        matching = [message for message in instance.messages.values() if is_match(message, where)]
    matching.reverse()
    size, page = int(g.body.get("offset") or PAGE_SIZE), int(g.body.get("page") or 1)
    records = [record_json(instance, message) for message in matching[(page - 1) * size : page * size]]
    pages = math.ceil(len(matching) / size)
    listed = {"total": len(matching), "pages": pages, "currentPage": page, "records": records}
    return to_response({"messages": listed})


def is_match(message: Message, where: Mapping[str, Any]) -> bool:
    """Tell whether a stored message passes a filter of findMessages; `fromMe: false` filters nothing."""
    key = {name: value for name, value in (where.get("key") or {}).items() if value}
    has_key = all(message.key.get(name) == value for name, value in key.items())
    is_type = where.get("messageType") in (None, "", "conversation")
    is_source = where.get("source") in (None, "", message.source)
    return has_key and is_type and is_source and is_in_span(message, where.get("messageTimestamp") or {})


def is_in_span(message: Message, span: Mapping[str, str]) -> bool:
    """Tell whether a message lies between two instants; with only one of them nothing is filtered."""
    if not (span.get("gte") and span.get("lte")):
        return True
    return seconds(span["gte"]) <= message.timestamp <= seconds(span["lte"])


def seconds(text: str) -> float:
    """Read an ISO instant."""
    return datetime.fromisoformat(text).timestamp()


@blueprint.post("/chat/findStatusMessage/<name>")
@on_instance
def find_status(instance: Instance) -> Response:
    where = g.body.get("where") or {}
    wanted = [message for message in list(instance.messages.values()) if is_status_of(message, where)]
    return to_response([status_json(instance, message, status) for message in wanted for status in message.statuses])


def is_status_of(message: Message, where: Mapping[str, Any]) -> bool:
    """Tell whether the receipts of a message are asked for."""
    is_id = where.get("id") in (None, "", message.key["id"])
    return is_id and where.get("remoteJid") in (None, "", message.key["remoteJid"])
