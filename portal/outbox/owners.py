"""Which process owns what is in flight. A dead owner's work is put where the truth is: in doubt, or to do again."""

import time
from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from portal import clock
from portal.clock import now
from portal.db import among, atomic, db
from portal.models import Campaign, Connection, Import, Lane, Message, MessageStatus, Relay
from portal.outbox.look_ups import FIRST_LOOK_UP
from portal.tenancy import across_tenants

log = structlog.get_logger(__name__)

HEARTBEAT_S = 1.0
DEAD_AFTER = timedelta(seconds=5)
LOST = "worker_lost"
# What the database said of the time is true then, if the answer took no longer than this.
FRESH_S = 0.5
# Built once: it is asked twice a second.
_DEAD = select(Relay.id).where(Relay.heartbeat_at < func.now() - DEAD_AFTER).with_for_update(skip_locked=True)


def new_owner() -> UUID:
    return uuid7()


def beat(owner_id: UUID, queue: str) -> None:
    """Say that this process lives; the first time makes its row, and so does the first after a long absence.

    The answer tells the time, by which the process goes: what workers write is compared with what the database,
    WhatsApp and other workers say, and a clock that jumped would stall, lose or double it.
    """
    alive = insert(Relay).values(id=owner_id, queue=queue)
    again = alive.on_conflict_do_update(index_elements=["id"], set_={"heartbeat_at": func.now()})
    asked_at = time.monotonic()
    with across_tenants("relays serve every tenant"), atomic():
        at = db.session.scalars(again.returning(func.clock_timestamp())).one()
        took_s = time.monotonic() - asked_at
    if took_s < FRESH_S:
        # Never behind the database, whose times would lie in the future.
        clock.follow(at, asked_at)


def leave(owner_id: UUID) -> None:
    """An orderly end with nothing in flight."""
    with across_tenants("relays serve every tenant"), atomic():
        db.session.execute(delete(Relay).where(Relay.id == owner_id))


def bury_dead() -> int:
    """Settle what dead processes left, and return how many sends are now in doubt.

    A message that was being sent may have left: it becomes `unconfirmed`, never `queued`, unless it is only a test.
    What was asked of a connection is asked again, since every such call can be repeated.
    """
    with across_tenants("a dead worker served every tenant"), atomic():
        owners = list(db.session.scalars(_DEAD))
        if not owners:
            return 0
        # Connections before lanes, as everywhere.
        theirs = update(Connection).where(Connection.action_relay_id.in_(owners))
        db.session.execute(theirs.values(action_relay_id=None))
        in_doubt = _doubt(owners)
        # Their transactions ended with them: whoever takes the import, or the campaign, next begins it anew.
        db.session.execute(update(Import).where(Import.relay_id.in_(owners)).values(relay_id=None))
        db.session.execute(update(Campaign).where(Campaign.relay_id.in_(owners)).values(relay_id=None))
        db.session.execute(delete(Relay).where(Relay.id.in_(owners)))
    log.warning("dead workers buried", workers=len(owners), in_doubt=in_doubt)
    return in_doubt


def settle_forgotten(owner_id: UUID, held: set[UUID]) -> None:
    """The same for what this living process claimed and then lost hold of, say because the database was away.

    `held`: the messages and units that its threads are still at.
    """
    mine = Connection.action_relay_id == owner_id
    with across_tenants("a worker serves every tenant"), atomic():
        forgotten = update(Connection).where(mine, ~among(Connection.unit_id, held)).values(action_relay_id=None)
        db.session.execute(forgotten.execution_options(synchronize_session=False))
        in_doubt = _doubt([owner_id], held)
    if in_doubt:
        log.warning("sends without an outcome are now in doubt", in_doubt=in_doubt)


def _doubt(owners: list[UUID], held: Collection[UUID] = ()) -> int:
    theirs = Message.relay_id.in_(owners) & ~among(Message.id, held)
    sending = update(Message).where(theirs, Message.status == MessageStatus.SENDING)
    # A test surely did not leave. Its lane has work as before, and looks at it once more.
    again = sending.where(Message.is_test).values(status=MessageStatus.QUEUED, sending_at=None, relay_id=None)
    tests = db.session.scalars(again.returning(Message.id)).all()
    doubted = sending.values(
        status=MessageStatus.UNCONFIRMED, error_code=LOST, relay_id=None, look_up_at=now() + FIRST_LOOK_UP
    )
    in_doubt = db.session.scalars(doubted.returning(Message.id)).all()
    # Also lanes whose message was settled by its echo while its owner died.
    lost = select(Message.id).where(Message.id == Lane.message_id, theirs).exists()
    free = update(Lane).where(Lane.message_id.in_([*tests, *in_doubt]) | lost).values(message_id=None)
    db.session.execute(free.execution_options(synchronize_session=False))
    return len(in_doubt)
