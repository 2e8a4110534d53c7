"""What opens, wakes and limits a unit's lane. The outbox claims from it (portal/outbox/lanes.py)."""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, bindparam, func

from portal import queue
from portal.clock import now
from portal.db import among, among_told, db, on_commit
from portal.models import ColdReason, Connection, Conversation, Lane, Message, MessageStatus
from portal.tenancy import Form, TenantScope

log = structlog.get_logger(__name__)

# WhatsApp does not say for how long it limits a number: an hour the first time, twice as long each time after.
FIRST_COLD_PAUSE = timedelta(hours=1)
LONGEST_COLD_PAUSE = timedelta(hours=24)
# The first message to a new chat after a pause; each one that arrives halves the time to the next.
FIRST_COLD_GAP_S = 300.0
SHORTEST_COLD_GAP_S = 10.0


def wake(scope: TenantScope, unit_id: UUID) -> None:
    """A message was queued: let the lane be looked at. The unit must be locked, or the lane may miss it."""
    scope.execute(_WAKE, unit=unit_id)
    on_commit(queue.wake_outbox)


def warm_up(scope: TenantScope, conversations: Collection[Conversation]) -> None:
    """The people wrote: what still waits in these is a reply now, and no limit holds it. Their units must be locked."""
    if not conversations:
        return
    theirs = {"units": list({one.unit_id for one in conversations}), "conversations": [one.id for one in conversations]}
    cold = scope.execute(_COLD, **theirs).scalars().all()
    # The lanes first: a claim holds one while it takes one of its messages.
    for unit_id in cold:
        wake(scope, unit_id)
    if cold:
        scope.execute(_WARM_UP, **theirs)


def hold(scope: TenantScope, unit_ids: Collection[UUID]) -> None:
    """Hold these lanes until the transaction ends: a claim holds the lane while it takes one of its messages."""
    lanes = scope.select(Lane, Lane.unit_id).where(among(Lane.unit_id, unit_ids)).order_by(Lane.unit_id)
    db.session.scalars(lanes.with_for_update()).all()


def expect_campaign(scope: TenantScope, unit_id: UUID) -> None:
    """A campaign begins at the unit: its lane is due as soon as the gap after the last message is over."""
    this = scope.update(Lane).where(Lane.unit_id == unit_id, Lane.campaign_at.is_(None))
    due = this.values(campaign_at=func.now(), campaign_behind_s=0)
    db.session.execute(due.execution_options(synchronize_session=False))


def end_gap(scope: TenantScope, unit_id: UUID) -> None:
    """The last campaign message did not leave after all: the next one, which may be the same, waits for no gap."""
    this = scope.update(Lane).where(Lane.unit_id == unit_id, Lane.campaign_at > func.now())
    db.session.execute(this.values(campaign_at=func.now()).execution_options(synchronize_session=False))


def set_open(connection: Connection, is_open: bool) -> None:
    """Open or close the lane with its connection; what waits in a closed one is held."""
    scope = TenantScope(connection.tenant_id)
    changes: dict[str, object] = {"is_open": is_open}
    if is_open:
        changes |= {
            "evolution_server_id": connection.evolution_server_id,
            "away_count": 0,
            "away_reason": None,
            "held_until": None,
            "next_send_at": func.now(),
        }
    statement = scope.update(Lane).where(Lane.unit_id == connection.unit_id, Lane.is_open.is_not(is_open))
    db.session.execute(statement.values(changes).execution_options(synchronize_session=False))
    if is_open:
        on_commit(queue.wake_outbox)


def limit_new_chats(scope: TenantScope, unit_id: UUID, reason: ColdReason) -> None:
    """WhatsApp limits the number: pause messages to cold chats. Replies go on.

    Signs that come while a pause lasts are about what was sent before it, and do not lengthen it; but a ban is told
    several times, and counts from the first.
    """
    lane = _lock(scope, unit_id)
    is_ban = reason == ColdReason.NUMBER_BANNED
    is_paused = lane.cold_paused_until is not None and lane.cold_paused_until > now()
    if is_paused and (not is_ban or lane.cold_reason == ColdReason.NUMBER_BANNED):
        return
    until = now() + (LONGEST_COLD_PAUSE if is_ban else _cold_pause(lane.cold_pauses))
    lane.cold_reason, lane.cold_paused_until, lane.next_cold_at = reason, until, until
    lane.cold_pauses, lane.cold_gap_s = lane.cold_pauses + 1, FIRST_COLD_GAP_S
    db.session.flush()
    log.warning("messages to new chats paused", unit_id=str(unit_id), reason=reason, pauses=lane.cold_pauses)


def ease_limits(scope: TenantScope, arrived: Collection[tuple[UUID, datetime]]) -> None:
    """Messages to cold chats, each sent by a unit at a time, arrived: each lets the unit's next one leave sooner."""
    if not arrived:
        return
    limited = set(scope.execute(_LIMITED, units=list({unit_id for unit_id, _ in arrived})).scalars())
    for unit_id, sent_at in sorted(arrived):
        if unit_id in limited:
            _ease_limit(scope, unit_id, sent_at)


def _ease_limit(scope: TenantScope, unit_id: UUID, sent_at: datetime) -> None:
    """Half of the gap, and at last none: as soon as any other."""
    lane = _lock(scope, unit_id)
    if lane.cold_gap_s == 0 or lane.cold_paused_until is None or sent_at < lane.cold_paused_until:
        return
    lane.cold_gap_s /= 2
    if lane.cold_gap_s < SHORTEST_COLD_GAP_S:
        lane.cold_gap_s, lane.cold_pauses = 0.0, 0
        lane.cold_reason = lane.cold_paused_until = lane.next_cold_at = None
    db.session.flush()


def _cold_pause(earlier: int) -> timedelta:
    # Bounded before it is multiplied: no timedelta holds what 40 doublings make.
    doublings: int = 2 ** min(earlier, 10)
    return min(FIRST_COLD_PAUSE * doublings, LONGEST_COLD_PAUSE)


def _lock(scope: TenantScope, unit_id: UUID) -> Lane:
    statement = scope.select(Lane).where(Lane.unit_id == unit_id).with_for_update()
    lane: Lane = db.session.scalars(statement.execution_options(populate_existing=True)).one()
    return lane


_LIMITED = Form(
    lambda scope: scope.select(Lane, Lane.unit_id).where(among_told(Lane.unit_id, "units"), Lane.cold_gap_s > 0)
)
_WAKE = Form(
    lambda scope: (
        scope.update(Lane)
        .where(Lane.unit_id == bindparam("unit"))
        .values(
            has_work=True,
            next_send_at=func.least(Lane.next_send_at, func.greatest(func.now(), Lane.held_until)),
        )
        .execution_options(synchronize_session=False)
    )
)


def _cold() -> ColumnElement[bool]:
    """What waits in some chats as a first message does, though the people may have written by now."""
    theirs = among_told(Message.unit_id, "units") & among_told(Message.conversation_id, "conversations")
    return theirs & (Message.status == MessageStatus.QUEUED) & Message.is_cold


_COLD = Form(lambda scope: scope.select(Message, Message.unit_id).where(_cold()).distinct().order_by(Message.unit_id))
_WARM_UP = Form(
    lambda scope: (
        scope.update(Message).where(_cold()).values(is_cold=False).execution_options(synchronize_session=False)
    )
)
