"""Routes of Evolution for sending, looking up numbers and reading stored messages."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import emoji
from flask import Blueprint, Response, g, request

from local.evolution.errors import ApiError, RawError, to_response
from local.evolution.failures import next_failure
from local.evolution.faults import FaultName
from local.evolution.guards import loaded_only, not_in_memory, on_instance, parse_body, simulator, valid_body
from local.evolution.media import read_media
from local.evolution.messages import Outgoing
from local.evolution.model import Instance, Message
from local.evolution.numbers import BROADCAST, GROUP, Lookup, jid_for
from local.evolution.payloads import record_json, status_json
from local.evolution.settings import Fault, FaultMode
from local.evolution.validation import SEND_MEDIA, SEND_REACTION, SEND_TEXT, WHATSAPP_NUMBERS, violations
from local.evolution.versions import Style
from local.evolution.wires import break_off, hang

blueprint = Blueprint("api_messages", __name__)
blueprint.before_request(parse_body)

PAGE_SIZE = 50
NO_UPLOAD = "TypeError: Cannot read properties of undefined (reading 'waUploadToServer')"
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
@loaded_only(lambda _: not_in_memory("textMessage"))
def send_text(instance: Instance) -> Response:
    body = valid_body(SEND_TEXT)
    if not body["text"].strip():
        raise ApiError(400, ["Text is required"])
    return send(instance, body, Outgoing(body["number"], body["text"], **options_of(body)))


@blueprint.post("/message/sendMedia/<name>")
@on_instance
@loaded_only(lambda _: not_in_memory("mediaMessage"))
def send_media(instance: Instance) -> Response:
    if request.mimetype == "multipart/form-data":
        g.body = request.form.to_dict()
    body = valid_body(SEND_MEDIA)
    upload = request.files.get("file")
    media = read_media(body, upload.read() if upload else None)
    # The file is uploaded to WhatsApp before anybody looks at the number.
    if not instance.socket.is_started:
        raise ApiError(500, [NO_UPLOAD])
    if not instance.is_open:
        raise ApiError(500, ["Error: Connection Closed"])
    return send(instance, body, Outgoing(body["number"], media=media, **options_of(body)))


@blueprint.post("/message/sendReaction/<name>")
@on_instance
@loaded_only(lambda _: not_in_memory("reactionMessage"))
def send_reaction(instance: Instance) -> Response:
    body = valid_body(SEND_REACTION)
    key, sign = body["key"], body["reaction"]
    if sign and not emoji.is_emoji(sign):
        raise ApiError(400, ["Reaction must be a single emoji or empty string"])
    return send(instance, body, Outgoing(key["remoteJid"], sign, reacts_to=key))


def options_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Read what every kind of send may be told."""
    return {"quoted": body.get("quoted") or {}, "message_id": body.get("messageId")}


def send(instance: Instance, body: Mapping[str, Any], outgoing: Outgoing) -> Response:
    """Let a message leave, or fail in the way that is this one's turn."""
    messages, switches, faults = simulator().messages, simulator().switches, simulator().faults
    jid = messages.recipient(instance, outgoing.number)
    latency_s = faults.seconds(FaultName.LATENCY) if faults.strikes(FaultName.LATENCY) else 0.0
    messages.pause(switches.send_latency_s + latency_s + body.get("delay", 0) / 1000)
    if not instance.is_open:
        raise ApiError(400, ["Error: Connection Closed"])
    failure = next_failure(simulator())
    if failure and not failure.fault.is_after_send:
        return fail(failure.fault)
    answer = messages.send(instance, jid, outgoing, failure.name if failure else None)
    messages.pause(switches.respond_after_send_s)
    return fail(failure.fault) if failure else to_response(answer, 201)


