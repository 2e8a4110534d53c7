"""What the people here noted in a conversation, and what they did with it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Select, Uuid, bindparam
from sqlalchemy.orm import aliased

from portal.models import ConversationEvent, User
from portal.tenancy import Form, TenantScope

# Beyond these nobody reads what stands between a page of messages.
MOST = 500
EVER, NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


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
    found = scope.execute(_EVENTS, conversation=conversation_id, since=since or EVER, before=before or NEVER)
    return [EventRow(*row) for row in found][::-1]


def _newest_first(scope: TenantScope) -> Select[Any]:
    by, to = aliased(User), aliased(User)
    return (
        scope.select(ConversationEvent, ConversationEvent, by.email, to.email)
        .outerjoin(by, (by.tenant_id == ConversationEvent.tenant_id) & (by.id == ConversationEvent.created_by_id))
        .outerjoin(to, (to.tenant_id == ConversationEvent.tenant_id) & (to.id == ConversationEvent.assigned_to_id))
        .where(
            ConversationEvent.conversation_id == bindparam("conversation", type_=Uuid()),
            ConversationEvent.created_at >= bindparam("since", type_=DateTime(timezone=True)),
            ConversationEvent.created_at < bindparam("before", type_=DateTime(timezone=True)),
        )
        .order_by(ConversationEvent.created_at.desc(), ConversationEvent.id.desc())
        .limit(MOST)
    )


_EVENTS = Form(_newest_first)
