"""Sending a message, and asking what became of it."""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import g, request

from portal import phone
from portal.models import Message, MessageSource, MessageStatus
from portal.permissions import Permission
from portal.queries import conversations as inbox
from portal.queries import messages as queries
from portal.queries import units
from portal.queries.conversations import Position
from portal.queries.messages import Filter
from portal.services import conversations
from portal.services.conversations import Queued
from portal.services.media import Upload
from portal.web.access import requires
from portal.web.api.access import chosen_unit
from portal.web.api.blueprint import ApiBlueprint
from portal.web.api.described import PREFER
from portal.web.api.message_answers import MessageAnswer, MessagePage, MessageWithMedia, SendAnswer, with_media
from portal.web.api.message_schemas import MessagesQuery, SendBody, SendFromUnitBody
from portal.web.api.paging import cut
from portal.web.api.waiting import LONGEST_WAIT_S, WaitingRoom
from portal.web.uploads import LARGEST_BODY

bp = ApiBlueprint("messages", title="Messages", description="Sending, and what became of it.")
READ, SEND = requires(Permission.READ_MESSAGES), requires(Permission.SEND)
waiting_for_sending = WaitingRoom(seats=3)
WAIT = re.compile(r"(?:^|[\s,;])wait\s*=\s*\"?(\d{1,9})\b", re.IGNORECASE)
# Evolution took it, or it surely did not go: waiting longer tells nothing more about the sending.
IN_DOUBT = (MessageStatus.QUEUED, MessageStatus.SENDING, MessageStatus.UNCONFIRMED)
NOT_SENT = (MessageStatus.FAILED, MessageStatus.CANCELLED)


@dataclass(frozen=True)
class Sending:
    """A message on its way, the canonical number it goes to, and whether the call only repeated an earlier one."""

    message: Message
    phone: str
    is_repeat: bool
    is_held: bool

    @property
    def success(self) -> bool:
        return self.message.status not in NOT_SENT

    @property
    def held(self) -> bool:
        return self.is_held and self.message.status == MessageStatus.QUEUED


@bp.before_request  # type: ignore[untyped-decorator]
def allow_files() -> None:
    request.max_content_length = LARGEST_BODY


@bp.call(
    "POST",
    "/messages",
    access=SEND,
    operation="sendMessage",
    body=SendFromUnitBody,
    header=PREFER,
    answer=SendAnswer,
    status=202,
    also=(200,),
    refuses=(409,),
)
def send(body: dict[str, Any]) -> tuple[Sending, int]:
    """Send a message to a number.

    202 once it is queued, 200 for one that was sent before under the same `clientMessageId`, and with `Prefer: wait`
    once its way is known. 409 `never_connected` when the unit never had a number.
    """
    return _send(chosen_unit(body["unit_id"]), body)


@bp.call(
    "POST",
    "/units/<unit_id>/whatsapp/send",
    access=SEND,
    operation="sendMessageFromUnit",
    body=SendBody,
    header=PREFER,
    answer=SendAnswer,
    status=202,
    also=(200,),
    refuses=(409,),
)
def send_from_unit(body: dict[str, Any]) -> tuple[Sending, int]:
    """Send a message from this unit.

    As `POST /messages`, for the unit in the address.
    """
    return _send(g.unit_id, body)


@bp.call("GET", "/messages", access=READ, operation="listMessages", query=MessagesQuery, answer=MessagePage)
def index(query: dict[str, Any]) -> dict[str, Any]:
    """List messages of all conversations, the one that was made last first.

    With `since` it tells what is new. What changed is told by webhooks.
    """
    wanted = Filter(
        status=query["status"],
        direction=query["direction"],
        unit_id=units.get_unit_id(g.scope, query["unit_id"]) if query["unit_id"] else None,
        client_message_id=query["client_message_id"],
        since=query["since"],
    )
    before, limit = query["cursor"].id if query["cursor"] else None, query["limit"]
    found = queries.list_messages(g.scope, wanted, before=before, limit=limit + 1)
    page, last = cut(found, limit)
    return {"items": with_media(page), "next": Position(last.created_at, last.id) if last else None}


@bp.call("GET", "/messages/<uuid:message_id>", access=READ, operation="getMessage", answer=MessageAnswer)
def show(message_id: UUID) -> MessageWithMedia:
    """See what became of a message."""
    return with_media([inbox.get_message(g.scope, message_id)])[0]


def _send(unit_id: UUID, body: dict[str, Any]) -> tuple[Sending, int]:
    queued = conversations.send_to_phone(
        g.scope,
        unit_id,
        phone=body["phone"],
        text=body["message"] or "",
        upload=Upload(body["media"]["file_name"], body["media"]["content"]) if body["media"] else None,
        client_message_id=body["client_message_id"],
        answers_to=body["answers_to"],
        source=MessageSource.API,
    )
    wait_s = 0.0 if queued.is_held else _preferred_wait_s()
    message = _wait_for_sending(queued, wait_s) if wait_s else queued.message
    # Who did not ask to wait is told that it was taken, however fast it was sent.
    is_settled = queued.is_repeat or (wait_s > 0 and message.status not in IN_DOUBT)
    sending = Sending(message, phone.canonical(body["phone"]), queued.is_repeat, queued.is_held)
    return sending, 200 if is_settled else 202


def _wait_for_sending(queued: Queued, wait_s: float) -> Message:
    """The message once its way is known, or as it is when the time is over."""
    scope, message_id = g.scope, queued.message.id
    return waiting_for_sending.wait(
        lambda: inbox.get_message(scope, message_id),
        lambda message: message.status not in IN_DOUBT,
        at_most_s=wait_s,
    )


def _preferred_wait_s() -> float:
    asked = WAIT.search(request.headers.get("Prefer", ""))
    return min(float(asked[1]), LONGEST_WAIT_S) if asked else 0
