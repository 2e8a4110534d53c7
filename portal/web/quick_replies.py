"""Quick replies: the templates that whoever types "/" in a conversation may begin with, filled in for its person."""

from uuid import UUID

from flask import Blueprint, g, render_template, request

from portal.permissions import Permission
from portal.queries import conversations, message_templates
from portal.web import beginnings
from portal.web.access import requires

bp = Blueprint("quick_replies", __name__)


@bp.get("/conversations/<uuid:conversation_id>/quick-replies")
@requires(Permission.SEND)
def index(conversation_id: UUID) -> str:
    person = conversations.get_conversation(g.scope, conversation_id).contact
    rows = message_templates.list_quick(g.scope, request.args.get("q", ""))
    replies = [beginnings.begin(row, person) for row in rows]
    return render_template("conversations/_quick_replies.html", replies=replies)
