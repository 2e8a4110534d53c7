"""Changing a message of ours for both sides: its text, or that it is there. It goes through the lane as a message does.

The message stays as it was until the change was sent, and for ever where that fails.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from flask_babel import gettext as _

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Invalid
from portal.models import CHANGES, Conversation, Direction, Message, MessageKind, MessageStatus
from portal.queries import about_messages
from portal.services import audit, conversations, drafts, references
from portal.services.drafts import Draft
from portal.tenancy import TenantScope

# From when a message was sent. WhatsApp's help pages say 15 minutes of an edit and "about 2 days" of a deletion, which
# in its apps are two days and twelve hours; what comes later the other side's phone ignores without a word.
EDITABLE_FOR = timedelta(minutes=15)
DELETABLE_FOR = timedelta(hours=60)
LIMITS = {MessageKind.EDIT: EDITABLE_FOR, MessageKind.DELETION: DELETABLE_FOR}
TAKEN = (MessageStatus.SENT, MessageStatus.DELIVERED, MessageStatus.READ)
# It was made, for all that is known here, or is about to be.
UNDER_WAY = (MessageStatus.QUEUED, MessageStatus.SENDING, MessageStatus.UNCONFIRMED)
OPEN = (*UNDER_WAY, MessageStatus.FAILED)
ACTIONS = {MessageKind.EDIT: "message.edited", MessageKind.DELETION: "message.deleted"}


def edit(scope: TenantScope, message_id: UUID, *, text: str) -> None:
    """Give a message of ours this text; the text that it has, or is about to get, changes nothing.

    Raises NotFound, and Invalid for `text` where it is empty or endless, or the message cannot be edited (any more).
    """
    _change(scope, message_id, Draft(drafts.check(text, None).text, about=MessageKind.EDIT))


def delete(scope: TenantScope, message_id: UUID) -> None:
    """Delete a message of ours for everyone. Raises NotFound, and Invalid for one that cannot be deleted (any more)."""
    _change(scope, message_id, Draft("", about=MessageKind.DELETION))


def is_changeable(message: Message, kind: MessageKind) -> bool:
    """Whether this message can be edited or deleted now."""
    return _is_ours_there(message, kind) and not is_too_late(kind, written_at(message))


def find_obstacle(message: Message, kind: MessageKind) -> str | None:
    """Why this message cannot be edited or deleted; None where it can."""
    if is_changeable(message, kind):
        return None
    if _is_ours_there(message, kind):
        return too_late_words(kind)
    if kind == MessageKind.EDIT:
        return str(_("Only a text of yours that WhatsApp has can be edited."))
    return str(_("Only a message of yours that WhatsApp has can be deleted for everyone."))


def _is_ours_there(message: Message, kind: MessageKind) -> bool:
    is_there = message.direction == Direction.OUTBOUND and message.status in TAKEN and references.is_open(message)
    return is_there and (kind == MessageKind.DELETION or message.kind == MessageKind.TEXT)


def find_newest_text(scope: TenantScope, message: Message) -> str:
    """The text that it has, or that somebody here wants it to have."""
    edits = db.session.scalars(about_messages.of_ours(scope, message, MessageKind.EDIT).limit(1)).all()
    wanted = [edit.body for edit in edits if edit.status in OPEN and edit.handled_at is None]
    return wanted[0] if wanted else message.body


def written_at(message: Message) -> datetime:
    """From when on WhatsApp counts for how long the message can be changed."""
    return message.sent_at or message.occurred_at


def is_too_late(kind: MessageKind, written: datetime) -> bool:
    return now() >= written + LIMITS[kind]


def too_late_words(kind: MessageKind) -> str:
    if kind == MessageKind.EDIT:
        return str(_("WhatsApp lets a message be edited for 15 minutes only."))
    return str(_("WhatsApp lets a message be deleted for everyone for two and a half days only."))


def _change(scope: TenantScope, message_id: UUID, draft: Draft) -> None:
    with atomic():
        target = references.hold(scope, message_id)
        obstacle = find_obstacle(target, draft.kind)
        if obstacle is not None:
            raise Invalid({"text": obstacle})
        ours = list(db.session.scalars(about_messages.of_ours(scope, target, *CHANGES).with_for_update()))
        before = _find_under_way(ours)
        if before is not None and before.kind == MessageKind.DELETION and draft.kind == MessageKind.EDIT:
            raise Invalid({"text": _("This message is being deleted for everyone.")})
        if (draft.kind, draft.text) == _as_it_will_be(target, before):
            return
        references.settle(ours)
        _queue(scope, target, before, draft)
        audit.record(scope, ACTIONS[draft.kind], ("message", target.id))


def _find_under_way(ours: Sequence[Message]) -> Message | None:
    """The newest of our changes, unless what became of it is known."""
    newest = next((change for change in ours if change.status not in references.NOT_THERE), None)
    return newest if newest is not None and newest.status in UNDER_WAY else None


def _as_it_will_be(target: Message, before: Message | None) -> tuple[MessageKind, str]:
    """The change that would change nothing."""
    return (MessageKind.EDIT, target.body) if before is None else (before.kind, before.body)


def _queue(scope: TenantScope, target: Message, before: Message | None, draft: Draft) -> None:
    if before is not None and before.status == MessageStatus.QUEUED:
        before.kind, before.body, before.occurred_at, before.sent_by_id = draft.kind, draft.text, now(), scope.user_id
        change = before
    else:
        conversation = scope.get(Conversation, target.conversation_id)
        about = Draft(draft.text, refers_to=target.external_id, about=draft.kind)
        change = conversations.queue_about(scope, conversation, about)
    # However long the unit is away: later it would be in vain.
    change.expires_at = written_at(target) + LIMITS[draft.kind]
