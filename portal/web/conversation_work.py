"""What people do with a conversation besides writing: who answers it, whether it is done, and notes for each other."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, Response, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from werkzeug.exceptions import BadRequest
from wtforms import HiddenField, TextAreaField

from portal.errors import Conflict, Invalid
from portal.models import User
from portal.permissions import Permission
from portal.queries import answerers, conversations
from portal.queries.conversations import ConversationRow
from portal.services import conversation_work
from portal.services.conversation_work import LONGEST_NOTE
from portal.tenancy import TenantScope
from portal.web.access import requires
from portal.web.forms import new_form_id, show_problems
from portal.web.happenings import short_name
from portal.web.render import render, render_news, seen_mark, wants_part

# What the parts of the page tell each other: something was done here, or the thread has news.
DONE = {"HX-Trigger": "conversation-work"}
NEWS = {"HX-Trigger": "conversation-news"}

bp = Blueprint("conversation_work", __name__)
bp.add_app_template_filter(short_name)


@bp.app_context_processor
def limits() -> dict[str, object]:
    return {"longest_note": LONGEST_NOTE}


class NoteForm(FlaskForm):  # type: ignore[misc]
    form_id = HiddenField()
    text = TextAreaField()


@dataclass(frozen=True)
class Answering:
    """Who answers a conversation, who else may, and who asks."""

    row: ConversationRow
    answerer: User | None
    people: list[User]
    user_id: UUID | None

    @property
    def is_mine(self) -> bool:
        return self.answerer is not None and self.answerer.id == self.user_id

    @property
    def may_take(self) -> bool:
        return not self.is_mine and any(user.id == self.user_id for user in self.people)

    @property
    def others(self) -> list[User]:
        """To whom it may be given."""
        answerer_id = self.answerer.id if self.answerer else None
        return [user for user in self.people if user.id not in (self.user_id, answerer_id)]

    @property
    def news(self) -> tuple[object, ...]:
        """All that changes what is seen."""
        conversation = self.row.conversation
        people = [user.email for user in self.people]
        return conversation.id, conversation.status, conversation.assigned_to_id, people

    @property
    def seen(self) -> str:
        return seen_mark(self.news)


def answering(scope: TenantScope, row: ConversationRow) -> Answering:
    may_send = scope.allows(Permission.SEND)
    return Answering(
        row=row,
        answerer=answerers.find_answerer(scope, row.conversation.assigned_to_id),
        people=answerers.list_answerers(scope, row.unit.id) if may_send else [],
        user_id=scope.user_id,
    )


@bp.get("/conversations/<uuid:conversation_id>/work")
@requires(Permission.READ_MESSAGES)
def show(conversation_id: UUID) -> ResponseReturnValue:
    work = answering(g.scope, conversations.get_conversation(g.scope, conversation_id))
    return render_news("conversations/work.html", fragment="conversations/_work.html", news=work.news, work=work)


@bp.post("/conversations/<uuid:conversation_id>/assign")
@requires(Permission.SEND)
def assign(conversation_id: UUID) -> ResponseReturnValue:
    try:
        conversation_work.assign(g.scope, conversation_id, to_id=_chosen(), instead_of=request.form.get("instead_of"))
    except Invalid as e:
        return _work_page(conversation_id, status=422, problem=e.message)
    except Conflict as e:
        return _work_page(conversation_id, status=409, problem=e.message)
    return _done(conversation_id)


@bp.post("/conversations/<uuid:conversation_id>/close")
@requires(Permission.SEND)
def close(conversation_id: UUID) -> ResponseReturnValue:
    return _change(conversation_id, conversation_work.close)


@bp.post("/conversations/<uuid:conversation_id>/reopen")
@requires(Permission.SEND)
def reopen(conversation_id: UUID) -> ResponseReturnValue:
    return _change(conversation_id, conversation_work.reopen)


@bp.post("/conversations/<uuid:conversation_id>/notes")
@requires(Permission.SEND)
def add_note(conversation_id: UUID) -> ResponseReturnValue:
    form = NoteForm()
    try:
        conversation_work.add_note(g.scope, conversation_id, form.text.data or "", form_id=form.form_id.data)
    except Invalid as e:
        show_problems(form, e)
        return _note_page(conversation_id, form, status=422)
    if wants_part():
        page = _note_page(conversation_id, NoteForm(formdata=None))
        page.headers.update(DONE)
        return page
    return _to_thread(conversation_id)


@bp.post("/conversations/<uuid:conversation_id>/notes/<uuid:note_id>/delete")
@requires(Permission.SEND)
def delete_note(conversation_id: UUID, note_id: UUID) -> ResponseReturnValue:
    # With htmx the button asked already.
    if not wants_part() and "confirmed" not in request.form:
        return _question(conversation_id, note_id)
    conversation_work.delete_note(g.scope, conversation_id, note_id)
    return Response(status=204, headers=DONE) if wants_part() else _to_thread(conversation_id)


def _question(conversation_id: UUID, note_id: UUID) -> str:
    """Whether the note is really to be deleted. Raises NotFound, and Forbidden."""
    row = conversations.get_conversation(g.scope, conversation_id)
    note = conversation_work.get_deletable_note(g.scope, row.conversation.id, note_id)
    return render_template("conversations/delete_note.html", row=row, note=note)


def _chosen() -> UUID | None:
    """Who shall answer; None: nobody. Raises BadRequest for what is no id."""
    text = request.form.get("to", "")
    try:
        return UUID(text) if text else None
    except ValueError as e:
        raise BadRequest from e


def _change(conversation_id: UUID, change: Callable[[TenantScope, UUID], None]) -> ResponseReturnValue:
    change(g.scope, conversation_id)
    return _done(conversation_id)


def _done(conversation_id: UUID) -> ResponseReturnValue:
    """With htmx the header is drawn anew, and the thread asks for its news; without it, the page is loaded again."""
    if not wants_part():
        return _to_thread(conversation_id)
    page = _work_page(conversation_id, is_done=True)
    page.headers.update(DONE)
    return page


def _to_thread(conversation_id: UUID) -> ResponseReturnValue:
    return redirect(url_for("tenant.conversations.show", conversation_id=conversation_id), code=303)


def _work_page(conversation_id: UUID, *, status: int = 200, problem: str = "", is_done: bool = False) -> Response:
    work = answering(g.scope, conversations.get_conversation(g.scope, conversation_id))
    return render(
        "conversations/work.html",
        fragment="conversations/_work.html",
        status=status,
        work=work,
        problem=problem,
        is_done=is_done,
    )


def _note_page(conversation_id: UUID, form: NoteForm, *, status: int = 200) -> Response:
    row = conversations.get_conversation(g.scope, conversation_id)
    return render(
        "conversations/note.html",
        fragment="conversations/_note.html",
        status=status,
        row=row,
        note_form=form,
        form_id=new_form_id(),
    )
