"""Lists of people that a company brings: the file, what was found in it, and what it changed."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, SmallInteger, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, CreatedAt, Id
from portal.models.columns import enum_text, one_of, same_tenant


class ImportSource(StrEnum):
    FILE = "file"
    PASTED = "pasted"


class ImportState(StrEnum):
    """Where an import stands. What ends in -ing is a worker's turn, `mapping` and `checked` are a person's."""

    READING = "reading"
    REFUSED = "refused"
    MAPPING = "mapping"
    CHECKING = "checking"
    CHECKED = "checked"
    IMPORTING = "importing"
    DONE = "done"
    CANCELLED = "cancelled"
    UNDOING = "undoing"
    UNDONE = "undone"
    FAILED = "failed"


class RowKind(StrEnum):
    """Why a row is shown on the check page."""

    # It cannot be imported; the others can.
    WRONG = "wrong"
    # An earlier row has the same number.
    REPEATED = "repeated"
    # Its number will be written in another way.
    RENUMBERED = "renumbered"
    OPTED_OUT = "opted_out"
    # This person's data was erased at their own request.
    ERASED = "erased"


class Import(Base):
    """One file or pasted list, from the upload to its undoing."""

    __tablename__ = "imports"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        same_tenant("created_by_id", "users"),
        one_of("source", ImportSource),
        one_of("state", ImportState),
        Index("ix_imports_tenant_id_sha256", "tenant_id", "sha256"),
        Index(
            "ix_imports_waiting",
            "id",
            postgresql_where=text("state IN ('reading', 'checking', 'importing', 'undoing')"),
        ),
        Index("ix_imports_content_until", "content_until", postgresql_where=text("content_until IS NOT NULL")),
    )

    id: Mapped[Id]
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    created_by_id: Mapped[UUID | None]
    source: Mapped[ImportSource] = mapped_column(enum_text())
    file_name: Mapped[str] = mapped_column(String(120))
    size: Mapped[int] = mapped_column(BigInteger)
    # Of the file as it came.
    sha256: Mapped[str] = mapped_column(String(64))
    # Until when the file's content is kept; None: it is gone.
    content_until: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]

    state: Mapped[ImportState] = mapped_column(enum_text(), default=ImportState.READING, server_default="reading")
    # Why the whole file was refused, or the job failed: a code, and what its sentence needs.
    problem: Mapped[str | None] = mapped_column(String(60))
    problem_details: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    # How the file is read: encoding, delimiter, header, the columns with some samples (`portal/tables`).
    layout: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    # What each column is, in their order.
    mapping: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB)
    # Tags that everybody in the file gets.
    tag_names: Mapped[list[str]] = mapped_column(JSONB, default=list, server_default=text("'[]'::jsonb"))
    # Counts by name: what the check found, what the import did, what undoing left.
    counts: Mapped[dict[str, Any] | None] = mapped_column(JSONB)

    # Bytes of the file that the job at work has read, of how many.
    done: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    total: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    cancel_asked_at: Mapped[datetime | None]
    relay_id: Mapped[UUID | None]
    attempts: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    finished_at: Mapped[datetime | None]
    undone_at: Mapped[datetime | None]


class ImportChunk(Base):
    """A piece of the file, in the database since web and worker share no disk."""

    __tablename__ = "import_chunks"
    __table_args__ = (same_tenant("import_id", "imports", on_delete="CASCADE"),)

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    import_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class ImportRow(Base):
    """A row of the file about which there is something to say; of each kind the first ones."""

    __tablename__ = "import_rows"
    __table_args__ = (same_tenant("import_id", "imports", on_delete="CASCADE"), one_of("kind", RowKind))

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    import_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[RowKind] = mapped_column(enum_text(), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    # The row as it stands in the file.
    cells: Mapped[list[str]] = mapped_column(JSONB)
    # What is to be said, by column: {"1": {"code": "not_a_phone"}}; of a repeated row, which line was first.
    notes: Mapped[dict[str, Any]] = mapped_column(JSONB)


class ImportChange(Base):
    """What an import changed in a contact that was there before, so that it can be undone."""

    __tablename__ = "import_changes"
    __table_args__ = (
        same_tenant("import_id", "imports", on_delete="CASCADE"),
        same_tenant("contact_id", "contacts", on_delete="CASCADE"),
        Index("ix_import_changes_contact_id", "contact_id"),
    )

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    import_id: Mapped[UUID] = mapped_column(primary_key=True)
    contact_id: Mapped[UUID] = mapped_column(primary_key=True)
    # name, named_at and attributes as they were, and as the import left them.
    before: Mapped[dict[str, Any]] = mapped_column(JSONB)
    after: Mapped[dict[str, Any]] = mapped_column(JSONB)
