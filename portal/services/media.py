"""Files that go out: checked, named safely, and stored beside the message that carries them."""

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from uuid import UUID

from flask_babel import gettext as _
from uuid_utils.compat import uuid7

from portal.db import db
from portal.errors import Invalid
from portal.models import Media, MessageKind
from portal.services import file_types
from portal.tenancy import TenantScope

MIB = 1024 * 1024
LARGEST_FILE = 16 * MIB


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
    """Raises Invalid for `file`: empty, larger than LARGEST_FILE, or something that runs when it is opened."""
    if not upload.content:
        raise Invalid({"file": _("This file is empty. Choose another one.")})
    if len(upload.content) > LARGEST_FILE:
        raise Invalid({"file": too_large()})
    if file_types.is_program(upload.file_name, upload.content):
        message = _("Programs and web pages cannot be sent, for they can do harm. Send a picture or a PDF instead.")
        raise Invalid({"file": message})
    found = file_types.recognise(upload.file_name, upload.content)
    return CheckedFile(found.kind, found.file_name, found.mime_type, upload.content, upload.sha256)


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
