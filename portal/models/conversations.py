"""Contacts, conversations, and the messages in them."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, CreatedAt, Id
from portal.models.columns import enum_text, one_of, same_tenant


class Direction(StrEnum):
    INBOUND = "inbound"
    OUTBOUND = "outbound"


class MessageKind(StrEnum):
    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    DOCUMENT = "document"
    STICKER = "sticker"
    LOCATION = "location"
    CONTACT_CARD = "contact_card"
    REACTION = "reaction"
    POLL = "poll"
    UNKNOWN = "unknown"


class MessageStatus(StrEnum):
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    UNCONFIRMED = "unconfirmed"
    CANCELLED = "cancelled"
    RECEIVED = "received"


class MessageSource(StrEnum):
    """Who wrote an outbound message."""

    PERSON = "person"
    API = "api"
    PHONE = "phone"


class Contact(Base):
    """A person who writes to a tenant, or is written to: one row, however WhatsApp addresses them."""

    __tablename__ = "contacts"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "phone"),
        UniqueConstraint("tenant_id", "lid"),
        CheckConstraint("phone IS NOT NULL OR lid IS NOT NULL", name="reachable"),
    )

    id: Mapped[Id]
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    # Canonical digits; `whatsapp_number` is the form that WhatsApp confirmed (12 digits for some Brazilians).
    phone: Mapped[str | None] = mapped_column(String(20))
    whatsapp_number: Mapped[str | None] = mapped_column(String(20))
    lid: Mapped[str | None] = mapped_column(String(40))
    name: Mapped[str | None] = mapped_column(String(120))
    created_at: Mapped[CreatedAt]


class Conversation(Base):
    """One contact at one unit. Carries what the inbox list shows, so that the list reads no messages."""

    __tablename__ = "conversations"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("unit_id", "contact_id"),
        same_tenant("unit_id", "units"),
        same_tenant("contact_id", "contacts"),
        CheckConstraint("status IN ('open', 'closed')", name="status"),
        Index("ix_conversations_unit_id_last_message_at", "unit_id", "last_message_at", "id"),
    )

    id: Mapped[Id]
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    unit_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    status: Mapped[str] = mapped_column(String(10), default="open", server_default="open")
    unread: Mapped[int] = mapped_column(default=0, server_default="0")
    last_message_at: Mapped[datetime | None]
    last_message_preview: Mapped[str | None] = mapped_column(String(200))
    last_message_direction: Mapped[Direction | None] = mapped_column(enum_text())
    last_message_kind: Mapped[MessageKind | None] = mapped_column(enum_text())
    # A chat in which the person never wrote is cold: WhatsApp limits how many of those a number may begin.
    last_inbound_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]


class Media(Base):
    """A file that a message carries. Its content is read only by whoever sends or shows it."""

    __tablename__ = "media"
    __table_args__ = (UniqueConstraint("tenant_id", "id"),)

    id: Mapped[Id]
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    kind: Mapped[MessageKind] = mapped_column(enum_text())
    file_name: Mapped[str] = mapped_column(String(120))
    mime_type: Mapped[str] = mapped_column(String(120))
    size: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    # In the database: web and worker share no disk where they run as a platform's containers.
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True, deferred_raiseload=True)
    created_at: Mapped[CreatedAt]


class Message(Base):
    """One item of a conversation. An outbound one is a row before anything is sent."""

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        same_tenant("unit_id", "units"),
        same_tenant("conversation_id", "conversations"),
        same_tenant("sent_by_id", "users"),
        same_tenant("media_id", "media"),
        same_tenant("resend_of_id", "messages"),
        one_of("direction", Direction),
        one_of("status", MessageStatus),
        Index("idx_messages_client_message_id_unit", "conversation_id", "client_message_id", unique=True),
        Index("uq_messages_unit_id_external_id", "unit_id", "external_id", unique=True),
        Index("ix_messages_conversation_id_occurred_at", "conversation_id", "occurred_at", "id"),
        Index("ix_messages_queued", "unit_id", "priority", "id", postgresql_where=text("status = 'queued'")),
        Index(
            "ix_messages_queued_warm",
            "unit_id",
            "priority",
            "id",
            postgresql_where=text("status = 'queued' AND NOT is_cold"),
        ),
        Index("ix_messages_queued_expires_at", "expires_at", postgresql_where=text("status = 'queued'")),
        Index("ix_messages_look_up_at", "look_up_at", postgresql_where=text("status = 'unconfirmed'")),
        Index(
            "ix_messages_undelivered",
            "tenant_id",
            "unit_id",
            "id",
            postgresql_where=text("status IN ('failed', 'unconfirmed') AND handled_at IS NULL"),
        ),
        Index(
            "ix_messages_without_receipt",
            "tenant_id",
            "sent_at",
            postgresql_where=text("status = 'sent' AND accepted_at IS NULL"),
        ),
        Index(
            "ix_messages_in_doubt",
            "unit_id",
            "conversation_id",
            postgresql_where=text("status IN ('sending', 'unconfirmed')"),
        ),
        Index("idx_messages_retry_failed", "unit_id", "last_retry_at", postgresql_where=text("status = 'failed'")),
    )

    id: Mapped[Id]
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    unit_id: Mapped[UUID]
    conversation_id: Mapped[UUID]
    direction: Mapped[Direction] = mapped_column(enum_text())
    kind: Mapped[MessageKind] = mapped_column(enum_text(), default=MessageKind.TEXT, server_default="text")
    body: Mapped[str] = mapped_column(Text)
    media_id: Mapped[UUID | None]
    status: Mapped[MessageStatus] = mapped_column(enum_text())
    source: Mapped[MessageSource | None] = mapped_column(enum_text())
    sent_by_id: Mapped[UUID | None]
    # When it was written, by WhatsApp's clock for what came in: the order of the thread.
    occurred_at: Mapped[datetime]
    created_at: Mapped[CreatedAt]

    # WhatsApp's id of the message; `proposed_id` is the one we asked for, which Evolution honours from 2.4 on.
    external_id: Mapped[str | None] = mapped_column(String(80))
    proposed_id: Mapped[str | None] = mapped_column(String(40))
    # The server it went to keeps `proposed_id`: an echo under another id is not this message's.
    is_id_kept: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    client_message_id: Mapped[str | None] = mapped_column(String(120))

    # Replies by people are 0 and go first.
    priority: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    is_cold: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    expires_at: Mapped[datetime | None]
    relay_id: Mapped[UUID | None]
    retry_count: Mapped[int] = mapped_column(default=0, server_default="0")
    last_retry_at: Mapped[datetime | None]
    error_code: Mapped[str | None] = mapped_column(String(60))
    error_details: Mapped[str | None] = mapped_column(Text)
    # In doubt: when to look for it next among the messages that Evolution stored, and how often that was done.
    look_up_at: Mapped[datetime | None]
    look_ups: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    # A person decided what to do about it, so it waits for nobody any more.
    handled_at: Mapped[datetime | None]
    # Sent again on a person's word though the first may have arrived: this one is the second.
    resend_of_id: Mapped[UUID | None]

    sending_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    read_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]


class EarlyReceipt(Base):
    """A receipt that came before its message: kept, and applied when the message appears."""

    __tablename__ = "early_receipts"
    __table_args__ = (same_tenant("unit_id", "units"),)

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    unit_id: Mapped[UUID] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(String(80), primary_key=True)
    receipt: Mapped[str] = mapped_column(String(20), primary_key=True)
    received_at: Mapped[datetime]
