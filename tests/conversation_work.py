"""What tests ask about a conversation as work."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from portal.db import atomic, db
from portal.models import Conversation, ConversationEvent, ConversationEventKind
from portal.tenancy import TenantScope, acting_for


def current(scope: TenantScope, conversation_id: UUID) -> Conversation:
    """The conversation as the database has it."""
    with acting_for(scope):
        this = scope.select(Conversation).where(Conversation.id == conversation_id)
        return db.session.scalars(this.execution_options(populate_existing=True)).one()


def events(scope: TenantScope, *columns: str) -> Sequence[Any]:
    """These columns of all events, oldest first; of one column its values."""
    asked = [getattr(ConversationEvent, column) for column in columns or ("kind",)]
    with acting_for(scope):
        in_order = scope.select(ConversationEvent, *asked).order_by(ConversationEvent.created_at, ConversationEvent.id)
        found = db.session.execute(in_order).all()
    return [row[0] if len(asked) == 1 else tuple(row) for row in found]


def set_work(scope: TenantScope, conversation_id: UUID, **columns: object) -> None:
    """As if people had done it earlier, without an event."""
    with acting_for(scope), atomic():
        db.session.execute(scope.update(Conversation).where(Conversation.id == conversation_id).values(columns))


def make_note(
    scope: TenantScope, conversation: Conversation, body: str | None = "Prefers the morning.", **columns: Any
) -> UUID:
    with acting_for(scope), atomic():
        note = {"kind": ConversationEventKind.NOTE, "body": body, **columns}
        row = scope.add(ConversationEvent(unit_id=conversation.unit_id, conversation_id=conversation.id, **note))
    return row.id
