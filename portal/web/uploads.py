"""Files that come in by a form or by the API: how large a request may be, and what the form takes."""

from flask_wtf.file import FileField

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


def upload_of(field: FileField) -> Upload | None:
    """The chosen file; None when none was chosen."""
    chosen = field.data
    return Upload(chosen.filename or "", chosen.read()) if chosen else None
