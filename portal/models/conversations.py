"""Conversations and the messages in them."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, CreatedAt, Id
from portal.models.columns import enum_text, one_of, same_tenant
from portal.models.media import MessageKind


class Direction(StrEnum):
    INBOUND = "inbound"
    OUTBOUND = "outbound"


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
    # Of a campaign: never sent to whoever opted out.
    CAMPAIGN = "campaign"
    # The portal's own answer to somebody who opted out or in.
    AUTOMATIC = "automatic"


# A campaign's messages are the last in their lane.
CAMPAIGN_PRIORITY = 9


class Conversation(Base):
    """One contact at one unit. Carries what the inbox list shows, so that the list reads no messages."""

    __tablename__ = "conversations"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("unit_id", "contact_id"),
        same_tenant("unit_id", "units"),
        same_tenant("contact_id", "contacts"),
        same_tenant("assigned_to_id", "users"),
        CheckConstraint("status IN ('open', 'closed')", name="status"),
        Index("ix_conversations_tenant_id_last_message_at", "tenant_id", "last_message_at", "id"),
        Index("ix_conversations_open", "tenant_id", "last_message_at", "id", postgresql_where=text("status = 'open'")),
        Index(
            "ix_conversations_waiting",
            "tenant_id",
            "last_message_at",
            "id",
            postgresql_where=text("status = 'open' AND assigned_to_id IS NULL"),
        ),
        Index(
            "ix_conversations_assigned",
            "tenant_id",
            "assigned_to_id",
            "last_message_at",
            "id",
            postgresql_where=text("status = 'open'"),
        ),
        Index(
            "ix_conversations_closed", "tenant_id", "last_message_at", "id", postgresql_where=text("status = 'closed'")
        ),
        Index("ix_conversations_unread", "tenant_id", "unit_id", postgresql_where=text("unread > 0")),
        Index("ix_conversations_unit_id_last_message_at", "unit_id", "last_message_at", "id"),
        Index("ix_conversations_contact_id", "contact_id"),
        Index(
            "ix_conversations_doubted_at",
            "tenant_id",
            "doubted_at",
            postgresql_where=text("doubted_at IS NOT NULL"),
        ),
    )

    id: Mapped[Id]
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    unit_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    status: Mapped[str] = mapped_column(String(10), default="open", server_default="open")
    # Who answers; nobody: an open one waits. A closed one keeps it, and goes back there when the customer writes.
    assigned_to_id: Mapped[UUID | None]
    unread: Mapped[int] = mapped_column(default=0, server_default="0")
    last_message_at: Mapped[datetime | None]
    last_message_preview: Mapped[str | None] = mapped_column(String(200))
    last_message_direction: Mapped[Direction | None] = mapped_column(enum_text())
    last_message_kind: Mapped[MessageKind | None] = mapped_column(enum_text())
    # A chat in which the person never wrote is cold: WhatsApp limits how many of those a number may begin.
    last_inbound_at: Mapped[datetime | None]
    # The person may have asked for no more messages, in words that leave it open: a person here decides.
    doubted_at: Mapped[datetime | None]
    doubted_message_id: Mapped[UUID | None]
    created_at: Mapped[CreatedAt]


class ConversationEventKind(StrEnum):
    NOTE = "note"
    ASSIGNED = "assigned"
    RELEASED = "released"
    CLOSED = "closed"
    REOPENED = "reopened"


class ConversationEvent(Base):
    """What the people here noted in a conversation or did with it; the customer sees none of it."""

    __tablename__ = "conversation_events"
    __table_args__ = (
        same_tenant("unit_id", "units"),
        same_tenant("conversation_id", "conversations", on_delete="CASCADE"),
        same_tenant("created_by_id", "users"),
        same_tenant("assigned_to_id", "users"),
        one_of("kind", ConversationEventKind),
        Index("ix_conversation_events_conversation_id_created_at", "conversation_id", "created_at", "id"),
    )

    id: Mapped[Id]
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    unit_id: Mapped[UUID]
    conversation_id: Mapped[UUID]
    kind: Mapped[ConversationEventKind] = mapped_column(enum_text())
    # Of a note: what it says.
    body: Mapped[str | None] = mapped_column(Text)
    # Nobody: the portal itself, as a customer who writes again reopens what was closed.
    created_by_id: Mapped[UUID | None]
    assigned_to_id: Mapped[UUID | None]
    created_at: Mapped[CreatedAt]


class ConversationAlias(Base):
    """The id of a conversation that was joined to another one: whoever still has it open is led there."""

    __tablename__ = "conversation_aliases"
    __table_args__ = (
        same_tenant("unit_id", "units"),
        same_tenant("conversation_id", "conversations"),
        Index("ix_conversation_aliases_conversation_id", "conversation_id"),
    )

    id: Mapped[Id]
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    unit_id: Mapped[UUID]
    conversation_id: Mapped[UUID]


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
        same_tenant("repair_id", "repairs"),
        one_of("direction", Direction),
        one_of("status", MessageStatus),
        Index("idx_messages_client_message_id_unit", "conversation_id", "client_message_id", unique=True),
        Index(
            "ix_messages_client_message_id",
            "tenant_id",
            "client_message_id",
            postgresql_where=text("client_message_id IS NOT NULL"),
        ),
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
        Index("ix_messages_refers_to", "unit_id", "refers_to", postgresql_where=text("refers_to IS NOT NULL")),
        # What was written, for a search in words; see `search_messages` of migration 0011.
        Index(
            "ix_messages_document",
            text("message_document(tenant_id, occurred_at, body)"),
            postgresql_using="gin",
            postgresql_where=text("body <> ''"),
        ),
        Index("ix_messages_media_id", "media_id", postgresql_where=text("media_id IS NOT NULL")),
        # Deleting a message asks who refers to it: without this, by reading all messages.
        Index("ix_messages_resend_of_id", "resend_of_id", postgresql_where=text("resend_of_id IS NOT NULL")),
        Index(
            "ix_messages_unread",
            "conversation_id",
            postgresql_where=text("direction = 'inbound' AND read_at IS NULL"),
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
    # What the kind carries beside its text: coordinates, cards, options, an ad, who wrote it in a group.
    details: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    status: Mapped[MessageStatus] = mapped_column(
        enum_text(), comment="What became of the message; of one that came in: received"
    )
    source: Mapped[MessageSource | None] = mapped_column(enum_text())
    sent_by_id: Mapped[UUID | None]
    # When it was written, by WhatsApp's clock for what came in: the order of the thread.
    occurred_at: Mapped[datetime]
    created_at: Mapped[CreatedAt]

    # WhatsApp's id of the message; `proposed_id` is the one we asked for, which Evolution honours from 2.4 on.
    external_id: Mapped[str | None] = mapped_column(String(80), comment="Its id at WhatsApp, unique in its unit")
    proposed_id: Mapped[str | None] = mapped_column(String(40))
    # The server it went to keeps `proposed_id`: an echo under another id is not this message's.
    is_id_kept: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    client_message_id: Mapped[str | None] = mapped_column(
        String(120),
        comment="What the client calls it: the same one again in a conversation is no second message",
    )
    # Rehearsed by a test token: it goes all the way but the last step, and reaches nobody.
    is_test: Mapped[bool] = mapped_column(default=False, server_default=text("false"))

    # WhatsApp's id of the message that this one quotes, reacts to or votes in.
    refers_to: Mapped[str | None] = mapped_column(String(80))

    # The phone brought it when it was linked, as one of long ago: of that no program is told.
    is_history: Mapped[bool] = mapped_column(default=False, server_default=text("false"))

    # Changed by whoever wrote it: `body` is the newest text, and what it first said is kept.
    edited_at: Mapped[datetime | None]
    original_body: Mapped[str | None] = mapped_column(Text)
    deleted_at: Mapped[datetime | None]
    # It came late, out of a hole that was filled from Evolution's stored messages.
    repair_id: Mapped[UUID | None]

    # Replies by people are 0 and go first; see CAMPAIGN_PRIORITY.
    priority: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    is_cold: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    expires_at: Mapped[datetime | None]
    relay_id: Mapped[UUID | None]
    retry_count: Mapped[int] = mapped_column(default=0, server_default="0", comment="How often it was tried again")
    last_retry_at: Mapped[datetime | None] = mapped_column(comment="When it was tried again last")
    error_code: Mapped[str | None] = mapped_column(String(60))
    error_details: Mapped[str | None] = mapped_column(Text, comment="What the server said when it failed")
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


class ChangeKind(StrEnum):
    EDIT = "edit"
    DELETION = "deletion"


class MessageChange(Base):
    """An edit or a deletion of a message, which may come before the message itself: each told change once."""

    __tablename__ = "message_changes"
    __table_args__ = (same_tenant("unit_id", "units"), one_of("kind", ChangeKind))

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    unit_id: Mapped[UUID] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(String(80), primary_key=True)
    kind: Mapped[ChangeKind] = mapped_column(enum_text(), primary_key=True)
    # Tells one edit from another: its time, or where none is told a digest of its text. A deletion has none.
    told_as: Mapped[str] = mapped_column(String(64), primary_key=True)
    body: Mapped[str | None] = mapped_column(Text)
    # Nothing where Evolution tells no time: such an edit is older than any with a time.
    changed_at: Mapped[datetime | None]
    received_at: Mapped[datetime]
