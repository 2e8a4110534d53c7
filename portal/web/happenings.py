"""What stands between the messages of a thread: notes, and who did what with the conversation, in one quiet line."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from flask_babel import gettext as _

from portal.models import ConversationEvent, ConversationEventKind
from portal.permissions import Permission
from portal.queries import conversation_events
from portal.queries.conversation_events import EventRow
from portal.queries.conversations import Position
from portal.services import conversation_work
from portal.tenancy import TenantScope


@dataclass(frozen=True)
class Happening:
    """A note with its text, or the line that says what was done."""

    is_happening: ClassVar[bool] = True

    id: UUID
    at: datetime
    line: str
    text: str | None = None
    author: str = ""
    can_delete: bool = False


def list_happenings(
    scope: TenantScope, conversation_id: UUID, *, since: Position | None, before: Position | None
) -> list[Happening]:
    """Those of the time between two places of the thread, oldest first."""
    rows = conversation_events.list_events(
        scope, conversation_id, since=since.at if since else None, before=before.at if before else None
    )
    return [_happening(scope, row) for row in rows]


def short_name(email: str | None) -> str:
    """What colleagues call somebody: the e-mail address as far as it is theirs alone."""
    return (email or "").partition("@")[0]


def _happening(scope: TenantScope, row: EventRow) -> Happening:
    event = row.event
    if event.kind != ConversationEventKind.NOTE:
        return Happening(event.id, event.created_at, line=_line(event, short_name(row.by), short_name(row.to)))
    return Happening(
        event.id,
        event.created_at,
        line="",
        text=event.body,
        author=short_name(row.by),
        can_delete=scope.allows(Permission.SEND) and conversation_work.may_delete(scope, event),
    )


def _line(event: ConversationEvent, who: str, whom: str) -> str:
    if event.kind == ConversationEventKind.ASSIGNED:
        is_own = event.created_by_id == event.assigned_to_id
        taken = _("%(who)s took this conversation", who=who)
        return str(taken if is_own else _("%(who)s gave this conversation to %(whom)s", who=who, whom=whom))
    if event.kind == ConversationEventKind.RELEASED:
        return _released(event, who, whom)
    if event.kind == ConversationEventKind.CLOSED:
        return str(_("%(who)s resolved this conversation", who=who))
    if event.created_by_id is None:
        return str(_("Reopened: the customer wrote again"))
    return str(_("%(who)s reopened this conversation", who=who))


def _released(event: ConversationEvent, who: str, whom: str) -> str:
    if event.created_by_id is None:
        return str(_("%(whom)s does not answer here any more", whom=whom))
    if event.created_by_id == event.assigned_to_id:
        return str(_("%(who)s gave this conversation back", who=who))
    return str(_("%(who)s took this conversation from %(whom)s", who=who, whom=whom))
