"""Messages that wait for a person: surely not sent, perhaps sent, and handed over without any receipt."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Select, desc, exists, func, literal, select, true

from portal.clock import now
from portal.db import AT_EXECUTION, among, db, end_read
from portal.models import (
    ABOUT_ANOTHER,
    Campaign,
    CampaignRecipient,
    CampaignState,
    Contact,
    Conversation,
    Message,
    MessageSource,
    MessageStatus,
    Unit,
)
from portal.owners import owned_by
from portal.tenancy import TenantScope

PAGE = 50
BATCH = 1000
# Whoever has more to decide is told "999+", so that no page counts for long.
MOST_COUNTED = 1000
# Of these a message may leave after all; the others were stopped by somebody or something.
GOING_ON = (CampaignState.PROCESSING, CampaignState.COMPLETED)


class Bucket(StrEnum):
    """Why a message waits for a person. A message is in one of them at most, and totals never add them up."""

    FAILED = "failed"
    UNCONFIRMED = "unconfirmed"
    NO_RECEIPT = "no_receipt"


@dataclass(frozen=True)
class Filter:
    """Some of them: of one bucket, and maybe of one unit, for one reason, gone wrong since an instant."""

    bucket: Bucket
    unit_id: UUID | None = None
    reason: str | None = None
    since: datetime | None = None
    # Not those of campaigns that are paused or cancelled.
    is_free: bool = False


EACH_BUCKET = tuple(Filter(bucket) for bucket in Bucket)


@dataclass(frozen=True)
class Group:
    """How many of a unit went wrong for one reason, and when the first and the last of them did."""

    unit: Unit
    bucket: Bucket
    reason: str | None
    count: int
    oldest: datetime
    newest: datetime


@dataclass(frozen=True)
class ReasonCount:
    """How many went wrong for one reason, of whichever unit."""

    bucket: Bucket
    reason: str | None
    number: int


@dataclass(frozen=True)
class UndeliveredRow:
    """A message, whom it is for, and the unit that sends it."""

    message: Message
    contact: Contact
    unit: Unit


def bucket_of(message: Message, *, receipt_wait_min: int) -> Bucket | None:
    """The bucket the message waits in; None while it is on its way, has arrived, or a person decided about it."""
    if message.handled_at is not None:
        return None
    if message.status in (MessageStatus.FAILED, MessageStatus.UNCONFIRMED):
        return Bucket(message.status)
    if message.status != MessageStatus.SENT or message.source == MessageSource.PHONE:
        return None
    if message.accepted_at is not None or message.sent_at is None or message.kind in ABOUT_ANOTHER:
        return None
    return Bucket.NO_RECEIPT if message.sent_at < now() - timedelta(minutes=receipt_wait_min) else None


def went_wrong_at(row: UndeliveredRow, bucket: Bucket) -> datetime:
    """When the message failed, fell in doubt, or was handed over."""
    message = row.message
    told = {
        Bucket.FAILED: message.failed_at,
        Bucket.UNCONFIRMED: message.sending_at,
        Bucket.NO_RECEIPT: message.sent_at,
    }
    return told[bucket] or message.created_at


def list_groups(scope: TenantScope, filters: Iterable[Filter] = EACH_BUCKET) -> list[Group]:
    """What waits of these filters, else all, by unit, bucket and reason; the most first."""
    found = [(wanted.bucket, row) for wanted in filters for row in db.session.execute(_grouped(scope, wanted))]
    own = scope.select(Unit).where(among(Unit.id, {row.unit_id for _bucket, row in found}))
    units = {unit.id: unit for unit in db.session.scalars(own)}
    groups = [
        Group(units[unit_id], bucket, reason, count, oldest, newest)
        for bucket, (unit_id, reason, count, oldest, newest) in found
    ]
    return sorted(groups, key=lambda group: (-group.count, group.unit.name, group.reason or ""))


def count_reasons(scope: TenantScope) -> list[ReasonCount]:
    """What waits of all units together, by bucket and reason; the most first."""
    counts = [
        ReasonCount(wanted.bucket, reason, number)
        for wanted in EACH_BUCKET
        for reason, number in db.session.execute(_counted(scope, wanted.bucket))
    ]
    return sorted(counts, key=lambda count: (-count.number, count.reason or ""))


def list_undelivered(
    scope: TenantScope, wanted: Filter, *, before: UUID | None = None, limit: int = PAGE
) -> list[UndeliveredRow]:
    """The youngest messages of the filter; those older than `before`."""
    ids = _some_ids(scope, wanted, limit, before=before)
    return [UndeliveredRow(*row) for row in db.session.execute(_with_person(scope, ids))]


def iterate(scope: TenantScope, wanted: Filter) -> Iterator[UndeliveredRow]:
    """All messages of the filter, youngest first; no connection is held while the caller is at a batch."""
    before = None
    while True:
        rows = list_undelivered(scope, wanted, before=before, limit=BATCH)
        # Detached, the rows stay readable.
        db.session.expunge_all()
        end_read()
        yield from rows
        if len(rows) < BATCH:
            return
        before = rows[-1].message.id


def list_ids(scope: TenantScope, wanted: Filter, *, limit: int | None = None) -> list[UUID]:
    """The ids of the filter's messages, oldest first: the order in which they are sent again."""
    oldest = _fenced(_chosen(scope, wanted, Message.id)).order_by("id").limit(limit)
    statement = scope.select(Message, Message.id).where(Message.id.in_(oldest)).order_by(Message.id)
    return list(db.session.scalars(statement))


