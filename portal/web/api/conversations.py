"""Conversations of a unit and the messages in them, newest first, page by page."""

from typing import Any
from uuid import UUID

from flask import g

from portal.permissions import Permission
from portal.queries import conversations as inbox
from portal.queries import media as files
from portal.queries.conversations import ConversationRow, Position
from portal.web.access import requires
from portal.web.api.blueprint import ApiBlueprint
from portal.web.api.schemas import ConversationPage, MessagePage, MessageWithMedia, PageQuery

bp = ApiBlueprint("conversations", description="Conversations")
READ = requires(Permission.READ_MESSAGES)


@bp.call("GET", "/units/<unit_id>/conversations", access=READ, query=PageQuery, answer=ConversationPage)
def list_conversations(query: dict[str, Any]) -> dict[str, Any]:
    limit = query["limit"]
    # One more than asked for says whether there is a next page.
    rows = inbox.list_conversations(g.scope, unit_id=g.unit_id, before=query["cursor"], limit=limit + 1)
    return {"items": rows[:limit], "next": _position(rows[limit - 1]) if len(rows) > limit else None}


@bp.call("GET", "/conversations/<uuid:conversation_id>/messages", access=READ, query=PageQuery, answer=MessagePage)
def list_messages(query: dict[str, Any], conversation_id: UUID) -> dict[str, Any]:
    limit = query["limit"]
    current = inbox.find_current(g.scope, conversation_id)
    messages = inbox.list_messages(g.scope, current.id, before=query["cursor"], limit=limit + 1)
    last = messages[limit - 1] if len(messages) > limit else None
    media = files.list_media(g.scope, messages[:limit])
    items = [MessageWithMedia(message, media.get(message.id)) for message in messages[:limit]]
    return {"items": items, "next": Position(last.occurred_at, last.id) if last else None}


def _position(row: ConversationRow) -> Position:
    last_message_at = row.conversation.last_message_at
    assert last_message_at is not None, "the query leaves out conversations without a message"
    return Position(last_message_at, row.conversation.id)
