"""Lanes: claim the next message of every unit that may send, and record what became of it.

A send is claimed, sent and recorded: two short transactions with none in between (ADR 2).
"""

import random
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, true, update
from sqlalchemy.sql.dml import ReturningUpdate

from portal import logs
from portal.clock import now
from portal.db import atomic, db
from portal.evolution.errors import UNIT_AWAY, EvolutionError
from portal.evolution.types import SentMessage
from portal.models import Connection, ConnectionAction, Contact, Conversation, Lane, Message, MessageStatus
from portal.phone import LID_SUFFIX, PERSON_SUFFIX, without_device
from portal.services import delivery
from portal.tenancy import TenantScope, across_tenants, tenant_transaction

MOST_ATTEMPTS = 3
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 60.0


@dataclass(frozen=True)
class ClaimedMessage:
    """One message that this process, and no other, now sends."""

    id: UUID
    tenant_id: UUID
    unit_id: UUID
    instance_name: str
    server_id: UUID
    number: str
    text: str
    message_id: str


def claim(owner_id: UUID, *, limit: int) -> list[ClaimedMessage]:
    """Move the next message of up to `limit` due lanes from queued to sending.

    The lanes are locked first: the statements after that see what was committed before, so no message is taken
    twice and no lane is put to rest while something waits in it.
    """
    with across_tenants("lanes of every tenant share the senders"), atomic():
        units = list(db.session.scalars(_due_lanes(limit)))
        if not units:
            return []
        claimed = {row.id: row.unit_id for row in db.session.execute(_take_next(units, owner_id))}
        for message_id, unit_id in claimed.items():
            db.session.execute(update(Lane).where(Lane.unit_id == unit_id).values(message_id=message_id))
        resting = [unit_id for unit_id in units if unit_id not in claimed.values()]
        if resting:
            db.session.execute(update(Lane).where(Lane.unit_id.in_(resting)).values(has_work=False))
        return [_claimed(*row) for row in db.session.execute(_details(list(claimed)))]


def seconds_to_next() -> float | None:
    """How long until the next lane is due; None while none is waiting for its time."""
    soonest = select(func.min(Lane.next_send_at)).where(_may_send())
    with across_tenants("lanes of every tenant share the senders"):
        due_at = db.session.scalar(soonest)
    return None if due_at is None else max(0.0, (due_at - now()).total_seconds())


def record_sent(claimed: ClaimedMessage, sent: SentMessage) -> None:
    """Evolution took it: keep its id, and the number that WhatsApp confirmed."""
    with tenant_transaction(TenantScope(claimed.tenant_id)) as scope:
        message = _lock(scope, claimed)
        delivery.confirm_sent(scope, message, external_id=sent.external_id, at=now())
        _keep_confirmed_number(scope, message, sent.jid)
        _release(scope, claimed, pause_s=0)


def record_away(claimed: ClaimedMessage, error: EvolutionError) -> None:
    """Nothing left, and nobody is to blame: the message keeps its place and its attempts, the lane waits."""
    with tenant_transaction(TenantScope(claimed.tenant_id)) as scope:
        message = _lock(scope, claimed)
        if error.code == UNIT_AWAY:
            # Before the lane: whoever changes a connection's state holds its row first and its lane second.
            _ask_for_check(scope, claimed.unit_id)
        _return_to_queue(scope, message)
        lane: Lane = db.session.scalars(scope.select(Lane).where(Lane.unit_id == claimed.unit_id)).one()
        pause_s = _pause_s(lane.away_count)
        _release(scope, claimed, pause_s=pause_s, away=lane.away_count + 1, reason=error.code)


def record_failed(claimed: ClaimedMessage, error: EvolutionError, *, is_final: bool) -> None:
    """Nothing left. Final, or the third time: the message fails with the reason; else it is tried again."""
    with tenant_transaction(TenantScope(claimed.tenant_id)) as scope:
        message = _lock(scope, claimed)
        if not _is_open(message):
            _release(scope, claimed, pause_s=0)
            return
        _note_error(message, error)
        message.retry_count += 1
        message.last_retry_at = now()
        if is_final or message.retry_count >= MOST_ATTEMPTS:
            message.status, message.failed_at = MessageStatus.FAILED, now()
            _release(scope, claimed, pause_s=0)
        else:
            _return_to_queue(scope, message)
            _release(scope, claimed, pause_s=_pause_s(message.retry_count))


def record_unknown(claimed: ClaimedMessage, error: EvolutionError) -> None:
    """It may have left: nobody sends it again before an echo or a person has settled it."""
    with tenant_transaction(TenantScope(claimed.tenant_id)) as scope:
        message = _lock(scope, claimed)
        if message.status == MessageStatus.SENDING:
            message.status = MessageStatus.UNCONFIRMED
            _note_error(message, error)
        _release(scope, claimed, pause_s=0)


