"""What a conversation carries for lists, told anew from its messages: for when some of them went elsewhere."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func

from portal.db import db
from portal.models import ABOUT_ANOTHER, CHANGES, Conversation, Direction, Media, Message, MessageKind
from portal.services.conversations import LONGEST_PREVIEW
from portal.services.joining import is_later
from portal.tenancy import TenantScope


def count_unread(scope: TenantScope, conversation_id: UUID) -> int:
    """How many messages nobody has looked at; a reaction or a vote asks for no look."""
    is_vote = func.coalesce(Message.details["isVote"].as_boolean(), False)
    unread = scope.select(Message, func.count()).where(
        Message.conversation_id == conversation_id,
        Message.direction == Direction.INBOUND,
        Message.read_at.is_(None),
        Message.kind.not_in(ABOUT_ANOTHER),
        ~is_vote,
    )
    return db.session.scalar(unread) or 0


def renew(
    scope: TenantScope,
    conversation: Conversation,
    *,
    last_message_at: datetime | None = None,
    last_inbound_at: datetime | None = None,
) -> None:
    """Tell the newest message and the last one from the person anew.

    The instants are those known of messages that are not kept any more.
    """
    inbound = scope.select(Message, func.max(Message.occurred_at)).where(
        Message.conversation_id == conversation.id, Message.direction == Direction.INBOUND
    )
    heard_at: datetime | None = db.session.scalar(inbound)
    conversation.last_inbound_at = heard_at if is_later(heard_at, last_inbound_at) else last_inbound_at
    message = _newest(scope, conversation.id)
    if message is None:
        conversation.last_message_at = last_message_at
        conversation.last_message_preview = conversation.last_message_kind = conversation.last_message_direction = None
        return
    conversation.last_message_at, conversation.last_message_direction = message.occurred_at, message.direction
    conversation.last_message_kind = MessageKind.DELETION if message.deleted_at else message.kind
    conversation.last_message_preview = _preview(scope, message)


def _newest(scope: TenantScope, conversation_id: UUID) -> Message | None:
    newest_first = (Message.occurred_at.desc(), Message.id.desc())
    shown = (Message.conversation_id == conversation_id) & Message.kind.not_in(CHANGES)
    found = scope.select(Message).where(shown).order_by(*newest_first).limit(1)
    message: Message | None = db.session.scalar(found.execution_options(populate_existing=True))
    return message


def _preview(scope: TenantScope, message: Message) -> str:
    if message.deleted_at is not None:
        return ""
    if message.body or message.kind != MessageKind.DOCUMENT or message.direction == Direction.INBOUND:
        return message.body[:LONGEST_PREVIEW]
    named = scope.select(Media, Media.file_name).where(Media.id == message.media_id)
    return (db.session.scalar(named) or "")[:LONGEST_PREVIEW]
