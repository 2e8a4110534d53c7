"""Outgoing webhooks: where a company's programs listen, and what they were told or are still to be told."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, SmallInteger, String, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, CreatedAt, Id
from portal.models.columns import enum_text, one_of, same_tenant


class WebhookTopic(StrEnum):
    """What an endpoint may be told of."""

    MESSAGE_RECEIVED = "message.received"
    MESSAGE_STATUS = "message.status"


class DeliveryState(StrEnum):
    WAITING = "waiting"
    DELIVERED = "delivered"
    # Given up after the last attempt; a person may send it again.
    FAILED = "failed"


class WebhookEndpoint(Base):
    """An address of a company that hears of its messages. While `paused_until` lies ahead, it is left in peace."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        same_tenant("created_by_id", "users"),
    )

    id: Mapped[Id]
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    url: Mapped[str] = mapped_column(String(2000))
    topics: Mapped[list[str]] = mapped_column(JSONB)
    secret_encrypted: Mapped[str] = mapped_column(Text)
    # After a rotation both secrets sign for a while, so that a receiver can change over in its own time.
    previous_secret_encrypted: Mapped[str | None] = mapped_column(Text)
    previous_until: Mapped[datetime | None]
    created_by_id: Mapped[UUID | None]
    created_at: Mapped[CreatedAt]
    # Switched off by a person: what happens from then on is not kept for it.
    disabled_at: Mapped[datetime | None]
    # Switched off since it said itself that it is gone for good.
    is_gone: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    # How often in a row it did not take what it was told, and until when nobody tries.
    failures: Mapped[int] = mapped_column(default=0, server_default="0")
    paused_until: Mapped[datetime | None]


class WebhookDelivery(Base):
    """One event for one endpoint. A trigger on `messages` writes it in the transaction that makes it true.

    Texts and numbers are not kept here: the body is made from the message whenever it is sent.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        same_tenant("endpoint_id", "webhook_endpoints", on_delete="CASCADE"),
        same_tenant("message_id", "messages", on_delete="CASCADE"),
        one_of("topic", WebhookTopic),
        one_of("state", DeliveryState),
        Index(
            "ix_webhook_deliveries_waiting",
            "endpoint_id",
            "next_attempt_at",
            "position",
            postgresql_where=text("state = 'waiting'"),
        ),
        Index("ix_webhook_deliveries_log", "endpoint_id", "position"),
        Index("ix_webhook_deliveries_message_id", "message_id"),
    )

    # What the receiver sees as `webhook-id`, the same in every attempt.
    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    # The order in which it happened.
    position: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    endpoint_id: Mapped[UUID]
    unit_id: Mapped[UUID]
    message_id: Mapped[UUID]
    topic: Mapped[WebhookTopic] = mapped_column(enum_text())
    # What the message had come to: `received` for one that came in.
    status: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[CreatedAt]
    state: Mapped[DeliveryState] = mapped_column(enum_text(), default=DeliveryState.WAITING, server_default="waiting")
    attempts: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    # While an attempt is under way this is when somebody else may take it for forgotten.
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    last_attempt_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    # What the last attempt was answered, or why there was no answer; and how long it took.
    response_status: Mapped[int | None] = mapped_column(SmallInteger)
    error_code: Mapped[str | None] = mapped_column(String(60))
    took_ms: Mapped[int | None]
