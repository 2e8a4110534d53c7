"""A change of ours at the message that it is made to: until it was made, and where that did not go well."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from flask_babel import lazy_gettext as _

from portal.models import CHANGES, Direction, Message, MessageKind, MessageStatus
from portal.web import words
from portal.web.decisions import Aside

ON_ITS_WAY = (MessageStatus.QUEUED, MessageStatus.SENDING)
SAID = {
    MessageKind.EDIT: {
        MessageStatus.QUEUED: _("Is being changed to:"),
        MessageStatus.SENDING: _("Is being changed to:"),
        MessageStatus.FAILED: _("Was not changed to:"),
        MessageStatus.UNCONFIRMED: _("It is not known whether it was changed to:"),
    },
    MessageKind.DELETION: {
        MessageStatus.QUEUED: _("Is being deleted for everyone…"),
        MessageStatus.SENDING: _("Is being deleted for everyone…"),
        MessageStatus.FAILED: _("Was not deleted."),
        MessageStatus.UNCONFIRMED: _("It is not known whether it was deleted."),
    },
}


@dataclass(frozen=True)
class PendingChange:
    """What is said of it, the new text of an edit, why it was not made, and what may be decided about it."""

    message: Message
    said: str
    reason: str
    aside: Aside | None

    @property
    def text(self) -> str:
        return self.message.body

    @property
    def is_deletion_on_its_way(self) -> bool:
        return self.message.kind == MessageKind.DELETION and self.message.status in ON_ITS_WAY


def find_pending(referring: Iterable[Message], asides: Mapping[UUID, Aside]) -> dict[str, PendingChange]:
    """WhatsApp's id of a message -> the newest change of ours that was not made to it, or not yet.

    `referring`: oldest first. `asides`: message id -> what may be decided about it.
    """
    newest = {message.refers_to or "": message for message in referring if _is_pending(message)}
    return {external_id: pending_change(message, asides.get(message.id)) for external_id, message in newest.items()}


def pending_change(change: Message, aside: Aside | None) -> PendingChange:
    said = SAID[MessageKind(change.kind)][MessageStatus(change.status)]
    # Of what is on its way nothing is said that this does not say.
    reason = "" if change.status in ON_ITS_WAY else str(words.rung(change).detail)
    return PendingChange(change, str(said), reason, aside)


def _is_pending(message: Message) -> bool:
    is_change = message.kind in CHANGES and message.direction == Direction.OUTBOUND
    is_open = message.status in ON_ITS_WAY or message.handled_at is None
    return is_change and is_open and message.status in SAID[MessageKind(message.kind)]
