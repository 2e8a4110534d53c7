"""Files of messages: what they are, and their content for whoever shows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from portal.db import db
from portal.errors import NotFound
from portal.models import Media, Message
from portal.tenancy import TenantScope


@dataclass(frozen=True)
class File:
    """A message's file without its content, and whether a small picture of it is here."""

    media: Media
    has_thumbnail: bool


def list_files(scope: TenantScope, messages: Sequence[Message]) -> dict[UUID, File]:
    """Message id -> the file that it carries; messages without one are left out."""
    wanted = {message.media_id for message in messages if message.media_id is not None}
    if not wanted:
        return {}
    statement = scope.select(Media, Media, Media.thumbnail.is_not(None)).where(Media.id.in_(wanted))
    rows = db.session.execute(statement.execution_options(populate_existing=True))
    found = {media.id: File(media, has_thumbnail) for media, has_thumbnail in rows}
    return {message.id: found[message.media_id] for message in messages if message.media_id is not None}


def list_media(scope: TenantScope, messages: Sequence[Message]) -> dict[UUID, Media]:
    """As `list_files`, for whoever shows no small pictures."""
    return {message_id: file.media for message_id, file in list_files(scope, messages).items()}


def get_file(scope: TenantScope, message_id: UUID) -> File:
    """The file that the message carries, without its content. Raises NotFound."""
    # By its message, which belongs to a unit: a file alone would be open to everybody of the tenant.
    message = scope.get(Message, message_id)
    file = list_files(scope, [message]).get(message_id)
    if file is None:
        raise NotFound("this message carries no file")
    return file


def get_media(scope: TenantScope, message_id: UUID) -> Media:
    """As `get_file`, for whoever shows no small picture. Raises NotFound."""
    return get_file(scope, message_id).media


def read_content(scope: TenantScope, media: Media) -> bytes:
    content: bytes = db.session.scalars(scope.select(Media, Media.content).where(Media.id == media.id)).one()
    return content


def read_thumbnail(scope: TenantScope, media: Media) -> bytes | None:
    picture: bytes | None = db.session.scalars(scope.select(Media, Media.thumbnail).where(Media.id == media.id)).one()
    return picture
