"""What the page of a thread shows: its messages with all that belongs to them, and what stands around them."""

from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import g, request
from flask_babel import get_locale

from portal.clock import now
from portal.models import Message
from portal.permissions import Permission
from portal.queries import consent, persons, sending, thread_marks, threads, undelivered
from portal.queries import conversations as queries
from portal.queries import media as files
from portal.services import conversations
from portal.web import answering, composing, conversation_work, decisions, happenings, inbox, words
from portal.web.forms import new_form_id
from portal.web.message_forms import ReplyForm
from portal.web.render import seen_mark, wants_part
from portal.web.threads import Thread, make_thread, with_happenings


def find_news(conversation_id: UUID) -> tuple[object, ...]:
    """All that changes what is seen of a thread: what is in it, who looks, and the day, since days have names."""
    id_, since = conversation_id, inbox.position(request.values.get("since"))
    found = thread_marks.find_mark(g.scope, id_, since)
    if found is None:
        id_ = queries.find_current(g.scope, conversation_id).id
        found = thread_marks.get_mark(g.scope, id_, since)
    if _mark_read(id_, found.unread):
        found = thread_marks.get_mark(g.scope, id_, since)
    today = now().astimezone(ZoneInfo(found.time_zone)).date()
    return found.mark, today, g.scope.user_id, g.scope.role, g.scope.is_granted, str(get_locale())


def look_at(conversation_id: UUID, form: ReplyForm) -> dict[str, Any]:
    """What the templates of a thread take, with that form as its composer; whoever looks has read what was unread."""
    row = queries.get_conversation(g.scope, conversation_id)
    _mark_read(row.conversation.id, row.conversation.unread)
    g.time_zone = row.unit.time_zone
    since = inbox.position(request.values.get("since"))
    thread = arrange(row, since=since)
    gates = sending.get_own_gates(g.scope, row.unit.id)
    connection, is_cold = gates.connection, row.conversation.last_inbound_at is None
    opened = str(row.conversation.id)
    return {
        "row": row,
        "new_chats_hold": gates.new_chats_hold() if is_cold else None,
        "thread": thread,
        "connection": connection,
        "state": words.connection_state(connection),
        "doubted": consent.find_doubted_message(g.scope, row.conversation) if row.is_doubted else None,
        "form": form,
        "form_id": new_form_id(),
        "since": since or thread.begins_at,
        "opened": opened,
        "closed": composing.find_closed(row),
        **({} if wants_part() else {**_list(opened), **_beside(row)}),
    }


def arrange(
    row: queries.ConversationRow, *, since: queries.Position | None = None, before: queries.Position | None = None
) -> Thread:
    """The messages from one on, or else a page, with what belongs to them and what was noted and done between them."""
    messages, has_older = _list_messages(row.conversation.id, since, before)
    resends = undelivered.find_resends(g.scope, messages)
    around = threads.find_surroundings(g.scope, messages)
    asides = decisions.asides(g.scope, row, [*messages, *around.changes], resends)
    thread = make_thread(
        row,
        messages,
        around,
        files=files.list_files(g.scope, messages),
        asides=asides,
        has_older=has_older,
    )
    between = happenings.list_happenings(g.scope, row.conversation.id, since=thread.older_before, before=before)
    return with_happenings(thread, between)


def _mark_read(conversation_id: UUID, unread: int) -> bool:
    # Whoever may only read has looked for somebody else.
    has_looked = unread > 0 and g.scope.allows(Permission.SEND)
    if has_looked:
        conversations.mark_read(g.scope, conversation_id)
    return has_looked


def _list_messages(
    conversation_id: UUID, since: queries.Position | None, before: queries.Position | None
) -> tuple[list[Message], bool]:
    """All from `since` on, or else the newest or older page, newest first; and whether something is before them."""
    if since is None:
        newest_first = queries.list_messages(g.scope, conversation_id, before=before, limit=queries.PAGE + 1)
        return newest_first[: queries.PAGE], len(newest_first) > queries.PAGE
    newest_first = queries.list_messages_since(g.scope, conversation_id, since)
    if not newest_first:
        return [], False
    first = newest_first[-1]
    return newest_first, queries.has_older(g.scope, conversation_id, queries.Position(first.occurred_at, first.id))


def _list(opened: str) -> dict[str, Any]:
    """The list beside the thread, as its own polls see it."""
    listed = inbox.open_inbox(g.scope, request.args)
    return {"inbox": listed, "list_seen": seen_mark((listed.news, opened))}


def _beside(row: queries.ConversationRow) -> dict[str, Any]:
    """What stands around a thread and is not asked for with each look at it."""
    return {
        "work": conversation_work.answering(g.scope, row),
        "about": persons.get_about(g.scope, row.conversation),
        "answering": answering.find(g.scope, row, request.values),
    }