def fail(fault: Fault) -> Response:
    """Answer as ordered, or not at all."""
    if fault.mode is FaultMode.HANG:
        return hang()
    if fault.mode is FaultMode.RESET:
        return break_off()
    if isinstance(fault.body, str):
        return Response(fault.body, status=fault.status, content_type="text/html")
    return to_response(fault.body, fault.status)


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
    can_check_lids = simulator().switches.style.is_latest
    found_numbers = [look_up_any(number, can_check_lids=can_check_lids) for number in g.body["numbers"]]
    return to_response([lookup_json(instance, one) for one in sorted(found_numbers, key=lookup_rank)])


def look_up_any(number: str, *, can_check_lids: bool) -> Lookup:
    """Look a number up; groups and broadcast lists are unknown here."""
    jid = jid_for(number)
    if jid.endswith((GROUP, BROADCAST)):
        return Lookup(jid, exists=False, number=number)
    return simulator().crowd.look_up(number, can_check_lids=can_check_lids)


def lookup_rank(found: Lookup) -> int:
    """Order an answer as Evolution does: broadcast lists, groups, persons."""
    return 0 if found.jid.endswith(BROADCAST) else 1 if found.jid.endswith(GROUP) else 2


def lookup_json(instance: Instance, found: Lookup) -> dict[str, object]:
    """Write what is known of a number, with the name of a contact that wrote before."""
    names = [message.push_name for message in instance.in_chat(found.jid) if not message.is_from_shop]
    return {**found.to_json(), "name": names[-1]} if names else found.to_json()


@blueprint.post("/chat/findMessages/<name>")
@on_instance
@loaded_only(lambda _: not_in_memory("fetchMessages"))
def find_messages(instance: Instance) -> Response:
    where = g.body.get("where") or {}
    style = simulator().switches.style
    with simulator().store.lock:
        matching = [message for message in instance.messages.values() if is_match(message, where, style)]
    # Newest first, and of one second what was stored last; history is older than what was there before it.
    matching.reverse()
    matching.sort(key=lambda message: -message.timestamp)
    size, page = int(g.body.get("offset") or PAGE_SIZE), int(g.body.get("page") or 1)
    records = [record_json(instance, message, style) for message in matching[(page - 1) * size : page * size]]
    pages = math.ceil(len(matching) / size)
    listed = {"total": len(matching), "pages": pages, "currentPage": page, "records": records}
    return to_response({"messages": listed})


def is_match(message: Message, where: Mapping[str, Any], style: Style) -> bool:
    """Tell whether a stored message passes a filter of findMessages; `fromMe: false` filters nothing."""
    key = {name: value for name, value in (where.get("key") or {}).items() if value}
    shown = style.key(message.key)
    has_key = all(shown.get(name) == value for name, value in key.items())
    is_type = where.get("messageType") in (None, "", message.type)
    is_source = where.get("source") in (None, "", message.source)
    return has_key and is_type and is_source and is_in_span(message, where.get("messageTimestamp") or {})


def is_in_span(message: Message, span: Mapping[str, str]) -> bool:
    """Tell whether a message lies between two instants; with only one of them nothing is filtered."""
    if not (span.get("gte") and span.get("lte")):
        return True
    return whole_seconds(span["gte"]) <= message.timestamp <= whole_seconds(span["lte"])


def whole_seconds(text: str) -> int:
    """Read an ISO instant; what is below a second is cut off, at both ends of a span."""
    return math.floor(datetime.fromisoformat(text).timestamp())


@blueprint.post("/chat/findStatusMessage/<name>")
@on_instance
@loaded_only(lambda _: not_in_memory("fetchStatusMessage"))
def find_status(instance: Instance) -> Response:
    where = g.body.get("where") or {}
    wanted = [message for message in list(instance.messages.values()) if is_status_of(message, where)]
    return to_response([status_json(instance, message, status) for message in wanted for status in message.statuses])


def is_status_of(message: Message, where: Mapping[str, Any]) -> bool:
    """Tell whether the receipts of a message are asked for."""
    is_id = where.get("id") in (None, "", message.key["id"])
    return is_id and where.get("remoteJid") in (None, "", message.key["remoteJid"])
