"""Files that come in by a form or by the API: how large a request may be, and what the form takes."""

from typing import IO

from flask_wtf.file import FileField
from htmx_flask.requests import HtmxAwareRequest
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.utils import cached_property
from werkzeug.wsgi import LimitedStream

from portal.services.media import LARGEST_FILE, MIB, Upload

# The other fields of a form or body, and what stands between them.
SLACK = MIB
LARGEST_FORM = LARGEST_FILE + SLACK
# Base64 writes three bytes as four.
LARGEST_BODY = LARGEST_FILE * 4 // 3 + SLACK

# What the browser offers first. No HEIC and no MOV, so that iPhones turn theirs into JPEG and MP4 by themselves.
ACCEPTED = (
    "image/jpeg,image/png,image/webp,image/gif,video/mp4,video/3gpp,audio/mpeg,audio/mp4,audio/aac,audio/ogg,audio/amr"
    ",.mp3,.m4a,.ogg,.opus,.pdf,.doc,.docx,.odt,.rtf,.txt,.xls,.xlsx,.ods,.csv,.ppt,.pptx,.odp,.xml,.zip,.vcf,.ics"
)


class WholeRequest(HtmxAwareRequest):  # type: ignore[misc]
    """A request whose body is read whole or refused.

    Of one that does not say how long it is, Werkzeug would read as much as is allowed, and drop the rest in silence.
    """

    @cached_property
    def stream(self) -> IO[bytes] | LimitedStream:
        stream: IO[bytes] | LimitedStream = super().stream
        if isinstance(stream, LimitedStream) and stream._limit_is_max:
            return _WholeStream(stream._stream, stream.limit, is_max=True)
        return stream


class _WholeStream(LimitedStream):
    def readall(self) -> bytes:
        content = super().readall()
        if self.is_exhausted and self._stream.read(1):
            raise RequestEntityTooLarge
        return content


def upload_of(field: FileField) -> Upload | None:
    """The chosen file; None when none was chosen."""
    chosen = field.data
    return Upload(chosen.filename or "", chosen.read()) if chosen else None
