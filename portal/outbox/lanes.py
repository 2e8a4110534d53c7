"""Lanes: claim the next message of every unit that may send. Two statements, whatever waits behind them (ADR 2)."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, case, func, select, update

from portal import counters
from portal.counters import Counted
from portal.db import atomic, db, found_once, on_commit
from portal.evolution import errors
from portal.evolution.types import OutgoingMedia
from portal.models import ABOUT_ANOTHER, CAMPAIGN_PRIORITY, CHANGES, Media, Message, MessageKind, MessageStatus
from portal.outbox import statements
from portal.phone import LID_SUFFIX
from portal.services.consent import OPTED_OUT
from portal.tenancy import TenantScope, across_tenants, acting_for

# A lane is claimed this much before its time, and its thread waits for the rest: so nothing is early, and nearly
# nothing late, however seldom the relay looks.
AHEAD_S = 0.08
MOST_EXPIRED = 1_000
# Of a longer delay, say of a unit that was away for a day, no more than this is made good.
MOST_BEHIND_S = 30.0
EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class ClaimedMessage:
    """One message that this process, and no other, now sends, not before `time.monotonic()` is `start_at`."""

    id: UUID
    tenant_id: UUID
    unit_id: UUID
    server_id: UUID
    conversation_id: UUID
    contact_id: UUID
    instance_name: str
    number: str
    text: str
    message_id: str
    media_id: UUID | None
    is_cold: bool
    is_test: bool
    sending_at: datetime
    start_at: float
    kind: MessageKind = MessageKind.TEXT
    refers_to: str | None = None


def claim(owner_id: UUID, *, free: Mapping[UUID, int], keeping_ids: list[UUID]) -> list[ClaimedMessage]:
    """Move the next message of due lanes from queued to sending, at most `free[server]` for each server.

    `keeping_ids`: the servers that honour a message id of ours (Evolution 2.4 and newer).
    """
    slots = {"servers": list(free), "free": list(free.values()), "ahead_s": AHEAD_S}
    with across_tenants("lanes of every tenant share the senders"), atomic():
        units = list(db.session.scalars(statements.LOCK_DUE_LANES, slots))
        if not units:
            return []
        taking = {
            "units": units,
            "ahead_s": AHEAD_S,
            "owner_id": owner_id,
            "keeping_ids": keeping_ids,
            "lid_suffix": LID_SUFFIX,
            "opted_out": OPTED_OUT,
            "about_another": list(ABOUT_ANOTHER),
            "campaign_priority": CAMPAIGN_PRIORITY,
            "most_behind_s": MOST_BEHIND_S,
        }
        rows = db.session.execute(statements.TAKE_NEXT, taking).mappings().all()
        # The statement's own clock is at most so old: whoever waits from here on is never early.
        read_at = time.monotonic()
        # A lane whose first message was taken back is as due as before, for its next one.
        resting = set(units) - {row["unit_id"] for row in rows}
        if resting:
            db.session.execute(statements.PUT_TO_REST, {"units": list(resting)})
        claimed = [_claimed(row, read_at) for row in rows if row["status"] == MessageStatus.SENDING]
        on_commit(partial(counters.count, Counted.SENDS_NOT_POSSIBLE, len(rows) - len(claimed)))
        return claimed


def seconds_to_next(servers: list[UUID]) -> float | None:
    """How long until the next lane of these servers is due; None while none is waiting for its time."""
    with across_tenants("lanes of every tenant share the senders"):
        seconds = db.session.scalar(statements.SECONDS_TO_NEXT, {"servers": servers})
    return None if seconds is None else max(0.0, float(seconds) - AHEAD_S)


def expire() -> int:
    """Fail what waited longer than its unit allows; returns how many."""
    late = select(Message.id).where(Message.status == MessageStatus.QUEUED, Message.expires_at <= func.now())
    late = late.order_by(Message.expires_at).limit(MOST_EXPIRED).with_for_update(skip_locked=True)
    failed = (
        update(Message)
        .where(Message.id.in_(found_once(late)))
        .values(
            status=MessageStatus.FAILED,
            failed_at=func.now(),
            # A change waits for as long as WhatsApp takes it, whatever the unit allows.
            error_code=case((Message.kind.in_(CHANGES), errors.TOO_LATE), else_=EXPIRED),
        )
    )
    with across_tenants("messages of every tenant grow old"), atomic():
        done = failed.returning(Message.id).execution_options(synchronize_session=False)
        return len(db.session.scalars(done).all())


def load_media(claimed: ClaimedMessage) -> OutgoingMedia:
    """The file of a claimed message, with its content."""
    scope = TenantScope(claimed.tenant_id)
    columns = (Media.kind, Media.file_name, Media.mime_type, Media.content)
    with acting_for(scope):
        row = db.session.execute(scope.select(Media, *columns).where(Media.id == claimed.media_id)).one()
        return OutgoingMedia(*row)


def _claimed(row: RowMapping, read_at: float) -> ClaimedMessage:
    columns: dict[str, Any] = dict(row)
    columns["start_at"] = read_at + max(0.0, float(columns.pop("wait_s")))
    del columns["status"]
    columns["message_id"], columns["kind"] = columns["message_id"] or "", MessageKind(columns["kind"])
    return ClaimedMessage(**columns)
