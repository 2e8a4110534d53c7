"""The messages of one conversation as they stand in a person's archive, read page by page."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import tuple_

from portal.db import among, db
from portal.models import CHANGES, Direction, Media, MediaState, Message, MessageChange, MessageSource
from portal.queries.media import list_media
from portal.tenancy import TenantScope

PAGE = 500
TIMES = ("occurred_at", "sent_at", "accepted_at", "delivered_at", "read_at", "failed_at", "edited_at", "deleted_at")


def describe(scope: TenantScope, conversation_id: UUID, roles: dict[UUID, str]) -> Iterator[dict[str, Any]]:
    """Every message, oldest first. `roles`: whoever of the company wrote one, by their role."""
    after: Message | None = None
    while True:
        page = _page(scope, conversation_id, after)
        files, changes = list_media(scope, page), _changes(scope, page)
        for message in page:
            author = "contact" if message.direction == Direction.INBOUND else _author(message, roles)
            yield {**_message(message), "written_by": author, **_times(message)} | {
                "changes": changes.get(message.external_id or "", []),
                "file": _file(files.get(message.id)),
            }
        if len(page) < PAGE:
            return
        after = page[-1]
        # What was written is not needed any more.
        db.session.expunge_all()


def file_path(media_id: UUID, file_name: str) -> str:
    """Where the archive has the file: no two have the same name, and none leads out of the folder."""
    return f"files/{media_id}-{file_name.replace('/', '_')}"


def _page(scope: TenantScope, conversation_id: UUID, after: Message | None) -> Sequence[Message]:
    # A change stands at the message that it was made to.
    statement = scope.select(Message).where(Message.conversation_id == conversation_id, Message.kind.not_in(CHANGES))
    if after is not None:
        statement = statement.where(tuple_(Message.occurred_at, Message.id) > (after.occurred_at, after.id))
    in_order = statement.order_by(Message.occurred_at, Message.id).limit(PAGE)
    return db.session.scalars(in_order).all()


def _changes(scope: TenantScope, messages: Collection[Message]) -> dict[str, list[dict[str, Any]]]:
    """WhatsApp's id -> the edits and the deletion of that message, oldest first."""
    if not messages:
        return {}
    unit_id = next(iter(messages)).unit_id
    ids = {message.external_id for message in messages if message.external_id}
    told = scope.select(MessageChange).where(MessageChange.unit_id == unit_id, among(MessageChange.external_id, ids))
    changes: dict[str, list[dict[str, Any]]] = {}
    for change in db.session.scalars(told.order_by(MessageChange.received_at)):
        described = {"kind": change.kind, "text": change.body, "changed_at": change.changed_at or change.received_at}
        changes.setdefault(change.external_id, []).append(described)
    return changes


def _message(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "direction": message.direction,
        "kind": message.kind,
        "text": message.body,
        "original_text": message.original_body,
        "details": message.details,
        "status": message.status,
        "is_test": message.is_test,
    }


def _times(message: Message) -> dict[str, Any]:
    return {name: getattr(message, name) for name in TIMES}


def _author(message: Message, roles: dict[UUID, str]) -> str:
    role = roles.get(message.sent_by_id) if message.sent_by_id else None
    return role or str(message.source or MessageSource.PHONE)


def _file(media: Media | None) -> dict[str, Any] | None:
    if media is None:
        return None
    path = file_path(media.id, media.file_name) if media.state == MediaState.STORED else None
    return {"name": media.file_name, "type": media.mime_type, "size": media.size, "path": path}
