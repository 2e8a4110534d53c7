"""Sending a message, and asking what became of it."""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import g, request
from flask_babel import gettext as _

from portal import phone
from portal.errors import Invalid
from portal.models import Message, MessageSource, MessageStatus
from portal.permissions import Permission
from portal.queries import conversations as inbox
from portal.queries import media as files
from portal.queries import units
from portal.services import conversations
from portal.services.conversations import Queued
from portal.services.media import Upload
from portal.web.access import requires
from portal.web.api.blueprint import ApiBlueprint
from portal.web.api.schemas import MessageAnswer, MessageWithMedia, SendAnswer, SendBody, SendFromUnitBody
from portal.web.api.waiting import LONGEST_WAIT_S, WaitingRoom
from portal.web.uploads import LARGEST_BODY

bp = ApiBlueprint("messages", description="Messages")
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
    access=requires(Permission.SEND),
    body=SendFromUnitBody,
    answer=SendAnswer,
    status=202,
    also=(200,),
)
def send(body: dict[str, Any]) -> tuple[Sending, int]:
    return _send(_chosen_unit(body["unit_id"]), body)


@bp.call(
    "POST",
    "/units/<unit_id>/whatsapp/send",
    access=requires(Permission.SEND),
    body=SendBody,
    answer=SendAnswer,
    status=202,
    also=(200,),
)
def send_from_unit(body: dict[str, Any]) -> tuple[Sending, int]:
    return _send(g.unit_id, body)


@bp.call("GET", "/messages/<uuid:message_id>", access=requires(Permission.READ_MESSAGES), answer=MessageAnswer)
def show(message_id: UUID) -> MessageWithMedia:
    message = inbox.get_message(g.scope, message_id)
    return MessageWithMedia(message, files.list_media(g.scope, [message]).get(message.id))


def _send(unit_id: UUID, body: dict[str, Any]) -> tuple[Sending, int]:
    queued = conversations.send_to_phone(
        g.scope,
        unit_id,
        phone=body["phone"],
        text=body["message"] or "",
        upload=Upload(body["media"]["file_name"], body["media"]["content"]) if body["media"] else None,
        client_message_id=body["client_message_id"],
        source=MessageSource.API,
    )
    message = _wait_for_sending(queued)
    is_settled = queued.is_repeat or message.status not in IN_DOUBT
    sending = Sending(message, phone.canonical(body["phone"]), queued.is_repeat, queued.is_held)
    return sending, 200 if is_settled else 202


def _chosen_unit(reference: str | None) -> UUID:
    if reference:
        return units.get_unit_by_id(g.scope, reference).id
    unit = units.find_only_unit(g.scope)
    if unit is None:
        raise Invalid({"unitId": _("Say which unit sends: you have none, or more than one.")})
    return unit.id


def _wait_for_sending(queued: Queued) -> Message:
    """The message once its way is known; at once when nobody asked to wait, or the unit is away."""
    scope, message_id = g.scope, queued.message.id
    return waiting_for_sending.wait(
        lambda: inbox.get_message(scope, message_id),
        lambda message: message.status not in IN_DOUBT,
        at_most_s=0 if queued.is_held else _preferred_wait_s(),
    )


def _preferred_wait_s() -> float:
    asked = WAIT.search(request.headers.get("Prefer", ""))
    return min(float(asked[1]), LONGEST_WAIT_S) if asked else 0
