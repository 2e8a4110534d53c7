"""Deleting what a company does not want to keep any longer: round after round, one short transaction at a time."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Delete, delete, func, select, true, tuple_

from portal.background import sign_ins, watching
from portal.clock import now
from portal.db import among, atomic, db, found_once
from portal.models import (
    Conversation,
    ConversationEvent,
    DeliveryState,
    EarlyReceipt,
    EventState,
    Message,
    MessageChange,
    MessageStatus,
    Tenant,
    TenantSettings,
    Unit,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)
from portal.services import delivery
from portal.services.deleting import BATCH, COLUMNS, Doomed, delete_messages
from portal.services.tenant_settings import DEFAULT_EVENTS_DAYS
from portal.tenancy import TenantScope, across_tenants, tenant_transaction

ROUND_S = 3600.0
# Conversations that are looked into at once.
CHATS = 500
# Events of instances that are nobody's: no company decides about them.
UNKNOWN_EVENTS_DAYS = 90
# Of what companies' programs were told: to look into, and to send again. What could not be told by then is old news.
DELIVERIES_DAYS = 30
# Longer than all attempts at one take.
ATTEMPTS_FOR = timedelta(days=3)
IN_HAND = (MessageStatus.QUEUED, MessageStatus.SENDING)
LONG_BEFORE_ANYBODY = UUID(int=0)

# Deletes one batch; whether there is more.
Task = Callable[[], bool]


class Retention:
    """What one process deletes. Several of them do no harm: each finds what the others left."""

    def __init__(self) -> None:
        self._tasks: deque[Task] = deque()
        self._next_round_at = 0.0

    def work(self) -> bool:
        """Delete one batch of what was kept long enough; False when nothing is left until the next round."""
        if not self._tasks and time.monotonic() >= self._next_round_at:
            self._next_round_at = time.monotonic() + ROUND_S
            self._tasks.extend(_list_tasks())
        if not self._tasks:
            return False
        # Taken off first: one that fails waits for the next round, and keeps no other from its turn.
        task = self._tasks.popleft()
        if task():
            self._tasks.append(task)
        return True


@dataclass(frozen=True)
class _Periods:
    """Until when a company's things are old: messages, if at all, and what Evolution told."""

    messages_before: datetime | None
    events_before: datetime


def _list_tasks() -> Iterator[Task]:
    yield _delete_unknown_events
    yield from sign_ins.list_tasks()
    yield from watching.list_tasks()
    for tenant_id, unit_ids, periods in _list_tenants():
        scope = TenantScope(tenant_id)
        yield OldEvents(scope, periods.events_before)
        yield OldDeliveries(scope, now() - timedelta(days=DELIVERIES_DAYS))
        for unit_id in unit_ids:
            yield OldNews(scope, EarlyReceipt, unit_id, periods.events_before)
            if periods.messages_before is not None:
                yield OldNews(scope, MessageChange, unit_id, periods.messages_before)
                yield OldMessages(scope, unit_id, periods.messages_before)
                yield OldNotes(scope, unit_id, periods.messages_before)


def _list_tenants() -> list[tuple[UUID, Sequence[UUID], _Periods]]:
    its_settings, its_units = TenantSettings.tenant_id == Tenant.id, Unit.tenant_id == Tenant.id
    events_days = func.coalesce(TenantSettings.keep_events_days, DEFAULT_EVENTS_DAYS)
    statement = (
        select(Tenant.id, func.array_agg(Unit.id), TenantSettings.keep_messages_days, events_days)
        .join(Unit, its_units)
        .outerjoin(TenantSettings, its_settings)
        .group_by(Tenant.id, TenantSettings.tenant_id)
        .order_by(Tenant.id)
    )
    with across_tenants("every tenant's own periods hold"):
        rows = db.session.execute(statement).all()
    return [(id_, unit_ids, _periods(messages, events)) for id_, unit_ids, messages, events in rows]


def _periods(messages_days: int | None, events_days: int) -> _Periods:
    """What Evolution told holds the messages' texts too: it is never kept longer than they are."""
    at = now()
    messages_before = None if messages_days is None else at - timedelta(days=messages_days)
    events_before = at - timedelta(days=min(events_days, messages_days or events_days))
    return _Periods(messages_before, events_before)


@dataclass(frozen=True)
class OldEvents:
    """Events of a company, applied or parked, from the oldest on."""

    scope: TenantScope
    before: datetime

    def __call__(self) -> bool:
        columns = (WebhookEvent.id, WebhookEvent.received_at)
        settled = self.scope.select(WebhookEvent, *columns).where(WebhookEvent.state != EventState.NEW)
        # They came in the order of their ids: a batch that has a young one is the last.
        oldest = settled.order_by(WebhookEvent.id).limit(BATCH).subquery()
        old = select(oldest.c.id).where(oldest.c.received_at < self.before)
        with tenant_transaction(self.scope):
            return _is_full(self.scope.delete(WebhookEvent).where(WebhookEvent.id.in_(old)))


