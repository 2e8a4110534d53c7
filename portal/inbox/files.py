"""The file that a message carries, as its sender describes it. Addresses and keys of it are left behind."""

import mimetypes
import re
from collections.abc import Mapping
from types import MappingProxyType

from portal.inbox.decoding import Fields, number, octets, text
from portal.inbox.facts import MediaSeen
from portal.models import MessageKind
from portal.services import file_types

LARGEST_THUMBNAIL = 64 * 1024
# What WhatsApp itself makes of each kind: a name for a file of which no type is told.
USUAL: Mapping[MessageKind, str] = MappingProxyType(
    {
        MessageKind.IMAGE: "image/jpeg",
        MessageKind.VIDEO: "video/mp4",
        MessageKind.AUDIO: "audio/ogg",
        MessageKind.DOCUMENT: file_types.UNKNOWN_TYPE,
        MessageKind.STICKER: "image/webp",
    }
)
_JPEG = b"\xff\xd8\xff"
_MIME_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,50}/[a-z0-9][a-z0-9!#$&^_.+-]{0,60}")


def of(kind: MessageKind, content: Fields) -> MediaSeen | None:
    """What is told of the file; None for a kind of message that carries none."""
    if kind not in USUAL:
        return None
    mime_type = _mime_type(content.get("mimetype"))
    return MediaSeen(
        file_name=_told_name(content) or _usual_name(kind, mime_type),
        mime_type=mime_type,
        size=_natural(content.get("fileLength")),
        duration_s=_natural(content.get("seconds")),
        thumbnail=_thumbnail(content.get("jpegThumbnail")),
    )


def _mime_type(value: object) -> str:
    """The type alone: what may follow it (`; codecs=opus`) helps nobody here."""
    told = text(value).split(";")[0].strip().lower()
    return told if _MIME_TYPE.fullmatch(told) else file_types.UNKNOWN_TYPE


def _told_name(content: Fields) -> str:
    names = (file_types.safe_name(text(content.get(field), 1_000)) for field in ("fileName", "title"))
    return next(filter(None, names), "")


def _usual_name(kind: MessageKind, mime_type: str) -> str:
    """`image.jpg`: most files have no name of their own."""
    known = USUAL[kind] if mime_type == file_types.UNKNOWN_TYPE else mime_type
    shown = file_types.SHOWN.get(known)
    ending = f".{shown[1][0]}" if shown else mimetypes.guess_extension(known)
    return kind.value + (ending or "")


def _natural(value: object) -> int | None:
    told = number(value)
    return told if told is not None and told >= 0 else None


def _thumbnail(value: object) -> bytes | None:
    picture = octets(value, LARGEST_THUMBNAIL)
    return picture if picture and picture.startswith(_JPEG) else None
