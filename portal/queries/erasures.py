"""Erasures: what one would delete, what it waits for, and those that were done."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Select, func, or_

from portal.db import among, db
from portal.models import (
    Contact,
    Conversation,
    Erasure,
    Import,
    ImportState,
    Message,
    MessageStatus,
    User,
)
from portal.tenancy import TenantScope

MOST_LISTED = 100
# Nobody is at work on these, and no person is asked anything about them.
FINISHED_IMPORTS = (
    ImportState.REFUSED,
    ImportState.DONE,
    ImportState.CANCELLED,
    ImportState.UNDONE,
    ImportState.FAILED,
)


class Obstacle(StrEnum):
    """What an erasure waits for."""

    # A message to the person is on its way at this moment.
    SENDING = "sending"
    # A list is being imported, or waits for somebody to go on with it.
    IMPORT = "import"


@dataclass(frozen=True)
class Extent:
    """How much there is of a person."""

    messages: int
    files: int
    conversations: int


@dataclass(frozen=True)
class Waiting:
    """An erasure that is not done yet, and what it waits for besides a worker."""

    erasure: Erasure
    obstacle: Obstacle | None


@dataclass(frozen=True)
class ErasureRow:
    """An erasure, and the address of who asked for it."""

    erasure: Erasure
    asked_by: str | None


def list_persons_ids(scope: TenantScope, contact_id: UUID) -> list[UUID]:
    """The contact and all that were merged into it."""
    is_theirs = or_(Contact.id == contact_id, Contact.merged_into_id == contact_id)
    return list(db.session.scalars(scope.select(Contact, Contact.id).where(is_theirs).order_by(Contact.id)))


def measure(scope: TenantScope, contact_id: UUID) -> Extent:
    """What an erasure of this person would delete."""
    theirs = conversations_of(scope, contact_id)
    messages = scope.select(Message, func.count(), func.count(Message.media_id.distinct()))
    number, files = db.session.execute(messages.where(Message.conversation_id.in_(theirs))).one()
    conversations = db.session.scalar(theirs.with_only_columns(func.count())) or 0
    return Extent(messages=number, files=files, conversations=conversations)


def conversations_of(scope: TenantScope, contact_id: UUID) -> Select[tuple[UUID]]:
    """The ids of the person's conversations, at all units."""
    ids = list_persons_ids(scope, contact_id)
    return scope.select(Conversation, Conversation.id).where(among(Conversation.contact_id, ids))


def find_waiting(scope: TenantScope, contact_id: UUID) -> Waiting | None:
    """The erasure of this person that is not done yet."""
    statement = scope.select(Erasure).where(Erasure.contact_id == contact_id, Erasure.done_at.is_(None))
    erasure: Erasure | None = db.session.scalar(statement.execution_options(populate_existing=True))
    return Waiting(erasure, find_obstacle(scope, contact_id)) if erasure is not None else None


def find_obstacle(scope: TenantScope, contact_id: UUID) -> Obstacle | None:
    """What keeps a worker from erasing this person now."""
    in_flight = scope.select(Message, Message.id).where(
        Message.conversation_id.in_(conversations_of(scope, contact_id)), Message.status == MessageStatus.SENDING
    )
    if db.session.scalar(in_flight.limit(1)) is not None:
        return Obstacle.SENDING
    unfinished = scope.select(Import, Import.id).where(Import.state.not_in(FINISHED_IMPORTS)).limit(1)
    return Obstacle.IMPORT if db.session.scalar(unfinished) is not None else None


def list_erasures(scope: TenantScope, *, limit: int = MOST_LISTED) -> list[ErasureRow]:
    """The newest first; whose data it was is not known any more."""
    asked_by = (User.tenant_id == Erasure.tenant_id) & (User.id == Erasure.asked_by_id)
    statement = scope.select(Erasure, Erasure, User.email).outerjoin(User, asked_by).order_by(Erasure.id.desc())
    rows = db.session.execute(statement.limit(limit).execution_options(populate_existing=True))
    return [ErasureRow(*row) for row in rows]