def _may_send() -> ColumnElement[bool]:
    return Lane.has_work & Lane.is_open & Lane.message_id.is_(None)


def _due_lanes(limit: int) -> Select[UUID]:
    due = select(Lane.unit_id).where(_may_send(), Lane.next_send_at <= func.now())
    return due.order_by(Lane.next_send_at).limit(limit).with_for_update(skip_locked=True)


def _take_next(units: list[UUID], owner_id: UUID) -> ReturningUpdate[UUID, UUID]:
    first = (
        select(Message.id)
        .where(Message.unit_id == Lane.unit_id, Message.status == MessageStatus.QUEUED)
        .order_by(Message.priority, Message.id)
        .limit(1)
        .lateral()
    )
    firsts = select(first.c.id).select_from(Lane).join(first, true()).where(Lane.unit_id.in_(units))
    taken = update(Message).where(Message.id.in_(firsts), Message.status == MessageStatus.QUEUED)
    values = {"status": MessageStatus.SENDING, "sending_at": now(), "relay_id": owner_id}
    return taken.values(values).returning(Message.id, Message.unit_id).execution_options(synchronize_session=False)


def _details(message_ids: list[UUID]) -> Select[Message, Contact, Connection]:
    return (
        select(Message, Contact, Connection)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .join(Contact, Contact.id == Conversation.contact_id)
        .join(Connection, Connection.unit_id == Message.unit_id)
        .where(Message.id.in_(message_ids))
        .execution_options(populate_existing=True)
    )


def _claimed(message: Message, contact: Contact, connection: Connection) -> ClaimedMessage:
    return ClaimedMessage(
        id=message.id,
        tenant_id=message.tenant_id,
        unit_id=message.unit_id,
        # An open lane has an instance on a server: the connection opened it.
        instance_name=connection.instance_name or "",
        server_id=connection.evolution_server_id,  # type: ignore[arg-type]
        number=contact.whatsapp_number or contact.phone or f"{contact.lid}{LID_SUFFIX}",
        text=message.body,
        message_id=message.proposed_id or "",
    )


def _lock(scope: TenantScope, claimed: ClaimedMessage) -> Message:
    delivery.lock_unit(scope, claimed.unit_id)
    statement = scope.select(Message).where(Message.id == claimed.id).with_for_update()
    message: Message = db.session.scalars(statement.execution_options(populate_existing=True)).one()
    return message


def _is_open(message: Message) -> bool:
    """Whether its outcome is not known yet: an echo may have settled it meanwhile."""
    return message.status in (MessageStatus.SENDING, MessageStatus.UNCONFIRMED)


def _return_to_queue(scope: TenantScope, message: Message) -> None:
    if not _is_open(message):
        return
    message.status, message.sending_at, message.relay_id = MessageStatus.QUEUED, None, None
    # The lane may have been freed and put to rest, if this process was taken for dead.
    lane = scope.update(Lane).where(Lane.unit_id == message.unit_id)
    db.session.execute(lane.values(has_work=True).execution_options(synchronize_session=False))


def _release(
    scope: TenantScope, claimed: ClaimedMessage, *, pause_s: float, away: int = 0, reason: str | None = None
) -> None:
    lane = scope.update(Lane).where(Lane.unit_id == claimed.unit_id, Lane.message_id == claimed.id)
    db.session.execute(
        lane.values(
            message_id=None,
            has_work=True,
            next_send_at=now() + timedelta(seconds=pause_s),
            away_count=away,
            away_reason=reason,
        )
    )


def _pause_s(failures: int) -> float:
    return float(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**failures) * random.uniform(0.8, 1.2))


def _note_error(message: Message, error: EvolutionError) -> None:
    message.error_code = error.code
    message.error_details = logs.mask(error.detail) or None


def _keep_confirmed_number(scope: TenantScope, message: Message, jid: str) -> None:
    jid = without_device(jid)
    if not jid.endswith(PERSON_SUFFIX):
        return
    contact = select(Conversation.contact_id).where(
        Conversation.tenant_id == scope.tenant_id, Conversation.id == message.conversation_id
    )
    this = scope.update(Contact).where(Contact.id == contact.scalar_subquery())
    db.session.execute(
        this.values(whatsapp_number=jid.removesuffix(PERSON_SUFFIX)).execution_options(synchronize_session=False)
    )


def _ask_for_check(scope: TenantScope, unit_id: UUID) -> None:
    """The unit is said to be connected and is not: ask Evolution for the state."""
    idle = scope.update(Connection).where(Connection.unit_id == unit_id, Connection.action.is_(None))
    db.session.execute(
        idle.values(action=ConnectionAction.CHECK, action_requested_at=now(), action_attempts=0, action_relay_id=None)
    )
