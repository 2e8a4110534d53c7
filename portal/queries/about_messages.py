"""What we sent about one message: reactions to it, and changes of it."""

from typing import Any

from sqlalchemy import Select

from portal.models import Direction, Message, MessageKind
from portal.tenancy import TenantScope


def of_ours(scope: TenantScope, target: Message, *kinds: MessageKind) -> Select[Any]:
    """Those of these kinds, the newest first."""
    ours = scope.select(Message).where(
        Message.unit_id == target.unit_id,
        Message.refers_to == target.external_id,
        Message.conversation_id == target.conversation_id,
        Message.kind.in_(kinds),
        Message.direction == Direction.OUTBOUND,
    )
    newest_first = ours.order_by(Message.occurred_at.desc(), Message.id.desc())
    return newest_first.execution_options(populate_existing=True)
