"""The ladder: how far an outbound message is known to have come. Receipts only ever move it up."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Select, String, UpdateBase, Uuid, bindparam

from portal import counters
from portal.clock import now
from portal.counters import Counted
from portal.db import among_told, db, on_commit, told_table
from portal.models import (
    ABOUT_ANOTHER,
    ColdReason,
    Conversation,
    Direction,
    EarlyReceipt,
    Message,
    MessageSource,
    MessageStatus,
    Unit,
)
from portal.services import lanes
from portal.tenancy import Form, TenantScope

SERVER_ACK = "SERVER_ACK"
DELIVERY_ACK = "DELIVERY_ACK"
READ = "READ"
PLAYED = "PLAYED"
ERROR = "ERROR"
# What a receipt makes of a message, and which rung that is (contract §11.6). A failure is final unless the
# message turns out to have arrived.
RUNGS = {
    SERVER_ACK: MessageStatus.SENT,
    ERROR: MessageStatus.FAILED,
    DELIVERY_ACK: MessageStatus.DELIVERED,
    READ: MessageStatus.READ,
    PLAYED: MessageStatus.READ,
}
REFUSED = "refused_by_whatsapp"
NEW_CHAT_REFUSED = "new_chat_refused"
RANK = {
    MessageStatus.QUEUED: 0,
    MessageStatus.SENDING: 1,
    MessageStatus.UNCONFIRMED: 1,
    MessageStatus.CANCELLED: 1,
    MessageStatus.SENT: 2,
    MessageStatus.FAILED: 3,
    MessageStatus.DELIVERED: 4,
    MessageStatus.READ: 5,
}


# A unit's message by WhatsApp's id: two units that are in one chat have the same ids.
Named = tuple[UUID, str]


@dataclass(frozen=True)
class Receipt:
    """One rung of the ladder of a message, as Evolution names it, and when that was heard."""

    message: Named
    name: str
    at: datetime


def lock_unit(scope: TenantScope, unit_id: UUID, *, skip_locked: bool = False) -> bool:
    """Hold the unit until the transaction ends, so that a receipt and the answer to its send cannot miss each other.

    False when `skip_locked` and somebody else holds it.
    """
    form = _LOCK_UNLESS_HELD if skip_locked else _LOCK
    return scope.execute(form, unit=unit_id).scalar() is not None


def apply_receipts(scope: TenantScope, receipts: Sequence[Receipt]) -> None:
    """Move the messages up; a receipt whose message is not there yet is kept for it. The units must be locked."""
    known = find_messages(scope, {receipt.message for receipt in receipts})
    early: dict[tuple[Named, str], Receipt] = {}
    steps = []
    for receipt in receipts:
        if receipt.message in known:
            steps.append((known[receipt.message], receipt.name, receipt.at))
        else:
            early.setdefault((receipt.message, receipt.name), receipt)
    climb_all(scope, steps)
    rows = [
        {"unit_id": unit_id, "external_id": external_id, "receipt": name, "received_at": one.at}
        for ((unit_id, external_id), name), one in early.items()
    ]
    scope.insert_missing(EarlyReceipt, rows)


def find_messages(scope: TenantScope, named: Collection[Named]) -> dict[Named, Message]:
    """The messages by these names, held until the transaction ends; unknown ones are left out."""
    if not named:
        return {}
    units, external_ids = zip(*named, strict=True)
    told = {"units": list(set(units)), "external_ids": list(external_ids)}
    found = {name_of(message): message for message in scope.execute(_BY_NAMES, **told).scalars()}
    return {name: found[name] for name in named if name in found}


def name_of(message: Message) -> Named:
    return message.unit_id, str(message.external_id)


def find_by_external_id(scope: TenantScope, unit_id: UUID, external_id: str) -> Message | None:
    statement = scope.select(Message).where(Message.unit_id == unit_id, Message.external_id == external_id)
    message: Message | None = db.session.scalar(statement.with_for_update())
    return message


def confirm_sent(scope: TenantScope, message: Message, *, external_id: str, at: datetime) -> None:
    """Evolution has the message under this id: hand it the receipts that came before. The unit must be locked."""
    other = find_by_external_id(scope, message.unit_id, external_id)
    if other is not None and other.id != message.id:
        _take_over(message, other)
    message.external_id = external_id
    message.sent_at = message.sent_at or at
    if RANK[MessageStatus(message.status)] < RANK[MessageStatus.SENT]:
        message.status = MessageStatus.SENT
        message.error_code = message.error_details = None
    db.session.flush()
    hand_over_early_receipts(scope, {(message.unit_id, external_id): message})


def hand_over_early_receipts(scope: TenantScope, messages: Mapping[Named, Message]) -> None:
    """Give messages the receipts that came before them."""
    units, external_ids = zip(*messages, strict=True)
    early = scope.execute(_TAKE_EARLY_RECEIPTS, told_unit_id=list(units), told_external_id=list(external_ids))
    climb_all(scope, [(messages[unit_id, external_id], receipt, at) for unit_id, external_id, receipt, at in early])


def climb(scope: TenantScope, message: Message, receipt: str, at: datetime) -> None:
    """One rung up, or nothing. Each rung's own time is kept even when the rungs come in the wrong order."""
    climb_all(scope, [(message, receipt, at)])


