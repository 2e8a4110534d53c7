"""How people get in: sessions in a browser, links that work once, codes for a lost second factor, and leave to read."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, CreatedAt, Id
from portal.models.columns import enum_text, one_of, same_tenant


class UserSession(Base):
    """One browser in which a person signed in; its cookie holds the token, here is the token's fingerprint."""

    __tablename__ = "user_sessions"
    __table_args__ = (Index("ix_user_sessions_expires_at", "expires_at"),)

    id: Mapped[Id]
    tenant_id: Mapped[UUID | None] = mapped_column(ForeignKey("tenants.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    address: Mapped[str | None] = mapped_column(String(45))
    user_agent: Mapped[str | None] = mapped_column(String(200))
    # When the person last showed who they are: what is dangerous asks for it again after a while.
    confirmed_at: Mapped[CreatedAt]
    used_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]


class LinkKind(StrEnum):
    INVITATION = "invitation"
    PASSWORD_RESET = "password_reset"


class AccountLink(Base):
    """A link with which a person chooses a password, once. Nobody can know its token before it is sent or shown."""

    __tablename__ = "account_links"
    __table_args__ = (one_of("kind", LinkKind), Index("ix_account_links_expires_at", "expires_at"))

    id: Mapped[Id]
    tenant_id: Mapped[UUID | None] = mapped_column(ForeignKey("tenants.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    kind: Mapped[LinkKind] = mapped_column(enum_text())
    token_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    created_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    # As mail: when the mail server took it, how often it was tried, and what it said last.
    mailed_at: Mapped[datetime | None]
    mail_attempts: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    mail_error: Mapped[str | None] = mapped_column(String(60))
    created_at: Mapped[CreatedAt]


class RecoveryCode(Base):
    """Stands in for the second factor, once; only its fingerprint is kept."""

    __tablename__ = "recovery_codes"

    id: Mapped[Id]
    tenant_id: Mapped[UUID | None] = mapped_column(ForeignKey("tenants.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    code_hash: Mapped[str] = mapped_column(String(64))
    used_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]


class AccessGrant(Base):
    """A company lets the portal's operators read its messages and numbers, for a limited time."""

    __tablename__ = "access_grants"
    __table_args__ = (
        same_tenant("granted_by_id", "users"),
        Index("ix_access_grants_tenant_id_expires_at", "tenant_id", "expires_at"),
    )

    id: Mapped[Id]
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    granted_by_id: Mapped[UUID | None]
    reason: Mapped[str] = mapped_column(String(200))
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
