"""What the people here noted in a conversation, and what they did with it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import aliased

from portal.db import db
from portal.models import ConversationEvent, User
from portal.tenancy import TenantScope

# Beyond these nobody reads what stands between a page of messages.
MOST = 500


@dataclass(frozen=True)
class EventRow:
    """An event, and the e-mail addresses of who did it and of whom it is about."""

    event: ConversationEvent
    by: str | None
    to: str | None


def list_events(
    scope: TenantScope, conversation_id: UUID, *, since: datetime | None = None, before: datetime | None = None
) -> list[EventRow]:
    """The newest events of that time, oldest first: at `since` or after it, and before `before`."""
    by, to = aliased(User), aliased(User)
    statement = (
        scope.select(ConversationEvent, ConversationEvent, by.email, to.email)
        .outerjoin(by, (by.tenant_id == ConversationEvent.tenant_id) & (by.id == ConversationEvent.created_by_id))
        .outerjoin(to, (to.tenant_id == ConversationEvent.tenant_id) & (to.id == ConversationEvent.assigned_to_id))
        .where(ConversationEvent.conversation_id == conversation_id)
    )
    if since is not None:
        statement = statement.where(ConversationEvent.created_at >= since)
    if before is not None:
        statement = statement.where(ConversationEvent.created_at < before)
    newest_first = statement.order_by(ConversationEvent.created_at.desc(), ConversationEvent.id.desc()).limit(MOST)
    return [EventRow(*row) for row in db.session.execute(newest_first)][::-1]
