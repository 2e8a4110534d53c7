"""Files of messages: those that go out are checked and stored; a customer's is described until somebody wants it."""

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import func
from uuid_utils.compat import uuid7

from portal import queue
from portal.db import atomic, db, on_commit
from portal.errors import Invalid, NotFound
from portal.models import Media, MediaState, Message, MessageKind
from portal.services import file_types, images
from portal.tenancy import TenantScope

MIB = 1024 * 1024
LARGEST_FILE = 16 * MIB
LARGEST_FETCHED = 32 * MIB
# A picture of this size is fetched without asking.
LARGEST_FETCHED_ALONE = 5 * MIB
TOO_LARGE = "too_large"
# What a column of whole numbers holds: a sender may tell any size.
LARGEST_NUMBER = 2**31 - 1
LONGEST_TYPE = 120


@dataclass(frozen=True)
class Upload:
    """A file as somebody gave it: neither its name nor its content is to be believed."""

    file_name: str
    content: bytes

    @cached_property
    def sha256(self) -> str:
        return sha256(self.content).hexdigest()


@dataclass(frozen=True)
class CheckedFile:
    """A file that may be sent: its kind, type and name agree with its content."""

    kind: MessageKind
    file_name: str
    mime_type: str
    content: bytes
    sha256: str


def check(upload: Upload) -> CheckedFile:
    """Raises Invalid for `file`: empty, larger than LARGEST_FILE, a broken picture, or what runs when it is opened.

    Pictures come out written anew (`images.rewrite`), all else as it is.
    """
    if not upload.content:
        raise Invalid({"file": _("This file is empty. Choose another one.")})
    if len(upload.content) > LARGEST_FILE:
        raise Invalid({"file": too_large()})
    if file_types.is_program(upload.file_name, upload.content):
        message = _("Programs and web pages cannot be sent, for they can do harm. Send a picture or a PDF instead.")
        raise Invalid({"file": message})
    found = file_types.recognise(upload.file_name, upload.content)
    if found.kind != MessageKind.IMAGE:
        return CheckedFile(found.kind, found.file_name, found.mime_type, upload.content, upload.sha256)
    picture = images.rewrite(upload.content, found.mime_type)
    if len(picture) > LARGEST_FILE:
        raise Invalid({"file": too_large()})
    return CheckedFile(found.kind, found.file_name, found.mime_type, picture, sha256(picture).hexdigest())


def too_large() -> str:
    """What to say of a file above the limit, and what to do."""
    sentence = _(
        "This file is too large: at most %(limit)s MB can be sent. Make it smaller, or send a link to it.",
        limit=LARGEST_FILE // MIB,
    )
    return str(sentence)


def store(scope: TenantScope, file: CheckedFile) -> UUID:
    """Keep the file, in the transaction of the message that carries it, and give its id."""
    media_id = uuid7()
    row = {
        "id": media_id,
        "kind": file.kind,
        "file_name": file.file_name,
        "mime_type": file.mime_type,
        "size": len(file.content),
        "sha256": file.sha256,
        "content": file.content,
    }
    db.session.execute(scope.insert(Media, [row]))
    return media_id


def store_unless_same(
    scope: TenantScope, file: CheckedFile | None, *, before: Media | None, keeps_before: bool
) -> UUID | None:
    """The id of the file to carry from now on: the one of before, also when the same is given again, the new, or none.

    Without a new one that of before stays if `keeps_before`.
    """
    is_same = file is not None and before is not None and file.sha256 == before.sha256
    if before is not None and (is_same or (keeps_before and file is None)):
        return before.id
    return None if file is None else store(scope, file)


def remote_row(
    kind: MessageKind,
    *,
    file_name: str,
    mime_type: str,
    size: int | None,
    duration_s: int | None,
    thumbnail: bytes | None,
) -> dict[str, Any]:
    """The row of a customer's file of which only the description is here; one too large to fetch never will be."""
    is_too_large = size is not None and size > LARGEST_FETCHED
    return {
        "id": uuid7(),
        "kind": kind,
        "file_name": file_types.safe_name(file_name) or "file",
        "mime_type": mime_type[:LONGEST_TYPE],
        "size": _as_told(size),
        "duration_s": _as_told(duration_s),
        "thumbnail": thumbnail,
        "state": MediaState.UNAVAILABLE if is_too_large else MediaState.REMOTE,
        "fetch_error": TOO_LARGE if is_too_large else None,
    }


def _as_told(number: int | None) -> int | None:
    return None if number is None or number < 0 else min(number, LARGEST_NUMBER)


def request_fetch(scope: TenantScope, message_id: UUID) -> None:
    """Somebody wants to see the message's file: a worker asks Evolution for it, unless it is here or on its way.

    Raises NotFound. What is too large is not asked for again, since it stays so.
    """
    with atomic():
        message = scope.get(Message, message_id)
        if message.media_id is None:
            raise NotFound("this message carries no file")
        is_wanted = (Media.state != MediaState.STORED) & Media.fetch_at.is_(None)
        may_come = func.coalesce(Media.fetch_error, "") != TOO_LARGE
        this = scope.update(Media).where(Media.id == message.media_id, is_wanted, may_come)
        wish = {"state": MediaState.REMOTE, "fetch_at": func.now(), "fetch_attempts": 0, "fetch_error": None}
        db.session.execute(this.values(wish).execution_options(synchronize_session=False))
        on_commit(queue.wake_outbox)


def store_fetched(scope: TenantScope, media_id: UUID, content: bytes) -> None:
    """Keep a customer's file that has come: what it is shown as follows from its content, not from what was told."""
    with atomic():
        media = scope.get(Media, media_id)
        found = file_types.recognise_received(media.kind, media.file_name, content)
        values = {
            "kind": found.kind,
            "file_name": found.file_name,
            "mime_type": found.mime_type,
            "size": len(content),
            "sha256": sha256(content).hexdigest(),
            "content": content,
            "state": MediaState.STORED,
            "fetch_at": None,
            "fetch_error": None,
        }
        this = scope.update(Media).where(Media.id == media_id, Media.state != MediaState.STORED)
        db.session.execute(this.values(values).execution_options(synchronize_session=False))
