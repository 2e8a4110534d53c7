"""What became of a send, written to its message and its lane: many at a time, since most of them went well."""

import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, func

from portal import counters, logs
from portal.clock import now
from portal.counters import Counted
from portal.db import atomic, db, on_commit
from portal.evolution.errors import (
    NOT_ON_WHATSAPP,
    UNIT_AWAY,
    EvolutionError,
    EvolutionFailed,
    EvolutionRejected,
    EvolutionUnavailable,
)
from portal.evolution.types import SentMessage
from portal.models import (
    ColdReason,
    Connection,
    ConnectionAction,
    Contact,
    Lane,
    Message,
    MessageSource,
    MessageStatus,
)
from portal.outbox import campaign_statements, changes, statements
from portal.outbox.lanes import ClaimedMessage
from portal.outbox.look_ups import FIRST_LOOK_UP
from portal.phone import PERSON_SUFFIX, without_device
from portal.services import campaign_states, delivery, lanes, ledgers
from portal.tenancy import TenantScope, across_tenants

log = structlog.get_logger(__name__)

MOST_ATTEMPTS = 3
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 60.0
# Connected, Evolution says, and yet nothing can be sent: its socket is dead until it is restarted (contract §16, 11).
RESTART_AFTER_AWAY = 5


@dataclass(frozen=True, slots=True)
class Outcome:
    """One send that began when `time.monotonic()` was `began_at`: with the message at Evolution, or with an error."""

    message: ClaimedMessage
    began_at: float
    sent: SentMessage | None = None
    error: EvolutionError | None = None
    # The whole server is away, not this unit: its breaker waits, the lane need not.
    is_server_away: bool = False


def outcome_of_test(message: ClaimedMessage) -> Outcome:
    """That a test message went well, under an id that WhatsApp never gives. Nothing is learnt about the number."""
    return Outcome(message, time.monotonic(), sent=SentMessage(f"TEST{message.id.hex.upper()}", message.number))


@dataclass(frozen=True, slots=True)
class _Release:
    # What became of the send; None where somebody else settled it before.
    counted: Counted | None
    pause_s: float = 0.0
    away_count: int = 0
    away_reason: str | None = None


