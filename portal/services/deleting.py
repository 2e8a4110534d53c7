"""Deleting messages with all that hangs on them: what erasure and retention have in common."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, Update, and_, exists, func, select

from portal.db import among, db
from portal.models import (
    ABOUT_ANOTHER,
    CHANGES,
    Campaign,
    Conversation,
    Direction,
    EarlyReceipt,
    Media,
    Message,
    MessageChange,
    MessageKind,
    TemplateVersion,
)
from portal.services import ledgers
from portal.tenancy import TenantScope

# Rows that one transaction deletes, so that nobody waits long for what it holds.
BATCH = 1_000


@dataclass(frozen=True)
class Doomed:
    """What has to be known of a message to delete it."""

    id: UUID
    unit_id: UUID
    conversation_id: UUID
    external_id: str | None
    media_id: UUID | None


@dataclass(frozen=True)
class Deleted:
    """How many rows went."""

    messages: int = 0
    files: int = 0


COLUMNS = (Message.id, Message.unit_id, Message.conversation_id, Message.external_id, Message.media_id)


def delete_messages(scope: TenantScope, doomed: Sequence[Doomed]) -> Deleted:
    """Delete these messages: their edits, receipts, files that nothing else carries, and what a list shows of them.

    What companies' programs are told of them goes by its foreign key. Their units must be locked, and then the
    messages. A second message that was sent in the place of one stays.
    """
    if not doomed:
        return Deleted()
    ids = [message.id for message in doomed]
    _delete_what_was_told(scope, doomed)
    resent = scope.update(Message).where(among(Message.resend_of_id, ids))
    db.session.execute(resent.values(resend_of_id=None).execution_options(synchronize_session=False))
    ledgers.keep_outcomes(scope, ids)
    theirs = scope.delete(Message).where(among(Message.id, ids))
    db.session.execute(theirs.execution_options(synchronize_session=False))
    files = delete_unused_files(scope, {message.media_id for message in doomed if message.media_id is not None})
    _put_conversations_right(scope, {message.conversation_id for message in doomed}, ids)
    return Deleted(messages=len(ids), files=files)


def _delete_what_was_told(scope: TenantScope, doomed: Sequence[Doomed]) -> None:
    by_unit: dict[UUID, list[str]] = {}
    for message in doomed:
        if message.external_id is not None:
            by_unit.setdefault(message.unit_id, []).append(message.external_id)
    for unit_id, external_ids in by_unit.items():
        for told in (MessageChange, EarlyReceipt):
            about = (told.unit_id == unit_id) & among(told.external_id, external_ids)
            db.session.execute(scope.delete(told).where(about).execution_options(synchronize_session=False))


def delete_unused_files(scope: TenantScope, media_ids: Collection[UUID]) -> int:
    """Delete those of the files that no message, template or campaign carries; how many they were."""
    if not media_ids:
        return 0
    is_carried = exists().where(Message.tenant_id == Media.tenant_id, Message.media_id == Media.id)
    is_prepared = exists().where(TemplateVersion.tenant_id == Media.tenant_id, TemplateVersion.media_id == Media.id)
    is_campaigns = exists().where(Campaign.tenant_id == Media.tenant_id, Campaign.media_id == Media.id)
    unused = scope.delete(Media).where(among(Media.id, media_ids), ~is_carried, ~is_prepared, ~is_campaigns)
    gone = db.session.execute(unused.returning(Media.id).execution_options(synchronize_session=False))
    return len(gone.all())


def _put_conversations_right(
    scope: TenantScope, conversation_ids: Collection[UUID], message_ids: Collection[UUID]
) -> None:
    for change in (
        _blank_previews(scope, conversation_ids),
        _count_unread(scope, conversation_ids),
        _forget_doubts(scope, conversation_ids, message_ids),
    ):
        db.session.execute(change.execution_options(synchronize_session=False))


def _blank_previews(scope: TenantScope, conversation_ids: Collection[UUID]) -> Update:
    """Where the newest message went, the list says that it was deleted; the conversation keeps its place there."""
    newest = exists().where(
        Message.tenant_id == Conversation.tenant_id,
        Message.conversation_id == Conversation.id,
        Message.occurred_at >= Conversation.last_message_at,
        Message.kind.not_in(CHANGES),
    )
    blank = scope.update(Conversation).where(
        among(Conversation.id, conversation_ids), Conversation.last_message_at.is_not(None), ~newest
    )
    return blank.values(last_message_preview=None, last_message_kind=MessageKind.DELETION, last_message_direction=None)


def _count_unread(scope: TenantScope, conversation_ids: Collection[UUID]) -> Update:
    unread = (
        select(func.count())
        .select_from(Message)
        .where(Message.tenant_id == Conversation.tenant_id, Message.conversation_id == Conversation.id, _is_unread())
        .scalar_subquery()
    )
    stale = scope.update(Conversation).where(among(Conversation.id, conversation_ids), Conversation.unread > 0)
    return stale.values(unread=func.least(Conversation.unread, unread))


def _is_unread() -> ColumnElement[bool]:
    """A reaction or a vote asks for nothing."""
    is_vote = func.coalesce(Message.details["isVote"].as_boolean(), False)
    is_news = Message.kind.not_in(ABOUT_ANOTHER) & ~is_vote
    return and_(Message.direction == Direction.INBOUND, Message.read_at.is_(None), is_news)


def _forget_doubts(scope: TenantScope, conversation_ids: Collection[UUID], message_ids: Collection[UUID]) -> Update:
    """Nobody can decide any more what a deleted message meant."""
    doubted = scope.update(Conversation).where(
        among(Conversation.id, conversation_ids), among(Conversation.doubted_message_id, message_ids)
    )
    return doubted.values(doubted_at=None, doubted_message_id=None)
