"""What waits: webhook events to understand, lanes to send on, and the relays that do it."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, LargeBinary, SmallInteger, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, CreatedAt, Id
from portal.models.columns import enum_text, one_of, same_tenant


class EventState(StrEnum):
    NEW = "new"
    DONE = "done"
    PARKED = "parked"


class ColdReason(StrEnum):
    """The sign by which WhatsApp limited a number."""

    NEW_CHATS_REFUSED = "new_chats_refused"
    RATE_LIMITED = "rate_limited"
    NUMBER_BANNED = "number_banned"


class CountedOutcome(StrEnum):
    UNKNOWN_EVENT = "unknown_event"
    UNKNOWN_INSTANCE = "unknown_instance"
    REFUSED = "refused"


class WebhookEvent(Base):
    """One thing Evolution told us, as it came but for its secrets. No unit: the instance is not ours."""

    __tablename__ = "webhook_events"
    __table_args__ = (
        same_tenant("unit_id", "units"),
        same_tenant("repair_id", "repairs"),
        one_of("state", EventState),
        Index("uq_webhook_events_instance_name_body_hash", "instance_name", "body_hash", unique=True),
        Index("ix_webhook_events_new", "unit_id", "id", postgresql_where=text("state = 'new'")),
        Index("ix_webhook_events_parked", "id", postgresql_where=text("state = 'parked'")),
        Index("ix_webhook_events_unknown", "id", postgresql_where=text("unit_id IS NULL")),
        # A company's own, oldest first: what is deleted after some time, or since it names an erased person.
        Index("ix_webhook_events_tenant_id_id", "tenant_id", "id"),
    )

    # A counter, not a uuid: events are applied in the order they were stored.
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    tenant_id: Mapped[UUID | None] = mapped_column(ForeignKey("tenants.id"))
    unit_id: Mapped[UUID | None]
    instance_name: Mapped[str] = mapped_column(String(255))
    event: Mapped[str] = mapped_column(String(60))
    body_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    # Text, since JSONB refuses the \u0000 that a push name may hold.
    body: Mapped[str] = mapped_column(Text)
    received_at: Mapped[CreatedAt]
    state: Mapped[EventState] = mapped_column(enum_text(), default=EventState.NEW, server_default="new")
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    retry_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text)
    # It was not delivered but found among Evolution's stored messages, while this hole was filled.
    repair_id: Mapped[UUID | None]


class WebhookCount(Base):
    """How often on one day something came in at the webhook that was not taken for what it said."""

    __tablename__ = "webhook_counts"
    __table_args__ = (one_of("outcome", CountedOutcome),)

    day: Mapped[date] = mapped_column(primary_key=True)
    outcome: Mapped[CountedOutcome] = mapped_column(enum_text(), primary_key=True)
    # The event's name; of a long tail of made-up names only the first few.
    event: Mapped[str] = mapped_column(String(60), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)


class Lane(Base):
    """One unit's right to send: when it may send next, whether it is open, and the message in flight."""

    __tablename__ = "lanes"
    # No index but the key, and half of each page free (migration 0003): a lane changes twice for each message, and
    # PostgreSQL then reuses its place at once. Reading a few thousand rows costs less than an index that bloats.
    __table_args__ = (same_tenant("unit_id", "units"),)

    unit_id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    # The connection's, from the moment it opens the lane: senders are shared out by server.
    evolution_server_id: Mapped[UUID | None] = mapped_column(ForeignKey("evolution_servers.id"))
    has_work: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    # Open while the unit is connected: a closed lane holds its messages.
    is_open: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    # When to look at the lane again: the earliest time at which one of its messages may leave.
    next_send_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    message_id: Mapped[UUID | None]
    # Nothing leaves before this: the unit was away, or the last message is tried again.
    held_until: Mapped[datetime | None]
    # How often in a row the unit was away: the next pause grows with it.
    away_count: Mapped[int] = mapped_column(default=0, server_default="0")
    away_reason: Mapped[str | None] = mapped_column(String(60))

    # WhatsApp limits the number: no message to a cold chat until then, afterwards one every `cold_gap_s`, which
    # shrinks as they arrive. Replies go on all the time.
    cold_reason: Mapped[ColdReason | None] = mapped_column(enum_text())
    cold_paused_until: Mapped[datetime | None]
    cold_pauses: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    cold_gap_s: Mapped[float] = mapped_column(default=0.0, server_default="0")
    next_cold_at: Mapped[datetime | None]

    # When the next campaign message may leave, and until when today; None: no campaign runs here, or no window is set.
    campaign_at: Mapped[datetime | None]
    campaign_until: Mapped[datetime | None]
    # How many recipients became messages on that day of the unit's own time.
    campaign_day: Mapped[date | None]
    campaign_count: Mapped[int] = mapped_column(default=0, server_default="0")
    # By how much turns began late, say since a worker died: later gaps are drawn shorter until it is made good.
    campaign_behind_s: Mapped[float] = mapped_column(default=0.0, server_default="0")


class Relay(Base):
    """A worker process that owns what it has in flight, and shows that it lives."""

    __tablename__ = "relays"

    id: Mapped[Id]
    queue: Mapped[str] = mapped_column(String(20))
    started_at: Mapped[CreatedAt]
    heartbeat_at: Mapped[datetime] = mapped_column(server_default=text("now()"), index=True)