def record(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Write these in one transaction; returns those whose unit somebody holds, to be recorded a little later."""
    with across_tenants("senders serve every tenant"), atomic():
        wanted = {outcome.message.unit_id for outcome in outcomes}
        free = set(db.session.scalars(statements.LOCK_UNITS, {"units": list(wanted)}))
        mine = [outcome for outcome in outcomes if outcome.message.unit_id in free]
        releases = _record_together(mine)
        for outcome in mine:
            if outcome.message.id not in releases:
                releases[outcome.message.id] = _record_alone(outcome)
        changes.note_made((outcome.message, outcome.sent) for outcome in mine if outcome.sent is not None)
        _take_back(mine)
        _deliver_tests(mine)
        _release(mine, releases)
        on_commit(partial(_count, [releases[o.message.id].counted for o in mine if not o.message.is_test]))
    return [outcome for outcome in outcomes if outcome.message.unit_id not in free]


def _count(ends: Iterable[Counted | None]) -> None:
    for end in ends:
        if end is not None:
            counters.count(end)


def _take_back(outcomes: Sequence[Outcome]) -> None:
    """What did not leave before its campaign was paused or cancelled must not leave now."""
    failed = [outcome.message for outcome in outcomes if outcome.error is not None]
    if failed:
        db.session.flush()
        values = {
            "ids": [message.id for message in failed],
            "times": [message.sending_at for message in failed],
            "paused": campaign_states.CAMPAIGN_PAUSED,
            "cancelled": campaign_states.CAMPAIGN_CANCELLED,
        }
        db.session.execute(campaign_statements.TAKE_BACK, values)


def _deliver_tests(outcomes: Iterable[Outcome]) -> None:
    if tests := [outcome.message.id for outcome in outcomes if outcome.message.is_test]:
        db.session.flush()
        db.session.execute(statements.DELIVER_TESTS, {"ids": tests})


def _record_together(outcomes: Iterable[Outcome]) -> dict[UUID, _Release]:
    """The usual: handed over with nothing known of it yet, or turned away with the whole server."""
    releases: dict[UUID, _Release] = {}
    sent = {o.message.id: o.sent for o in outcomes if o.sent is not None and not _is_other_number(o)}
    if sent:
        values = {"ids": list(sent), "external_ids": [s.external_id for s in sent.values()], "at": now()}
        recorded = db.session.scalars(statements.RECORD_SENT, values)
        releases |= {message_id: _Release(Counted.SENDS_OK) for message_id in recorded}
    turned_away = {o.message.id: o.error.code for o in outcomes if o.error is not None and o.is_server_away}
    if turned_away:
        returned = db.session.scalars(statements.RETURN_TO_QUEUE, {"ids": list(turned_away)})
        releases |= {id_: _Release(Counted.SENDS_RETRIED, away_reason=turned_away[id_]) for id_ in returned}
    return releases


def _record_alone(outcome: Outcome) -> _Release:
    scope, claimed, error = TenantScope(outcome.message.tenant_id), outcome.message, outcome.error
    statement = scope.select(Message).where(Message.id == claimed.id).with_for_update()
    message: Message = db.session.scalars(statement.execution_options(populate_existing=True)).one()
    if error is None:
        assert outcome.sent is not None
        delivery.confirm_sent(scope, message, external_id=outcome.sent.external_id, at=now())
        _keep_confirmed_number(scope, claimed, outcome.sent.jid)
        return _Release(Counted.SENDS_OK)
    if error.is_limit:
        lanes.limit_new_chats(scope, claimed.unit_id, ColdReason.RATE_LIMITED)
    if outcome.is_server_away:
        _return_to_queue(scope, message)
        return _Release(Counted.SENDS_RETRIED, away_reason=error.code)
    if isinstance(error, EvolutionUnavailable):
        return _put_back(scope, message, error)
    if error.code == NOT_ON_WHATSAPP:
        _note_absence(scope, claimed)
    if isinstance(error, EvolutionFailed | EvolutionRejected):
        return _fail(scope, message, error, is_final=isinstance(error, EvolutionRejected))
    if message.status != MessageStatus.SENDING:
        return _Release(None)
    # It may have left: nobody sends it again before an echo, Evolution's stored messages or a person settle it.
    message.status, message.look_up_at = MessageStatus.UNCONFIRMED, now() + FIRST_LOOK_UP
    _note_error(message, error)
    return _Release(Counted.SENDS_UNCONFIRMED)


def _put_back(scope: TenantScope, message: Message, error: EvolutionError) -> _Release:
    """Nothing left, and nobody is to blame: the message keeps its place and its attempts, the lane waits."""
    statement = scope.select(Lane, Lane.away_count).where(Lane.unit_id == message.unit_id)
    away_count: int = db.session.scalars(statement).one() + 1
    if error.code == UNIT_AWAY:
        # Before the lane: whoever changes a connection's state holds its row first and its lane second.
        is_stuck = away_count % RESTART_AFTER_AWAY == 0
        _ask_of_connection(scope, message.unit_id, ConnectionAction.RESTART if is_stuck else ConnectionAction.CHECK)
    _return_to_queue(scope, message)
    pause_s = _pause_s(away_count - 1)
    return _Release(Counted.SENDS_RETRIED, pause_s=pause_s, away_count=away_count, away_reason=error.code)


def _fail(scope: TenantScope, message: Message, error: EvolutionError, *, is_final: bool) -> _Release:
    """Nothing left. Final, or the third time: the message fails with the reason; else it is tried again."""
    if not _is_open(message):
        return _Release(None)
    _note_error(message, error)
    message.retry_count += 1
    message.last_retry_at = now()
    if is_final or message.retry_count >= MOST_ATTEMPTS:
        message.status, message.failed_at = MessageStatus.FAILED, now()
        return _Release(Counted.SENDS_NOT_POSSIBLE if error.code == NOT_ON_WHATSAPP else Counted.SENDS_FAILED)
    _return_to_queue(scope, message)
    return _Release(Counted.SENDS_RETRIED, pause_s=_pause_s(message.retry_count - 1))


def _release(outcomes: Sequence[Outcome], releases: dict[UUID, _Release]) -> None:
    if not outcomes:
        return
    db.session.flush()
    freed = [releases[outcome.message.id] for outcome in outcomes]
    values = {
        "units": [outcome.message.unit_id for outcome in outcomes],
        "messages": [outcome.message.id for outcome in outcomes],
        "pauses": [release.pause_s for release in freed],
        "cold_ages": [_cold_age_s(outcome) for outcome in outcomes],
        # A test says nothing of whether the unit can send.
        "away_counts": [None if o.message.is_test else r.away_count for o, r in zip(outcomes, freed, strict=True)],
        "away_reasons": [release.away_reason for release in freed],
    }
    db.session.execute(statements.RELEASE_LANES, values)


def _cold_age_s(outcome: Outcome) -> float | None:
    """How long ago something may have left for a cold chat; None when surely nothing did."""
    may_have_left = outcome.error is None or not isinstance(
        outcome.error, EvolutionUnavailable | EvolutionFailed | EvolutionRejected
    )
    return time.monotonic() - outcome.began_at if outcome.message.is_cold and may_have_left else None


def _is_open(message: Message) -> bool:
    """Whether its outcome is not known yet: an echo may have settled it meanwhile."""
    return message.status in (MessageStatus.SENDING, MessageStatus.UNCONFIRMED)


def _return_to_queue(scope: TenantScope, message: Message) -> None:
    if _is_open(message):
        message.status, message.sending_at, message.relay_id = MessageStatus.QUEUED, None, None
        message.look_up_at = None
        db.session.flush()
        # If this process was taken for dead, the lane may have been freed and put to rest, and the campaign have ended.
        lanes.wake(scope, message.unit_id)
        if message.source == MessageSource.CAMPAIGN:
            # Nothing left, so no gap is due after it.
            lanes.end_gap(scope, message.unit_id)
        ledgers.reopen(scope, [message.id])


def _pause_s(failures: int) -> float:
    return float(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**failures) * random.uniform(0.8, 1.2))


def _note_error(message: Message, error: EvolutionError) -> None:
    message.error_code = error.code
    message.error_details = logs.mask(error.detail) or None


def _is_other_number(outcome: Outcome) -> bool:
    """Whether WhatsApp confirmed another number than was asked for, such as one without the ninth digit."""
    number = confirmed_number(outcome.sent.jid) if outcome.sent else None
    return number is not None and number != outcome.message.number


def confirmed_number(jid: str) -> str | None:
    """The number in the address by which WhatsApp knows somebody; None for a LID."""
    jid = without_device(jid)
    return jid.removesuffix(PERSON_SUFFIX) if jid.endswith(PERSON_SUFFIX) else None


def _keep_confirmed_number(scope: TenantScope, claimed: ClaimedMessage, jid: str) -> None:
    number = confirmed_number(jid)
    if number is not None:
        # Of several numbers another one may be in use since: an answer to the old one says nothing about that.
        this = scope.update(Contact).where(
            Contact.id == claimed.contact_id, Contact.number_at.is_(None) | _is_in_use(claimed)
        )
        known = {"whatsapp_number": number, "is_on_whatsapp": True, "number_checked_at": now()}
        db.session.execute(this.values(known).execution_options(synchronize_session=False))


def _note_absence(scope: TenantScope, claimed: ClaimedMessage) -> None:
    """WhatsApp does not know the number: no campaign writes to it again until a check says otherwise."""
    this = scope.update(Contact).where(Contact.id == claimed.contact_id, _is_in_use(claimed))
    known = {"is_on_whatsapp": False, "number_checked_at": now()}
    db.session.execute(this.values(known).execution_options(synchronize_session=False))


def _is_in_use(claimed: ClaimedMessage) -> ColumnElement[bool]:
    return func.coalesce(Contact.whatsapp_number, Contact.phone) == claimed.number


def _ask_of_connection(scope: TenantScope, unit_id: UUID, action: ConnectionAction) -> None:
    """The unit is said to be connected and is not: let Evolution say what is true, or make it so."""
    idle = scope.update(Connection).where(Connection.unit_id == unit_id, Connection.action.is_(None))
    asked = {"action": action, "action_requested_at": now(), "action_attempts": 0, "action_relay_id": None}
    db.session.execute(idle.values(asked).execution_options(synchronize_session=False))
