"""Calls: one line in the thread for each, whatever number of webhooks tell of it."""

from collections.abc import Sequence
from uuid import UUID

from uuid_utils.compat import uuid7

from portal.db import db
from portal.inbox.facts import CallSeen
from portal.inbox.people import People
from portal.models import Direction, Message, MessageKind, MessageSource, MessageStatus
from portal.services import conversation_work, conversations, delivery
from portal.tenancy import TenantScope

# What is known of a call after all: it was taken, or turned down, or nobody took it.
OUTCOMES = {"accept": "accepted", "reject": "rejected", "timeout": "missed", "terminate": "missed"}
RANK = {"ringing": 0, "missed": 1, "rejected": 2, "accepted": 3}


def apply(scope: TenantScope, unit_id: UUID, calls: Sequence[CallSeen], people: People) -> None:
    """Write each call to its conversation; later news changes what became of it. The unit must be locked."""
    opened = conversations.open_conversations(scope, {(unit_id, people.id_of(call.chat)) for call in calls})
    closed = [conversation for conversation in opened.values() if conversation.status == "closed"]
    known = delivery.find_messages(scope, {(unit_id, _external_id(call)) for call in calls})
    for call in calls:
        name, conversation = (unit_id, _external_id(call)), opened[unit_id, people.id_of(call.chat)]
        is_new = name not in known
        if is_new:
            known[name] = scope.add(_row(unit_id, conversation.id, call))
        message = known[name]
        _learn(message, call)
        conversations.carry(
            conversation,
            kind=MessageKind.CALL,
            body="",
            at=call.at,
            direction=message.direction,
            is_unread=is_new and not call.from_me,
        )
    db.session.flush()
    conversation_work.note_reopened(scope, [one for one in closed if one.status == "open"])
    delivery.hand_over_early_receipts(scope, known)


def _external_id(call: CallSeen) -> str:
    return f"call:{call.call_id}"[:80]


def _row(unit_id: UUID, conversation_id: UUID, call: CallSeen) -> Message:
    return Message(
        id=uuid7(),
        unit_id=unit_id,
        conversation_id=conversation_id,
        external_id=_external_id(call),
        direction=Direction.OUTBOUND if call.from_me else Direction.INBOUND,
        kind=MessageKind.CALL,
        body="",
        details={"outcome": "ringing", "isVideo": False},
        status=MessageStatus.SENT if call.from_me else MessageStatus.RECEIVED,
        source=MessageSource.PHONE if call.from_me else None,
        occurred_at=call.at,
        sent_at=call.at if call.from_me else None,
    )


def _learn(message: Message, call: CallSeen) -> None:
    details = dict(message.details or {})
    outcome = OUTCOMES.get(call.status, "ringing")
    if RANK[outcome] > RANK[str(details["outcome"])]:
        details["outcome"] = outcome
    details["isVideo"] = bool(details["isVideo"]) or call.is_video
    message.details = details
    message.occurred_at = min(message.occurred_at, call.at)
