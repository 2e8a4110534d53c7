"""Which process owns what is in flight. A dead owner's work is put where the truth is: in doubt, or to do again."""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from portal.clock import now
from portal.db import atomic, db
from portal.models import Connection, Lane, Message, MessageStatus, Relay
from portal.outbox.look_ups import FIRST_LOOK_UP
from portal.tenancy import across_tenants

log = structlog.get_logger(__name__)

HEARTBEAT_S = 1.0
DEAD_AFTER = timedelta(seconds=8)
LOST = "worker_lost"


def new_owner() -> UUID:
    return uuid7()


def beat(owner_id: UUID, queue: str) -> None:
    """Say that this process lives; the first time makes its row, and so does the first after a long absence."""
    alive = insert(Relay).values(id=owner_id, queue=queue)
    with across_tenants("relays serve every tenant"), atomic():
        db.session.execute(alive.on_conflict_do_update(index_elements=["id"], set_={"heartbeat_at": func.now()}))


def leave(owner_id: UUID) -> None:
    """An orderly end with nothing in flight."""
    with across_tenants("relays serve every tenant"), atomic():
        db.session.execute(delete(Relay).where(Relay.id == owner_id))


def bury_dead() -> int:
    """Settle what dead processes left, and return how many sends are now in doubt.

    A message that was being sent may have left: it becomes `unconfirmed`, never `queued`. What was asked of a
    connection is asked again, since every such call can be repeated.
    """
    dead = select(Relay.id).where(Relay.heartbeat_at < func.now() - DEAD_AFTER).with_for_update(skip_locked=True)
    with across_tenants("a dead worker served every tenant"), atomic():
        owners = list(db.session.scalars(dead))
        if not owners:
            return 0
        # Connections before lanes, as everywhere.
        theirs = update(Connection).where(Connection.action_relay_id.in_(owners))
        db.session.execute(theirs.values(action_relay_id=None))
        in_doubt = _doubt(owners)
        db.session.execute(delete(Relay).where(Relay.id.in_(owners)))
    log.warning("dead workers buried", workers=len(owners), in_doubt=in_doubt)
    return in_doubt


def settle_forgotten(owner_id: UUID, held: set[UUID]) -> None:
    """The same for what this living process claimed and then lost hold of, say because the database was away.

    `held`: the messages and units that its threads are still at.
    """
    mine = Connection.action_relay_id == owner_id
    with across_tenants("a worker serves every tenant"), atomic():
        forgotten = update(Connection).where(mine, Connection.unit_id.not_in(held)).values(action_relay_id=None)
        db.session.execute(forgotten.execution_options(synchronize_session=False))
        in_doubt = _doubt([owner_id], held)
    if in_doubt:
        log.warning("sends without an outcome are now in doubt", in_doubt=in_doubt)


def _doubt(owners: list[UUID], held: Collection[UUID] = ()) -> int:
    sending = update(Message).where(
        Message.relay_id.in_(owners), Message.status == MessageStatus.SENDING, Message.id.not_in(held)
    )
    messages = list(
        db.session.scalars(
            sending.values(
                status=MessageStatus.UNCONFIRMED, error_code=LOST, relay_id=None, look_up_at=now() + FIRST_LOOK_UP
            ).returning(Message.id)
        )
    )
    # Also lanes whose message was settled by its echo while its owner died.
    lost = (
        select(Message.id)
        .where(Message.id == Lane.message_id, Message.relay_id.in_(owners), Message.id.not_in(held))
        .exists()
    )
    free = update(Lane).where(Lane.message_id.in_(messages) | lost).values(message_id=None)
    db.session.execute(free.execution_options(synchronize_session=False))
    return len(messages)
