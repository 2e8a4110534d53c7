"""What somebody wants to send, checked: a text, a file, or a file with a text below it."""

from dataclasses import dataclass

from flask_babel import gettext as _

from portal import accents
from portal.errors import Invalid
from portal.models import MessageKind
from portal.services import media
from portal.services.media import CheckedFile, Upload

LONGEST_TEXT = 10_000
# WhatsApp's own limit for the text below a file.
LONGEST_CAPTION = 1024


@dataclass(frozen=True)
class Draft:
    """A message before it is one."""

    text: str
    file: CheckedFile | None = None
    # WhatsApp's id of the message that it answers, reacts to or changes.
    refers_to: str | None = None
    # What it is to that one where it is not an answer.
    about: MessageKind | None = None

    @property
    def kind(self) -> MessageKind:
        return self.about or (self.file.kind if self.file else MessageKind.TEXT)

    @property
    def preview(self) -> str:
        """The line in the list. Empty for a picture, a film or sound without a text: their kind stands there."""
        if self.text or self.file is None or self.file.kind != MessageKind.DOCUMENT:
            return self.text
        return self.file.file_name


def check(text: str, upload: Upload | None) -> Draft:
    """Raises Invalid for `text` or `file`: a text may be empty only below a file, which has limits of its own."""
    text = accents.joined(text.replace("\x00", "").replace("\r\n", "\n"))
    if upload is None:
        _check_text(text)
        return Draft(text)
    draft = Draft(text if text.strip() else "", media.check(upload))
    _check_caption(draft)
    return draft


def _check_text(text: str) -> None:
    if not text.strip():
        raise Invalid({"text": _("Write a message first.")})
    if len(text) > LONGEST_TEXT:
        message = _(
            "The message is too long: %(length)s of at most %(longest)s characters.",
            length=len(text),
            longest=LONGEST_TEXT,
        )
        raise Invalid({"text": message})


def _check_caption(draft: Draft) -> None:
    if draft.kind == MessageKind.AUDIO and draft.text:
        # It would be lost without a word: WhatsApp's audio message has no place for it.
        raise Invalid({"text": _("WhatsApp shows no text below an audio file. Send the text as a message of its own.")})
    if len(draft.text) > LONGEST_CAPTION:
        message = _(
            "The text below a file is too long: %(length)s of at most %(longest)s characters."
            " Send it as a message of its own.",
            length=len(draft.text),
            longest=LONGEST_CAPTION,
        )
        raise Invalid({"text": message})
