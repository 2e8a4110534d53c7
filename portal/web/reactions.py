"""Reacting to one message."""

from uuid import UUID

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from portal.errors import Conflict, Invalid
from portal.models import Message
from portal.permissions import Permission
from portal.queries import conversations as inbox
from portal.queries.conversations import ConversationRow
from portal.services import reactions
from portal.web import answering, composing
from portal.web.access import requires
from portal.web.render import wants_part

bp = Blueprint("reactions", __name__, url_prefix="/messages/<uuid:message_id>/reaction")


@bp.post("")
@requires(Permission.SEND)
def react(message_id: UUID) -> ResponseReturnValue:
    message = inbox.get_message(g.scope, message_id)
    row = inbox.get_conversation(g.scope, message.conversation_id)
    try:
        composing.check_open(row)
        reactions.react(g.scope, message.id, sign=request.form["sign"])
    except Invalid as e:
        return _refused(row, message, " ".join(e.fields.values()), 422)
    except Conflict as e:
        return _refused(row, message, e.message, 409)
    return redirect(_thread(row, message), code=303)


def _refused(row: ConversationRow, message: Message, problem: str, status: int) -> ResponseReturnValue:
    if not wants_part():
        flash(problem)
        return redirect(_thread(row, message), code=303)
    refused = request.form["sign"]
    asked = answering.about(g.scope, row, message, is_reaction=True, problem=problem, refused=refused)
    part = render_template("conversations/_answering.html", row=row, answering=asked)
    return part, status, {"HX-Retarget": "#answering", "HX-Reswap": "outerHTML"}


def _thread(row: ConversationRow, message: Message) -> str:
    since, anchor = request.form.get("since") or None, f"message-{message.id}"
    return url_for("tenant.conversations.show", conversation_id=row.conversation.id, since=since, _anchor=anchor)
