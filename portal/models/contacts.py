"""The people, and where a unit wants it also the groups, that write to a tenant or are written to."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, CreatedAt, Id
from portal.models.columns import enum_text, one_of


class ContactKind(StrEnum):
    PERSON = "person"
    GROUP = "group"
    STORIES = "stories"
    BROADCAST = "broadcast"


class Contact(Base):
    """Whoever is on the other side of a conversation: one row, however WhatsApp addresses them."""

    __tablename__ = "contacts"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "phone"),
        UniqueConstraint("tenant_id", "lid"),
        UniqueConstraint("tenant_id", "chat_jid"),
        one_of("kind", ContactKind),
        CheckConstraint("phone IS NOT NULL OR lid IS NOT NULL OR chat_jid IS NOT NULL", name="reachable"),
        CheckConstraint("(kind = 'person') = (chat_jid IS NULL)", name="kind_of_chat"),
    )

    id: Mapped[Id]
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    kind: Mapped[ContactKind] = mapped_column(enum_text(), default=ContactKind.PERSON, server_default="person")
    # Canonical digits; `whatsapp_number` is the form that WhatsApp confirmed (12 digits for some Brazilians).
    phone: Mapped[str | None] = mapped_column(String(20))
    whatsapp_number: Mapped[str | None] = mapped_column(String(20))
    lid: Mapped[str | None] = mapped_column(String(40))
    # The address of a chat that is no person's.
    chat_jid: Mapped[str | None] = mapped_column(String(80))
    name: Mapped[str | None] = mapped_column(String(120))
    # When the name was told, by the clock of the message that told it: a newer one replaces it.
    named_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
