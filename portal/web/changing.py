"""Editing a message of ours, and deleting it for everyone: asked for above the composer, or on a page of its own."""

from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, Response, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from portal.errors import Conflict, Invalid
from portal.models import Message, MessageKind
from portal.permissions import Permission
from portal.queries import conversations as inbox
from portal.queries.conversations import ConversationRow
from portal.services import changing
from portal.web import composing, words
from portal.web.access import requires
from portal.web.render import render, wants_part

bp = Blueprint("changing", __name__, url_prefix="/messages/<uuid:message_id>")


@dataclass(frozen=True)
class Asked:
    """The change that is asked for: of an edit the text as it was typed so far, what is wrong, and whether for good."""

    message_id: UUID
    kind: MessageKind
    excerpt: str
    text: str
    problem: str
    is_possible: bool


@bp.get("/edit")
@requires(Permission.SEND)
def ask_for_text(message_id: UUID) -> ResponseReturnValue:
    return _ask(message_id, MessageKind.EDIT)


@bp.post("/edit")
@requires(Permission.SEND)
def edit(message_id: UUID) -> ResponseReturnValue:
    message, row = _find(message_id)
    text = request.form.get("text", "")
    try:
        composing.check_open(row)
        changing.edit(g.scope, message.id, text=text)
    except Invalid as e:
        return _refused(row, _asked(message, MessageKind.EDIT, text, e.fields["text"]), 422)
    except Conflict as e:
        return _refused(row, _asked(message, MessageKind.EDIT, text, e.message), 409)
    return redirect(_thread(row, message), code=303)


@bp.get("/delete")
@requires(Permission.SEND)
def confirm_delete(message_id: UUID) -> ResponseReturnValue:
    return _ask(message_id, MessageKind.DELETION)


@bp.post("/delete")
@requires(Permission.SEND)
def delete(message_id: UUID) -> ResponseReturnValue:
    message, row = _find(message_id)
    try:
        composing.check_open(row)
        changing.delete(g.scope, message.id)
    except Invalid as e:
        return _refused(row, _asked(message, MessageKind.DELETION, problem=e.fields["text"]), 422)
    except Conflict as e:
        return _refused(row, _asked(message, MessageKind.DELETION, problem=e.message), 409)
    return redirect(_thread(row, message), code=303)


def _find(message_id: UUID) -> tuple[Message, ConversationRow]:
    message = inbox.get_message(g.scope, message_id)
    return message, inbox.get_conversation(g.scope, message.conversation_id)


def _ask(message_id: UUID, kind: MessageKind) -> ResponseReturnValue:
    """The question, or why there is none. Raises Conflict for a chat into which nobody writes."""
    message, row = _find(message_id)
    composing.check_open(row)
    return _page(row, _asked(message, kind, changing.find_newest_text(g.scope, message)))


def _asked(message: Message, kind: MessageKind, text: str = "", problem: str = "") -> Asked:
    obstacle = changing.find_obstacle(message, kind)
    return Asked(message.id, kind, words.excerpt(message), text, problem or obstacle or "", obstacle is None)


def _refused(row: ConversationRow, asked: Asked, status: int) -> ResponseReturnValue:
    page = _page(row, asked, status)
    # The thread was the target; what was asked keeps the text and says what is wrong with it.
    page.headers.update({"HX-Retarget": "#answering", "HX-Reswap": "outerHTML"})
    return page


def _page(row: ConversationRow, asked: Asked, status: int = 200) -> Response:
    return render(
        "conversations/change.html",
        fragment="conversations/_changing.html",
        status=status,
        row=row,
        asked=asked,
        in_place=wants_part(),
    )


def _thread(row: ConversationRow, message: Message) -> str:
    since, anchor = request.form.get("since") or None, f"message-{message.id}"
    return url_for("tenant.conversations.show", conversation_id=row.conversation.id, since=since, _anchor=anchor)
