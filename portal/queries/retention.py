"""What a shorter period would delete, before somebody decides it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func

from portal.clock import now
from portal.db import db
from portal.models import Message, MessageStatus
from portal.tenancy import TenantScope


@dataclass(frozen=True)
class Loss:
    """What goes at once: messages from before a day, and what Evolution told before a day; None where nothing does."""

    messages_before: datetime | None
    messages: int
    events_before: datetime | None


def measure_loss(
    scope: TenantScope, *, messages_days: tuple[int | None, int | None], events_days: tuple[int, int]
) -> Loss | None:
    """What the step from the first to the second of each two periods deletes; None when no period gets shorter."""
    old_days, new_days = messages_days
    is_shorter = new_days is not None and (old_days is None or new_days < old_days)
    messages_before = now() - timedelta(days=new_days) if is_shorter and new_days is not None else None
    events_before = now() - timedelta(days=events_days[1]) if events_days[1] < events_days[0] else None
    if messages_before is None and events_before is None:
        return None
    count = 0 if messages_before is None else _count_older(scope, messages_before)
    return Loss(messages_before, count, events_before)


def _count_older(scope: TenantScope, before: datetime) -> int:
    in_hand = (MessageStatus.QUEUED, MessageStatus.SENDING)
    older = scope.select(Message, func.count()).where(Message.occurred_at < before, Message.status.not_in(in_hand))
    return db.session.scalar(older) or 0