def count(scope: TenantScope, wanted: Filter) -> int:
    total = db.session.scalar(_chosen(scope, wanted, func.count()))
    return int(total or 0)


def count_by_unit(scope: TenantScope, message_ids: Sequence[UUID]) -> list[tuple[Unit, int]]:
    """How many of these messages each unit has, by the unit's name."""
    statement = (
        scope.select(Message, Unit, func.count())
        .select_from(Message)
        .join(Unit, (Unit.tenant_id == Message.tenant_id) & (Unit.id == Message.unit_id))
        .where(Message.id.in_(message_ids))
        .group_by(Unit.id)
        .order_by(Unit.name)
    )
    return [(unit, number) for unit, number in db.session.execute(statement)]


def number_waiting(scope: TenantScope) -> ColumnElement[int]:
    """How many messages wait for a person, counted up to MOST_COUNTED; for statements that ask for more."""
    counts = [
        select(func.count()).select_from(_some(scope, Filter(bucket)).subquery()).scalar_subquery() for bucket in Bucket
    ]
    return func.least(MOST_COUNTED, sum(counts[1:], counts[0]))


def count_some(scope: TenantScope, wanted: Filter) -> int:
    """How many messages the filter has, counted up to MOST_COUNTED."""
    return len(db.session.scalars(_some(scope, wanted)).all())


def _some(scope: TenantScope, wanted: Filter) -> Select[Any]:
    return _chosen(scope, wanted, Message.id).order_by(*_INDEXED[wanted.bucket]).limit(MOST_COUNTED)


def list_stopped(scope: TenantScope, message_ids: Collection[UUID]) -> dict[UUID, CampaignState]:
    """Of these messages those of a campaign that is not to go on, and how that one stands."""
    statement = (
        scope.select(CampaignRecipient, CampaignRecipient.message_id, Campaign.state)
        .join(
            Campaign,
            (Campaign.tenant_id == CampaignRecipient.tenant_id) & (Campaign.id == CampaignRecipient.campaign_id),
        )
        .where(among(CampaignRecipient.message_id, message_ids), Campaign.state.not_in(GOING_ON))
    )
    return {message_id: CampaignState(state) for message_id, state in db.session.execute(statement)}


def find_resends(scope: TenantScope, messages: Sequence[Message]) -> dict[UUID, Message]:
    """The first message's id -> the one that was sent in its place on a person's word."""
    decided = {message.id: message for message in messages if message.handled_at is not None}
    if not decided:
        return {}
    # The second was written at the instant at which the first was handled: that is where the thread's index has it.
    statement = scope.select(Message).where(
        Message.conversation_id.in_({message.conversation_id for message in decided.values()}),
        Message.occurred_at.in_({message.handled_at for message in decided.values()}),
        Message.resend_of_id.in_(list(decided)),
    )
    return {second.resend_of_id: second for second in db.session.scalars(statement) if second.resend_of_id}


def _grouped(scope: TenantScope, wanted: Filter) -> Select[Any]:
    reasons, at = _reasons(wanted.bucket), _went_wrong(wanted.bucket)
    columns = (Message.unit_id, _told(reasons), func.count(), func.min(at), func.max(at))
    return _chosen(scope, wanted, *columns).group_by(Message.unit_id, *reasons)


def _counted(scope: TenantScope, bucket: Bucket) -> Select[Any]:
    reasons = _reasons(bucket)
    statement = _chosen(scope, Filter(bucket), _told(reasons), func.count()).group_by(*reasons)
    # Without a reason there is one group, which may be empty.
    return statement.having(func.count() > 0)


def _reasons(bucket: Bucket) -> tuple[Any, ...]:
    """What messages of that bucket are told apart by: where no receipt came nobody says why."""
    return () if bucket == Bucket.NO_RECEIPT else (Message.error_code,)


def _told(reasons: tuple[Any, ...]) -> ColumnElement[str | None]:
    reason: Any = reasons[0] if reasons else literal(None)
    return cast(ColumnElement[str | None], reason.label("reason"))


