"""Files of messages: what they are, and their content for whoever shows them."""

from collections.abc import Sequence
from uuid import UUID

from portal.db import db
from portal.errors import NotFound
from portal.models import Media, Message
from portal.tenancy import TenantScope


def list_media(scope: TenantScope, messages: Sequence[Message]) -> dict[UUID, Media]:
    """Message id -> the file that it carries, without its content; messages without one are left out."""
    wanted = {message.media_id for message in messages if message.media_id is not None}
    if not wanted:
        return {}
    found = {media.id: media for media in db.session.scalars(scope.select(Media).where(Media.id.in_(wanted)))}
    return {message.id: found[message.media_id] for message in messages if message.media_id is not None}


def get_media(scope: TenantScope, message_id: UUID) -> Media:
    """The file that the message carries, without its content. Raises NotFound."""
    # By its message, which belongs to a unit: a file alone would be open to everybody of the tenant.
    message = scope.get(Message, message_id)
    if message.media_id is None:
        raise NotFound("this message carries no file")
    return scope.get(Media, message.media_id)


def read_content(scope: TenantScope, media: Media) -> bytes:
    content: bytes = db.session.scalars(scope.select(Media, Media.content).where(Media.id == media.id)).one()
    return content
