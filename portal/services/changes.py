"""Edits and deletions: kept as they are told, and applied to the message as soon as there is one.

What a message shows follows from all that is kept about it, so neither order nor repetition changes the end: what
people here changed is kept when WhatsApp's server took it, and again, as the same, when its echo comes.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from portal.clock import now
from portal.db import among, among_told, db
from portal.models import (
    CHANGES,
    ChangeKind,
    Conversation,
    Direction,
    Message,
    MessageChange,
    MessageKind,
    MessageStatus,
)
from portal.services import delivery
from portal.services.conversations import LONGEST_PREVIEW
from portal.services.delivery import Named
from portal.tenancy import Form, TenantScope

# Of ours, and not known to have been made.
OPEN = (MessageStatus.SENDING, MessageStatus.UNCONFIRMED)


@dataclass(frozen=True)
class Told:
    """A change of the message with that id at WhatsApp, and when it was heard.

    Of an edit also its text, what tells it from others of the same message, and its time where one is told.
    """

    external_id: str
    kind: ChangeKind
    heard_at: datetime
    body: str | None = None
    told_as: str = ""
    at: datetime | None = None


def made_here(external_id: str, kind: MessageKind, *, text: str, told_ms: int | None = None) -> Told:
    """A change of ours that was made. `told_ms`: WhatsApp's own time of an edit, by which its echo names it."""
    heard_at = now()
    if kind == MessageKind.DELETION:
        return Told(external_id, ChangeKind.DELETION, heard_at)
    told_ms = told_ms or int(heard_at.timestamp() * 1000)
    at = min(heard_at, datetime.fromtimestamp(told_ms / 1000, tz=UTC))
    return Told(external_id, ChangeKind.EDIT, heard_at, body=text, told_as=str(told_ms), at=at)


def apply(scope: TenantScope, unit_id: UUID, told: Sequence[Told]) -> None:
    """Keep these, and change the messages that are there. The unit must be locked."""
    rows = {(one.external_id, one.kind, one.told_as): _row(unit_id, one) for one in told}
    if not rows:
        return
    scope.insert_missing(MessageChange, rows.values())
    hand_over(scope, delivery.find_messages(scope, {(unit_id, one.external_id) for one in told}))
    _confirm_ours(scope, unit_id, told)


def hand_over(scope: TenantScope, messages: Mapping[Named, Message]) -> None:
    """Let these messages show all that is kept about them."""
    changed: dict[Named, list[MessageChange]] = defaultdict(list)
    for change in _kept(scope, messages):
        changed[change.unit_id, change.external_id].append(change)
    for name, changes in changed.items():
        _change(messages[name], changes)
    _renew_previews(scope, [messages[name] for name in changed])


def _row(unit_id: UUID, told: Told) -> dict[str, object]:
    return {
        "unit_id": unit_id,
        "external_id": told.external_id,
        "kind": told.kind,
        "told_as": told.told_as,
        "body": told.body,
        "changed_at": told.at,
        "received_at": told.heard_at,
    }


def _kept(scope: TenantScope, named: Collection[Named]) -> Iterable[MessageChange]:
    if not named:
        return ()
    units, external_ids = zip(*named, strict=True)
    found = scope.execute(_ABOUT, units=list(set(units)), external_ids=list(external_ids)).scalars()
    return [change for change in found if (change.unit_id, change.external_id) in named]


def _change(message: Message, changes: Sequence[MessageChange]) -> None:
    edits = [change for change in changes if change.kind == ChangeKind.EDIT]
    deletion = next((change for change in changes if change.kind == ChangeKind.DELETION), None)
    if edits:
        newest = max(edits, key=_told_in_order)
        message.original_body = message.body if message.original_body is None else message.original_body
        message.body, message.edited_at = newest.body or "", newest.changed_at or newest.received_at
    if deletion is not None:
        message.deleted_at = deletion.changed_at or deletion.received_at


def _told_in_order(edit: MessageChange) -> tuple[bool, datetime, str]:
    """An edit without a time is older than any with one."""
    at = edit.changed_at
    return at is not None, at or datetime.min.replace(tzinfo=UTC), edit.told_as


def _renew_previews(scope: TenantScope, messages: Sequence[Message]) -> None:
    """Lists show the newest message of a conversation: what is deleted is not shown there, what is edited is new."""
    if not messages:
        return
    theirs = among(Conversation.id, {message.conversation_id for message in messages})
    locked = scope.select(Conversation).where(theirs).order_by(Conversation.id).with_for_update()
    found = {one.id: one for one in db.session.scalars(locked.execution_options(populate_existing=True))}
    for message in messages:
        conversation, is_deleted = found[message.conversation_id], message.deleted_at is not None
        newest = (conversation.last_message_at, conversation.last_message_direction)
        if newest == (message.occurred_at, message.direction):
            conversation.last_message_kind = MessageKind.DELETION if is_deleted else message.kind
            conversation.last_message_preview = "" if is_deleted else message.body[:LONGEST_PREVIEW]


def _confirm_ours(scope: TenantScope, unit_id: UUID, told: Sequence[Told]) -> None:
    """What of ours is in doubt, or is being sent at this moment, was made: the echo names no send, and need not."""
    made = {(one.external_id, str(one.kind), one.body or ""): one.heard_at for one in told}
    in_doubt = scope.select(Message).where(
        Message.unit_id == unit_id,
        among(Message.refers_to, {one.external_id for one in told}),
        Message.kind.in_(CHANGES),
        Message.direction == Direction.OUTBOUND,
        Message.status.in_(OPEN),
    )
    for message in db.session.scalars(in_doubt.order_by(Message.id).with_for_update()):
        heard_at = made.get((message.refers_to or "", str(message.kind), message.body))
        if heard_at is not None:
            message.status, message.sent_at, message.accepted_at = MessageStatus.SENT, heard_at, heard_at
            message.error_code = message.error_details = message.look_up_at = None


_ABOUT = Form(
    lambda scope: scope.select(MessageChange).where(
        among_told(MessageChange.unit_id, "units"), among_told(MessageChange.external_id, "external_ids")
    )
)
