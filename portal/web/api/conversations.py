"""Conversations of a unit and the messages in them, newest first, page by page."""

from typing import Any
from uuid import UUID

from flask import g

from portal.permissions import Permission
from portal.queries import conversations as inbox
from portal.queries.conversation_lists import Filter
from portal.queries.conversation_lists import list_conversations as list_rows
from portal.queries.conversations import ConversationRow, Position
from portal.web.access import requires
from portal.web.api.blueprint import ApiBlueprint
from portal.web.api.message_answers import ConversationAnswer, ConversationPage, MessagePage, with_media
from portal.web.api.message_schemas import ConversationsQuery
from portal.web.api.paging import cut
from portal.web.api.schemas import PageQuery

bp = ApiBlueprint("conversations", title="Conversations", description="Who writes with a unit, and what they write.")
READ = requires(Permission.READ_MESSAGES)


@bp.call(
    "GET",
    "/units/<unit_id>/conversations",
    access=READ,
    operation="listConversations",
    query=ConversationsQuery,
    answer=ConversationPage,
)
def list_conversations(query: dict[str, Any]) -> dict[str, Any]:
    """List a unit's conversations, the one with the newest message first."""
    limit = query["limit"]
    wanted = Filter(unit_id=g.unit_id, is_unread=query["unread"], since=query["since"])
    rows = list_rows(g.scope, wanted, before=query["cursor"], limit=limit + 1)
    page, last = cut(rows, limit)
    return {"items": page, "next": _position(last) if last else None}


@bp.call(
    "GET",
    "/conversations/<uuid:conversation_id>",
    access=READ,
    operation="getConversation",
    answer=ConversationAnswer,
)
def show(conversation_id: UUID) -> ConversationRow:
    """See one conversation.

    One that was joined to another is answered with that one: its `id` is another.
    """
    return inbox.get_conversation(g.scope, conversation_id)


@bp.call(
    "GET",
    "/conversations/<uuid:conversation_id>/messages",
    access=READ,
    operation="listMessagesOfConversation",
    query=PageQuery,
    answer=MessagePage,
)
def list_messages(query: dict[str, Any], conversation_id: UUID) -> dict[str, Any]:
    """List the messages of a conversation, the newest first."""
    limit = query["limit"]
    current = inbox.find_current(g.scope, conversation_id)
    messages = inbox.list_messages(g.scope, current.id, before=query["cursor"], limit=limit + 1)
    page, last = cut(messages, limit)
    return {"items": with_media(page), "next": Position(last.occurred_at, last.id) if last else None}


def _position(row: ConversationRow) -> Position:
    last_message_at = row.conversation.last_message_at
    assert last_message_at is not None, "the query leaves out conversations without a message"
    return Position(last_message_at, row.conversation.id)
