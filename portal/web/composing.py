"""What stands below a thread: the composer with what a template put into it, or why nobody writes there."""

from dataclasses import dataclass

from flask import g, url_for
from flask_babel import lazy_gettext as _

from portal.errors import Conflict
from portal.models import ContactKind, Media, MessageTemplate
from portal.permissions import Permission
from portal.queries import message_templates
from portal.queries.conversations import ConversationRow
from portal.web import beginnings
from portal.web.beginnings import Beginning
from portal.web.message_forms import ReplyForm

# Chats into which nobody writes.
CLOSED_TO_US = {
    ContactKind.STORIES: _("These are stories, which can only be looked at. Write to the person in their own chat."),
    ContactKind.BROADCAST: _("This is a broadcast list, to which the portal does not write. Write to each person."),
}


@dataclass(frozen=True)
class Closed:
    """Why nothing is written here, and where to go on."""

    words: str
    address: str
    label: str


@dataclass(frozen=True)
class Composing:
    """The templates there are, the one with which the text began, and its file where that goes along."""

    templates: list[MessageTemplate]
    begun: Beginning | None
    file: Media | None


def find_closed(row: ConversationRow) -> Closed | None:
    """Why the person who looks cannot write here; None where they can."""
    if row.contact.kind in CLOSED_TO_US:
        address = url_for("tenant.contacts.index")
        return Closed(str(CLOSED_TO_US[row.contact.kind]), address, str(_("Find the person")))
    if row.unit.archived_at is not None:
        return _closed_with_unit(row)
    if not g.scope.allows(Permission.SEND):
        address = url_for("tenant.units.show", unit_slug=row.unit.slug)
        words = _("You may read here. Only people of this company who answer its customers write.")
        return Closed(str(words), address, str(_("See how the unit is")))
    return None


def check_open(row: ConversationRow) -> None:
    """Raises Conflict for a chat into which nobody writes."""
    closed = find_closed(row)
    if closed is not None:
        raise Conflict(closed.words, code="chat_is_closed")


def compose(row: ConversationRow, form: ReplyForm) -> Composing:
    """What the composer shows besides the text."""
    begun = beginnings.find_beginning_for(g.scope, row.contact, form.template.data)
    file = begun.row.file if begun else None
    is_sent = file is not None and str(file.id) == form.template_file.data
    return Composing(message_templates.list_names(g.scope), begun, file if is_sent else None)


def begun_form(row: ConversationRow, template_id: str) -> ReplyForm:
    """The composer filled in with that template; empty where there is none such."""
    begun = beginnings.find_beginning_for(g.scope, row.contact, template_id)
    if begun is None:
        return ReplyForm(formdata=None)
    file = begun.row.file
    filled = {"text": begun.rendered.text, "template": template_id, "template_file": str(file.id) if file else None}
    return ReplyForm(formdata=None, **filled)


def _closed_with_unit(row: ConversationRow) -> Closed:
    words = _("%(unit)s was archived, so nothing is sent from it any more.", unit=row.unit.name)
    if row.contact.kind != ContactKind.PERSON:
        return Closed(str(words), url_for("tenant.conversations.index"), str(_("All conversations")))
    address = url_for("tenant.contacts.show", contact_id=row.contact.id)
    return Closed(str(words), address, str(_("Write from another unit")))
