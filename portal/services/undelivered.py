"""What a person decides about messages that did not arrive: nothing here is ever done by itself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from uuid_utils.compat import uuid7

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Invalid
from portal.models import (
    CHANGES,
    CampaignState,
    Conversation,
    Direction,
    Message,
    MessageSource,
    MessageStatus,
    Unit,
)
from portal.queries.undelivered import Bucket, bucket_of, list_stopped
from portal.services import audit, changes, conversations, delivery, lanes, ledgers
from portal.tenancy import TenantScope

MOST_AT_ONCE = 1000


class Decision(StrEnum):
    TRY_AGAIN = "try_again"
    SEND_AGAIN = "send_again"
    ARRIVED = "arrived"
    SET_ASIDE = "set_aside"


FITTING = {
    Bucket.FAILED: (Decision.TRY_AGAIN, Decision.SET_ASIDE),
    Bucket.UNCONFIRMED: (Decision.ARRIVED, Decision.SEND_AGAIN, Decision.SET_ASIDE),
    Bucket.NO_RECEIPT: (Decision.SEND_AGAIN, Decision.SET_ASIDE),
}
# After these the message leaves once more, which those of a paused or cancelled campaign must not.
SENDING = (Decision.TRY_AGAIN, Decision.SEND_AGAIN)
ACTIONS = {
    Decision.TRY_AGAIN: "message.tried_again",
    Decision.SEND_AGAIN: "message.sent_again",
    Decision.ARRIVED: "message.noted_as_arrived",
    Decision.SET_ASIDE: "message.set_aside",
}


@dataclass(frozen=True)
class Decided:
    """About how many messages it was decided, and how many were left: somebody had handled them meanwhile.

    And how many are not sent: their campaigns are paused, or were cancelled.
    """

    done: int
    left: int
    paused: int = 0
    cancelled: int = 0

    @property
    def stopped(self) -> int:
        return self.paused + self.cancelled


@dataclass(frozen=True)
class _Case:
    message: Message
    unit: Unit
    is_cold: bool


def decide(scope: TenantScope, decision: Decision, message_ids: Sequence[UUID]) -> Decided:
    """Do this to these messages, in one transaction; one that it does not fit (any more) is left as it is.

    Nothing of a campaign that is paused or cancelled is sent: whoever stops one holds its unit, too.
    Two people who decide at once are one after the other, and the second finds nothing to do. Raises Invalid for
    more than MOST_AT_ONCE.
    """
    if len(message_ids) > MOST_AT_ONCE:
        raise Invalid({"ids": _("At most %(most)s messages at once.", most=MOST_AT_ONCE)})
    with atomic():
        fitting = [case for case in _lock(scope, message_ids) if decision in _offered(case)]
        stopped = list_stopped(scope, [case.message.id for case in fitting]) if decision in SENDING else {}
        cases = [case for case in fitting if case.message.id not in stopped]
        _DO[decision](scope, cases, now())
        db.session.flush()
        _note(scope, decision, cases)
    cancelled = sum(state == CampaignState.CANCELLED for state in stopped.values())
    left = len(set(message_ids)) - len(fitting)
    return Decided(done=len(cases), left=left, paused=len(stopped) - cancelled, cancelled=cancelled)


def _lock(scope: TenantScope, message_ids: Sequence[UUID]) -> list[_Case]:
    """The messages, oldest first. Their units are held, so that no echo or receipt changes them meanwhile."""
    units = scope.select(Message, Message.unit_id).where(Message.id.in_(message_ids)).distinct()
    for unit_id in sorted(db.session.scalars(units)):
        delivery.lock_unit(scope, unit_id)
    of_unit = (Unit.tenant_id == Message.tenant_id) & (Unit.id == Message.unit_id) & Unit.archived_at.is_(None)
    conversation = (Conversation.tenant_id == Message.tenant_id) & (Conversation.id == Message.conversation_id)
    is_cold = Conversation.last_inbound_at.is_(None) & ~Message.is_test & Message.kind.not_in(CHANGES)
    statement = (
        scope.select(Message, Message, Unit, is_cold)
        .join(Unit, of_unit)
        .join(Conversation, conversation)
        .where(Message.id.in_(message_ids))
        .order_by(Message.id)
        .with_for_update(of=Message)
        .execution_options(populate_existing=True)
    )
    return [_Case(*row) for row in db.session.execute(statement)]


def _offered(case: _Case) -> tuple[Decision, ...]:
    bucket = bucket_of(case.message, receipt_wait_min=case.unit.receipt_wait_min)
    return FITTING[bucket] if bucket else ()


def _try_again(scope: TenantScope, cases: list[_Case], at: datetime) -> None:
    """Back to the queue. What Evolution had taken before is written anew: receipts may still come for the first."""
    put_back = [case for case in cases if case.message.external_id is None]
    for case in put_back:
        _put_back(case, at)
    _wake(scope, cases)
    ledgers.reopen(scope, [case.message.id for case in put_back])
    _send_again(scope, [case for case in cases if case.message.external_id is not None], at)


def _put_back(case: _Case, at: datetime) -> None:
    message = case.message
    message.status, message.is_cold = MessageStatus.QUEUED, case.is_cold
    message.retry_count = message.look_ups = 0
    message.error_code = message.error_details = message.failed_at = message.handled_at = None
    message.sending_at = message.relay_id = message.look_up_at = None
    message.proposed_id, message.is_id_kept = conversations.new_message_id(), False
    message.expires_at = at + timedelta(hours=case.unit.message_lifetime_h)


def _send_again(scope: TenantScope, cases: list[_Case], at: datetime) -> None:
    """A second message in the place of each first, which keeps what is known of it."""
    if not cases:
        return
    copies = [_copy(scope, case, at) for case in cases]
    db.session.execute(scope.insert(Message, copies))
    shown = [case for case in cases if case.message.kind not in CHANGES]
    for case in {case.message.conversation_id: case for case in shown}.values():
        message = case.message
        conversations.note_last_message(
            scope,
            message.conversation_id,
            kind=message.kind,
            body=message.body,
            at=at,
            direction=Direction.OUTBOUND,
        )
    _set_aside(scope, cases, at)
    _wake(scope, cases)
    ledgers.follow_resends(scope, {copy["resend_of_id"]: copy["id"] for copy in copies})
    ledgers.reopen(scope, [copy["id"] for copy in copies])


def _copy(scope: TenantScope, case: _Case, at: datetime) -> dict[str, Any]:
    message = case.message
    return {
        "id": uuid7(),
        "unit_id": message.unit_id,
        "conversation_id": message.conversation_id,
        "direction": Direction.OUTBOUND,
        "kind": message.kind,
        "body": message.body,
        "media_id": message.media_id,
        "refers_to": message.refers_to,
        "status": MessageStatus.QUEUED,
        "source": MessageSource.PERSON,
        "sent_by_id": scope.user_id,
        # The instant at which the first is handled: `find_resends` looks there.
        "occurred_at": at,
        "proposed_id": conversations.new_message_id(),
        "is_test": message.is_test,
        "is_cold": case.is_cold,
        "expires_at": at + timedelta(hours=case.unit.message_lifetime_h),
        "resend_of_id": message.id,
    }


def _note_arrival(scope: TenantScope, cases: list[_Case], at: datetime) -> None:
    """A person saw it on the phone. Its echo, should it still come, finds it by the same marks as before."""
    for message in (case.message for case in cases):
        message.status, message.handled_at = MessageStatus.SENT, at
        message.sent_at = message.sending_at or at
        message.error_code = message.error_details = message.look_up_at = None
        if message.kind in CHANGES and message.refers_to is not None:
            made = changes.made_here(message.refers_to, message.kind, text=message.body)
            changes.apply(scope, message.unit_id, [made])


def _set_aside(scope: TenantScope, cases: list[_Case], at: datetime) -> None:
    for case in cases:
        case.message.handled_at = at


def _wake(scope: TenantScope, cases: Iterable[_Case]) -> None:
    # The messages first: the rows are locked in that order everywhere.
    db.session.flush()
    for unit_id in sorted({case.message.unit_id for case in cases}):
        lanes.wake(scope, unit_id)


def _note(scope: TenantScope, decision: Decision, cases: list[_Case]) -> None:
    ids = [case.message.id for case in cases]
    if len(ids) == 1:
        audit.record(scope, ACTIONS[decision], ("message", ids[0]))
    elif ids:
        # Each of them: the story of a message says who decided about it.
        logged = {"count": len(ids), "ids": [str(id_) for id_ in ids]}
        audit.record(scope, ACTIONS[decision], ("messages", None), after=logged)


_DO = {
    Decision.TRY_AGAIN: _try_again,
    Decision.SEND_AGAIN: _send_again,
    Decision.ARRIVED: _note_arrival,
    Decision.SET_ASIDE: _set_aside,
}