def _chosen(scope: TenantScope, wanted: Filter, *columns: Any) -> Select[Any]:
    return (
        scope.select(Message, *columns)
        .select_from(Message)
        .join(Unit, (Unit.tenant_id == Message.tenant_id) & (Unit.id == Message.unit_id))
        .where(Unit.archived_at.is_(None), *_conditions(wanted))
    )


def _some_ids(scope: TenantScope, wanted: Filter, limit: int, *, before: UUID | None) -> Select[Any]:
    """The youngest ids unit by unit, as the index has them: walking the table by id could meet a million others."""
    younger = [] if before is None else [Message.id < before]
    if wanted.bucket == Bucket.NO_RECEIPT:
        return _fenced(_chosen(scope, wanted, Message.id).where(*younger)).order_by(desc("id")).limit(limit)
    of_unit = (
        scope.select(Message, Message.id)
        .where(Message.unit_id == Unit.id, *_conditions(wanted), *younger)
        .order_by(Message.id.desc())
        .limit(limit)
        .correlate(Unit)
        .lateral()
    )
    living = scope.select(Unit, of_unit.c.id).select_from(Unit).join(of_unit, true()).where(Unit.archived_at.is_(None))
    return living.order_by(of_unit.c.id.desc()).limit(limit)


def _fenced(ids: Select[Any]) -> Select[Any]:
    """The same ids, read before they are put in order: else PostgreSQL may look for them all along the table."""
    fence = ids.cte("fenced").prefix_with("MATERIALIZED")
    return select(fence.c.id)


def _with_person(scope: TenantScope, ids: Select[Any]) -> Select[Any]:
    return (
        scope.select(Message, Message, Contact, Unit)
        .join(
            Conversation,
            (Conversation.tenant_id == Message.tenant_id) & (Conversation.id == Message.conversation_id),
        )
        .join(Contact, (Contact.tenant_id == Conversation.tenant_id) & (Contact.id == Conversation.contact_id))
        .join(Unit, (Unit.tenant_id == Message.tenant_id) & (Unit.id == Message.unit_id))
        .where(Message.id.in_(ids.subquery().select()))
        .order_by(Message.id.desc())
        .execution_options(populate_existing=True)
    )


# The order of the indexes, for whoever takes the first that come.
_INDEXED: dict[Bucket, tuple[Any, ...]] = {
    Bucket.FAILED: (Message.tenant_id, Message.unit_id, Message.id),
    Bucket.UNCONFIRMED: (Message.tenant_id, Message.unit_id, Message.id),
    Bucket.NO_RECEIPT: (Message.tenant_id, Message.sent_at),
}


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    conditions = _waits(wanted.bucket)
    if wanted.unit_id is not None:
        conditions.append(owned_by(Message.unit_id, wanted.unit_id))
    if wanted.reason is not None:
        conditions.append(Message.error_code == wanted.reason)
    if wanted.since is not None:
        conditions.append(_went_wrong(wanted.bucket) >= wanted.since)
    if wanted.is_free:
        conditions.append(~_is_stopped())
    return conditions


def _is_stopped() -> ColumnElement[bool]:
    """Whether the message is of a campaign that is not to go on."""
    return (
        exists()
        .where(
            CampaignRecipient.tenant_id == Message.tenant_id,
            CampaignRecipient.message_id == Message.id,
            Campaign.tenant_id == CampaignRecipient.tenant_id,
            Campaign.id == CampaignRecipient.campaign_id,
            Campaign.state.not_in(GOING_ON),
        )
        .correlate(Message)
    )


def _waits(bucket: Bucket) -> list[ColumnElement[bool]]:
    if bucket != Bucket.NO_RECEIPT:
        return [Message.status == _said(bucket), Message.handled_at.is_(None)]
    return [
        Message.status == _said(MessageStatus.SENT),
        Message.accepted_at.is_(None),
        Message.handled_at.is_(None),
        Message.source.is_distinct_from(MessageSource.PHONE),
        # WhatsApp shows no ticks at what is about another message, and nobody waits for it to arrive.
        Message.kind.not_in(ABOUT_ANOTHER),
        Message.sent_at < AT_EXECUTION - func.make_interval(0, 0, 0, 0, 0, Unit.receipt_wait_min),
    ]


def _said(status: StrEnum) -> ColumnElement[str]:
    """The status written out: PostgreSQL takes a partial index only for what it can read in the statement."""
    return literal(status.value, literal_execute=True)


def _went_wrong(bucket: Bucket) -> ColumnElement[datetime]:
    told = {
        Bucket.FAILED: Message.failed_at,
        Bucket.UNCONFIRMED: Message.sending_at,
        Bucket.NO_RECEIPT: Message.sent_at,
    }
    return func.coalesce(told[bucket], Message.created_at)
