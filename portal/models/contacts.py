"""The people, and where a unit wants it also the groups, that write to a tenant or are written to."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, CreatedAt, Id
from portal.models.columns import enum_text, one_of, same_tenant


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
        CheckConstraint("merged_into_id <> id", name="merged_into_another"),
        same_tenant("merged_into_id", "contacts"),
        same_tenant("import_id", "imports"),
        Index(
            "ix_contacts_merged_into_id",
            "merged_into_id",
            postgresql_where=text("merged_into_id IS NOT NULL"),
        ),
        Index("ix_contacts_import_id", "import_id", postgresql_where=text("import_id IS NOT NULL")),
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
    # When WhatsApp last confirmed `whatsapp_number`, by the message's clock; kept only where several lead here.
    number_at: Mapped[datetime | None]
    # What a company knows about the person besides, by its own names for it: the variables of its messages.
    attributes: Mapped[dict[str, str]] = mapped_column(JSONB, default=dict, server_default=text("'{}'::jsonb"))
    # Since when this person wants no campaigns; follows from the newest of their consent events.
    opted_out_at: Mapped[datetime | None]
    # A person found that this is somebody else's contact too: whoever is looked for here is found there.
    merged_into_id: Mapped[UUID | None]
    # The import that made this contact, for as long as it may be undone.
    import_id: Mapped[UUID | None]
    # What WhatsApp last said of the number when it was looked up, and when.
    is_on_whatsapp: Mapped[bool | None]
    number_checked_at: Mapped[datetime | None]
    # When a person last changed it by hand: an import that is undone leaves it alone.
    edited_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]


class Tag(Base):
    """A word by which a company groups its contacts."""

    __tablename__ = "tags"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        Index("uq_tags_tenant_id_name", "tenant_id", text("lower(name)"), unique=True),
    )

    id: Mapped[Id]
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    name: Mapped[str] = mapped_column(String(60))
    created_at: Mapped[CreatedAt]


class ContactTag(Base):
    """A contact bears a tag, since a person or an import said so."""

    __tablename__ = "contact_tags"
    __table_args__ = (
        same_tenant("contact_id", "contacts", on_delete="CASCADE"),
        same_tenant("tag_id", "tags", on_delete="CASCADE"),
        same_tenant("import_id", "imports"),
        Index("ix_contact_tags_tag_id_contact_id", "tag_id", "contact_id"),
        Index("ix_contact_tags_import_id", "import_id", postgresql_where=text("import_id IS NOT NULL")),
    )

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    contact_id: Mapped[UUID] = mapped_column(primary_key=True)
    tag_id: Mapped[UUID] = mapped_column(primary_key=True)
    import_id: Mapped[UUID | None]


class ContactMerge(Base):
    """Two contacts that a person made one, with what is needed to part them again."""

    __tablename__ = "contact_merges"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        same_tenant("kept_id", "contacts", on_delete="CASCADE"),
        same_tenant("other_id", "contacts", on_delete="CASCADE"),
        same_tenant("merged_by_id", "users"),
        Index("ix_contact_merges_kept_id", "kept_id"),
        Index("ix_contact_merges_other_id", "other_id"),
    )

    id: Mapped[Id]
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    kept_id: Mapped[UUID]
    other_id: Mapped[UUID]
    merged_by_id: Mapped[UUID | None]
    # What the kept one was before, and which rows came over whole: see `services/merging.py`.
    before: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[CreatedAt]
    undone_at: Mapped[datetime | None]


class MergedMessage(Base):
    """A message that a merge moved from one conversation to another of the same unit."""

    __tablename__ = "merged_messages"
    __table_args__ = (
        same_tenant("merge_id", "contact_merges", on_delete="CASCADE"),
        same_tenant("message_id", "messages", on_delete="CASCADE"),
        Index("ix_merged_messages_message_id", "message_id"),
    )

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    merge_id: Mapped[UUID] = mapped_column(primary_key=True)
    message_id: Mapped[UUID] = mapped_column(primary_key=True)
    # The conversation it was in: its id is an alias of the other one until the merge is undone.
    conversation_id: Mapped[UUID]
    client_message_id: Mapped[str | None] = mapped_column(String(120))
