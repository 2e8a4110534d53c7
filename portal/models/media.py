"""The files that messages carry, and the kinds that messages have."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, CreatedAt, Id
from portal.models.columns import enum_text, one_of


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
    CALL = "call"
    # Of ours: what changes another message. It is also what a list shows of a deleted one, which keeps its own kind.
    EDIT = "edit"
    DELETION = "deletion"
    UNKNOWN = "unknown"


# What people here change in a message of theirs goes out as one of these, and never stands in a thread or a list.
CHANGES = (MessageKind.EDIT, MessageKind.DELETION)
# About another message, and nothing that anybody has to read or waits for.
ABOUT_ANOTHER = (MessageKind.REACTION, *CHANGES)


class MediaState(StrEnum):
    """Where the content is: here, still at Evolution, or nowhere that it could be had from."""

    STORED = "stored"
    REMOTE = "remote"
    UNAVAILABLE = "unavailable"


class Media(Base):
    """A file that a message carries. A customer's is fetched when somebody wants to see it."""

    __tablename__ = "media"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        one_of("state", MediaState),
        CheckConstraint("(state = 'stored') = (content IS NOT NULL AND sha256 IS NOT NULL)", name="stored"),
        Index("ix_media_fetch_at", "fetch_at", postgresql_where=text("fetch_at IS NOT NULL")),
    )

    id: Mapped[Id]
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    kind: Mapped[MessageKind] = mapped_column(enum_text())
    # Of a file that is still remote these are what its sender says of it.
    file_name: Mapped[str] = mapped_column(String(120))
    mime_type: Mapped[str] = mapped_column(String(120))
    size: Mapped[int | None]
    duration_s: Mapped[int | None]
    sha256: Mapped[str | None] = mapped_column(String(64))
    # In the database: web and worker share no disk where they run as a platform's containers.
    content: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True, deferred_raiseload=True)
    # The small picture that came with the message, as JPEG.
    thumbnail: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True, deferred_raiseload=True)
    created_at: Mapped[CreatedAt]

    state: Mapped[MediaState] = mapped_column(
        enum_text(), default=MediaState.STORED, server_default=MediaState.STORED.value
    )
    # Somebody wants to see it: when a worker is to ask Evolution for it next.
    fetch_at: Mapped[datetime | None]
    fetch_attempts: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    fetch_error: Mapped[str | None] = mapped_column(String(60))
