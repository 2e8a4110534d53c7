"""The inbox: conversations of the units a person answers in, one thread, and replies."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from werkzeug.exceptions import RequestEntityTooLarge

from portal import tenancy
from portal.errors import Conflict, Invalid
from portal.permissions import Permission
from portal.queries import conversations as queries
from portal.queries import units
from portal.services import conversations
from portal.services.media import LARGEST_FILE, too_large
from portal.web import answering, beginnings, composing, conversation_work, inbox, thread_pages, writing
from portal.web.access import requires
from portal.web.forms import show_problems
from portal.web.message_forms import ReplyForm, ask_for_file_again, id_of
from portal.web.render import is_seen, render, render_news, wants_part
from portal.web.uploads import ACCEPTED, LARGEST_FORM, upload_of

bp = Blueprint("conversations", __name__)


@bp.url_value_preprocessor
def allow_files(endpoint: str | None, values: dict[str, Any] | None) -> None:
    # Before everything else, since the check against forgery reads the form; strangers are kept to a small one.
    if request.method == "POST" and current_user.is_authenticated:
        request.max_content_length = LARGEST_FORM


@bp.context_processor
def words_for_files() -> dict[str, object]:
    files = {"accepted_files": ACCEPTED, "largest_file": LARGEST_FILE, "too_large_file": too_large()}
    return {**files, "compose": composing.compose}


@bp.get("/conversations")
@requires(Permission.READ_MESSAGES)
def index() -> ResponseReturnValue:
    listed = inbox.open_inbox(g.scope, request.args)
    return render_news(
        "conversations/index.html",
        fragment="conversations/_found.html" if listed.found else "conversations/_list.html",
        news=(listed.news, request.args.get("open")),
        inbox=listed,
        opened=request.args.get("open"),
    )


@bp.get("/conversations/<uuid:conversation_id>")
@requires(Permission.READ_MESSAGES)
def show(conversation_id: UUID) -> ResponseReturnValue:
    if "message" in request.args:
        return _go_to(conversation_id, request.args["message"])
    if "before" in request.args:
        return _older(conversation_id)
    if wants_part() and answering.is_asked(request.args):
        row = queries.get_conversation(g.scope, conversation_id)
        asked = answering.find(g.scope, row, request.args)
        return render_template("conversations/_answering.html", row=row, answering=asked)
    return _thread(conversation_id)


@bp.post("/conversations/<uuid:conversation_id>/messages")
@requires(Permission.SEND)
def reply(conversation_id: UUID) -> ResponseReturnValue:
    form = ReplyForm()
    text, upload = form.text.data or "", upload_of(form.file)
    try:
        _check_open(conversation_id)
        beginnings.check_filled_in(beginnings.find_beginning(g.scope, request.form), text)
        upload = upload or beginnings.find_file(g.scope, form.template_file.data)
        conversations.reply(
            g.scope,
            conversation_id,
            text=text,
            upload=upload,
            client_message_id=id_of(form, upload),
            answers_to=answering.checked_id(form.answers_to.data),
        )
    except Invalid as e:
        show_problems(form, e)
        return _refused(conversation_id, form, status=422)
    except Conflict as e:
        form.text.errors = [e.message]
        return _refused(conversation_id, form, status=409)
    if wants_part():
        return _thread(conversation_id, form)
    return redirect(url_for(".show", conversation_id=conversation_id), code=303)


# Writing to a number ends in a conversation too, so its addresses and its files are of this kind.
bp.get("/units/<unit_slug>/send")(writing.write)
bp.post("/units/<unit_slug>/send")(writing.send)


@bp.errorhandler(RequestEntityTooLarge)
def refuse_too_large(error: RequestEntityTooLarge) -> ResponseReturnValue:
    """Nothing of the form was read: with htmx the composer stays as it is, without it there is only the way back."""
    place: dict[str, Any] = request.view_args or {}
    page = render(
        "conversations/too_large.html",
        fragment="conversations/_problem.html",
        status=413,
        problems=[too_large()],
        back=url_for(".show" if "conversation_id" in place else ".write", **place),
    )
    page.headers.update({"HX-Retarget": "#composer-problem", "HX-Reswap": "outerHTML"})
    return page


def _check_open(conversation_id: UUID) -> None:
    """Raises Conflict for a chat into which nobody writes."""
    composing.check_open(queries.get_conversation(g.scope, conversation_id))


def _empty_form(conversation_id: UUID) -> ReplyForm:
    """The composer before anything was sent, which may begin with a template."""
    if "template" not in request.args:
        return ReplyForm(formdata=None)
    return composing.begun_form(queries.get_conversation(g.scope, conversation_id), request.args["template"])


def _thread(conversation_id: UUID, form: ReplyForm | None = None) -> ResponseReturnValue:
    if wants_part() and "seen" in request.args:
        # Of a thread from one message on: its index leaves nothing to choose, and to plan it takes longer than to look.
        tenancy.plan_once()
    # Before anything is read: what changes meanwhile is news for the next look.
    news = thread_pages.find_news(conversation_id)
    if is_seen(news):
        return Response(status=204)
    page = render_news(
        "conversations/show.html",
        fragment="conversations/_messages.html",
        news=news,
        **thread_pages.look_at(conversation_id, form or _empty_form(conversation_id)),
    )
    if wants_part():
        # What else of the page depends on it looks for itself.
        page.headers.update(conversation_work.NEWS)
    return page


def _go_to(conversation_id: UUID, message_id: str) -> ResponseReturnValue:
    """To the part of the thread in which the message stands, which has an address of its own."""
    conversation = queries.find_current(g.scope, conversation_id)
    place = inbox.place_of(g.scope, conversation.id, message_id)
    fields, anchor = inbox.read_view(g.scope, request.args).fields, f"message-{message_id}"
    return redirect(url_for(".show", conversation_id=conversation.id, **place, **fields, _anchor=anchor), code=303)


def _refused(conversation_id: UUID, form: ReplyForm, *, status: int) -> ResponseReturnValue:
    ask_for_file_again(form)
    context = thread_pages.look_at(conversation_id, form)
    page = render("conversations/show.html", fragment="conversations/_composer.html", status=status, **context)
    # The messages were the target; the composer keeps the text and says what is wrong with it.
    page.headers.update({"HX-Retarget": "#composer", "HX-Reswap": "outerHTML"})
    return page


def _older(conversation_id: UUID) -> ResponseReturnValue:
    row = queries.get_conversation(g.scope, conversation_id)
    g.time_zone = row.unit.time_zone
    before = inbox.position(request.args.get("before"))
    thread, connection = thread_pages.arrange(row, before=before), units.get_connection(g.scope, row.unit.id)
    return render(
        "conversations/older.html",
        fragment="conversations/_older.html",
        row=row,
        thread=thread,
        connection=connection,
        closed=composing.find_closed(row),
    )
