"""What a unit has to send, and what it waits for."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Uuid, bindparam, select, tuple_

from portal.clock import now
from portal.db import db
from portal.models import Connection, EvolutionServer, Lane, Message, MessageStatus, Tenant
from portal.owners import owned_by
from portal.queries import undelivered, units
from portal.queries.undelivered import MOST_COUNTED, Bucket, Filter
from portal.tenancy import Form, TenantScope, across_tenants


class Cause(StrEnum):
    """What keeps a queued message from leaving."""

    COMPANY_SUSPENDED = "company_suspended"
    NOT_CONNECTED = "not_connected"
    SERVER_AWAY = "server_away"
    UNIT_AWAY = "unit_away"
    TRIED_AGAIN = "tried_again"
    NEW_CHATS_PAUSED = "new_chats_paused"
    NEW_CHATS_SLOW = "new_chats_slow"
    # Campaigns only: the gap between two messages, the hours and days, the number for a day.
    NEXT_TURN = "next_turn"


@dataclass(frozen=True)
class Hold:
    """A cause that holds now: since when and until when where that is known, and Evolution's or WhatsApp's reason."""

    cause: Cause
    since: datetime | None = None
    until: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Gates:
    """All that a unit's messages pass on their way out, as it is now."""

    connection: Connection
    lane: Lane
    server_pause: Hold | None
    # An operator let nothing of the whole company leave since then.
    suspended_at: datetime | None = None

    def hold(self, *, is_cold: bool) -> Hold | None:
        """What holds a message now; `is_cold`: the person never wrote to this unit. None: nothing does."""
        return self._unit_hold() or (self.new_chats_hold() if is_cold else None)

    def new_chats_hold(self) -> Hold | None:
        """WhatsApp's limit on chats that we begin; replies go out all the time."""
        lane = self.lane
        if lane.cold_paused_until is not None and lane.cold_paused_until > now():
            return Hold(Cause.NEW_CHATS_PAUSED, until=lane.cold_paused_until, reason=lane.cold_reason)
        if lane.next_cold_at is not None and lane.next_cold_at > now():
            return Hold(Cause.NEW_CHATS_SLOW, until=lane.next_cold_at, reason=lane.cold_reason)
        return None

    def turn_hold(self) -> Hold | None:
        """Until when the unit's pace holds the messages of campaigns."""
        at = self.lane.campaign_at
        return Hold(Cause.NEXT_TURN, until=at) if at is not None and at > now() else None

    def _unit_hold(self) -> Hold | None:
        lane = self.lane
        if self.suspended_at is not None:
            return Hold(Cause.COMPANY_SUSPENDED, since=self.suspended_at)
        if not lane.is_open:
            return Hold(Cause.NOT_CONNECTED, since=self.connection.disconnected_at)
        if self.server_pause is not None:
            return self.server_pause
        if lane.held_until is None or lane.held_until <= now():
            return None
        cause = Cause.UNIT_AWAY if lane.away_reason else Cause.TRIED_AGAIN
        return Hold(cause, until=lane.held_until, reason=lane.away_reason)


@dataclass(frozen=True)
class Sending:
    """A unit's messages on their way and those that did not arrive, each counted up to MOST_COUNTED."""

    gates: Gates
    waiting: int
    failed: int
    unconfirmed: int
    no_receipt: int


def get_sending(scope: TenantScope, unit_id: UUID) -> Sending:
    return Sending(
        gates=get_gates(scope, unit_id),
        waiting=_count_waiting(scope, unit_id),
        failed=undelivered.count_some(scope, Filter(Bucket.FAILED, unit_id)),
        unconfirmed=undelivered.count_some(scope, Filter(Bucket.UNCONFIRMED, unit_id)),
        no_receipt=undelivered.count_some(scope, Filter(Bucket.NO_RECEIPT, unit_id)),
    )


def get_gates(scope: TenantScope, unit_id: UUID) -> Gates:
    own = get_own_gates(scope, unit_id)
    suspended_at = db.session.scalar(scope.select(Tenant, Tenant.suspended_at))
    return Gates(own.connection, own.lane, _find_server_pause(own.lane.evolution_server_id), suspended_at)


def get_own_gates(scope: TenantScope, unit_id: UUID) -> Gates:
    """Those of the unit alone, for whoever asks for its state and for new chats: nothing of its server or company."""
    connection, lane = scope.execute(_OWN_GATES, unit=unit_id).one()
    return Gates(connection, lane, server_pause=None)


def _own_gates(scope: TenantScope) -> Select[Any]:
    same_unit = (Lane.tenant_id == Connection.tenant_id) & (Lane.unit_id == Connection.unit_id)
    statement = scope.select(Connection, Connection, Lane).join(Lane, same_unit)
    of_unit = statement.where(Connection.unit_id == bindparam("unit", type_=Uuid()))
    return of_unit.execution_options(populate_existing=True)


_OWN_GATES = Form(_own_gates)


def count_ahead(scope: TenantScope, message: Message) -> int:
    """How many messages of the unit leave before this one, counted up to MOST_COUNTED."""
    statement = scope.select(Message, Message.id).where(
        owned_by(Message.unit_id, message.unit_id),
        Message.status == MessageStatus.QUEUED,
        tuple_(Message.priority, Message.id) < (message.priority, message.id),
    )
    return len(db.session.scalars(statement.limit(MOST_COUNTED)).all())


def _count_waiting(scope: TenantScope, unit_id: UUID) -> int:
    statement = scope.select(Message, Message.id).where(owned_by(Message.unit_id, unit_id), units.is_waiting())
    return len(db.session.scalars(statement.limit(MOST_COUNTED)).all())


def _find_server_pause(server_id: UUID | None) -> Hold | None:
    if server_id is None:
        return None
    pause = select(EvolutionServer.pause_reason, EvolutionServer.paused_at, EvolutionServer.paused_until)
    with across_tenants("a unit is told that its server is away, and nothing else of it"):
        reason, since, until = db.session.execute(pause.where(EvolutionServer.id == server_id)).one()
    return Hold(Cause.SERVER_AWAY, since=since, until=until, reason=reason) if reason else None
