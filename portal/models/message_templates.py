"""Messages that a company prepared, with every version that they had."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, CreatedAt, Id
from portal.models.columns import same_tenant


class MessageTemplate(Base):
    """A prepared message; what it says stands in its newest version."""

    __tablename__ = "message_templates"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        # An archived one gives its name free.
        Index(
            "uq_message_templates_tenant_id_name",
            "tenant_id",
            text("lower(name)"),
            unique=True,
            postgresql_where=text("archived_at IS NULL"),
        ),
        Index(
            "uq_message_templates_tenant_id_shortcut",
            "tenant_id",
            text("lower(shortcut)"),
            unique=True,
            postgresql_where=text("archived_at IS NULL"),
        ),
    )

    id: Mapped[Id]
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    name: Mapped[str] = mapped_column(String(60))
    # What somebody types after "/" in a conversation to begin with this template.
    shortcut: Mapped[str | None] = mapped_column(String(30))
    created_at: Mapped[CreatedAt]
    archived_at: Mapped[datetime | None]


class TemplateVersion(Base):
    """What a template said from then on. A version never changes: what is written later is the next one."""

    __tablename__ = "template_versions"
    __table_args__ = (
        same_tenant("template_id", "message_templates"),
        same_tenant("media_id", "media"),
        same_tenant("created_by_id", "users"),
        Index("ix_template_versions_media_id", "media_id", postgresql_where=text("media_id IS NOT NULL")),
    )

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    template_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    # One text, or several between which a campaign compares.
    variants: Mapped[list[str]] = mapped_column(JSONB)
    media_id: Mapped[UUID | None]
    created_by_id: Mapped[UUID | None]
    created_at: Mapped[CreatedAt]