def climb_all(scope: TenantScope, steps: Iterable[tuple[Message, str, datetime]]) -> None:
    """`climb` of each of these messages by such a receipt, one after the other."""
    first = [message for message, receipt, at in steps if _climb(scope, message, receipt, at)]
    lanes.ease_limits(scope, [(message.unit_id, message.sending_at or message.created_at) for message in first])


def _climb(scope: TenantScope, message: Message, receipt: str, at: datetime) -> bool:
    """Whether this is the first that is heard of a message to a new chat: WhatsApp took it."""
    if message.direction == Direction.INBOUND:
        _read_elsewhere(scope, message, receipt, at)
        return False
    rung = RUNGS[receipt]
    if rung == MessageStatus.FAILED:
        _fail(scope, message, at)
        return False
    is_first = message.is_cold and message.accepted_at is None
    message.accepted_at = message.accepted_at or at
    message.sent_at = message.sent_at or at
    if rung in (MessageStatus.DELIVERED, MessageStatus.READ):
        message.delivered_at = message.delivered_at or at
    if rung == MessageStatus.READ:
        message.read_at = message.read_at or at
    if RANK[rung] > RANK[MessageStatus(message.status)]:
        message.status = rung
        message.error_code = message.error_details = message.failed_at = None
    return is_first


def _fail(scope: TenantScope, message: Message, at: datetime) -> None:
    """WhatsApp refused it, without saying why (contract §11.6). In a new chat that is how its limit 463 shows."""
    if RANK[MessageStatus(message.status)] >= RANK[MessageStatus.FAILED]:
        return
    # Whatever a person had decided about it was decided without knowing this.
    message.status, message.failed_at, message.handled_at = MessageStatus.FAILED, at, None
    message.error_code = NEW_CHAT_REFUSED if message.is_cold else REFUSED
    if message.source != MessageSource.PHONE:
        on_commit(partial(counters.count, Counted.SENDS_REFUSED))
    if message.is_cold:
        lanes.limit_new_chats(scope, message.unit_id, ColdReason.NEW_CHATS_REFUSED)


def _read_elsewhere(scope: TenantScope, message: Message, receipt: str, at: datetime) -> None:
    """The owner read a customer's message on the phone: it is not waiting here either."""
    if receipt not in (READ, PLAYED):
        return
    was_unread = message.read_at is None
    # A message of a history sync was taken for read: now it is known to be.
    message.read_at = at if was_unread or message.read_at == message.occurred_at else message.read_at
    if was_unread and message.kind not in ABOUT_ANOTHER:
        this = scope.update(Conversation).where(Conversation.id == message.conversation_id, Conversation.unread > 0)
        db.session.execute(this.values(unread=Conversation.unread - 1))


def _take_over(message: Message, other: Message) -> None:
    """The echo came before the answer and went to another row: what is known there is known of this message.

    It made a row of its own, which goes; or it was taken for an earlier send of the same text, which is in doubt again.
    """
    for column in ("accepted_at", "delivered_at", "read_at"):
        setattr(message, column, getattr(message, column) or getattr(other, column))
    if RANK[MessageStatus(other.status)] > RANK[MessageStatus(message.status)]:
        message.status, message.failed_at = other.status, other.failed_at
        message.error_code, message.error_details = other.error_code, other.error_details
    if other.source == MessageSource.PHONE:
        db.session.delete(other)
    else:
        _doubt_again(other)
    db.session.flush()


def _doubt_again(message: Message) -> None:
    message.status, message.look_up_at = MessageStatus.UNCONFIRMED, now()
    message.external_id = message.error_code = message.error_details = None
    message.sent_at = message.accepted_at = message.delivered_at = message.read_at = message.failed_at = None


def _select_unit(scope: TenantScope) -> Select[Any]:
    return scope.select(Unit, Unit.id).where(Unit.id == bindparam("unit"))


def _take_early_receipts(scope: TenantScope) -> UpdateBase:
    told = told_table({"unit_id": Uuid(), "external_id": String()})
    theirs = (EarlyReceipt.unit_id == told.c.unit_id) & (EarlyReceipt.external_id == told.c.external_id)
    found = (EarlyReceipt.unit_id, EarlyReceipt.external_id, EarlyReceipt.receipt, EarlyReceipt.received_at)
    return scope.delete(EarlyReceipt).where(theirs).returning(*found).execution_options(synchronize_session=False)


_BY_NAMES = Form(
    lambda scope: (
        scope.select(Message)
        .where(among_told(Message.unit_id, "units"), among_told(Message.external_id, "external_ids"))
        .order_by(Message.id)
        .with_for_update()
    )
)
_TAKE_EARLY_RECEIPTS = Form(_take_early_receipts)
_LOCK = Form(lambda scope: _select_unit(scope).with_for_update(key_share=True))
_LOCK_UNLESS_HELD = Form(lambda scope: _select_unit(scope).with_for_update(key_share=True, skip_locked=True))
