"""Edits and deletions: kept as they are told, and applied to the message as soon as there is one.

What a message shows follows from all that is kept about it, so neither order nor repetition changes the end.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from portal.db import among, db
from portal.inbox.facts import MessageDeleted, MessageEdited
from portal.inbox.people import LONG_AGO
from portal.models import ChangeKind, Conversation, Message, MessageChange, MessageKind
from portal.services import delivery
from portal.services.conversations import LONGEST_PREVIEW
from portal.tenancy import TenantScope

Change = MessageEdited | MessageDeleted


def apply(scope: TenantScope, unit_id: UUID, told: Sequence[tuple[Change, datetime]]) -> None:
    """Keep these, each with the time at which it was heard, and change the messages that are there."""
    rows = {(row["external_id"], row["kind"], row["told_as"]): row for row in (_row(unit_id, *one) for one in told)}
    if not rows:
        return
    scope.insert_missing(MessageChange, rows.values())
    hand_over(scope, unit_id, delivery.find_messages(scope, unit_id, {change.external_id for change, _ in told}))


def hand_over(scope: TenantScope, unit_id: UUID, messages: Mapping[str, Message]) -> None:
    """Let these messages show all that is kept about them. By WhatsApp's id."""
    changed: dict[str, list[MessageChange]] = defaultdict(list)
    for change in _kept(scope, unit_id, messages):
        changed[change.external_id].append(change)
    for external_id, changes in changed.items():
        _change(messages[external_id], changes)
    _renew_previews(scope, [messages[external_id] for external_id in changed])


def _row(unit_id: UUID, change: Change, heard_at: datetime) -> dict[str, object]:
    is_edit = isinstance(change, MessageEdited)
    return {
        "unit_id": unit_id,
        "external_id": change.external_id,
        "kind": ChangeKind.EDIT if is_edit else ChangeKind.DELETION,
        "told_as": change.told_as if isinstance(change, MessageEdited) else "",
        "body": change.body if isinstance(change, MessageEdited) else None,
        "changed_at": change.at,
        "received_at": heard_at,
    }


def _kept(scope: TenantScope, unit_id: UUID, external_ids: Collection[str]) -> Iterable[MessageChange]:
    if not external_ids:
        return ()
    theirs = (MessageChange.unit_id == unit_id) & among(MessageChange.external_id, external_ids)
    return db.session.scalars(scope.select(MessageChange).where(theirs)).all()


def _change(message: Message, changes: Sequence[MessageChange]) -> None:
    edits = [change for change in changes if change.kind == ChangeKind.EDIT]
    deletion = next((change for change in changes if change.kind == ChangeKind.DELETION), None)
    if edits:
        newest = max(edits, key=lambda edit: (edit.changed_at or LONG_AGO, edit.told_as))
        message.original_body = message.body if message.original_body is None else message.original_body
        message.body, message.edited_at = newest.body or "", newest.changed_at or newest.received_at
    if deletion is not None:
        message.deleted_at = deletion.changed_at or deletion.received_at


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
