"""Who wants messages and who does not, with the evidence, and whose data was erased."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, CreatedAt, Id
from portal.models.columns import enum_text, one_of, same_tenant


class ConsentKind(StrEnum):
    OPTED_OUT = "opted_out"
    OPTED_IN = "opted_in"


class ConsentSource(StrEnum):
    # The person wrote it.
    MESSAGE = "message"
    # Somebody of the company noted it, say after a call, or settled a message that left it open.
    STAFF = "staff"
    # They were erased after opting out, and are known again: all that is left to show for it.
    REMEMBERED = "remembered"


class ConsentEvent(Base):
    """Somebody opted out or in: when, in which message, noted by whom. Only ever added, until the person is erased."""

    __tablename__ = "consent_events"
    __table_args__ = (
        same_tenant("contact_id", "contacts", on_delete="CASCADE"),
        same_tenant("unit_id", "units"),
        same_tenant("noted_by_id", "users"),
        one_of("kind", ConsentKind),
        one_of("source", ConsentSource),
        Index("ix_consent_events_contact_id_happened_at", "contact_id", "happened_at"),
        Index(
            "uq_consent_events_message_id_kind",
            "message_id",
            "kind",
            unique=True,
            postgresql_where=text("message_id IS NOT NULL"),
        ),
    )

    id: Mapped[Id]
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    contact_id: Mapped[UUID]
    kind: Mapped[ConsentKind] = mapped_column(enum_text())
    source: Mapped[ConsentSource] = mapped_column(enum_text())
    unit_id: Mapped[UUID | None]
    # No foreign key: the evidence outlives the message, whose words stand here.
    message_id: Mapped[UUID | None]
    words: Mapped[str | None] = mapped_column(Text)
    noted_by_id: Mapped[UUID | None]
    note: Mapped[str | None] = mapped_column(String(500))
    happened_at: Mapped[datetime]
    created_at: Mapped[CreatedAt]


class SuppressionReason(StrEnum):
    OPTED_OUT = "opted_out"
    ERASED = "erased"


class Suppression(Base):
    """What is kept of an erased person: a keyed fingerprint of the number, so that no import brings it back."""

    __tablename__ = "suppressions"
    __table_args__ = (one_of("reason", SuppressionReason),)

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    reason: Mapped[SuppressionReason] = mapped_column(enum_text())
    created_at: Mapped[CreatedAt]


class Erasure(Base):
    """A person's data is to be erased, or was: asked for by whom, done when, how many rows of what."""

    __tablename__ = "erasures"
    __table_args__ = (
        same_tenant("asked_by_id", "users"),
        Index("ix_erasures_waiting", "id", postgresql_where=text("done_at IS NULL")),
        Index("uq_erasures_contact_id", "contact_id", unique=True),
    )

    id: Mapped[Id]
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    # No foreign key: the contact is gone afterwards.
    contact_id: Mapped[UUID]
    asked_by_id: Mapped[UUID | None]
    created_at: Mapped[CreatedAt]
    done_at: Mapped[datetime | None]
    counts: Mapped[dict[str, Any] | None] = mapped_column(JSONB)


class TenantSettings(Base):
    """What a company decided about consent and about how long its data is kept. Without a row, the defaults hold."""

    __tablename__ = "tenant_settings"
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    # None: the portal's own lists. Each word or phrase counts as the whole message.
    opt_out_words: Mapped[list[str] | None] = mapped_column(JSONB)
    opt_in_words: Mapped[list[str] | None] = mapped_column(JSONB)
    # None: the portal's own sentence; an empty text sends no answer.
    opt_out_answer: Mapped[str | None] = mapped_column(Text)
    opt_in_answer: Mapped[str | None] = mapped_column(Text)
    # None keeps messages for ever.
    keep_messages_days: Mapped[int | None]
    keep_events_days: Mapped[int] = mapped_column(default=90, server_default="90")
    updated_at: Mapped[datetime | None]
