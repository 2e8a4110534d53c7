"""The words of mails, in the language of whoever gets them."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from flask_babel import force_locale
from flask_babel import gettext as _

from portal.models import LinkKind

# Of whoever has never chosen a language, and was not invited by somebody who has.
DEFAULT_LOCALE = "pt_BR"


@dataclass(frozen=True)
class Words:
    subject: str
    text: str


def compose(kind: LinkKind, address: str, *, company: str | None, locale: str | None) -> Words:
    """The mail with that link. No company: for somebody who runs the portal."""
    host = urlsplit(address).netloc
    # A name may hold a line break, which would end a header and begin a text of its own.
    name = " ".join((company or host).split())
    with force_locale(locale or DEFAULT_LOCALE):
        if kind is LinkKind.INVITATION:
            return Words(_("Your invitation to %(name)s", name=name), _invitation(address, name, host))
        return Words(_("A new password for %(name)s", name=name), _new_password(address, name, host))


def _invitation(address: str, name: str, host: str) -> str:
    return _paragraphs(
        _("Hello!"),
        _(
            "You are invited to work with %(name)s in the portal at %(host)s. Choose a password with this link:",
            name=name,
            host=host,
        ),
        address,
        _("It works once, within 7 days. Afterwards, ask whoever invited you for a new one."),
        _("If you do not know what this is about, do nothing: nobody gets in without this link."),
    )


def _new_password(address: str, name: str, host: str) -> str:
    return _paragraphs(
        _("Hello!"),
        _(
            "Somebody asked for a new password for your account with %(name)s at %(host)s. Choose it with this link:",
            name=name,
            host=host,
        ),
        address,
        _("It works once, within an hour, and only the newest one does."),
        _("If it was not you, do nothing: your password stays as it is."),
    )


def _paragraphs(*paragraphs: str) -> str:
    return "\n\n".join(paragraphs) + "\n"
