"""Routes of Evolution by which the shop edits its messages and deletes them for everyone."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response

from local.evolution.api_messages import fail
from local.evolution.errors import ApiError, crashed, to_response
from local.evolution.failures import next_failure
from local.evolution.guards import loaded_only, not_in_memory, on_instance, parse_body, simulator, valid_body
from local.evolution.ids import new_sent_id, utc_text
from local.evolution.model import Instance
from local.evolution.numbers import jid_for
from local.evolution.store import Send
from local.evolution.validation import DELETE_MESSAGE, UPDATE_MESSAGE

blueprint = Blueprint("api_changes", __name__)
blueprint.before_request(parse_body)

EDITABLE_TYPES = ("conversation", "extendedTextMessage", "imageMessage", "videoMessage")
DELETING_FAILED = "Error while deleting message for everyone"


@dataclass(frozen=True)
class Change:
    """Hold what is to be done with which message, and the status that says that it was."""

    kind: str
    key: Mapping[str, Any]
    text: str
    status: int


@blueprint.post("/chat/updateMessage/<name>")
@on_instance
@loaded_only(lambda _: not_in_memory("updateMessage"))
def update_message(instance: Instance) -> Response:
    body = valid_body(UPDATE_MESSAGE)
    key, jid = body["key"], jid_for(body["number"])
    stored = instance.messages.get(key["id"])
    if stored is None or stored.type not in EDITABLE_TYPES:
        raise ApiError(400, ["Message not compatible"])
    if stored.key["remoteJid"] != jid:
        raise ApiError(400, ["RemoteJid does not match"])
    if not instance.is_open:
        raise crashed("Connection Closed")
    edit = Change("edit", key, body["text"], 200)
    return carry_out(instance, edit, lambda: simulator().changes.edit_through_api(instance, key, body["text"]))


@blueprint.delete("/chat/deleteMessageForEveryone/<name>")
@on_instance
@loaded_only(lambda _: not_in_memory("deleteMessage"))
def delete_message(instance: Instance) -> Response:
    key = valid_body(DELETE_MESSAGE)
    if not instance.is_open:
        raise ApiError(500, [DELETING_FAILED, "Error: Connection Closed"])
    deletion = Change("deletion", key, "", 201)
    return carry_out(instance, deletion, lambda: simulator().changes.delete_through_api(instance, key))


def carry_out(instance: Instance, change: Change, do: Callable[[], dict[str, Any]]) -> Response:
    """Let a change leave, as a message of its own, or fail in the way that is this one's turn."""
    messages, switches, store = simulator().messages, simulator().switches, simulator().store
    messages.pause(switches.send_latency_s)
    failure = next_failure(simulator())
    if failure and not failure.fault.is_after_send:
        return fail(failure.fault)
    sent_id, protocol = new_sent_id(), do()
    with store.lock:
        store.add_send(send_of(instance, change, sent_id, failure.name if failure else None))
    messages.pause(switches.respond_after_send_s)
    answer = {
        "key": {"remoteJid": change.key["remoteJid"], "fromMe": True, "id": sent_id},
        "message": {"protocolMessage": protocol},
        "messageTimestamp": str(int(time.time())),
        "status": "PENDING",
    }
    return fail(failure.fault) if failure else to_response(answer, change.status)


def send_of(instance: Instance, change: Change, sent_id: str, fault: str | None) -> Send:
    """Record a change."""
    return Send(
        instance=instance.name,
        number=change.key["remoteJid"],
        text=change.text,
        key_id=sent_id,
        at=utc_text(),
        kind=change.kind,
        file_name=None,
        mime_type=None,
        sha256=None,
        size=None,
        fault=fault,
        has_arrived=True,
        refers_to=change.key["id"],
    )
