"""The inbox: conversations of the units a person answers in, one thread, replies, and writing to a new number."""

from typing import Any
from uuid import UUID

from flask import Blueprint, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import StringField, TelField, TextAreaField

from portal.errors import Conflict, Invalid
from portal.permissions import Permission
from portal.queries import conversations as queries
from portal.queries import units
from portal.services import conversations
from portal.web import inbox, words
from portal.web.access import requires
from portal.web.forms import message_id_of, new_form_id, show_problems
from portal.web.render import render, render_news, wants_part
from portal.web.threads import make_thread

bp = Blueprint("conversations", __name__)


class ReplyForm(FlaskForm):  # type: ignore[misc]
    text = TextAreaField(_("Message"))
    since = StringField()
    form_id = StringField()


class SendForm(FlaskForm):  # type: ignore[misc]
    phone = TelField(_("Phone number"), description=_("With country and area code, such as +55 11 99999-0001."))
    text = TextAreaField(_("Message"))
    form_id = StringField()


@bp.get("/conversations")
@requires(Permission.READ_MESSAGES)
def index() -> ResponseReturnValue:
    listed = inbox.open_inbox(g.scope, request.args)
    return render_news(
        "conversations/index.html",
        fragment="conversations/_list.html",
        news=(listed.news, request.args.get("open")),
        inbox=listed,
        opened=request.args.get("open"),
    )


@bp.get("/conversations/<uuid:conversation_id>")
@requires(Permission.READ_MESSAGES)
def show(conversation_id: UUID) -> ResponseReturnValue:
    if "before" in request.args:
        return _older(conversation_id)
    return _thread(conversation_id, ReplyForm(formdata=None))


@bp.post("/conversations/<uuid:conversation_id>/messages")
@requires(Permission.SEND)
def reply(conversation_id: UUID) -> ResponseReturnValue:
    form = ReplyForm()
    try:
        conversations.reply(g.scope, conversation_id, text=form.text.data or "", client_message_id=_message_id(form))
    except Invalid as e:
        show_problems(form, e)
        return _refused(conversation_id, form, status=422)
    except Conflict as e:
        form.text.errors = [e.message]
        return _refused(conversation_id, form, status=409)
    if wants_part():
        return _thread(conversation_id, form)
    return redirect(url_for(".show", conversation_id=conversation_id), code=303)


@bp.get("/units/<unit_slug>/send")
@requires(Permission.SEND)
def write(unit_slug: str) -> ResponseReturnValue:
    return _send_page(unit_slug, SendForm(formdata=None))


@bp.post("/units/<unit_slug>/send")
@requires(Permission.SEND)
def send(unit_slug: str) -> ResponseReturnValue:
    unit, form = units.get_unit(g.scope, unit_slug), SendForm()
    try:
        queued = conversations.send_to_phone(
            g.scope,
            unit.id,
            phone=form.phone.data or "",
            text=form.text.data or "",
            client_message_id=_message_id(form),
        )
    except Invalid as e:
        show_problems(form, e)
        return _send_page(unit_slug, form, status=422)
    except Conflict as e:
        form.form_errors.append(e.message)
        return _send_page(unit_slug, form, status=409)
    return redirect(url_for(".show", conversation_id=queued.message.conversation_id), code=303)


def _message_id(form: ReplyForm | SendForm) -> str | None:
    return message_id_of(form.form_id.data, form.text.data or "")


def _thread(conversation_id: UUID, form: ReplyForm) -> ResponseReturnValue:
    context = _look_at(conversation_id, form)
    return render_news(
        "conversations/show.html",
        fragment="conversations/_messages.html",
        news=(context["thread"].news, context["state"].title),
        **context,
    )


def _refused(conversation_id: UUID, form: ReplyForm, *, status: int) -> ResponseReturnValue:
    context = _look_at(conversation_id, form)
    page = render("conversations/show.html", fragment="conversations/_composer.html", status=status, **context)
    # The messages were the target; the composer keeps the text and says what is wrong with it.
    page.headers.update({"HX-Retarget": "#composer", "HX-Reswap": "outerHTML"})
    return page


def _older(conversation_id: UUID) -> ResponseReturnValue:
    row = queries.get_conversation(g.scope, conversation_id)
    g.time_zone = row.unit.time_zone
    before = inbox.position(request.args.get("before"))
    thread = make_thread(row, queries.list_messages(g.scope, conversation_id, before=before))
    return render("conversations/older.html", fragment="conversations/_older.html", row=row, thread=thread)


def _send_page(unit_slug: str, form: SendForm, *, status: int = 200) -> ResponseReturnValue:
    unit = units.get_unit(g.scope, unit_slug)
    connection = units.get_connection(g.scope, unit.id)
    page = render_template(
        "conversations/send.html", unit=unit, connection=connection, form=form, form_id=new_form_id()
    )
    return page, status


def _look_at(conversation_id: UUID, form: ReplyForm) -> dict[str, Any]:
    row = queries.get_conversation(g.scope, conversation_id)
    if row.conversation.unread:
        conversations.mark_read(g.scope, conversation_id)
    g.time_zone = row.unit.time_zone
    since = inbox.position(request.values.get("since"))
    thread = make_thread(row, queries.list_messages_since(g.scope, conversation_id, since))
    connection = units.get_connection(g.scope, row.unit.id)
    return {
        "row": row,
        "thread": thread,
        "connection": connection,
        "state": words.connection_state(connection),
        "form": form,
        "form_id": new_form_id(),
        "since": since or thread.begins_at,
        "inbox": None if wants_part() else inbox.open_inbox(g.scope, request.args),
        "opened": str(conversation_id),
    }
