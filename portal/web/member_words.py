"""People of a company in words: what they may do, how they stand, and what became of their link."""

from dataclasses import dataclass

from flask_babel import lazy_gettext as _

from portal.models import AccountLink, LinkKind
from portal.permissions import Role
from portal.queries.account_mails import LinkState, MailTrouble, state_of
from portal.queries.members import MemberState
from portal.web.words import Tone


@dataclass(frozen=True)
class Words:
    """A title, one sentence, and how it is coloured."""

    title: str
    sentence: str
    tone: Tone = Tone.CALM


ROLES = {
    Role.TENANT_ADMIN: Words(
        _("Administrator"), _("Sees every unit and does everything in the company, this list included."), Tone.BUSY
    ),
    Role.AGENT: Words(_("Agent"), _("Answers customers in the units that you tick, and sees nothing else.")),
}

STATES = {
    MemberState.INVITED: Words(_("Invited"), _("Has not chosen a password yet, so nobody gets in."), Tone.WARNING),
    MemberState.ACTIVE: Words(_("Active"), _("Can sign in."), Tone.GOOD),
    MemberState.DISABLED: Words(_("Disabled"), _("Cannot sign in, and is signed in nowhere."), Tone.BAD),
}

LINKS = {
    LinkKind.INVITATION: _("Invitation"),
    LinkKind.PASSWORD_RESET: _("Link to a new password"),
}

LINK_STATES = {
    LinkState.SHOWN: Words(_("Shown here"), _("It was shown once, to be handed over by hand.")),
    LinkState.BEING_SENT: Words(_("Being sent"), _("The e-mail is on its way to the mail server."), Tone.BUSY),
    LinkState.SENT: Words(
        _("Sent by e-mail"), _("The mail server took it. It may lie among the unwanted mails."), Tone.GOOD
    ),
    LinkState.NOT_SENT: Words(
        _("The e-mail could not be sent"), _("Show the link instead, and hand it over yourself."), Tone.BAD
    ),
    LinkState.USED: Words(_("Used"), _("A password was chosen with it."), Tone.GOOD),
    LinkState.OVER: Words(_("Over"), _("It ran out or was replaced, and works no more.")),
}

TROUBLES = {
    MailTrouble.UNREACHABLE: _("The mail server does not answer. It is tried again by itself."),
    MailTrouble.NO_TLS: _("The mail server offers no encryption. Ask whoever runs the portal."),
    MailTrouble.BAD_CERTIFICATE: _("The mail server could not prove who it is. Ask whoever runs the portal."),
    MailTrouble.LOGIN_REFUSED: _("The mail server refuses the portal's password. Ask whoever runs the portal."),
    MailTrouble.SENDER_REFUSED: _("The mail server refuses the portal's own address. Ask whoever runs the portal."),
    MailTrouble.ADDRESS_REFUSED: _("The mail server refuses this e-mail address. Check whether it is right."),
    MailTrouble.TRY_LATER: _("The mail server asked to try again later. That happens by itself."),
    MailTrouble.REFUSED: _("The mail server refuses the e-mail. Ask whoever runs the portal."),
    MailTrouble.INTERRUPTED: "",
}


def link_words(link: AccountLink) -> Words:
    return LINK_STATES[state_of(link)]


def trouble_words(link: AccountLink) -> str:
    """Why it is not sent yet, or at all; nothing while all is well."""
    is_about = state_of(link) in (LinkState.BEING_SENT, LinkState.NOT_SENT)
    return str(TROUBLES[MailTrouble(link.mail_error)]) if is_about and link.mail_error else ""
