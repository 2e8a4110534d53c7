"""The messages of all conversations that a scope sees, in the order in which they were made, newest first."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement

from portal.db import db, first_id_at
from portal.models import Direction, Message, MessageStatus
from portal.tenancy import TenantScope

PAGE = 50


@dataclass(frozen=True)
class Filter:
    """Some of the messages: each part that is given narrows the others."""

    status: MessageStatus | None = None
    direction: Direction | None = None
    unit_id: UUID | None = None
    client_message_id: str | None = None
    # Made at this instant or after it.
    since: datetime | None = None


def list_messages(
    scope: TenantScope, wanted: Filter, *, before: UUID | None = None, limit: int = PAGE
) -> list[Message]:
    """The messages of the filter that were made last; of them those that were there before `before`."""
    statement = scope.along_ids(Message).where(*_conditions(wanted))
    if before is not None:
        statement = statement.where(Message.id < before)
    return list(db.session.scalars(statement.order_by(Message.id.desc()).limit(limit)))


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    same = {
        Message.status: wanted.status,
        Message.direction: wanted.direction,
        Message.unit_id: wanted.unit_id,
        Message.client_message_id: wanted.client_message_id,
    }
    conditions = [column == value for column, value in same.items() if value is not None]
    if wanted.since is not None:
        conditions.append(Message.id >= first_id_at(wanted.since))
    return conditions
