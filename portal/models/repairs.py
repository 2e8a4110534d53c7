"""What the portal found to be otherwise than it believed, and put right by itself."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, CreatedAt, Id
from portal.models.columns import enum_text, one_of, same_tenant


class RepairKind(StrEnum):
    # The state shown was not Evolution's.
    STATE = "state"
    # The webhook was missing, switched off or changed.
    WEBHOOK = "webhook"
    # Evolution's settings of the instance were not the unit's.
    SETTINGS = "settings"
    # Messages were missed and have been fetched from Evolution's stored ones.
    HOLE = "hole"


class Repair(Base):
    """One thing put right at one unit."""

    __tablename__ = "repairs"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        same_tenant("unit_id", "units"),
        one_of("kind", RepairKind),
        Index("ix_repairs_unit_id_created_at", "unit_id", "created_at"),
    )

    id: Mapped[Id]
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    unit_id: Mapped[UUID]
    kind: Mapped[RepairKind] = mapped_column(enum_text())
    # What was found wrong and what it is now, as codes: states for a state, names of fields for a webhook.
    before: Mapped[str | None] = mapped_column(String(120))
    after: Mapped[str | None] = mapped_column(String(120))
    # The time during which something was missed: of a hole, from the last thing known to the first heard again.
    began_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    # How many messages came out of the hole.
    found: Mapped[int] = mapped_column(default=0, server_default="0")
    created_at: Mapped[CreatedAt]
