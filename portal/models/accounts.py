"""Tenants, their units, and the people and tokens that act for them."""

from datetime import date, datetime, time
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
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
from portal.permissions import Role


class Tenant(Base):
    """A company: owns every row that carries its `tenant_id`."""

    __tablename__ = "tenants"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(120))
    slug: Mapped[str] = mapped_column(String(60), unique=True)
    created_at: Mapped[CreatedAt]
    # Nobody of it gets in and nothing leaves, until an operator lets it go on.
    suspended_at: Mapped[datetime | None]
    # Suspended for good: its administrators may fetch what it has until `erase_at`.
    closed_at: Mapped[datetime | None]
    erase_at: Mapped[datetime | None]
    erased_at: Mapped[datetime | None]


class Unit(Base):
    """A branch of a tenant, with one WhatsApp number."""

    __tablename__ = "units"
    __table_args__ = (UniqueConstraint("tenant_id", "id"), UniqueConstraint("tenant_id", "slug"))

    id: Mapped[Id]
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    name: Mapped[str] = mapped_column(String(120))
    slug: Mapped[str] = mapped_column(String(60))
    time_zone: Mapped[str] = mapped_column(String(60), default="America/Sao_Paulo", server_default="America/Sao_Paulo")
    # A message that could not leave within this time is not sent any more.
    message_lifetime_h: Mapped[int] = mapped_column(SmallInteger, default=24, server_default="24")
    # A message handed over without any receipt for this long is told apart from those on their way.
    receipt_wait_min: Mapped[int] = mapped_column(SmallInteger, default=10, server_default="10")
    # Canonical digits of the number that belongs to this unit: another one that is scanned is refused.
    expected_number: Mapped[str | None] = mapped_column(String(20))
    # Chats that are no person's are left out unless they are wanted.
    keeps_groups: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    keeps_stories: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    keeps_broadcasts: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    # How fast its campaigns go: the gap between two messages, drawn anew each time; how many a day; and when.
    pace_min_s: Mapped[float] = mapped_column(default=2.0, server_default="2")
    pace_max_s: Mapped[float] = mapped_column(default=5.0, server_default="5")
    daily_cap: Mapped[int | None]
    # From and to in the unit's own time, both or neither; on these days of the week, 1 is Monday.
    window_from: Mapped[time | None]
    window_to: Mapped[time | None]
    window_days: Mapped[list[int]] = mapped_column(
        JSONB, default=lambda: [1, 2, 3, 4, 5, 6, 7], server_default=text("'[1, 2, 3, 4, 5, 6, 7]'::jsonb")
    )
    skips_holidays: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    # The day from which a new number is warmed up; None: it is not.
    warm_up_from: Mapped[date | None]
    archived_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]


class User(Base):
    """A person who signs in; a super admin belongs to no tenant."""

    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        one_of("role", Role),
        CheckConstraint("(role = 'super_admin') = (tenant_id IS NULL)", name="tenant_of_role"),
        CheckConstraint("email = lower(email)", name="email_lower"),
    )

    id: Mapped[Id]
    tenant_id: Mapped[UUID | None] = mapped_column(ForeignKey("tenants.id"))
    email: Mapped[str] = mapped_column(String(254), unique=True)
    # None: invited, and has chosen none yet.
    password_hash: Mapped[str | None] = mapped_column(String(255))
    role: Mapped[Role] = mapped_column(enum_text())
    locale: Mapped[str | None] = mapped_column(String(10))
    # The secret of the second factor; from `totp_since` on it is asked for.
    totp_secret_encrypted: Mapped[str | None] = mapped_column(Text)
    totp_since: Mapped[datetime | None]
    # The last time step whose code was taken: a code is good once (RFC 6238 section 5.2).
    totp_last_step: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[CreatedAt]
    disabled_at: Mapped[datetime | None]


class UserUnit(Base):
    """An agent answers in this unit."""

    __tablename__ = "user_units"
    __table_args__ = (same_tenant("user_id", "users"), same_tenant("unit_id", "units"))

    tenant_id: Mapped[UUID]
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    unit_id: Mapped[UUID] = mapped_column(primary_key=True)


class TokenKind(StrEnum):
    """A person's pair from signing in, or a company's own, which acts for real or only rehearses."""

    ACCESS = "access"
    REFRESH = "refresh"
    LIVE = "live"
    TEST = "test"


class ApiToken(Base):
    """A bearer token of the JSON API; only its fingerprint is kept.

    That of a person ends by itself; that of a company has a name and lasts until somebody revokes it.
    """

    __tablename__ = "api_tokens"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        same_tenant("created_by_id", "users"),
        one_of("kind", TokenKind),
        CheckConstraint("(kind IN ('access', 'refresh')) = (user_id IS NOT NULL)", name="whose"),
        CheckConstraint(
            "(kind IN ('live', 'test')) = (name IS NOT NULL)"
            " AND (name IS NULL OR tenant_id IS NOT NULL AND scopes IS NOT NULL)"
            " AND (name IS NOT NULL OR family_id IS NOT NULL AND expires_at IS NOT NULL)",
            name="named",
        ),
        Index("ix_api_tokens_expires_at", "expires_at"),
        Index("ix_api_tokens_tenant_id", "tenant_id", "id", postgresql_where=text("name IS NOT NULL")),
    )

    id: Mapped[Id]
    tenant_id: Mapped[UUID | None] = mapped_column(ForeignKey("tenants.id"))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    kind: Mapped[TokenKind] = mapped_column(enum_text())
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    # All tokens that one sign-in led to: a refresh token used twice revokes the whole family.
    family_id: Mapped[UUID | None] = mapped_column(index=True)
    name: Mapped[str | None] = mapped_column(String(80))
    # The last characters, by which people tell one from another.
    hint: Mapped[str | None] = mapped_column(String(8))
    scopes: Mapped[list[str] | None] = mapped_column(JSONB)
    created_by_id: Mapped[UUID | None]
    expires_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]


class ApiTokenUnit(Base):
    """A token acts for this unit; one without any acts for all units of its company."""

    __tablename__ = "api_token_units"
    __table_args__ = (same_tenant("token_id", "api_tokens"), same_tenant("unit_id", "units"))

    tenant_id: Mapped[UUID]
    token_id: Mapped[UUID] = mapped_column(primary_key=True)
    unit_id: Mapped[UUID] = mapped_column(primary_key=True)


class AuditEvent(Base):
    """A change made by a person or a token: who, what, when, from where, before and after.

    Only ever inserted: a trigger refuses every other change.
    """

    __tablename__ = "audit_events"
    __table_args__ = (
        same_tenant("api_token_id", "api_tokens"),
        Index("ix_audit_events_tenant_id_id", "tenant_id", "id"),
        # What happened to one thing.
        Index("ix_audit_events_subject_id", "subject_id", "id"),
        # What one person did.
        Index("ix_audit_events_user_id", "user_id", "id"),
    )

    id: Mapped[Id]
    tenant_id: Mapped[UUID | None] = mapped_column(ForeignKey("tenants.id"))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    api_token_id: Mapped[UUID | None]
    action: Mapped[str] = mapped_column(String(60))
    subject_type: Mapped[str] = mapped_column(String(60))
    subject_id: Mapped[UUID | None]
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    address: Mapped[str | None] = mapped_column(String(45))
    created_at: Mapped[CreatedAt]
