"""What the list of conversations says of the states of work, and where it has nothing to show."""

from dataclasses import dataclass

from flask_babel import LazyString
from flask_babel import lazy_gettext as _

from portal.queries.conversation_lists import Work


@dataclass(frozen=True)
class Empty:
    """What stands where nothing is to be seen: what that means, and when something appears."""

    title: LazyString
    sentence: LazyString


TABS = {Work.OPEN: _("All open"), Work.WAITING: _("Waiting"), Work.MINE: _("Mine"), Work.RESOLVED: _("All resolved")}
EMPTY = {
    Work.OPEN: Empty(
        _("No open conversations"),
        _(
            "They appear as soon as a customer writes, or when you write to a number. What was written before the"
            " number was linked stands under “All resolved”."
        ),
    ),
    Work.WAITING: Empty(
        _("Nobody waits"), _("Open conversations that nobody answers yet stand here, so that none is forgotten.")
    ),
    Work.MINE: Empty(
        _("You answer nobody yet"), _("A conversation becomes yours when you answer it first, or when you take it.")
    ),
    Work.RESOLVED: Empty(
        _("Nothing resolved yet"),
        _("A conversation that you resolve is kept here. It opens again when the customer writes."),
    ),
}
NO_DOUBT = Empty(
    _("Nothing to decide"),
    _(
        "When somebody writes that they may want no more messages, in words that leave it open, the conversation"
        " appears here."
    ),
)
ALL_READ = Empty(_("Nothing unread"), _("All of these conversations have been looked at."))
