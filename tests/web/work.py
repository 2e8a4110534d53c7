"""Conversations in some state of work."""

from portal.db import atomic, db
from portal.models import Conversation
from portal.tenancy import TenantScope, acting_for


def change(scope: TenantScope, conversation: Conversation, **values: object) -> None:
    with acting_for(scope), atomic():
        db.session.execute(scope.update(Conversation).where(Conversation.id == conversation.id).values(**values))