@dataclass(frozen=True)
class OldDeliveries:
    """What a company's programs were told, from the oldest on of each of its endpoints."""

    scope: TenantScope
    before: datetime

    def __call__(self) -> bool:
        oldest = (
            select(WebhookDelivery.id, WebhookDelivery.created_at, WebhookDelivery.state)
            .where(WebhookDelivery.endpoint_id == WebhookEndpoint.id)
            .order_by(WebhookDelivery.position)
            .limit(BATCH)
            # Whoever else deletes some of them, with their message or their endpoint, is not waited for.
            .with_for_update(skip_locked=True)
            .lateral()
        )
        found = self.scope.select(WebhookEndpoint, oldest.c.id).select_from(WebhookEndpoint).join(oldest, true())
        # One that a person sends again late has its days of attempts.
        is_over = (oldest.c.state != DeliveryState.WAITING) | (oldest.c.created_at < self.before - ATTEMPTS_FOR)
        old = found.where(oldest.c.created_at < self.before, is_over).limit(BATCH)
        with tenant_transaction(self.scope):
            return _is_full(self.scope.delete(WebhookDelivery).where(WebhookDelivery.id.in_(found_once(old))))


@dataclass(frozen=True)
class OldNews:
    """Receipts or changes of a unit that are kept beside the messages they are about."""

    scope: TenantScope
    model: type[EarlyReceipt] | type[MessageChange]
    unit_id: UUID
    before: datetime

    def __call__(self) -> bool:
        key = tuple(self.model.__table__.primary_key)
        is_old = (self.model.unit_id == self.unit_id) & (self.model.received_at < self.before)
        some = self.scope.select(self.model, *key).where(is_old).limit(BATCH)
        with tenant_transaction(self.scope):
            return _is_full(self.scope.delete(self.model).where(tuple_(*key).in_(some)))


@dataclass
class OldMessages:
    """Messages of a unit, conversation by conversation; what waits to be sent stays."""

    scope: TenantScope
    unit_id: UUID
    before: datetime
    # The contact of the last conversation that has none left.
    after: UUID = LONG_BEFORE_ANYBODY

    def __call__(self) -> bool:
        with tenant_transaction(self.scope):
            delivery.lock_unit(self.scope, self.unit_id)
            contact_ids = self._next_contacts()
            old = self._old_messages(contact_ids[-1]) if contact_ids else []
            delete_messages(self.scope, [message for _, message in old])
        if len(old) == BATCH:
            # There may be more of the last one.
            self.after = next((id_ for id_, _ in reversed(old) if id_ != old[-1][0]), self.after)
            return True
        self.after = contact_ids[-1] if contact_ids else self.after
        return len(contact_ids) == CHATS

    def _next_contacts(self) -> Sequence[UUID]:
        chats = self.scope.select(Conversation, Conversation.contact_id).where(self._is_next)
        return db.session.scalars(chats.order_by(Conversation.contact_id).limit(CHATS)).all()

    def _old_messages(self, until: UUID) -> list[tuple[UUID, Doomed]]:
        """With whose they are. Each conversation's index is read from its oldest message to the first young one."""
        old = (
            select(*COLUMNS)
            .where(
                Message.tenant_id == Conversation.tenant_id,
                Message.conversation_id == Conversation.id,
                Message.occurred_at < self.before,
                Message.status.not_in(IN_HAND),
            )
            .order_by(Message.occurred_at, Message.id)
            .limit(BATCH)
            # Whoever else deletes some of them, with their message or their endpoint, is not waited for.
            .with_for_update(skip_locked=True)
            .lateral()
        )
        found = self.scope.select(Conversation, Conversation.contact_id, *old.c).select_from(Conversation)
        chats = found.join(old, true()).where(self._is_next, Conversation.contact_id <= until)
        rows = db.session.execute(chats.order_by(Conversation.contact_id).limit(BATCH))
        return [(contact_id, Doomed(*message)) for contact_id, *message in rows]

    @property
    def _is_next(self) -> ColumnElement[bool]:
        return (Conversation.unit_id == self.unit_id) & (Conversation.contact_id > self.after)


@dataclass
class OldNotes:
    """What people noted in a unit's conversations, and did with them, by the index that each thread is read by."""

    scope: TenantScope
    unit_id: UUID
    before: datetime
    # The contact of the last conversation that has none left.
    after: UUID = LONG_BEFORE_ANYBODY

    def __call__(self) -> bool:
        is_next = (Conversation.unit_id == self.unit_id) & (Conversation.contact_id > self.after)
        chats = self.scope.select(Conversation, Conversation.id, Conversation.contact_id).where(is_next)
        with tenant_transaction(self.scope):
            rows = db.session.execute(chats.order_by(Conversation.contact_id).limit(CHATS)).all()
            is_old = among(ConversationEvent.conversation_id, [id_ for id_, _ in rows]) & (
                ConversationEvent.created_at < self.before
            )
            some = self.scope.select(ConversationEvent, ConversationEvent.id).where(is_old).limit(BATCH)
            if _is_full(self.scope.delete(ConversationEvent).where(ConversationEvent.id.in_(some))):
                return True
        self.after = rows[-1].contact_id if rows else self.after
        return len(rows) == CHATS


def _delete_unknown_events() -> bool:
    before = now() - timedelta(days=UNKNOWN_EVENTS_DAYS)
    is_old = WebhookEvent.unit_id.is_(None) & (WebhookEvent.received_at < before)
    some = select(WebhookEvent.id).where(is_old).order_by(WebhookEvent.id).limit(BATCH)
    with across_tenants("these events are nobody's"), atomic():
        return _is_full(delete(WebhookEvent).where(WebhookEvent.id.in_(some)))


def _is_full(statement: Delete) -> bool:
    """Delete a batch; whether there may be more."""
    gone = db.session.execute(statement.execution_options(synchronize_session=False))
    return int(gone.rowcount) >= BATCH  # type: ignore[attr-defined]
