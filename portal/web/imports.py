"""Lists of people that are brought in: the upload, one page for each import from reading to undoing, and its tables."""

from collections.abc import Callable
from typing import Any, BinaryIO, cast
from uuid import UUID

from flask import Blueprint, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_login import current_user
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge
from wtforms import TextAreaField

from portal.errors import Conflict, Invalid
from portal.models import Import
from portal.permissions import Permission
from portal.queries import imports as queries
from portal.queries import members
from portal.services import imports
from portal.services.imports import LARGEST_FILE, LARGEST_PASTE
from portal.tenancy import TenantScope
from portal.web import import_columns, import_rows, import_tallies, import_words
from portal.web.access import current_account, requires
from portal.web.csv import csv_response
from portal.web.forms import show_problems
from portal.web.import_columns import Choice
from portal.web.import_view import check_undoable, make_view
from portal.web.render import render_news
from portal.web.uploads import SLACK

# How large a request may be, by what it brings.
LARGEST = {"create": LARGEST_FILE + SLACK, "create_pasted": LARGEST_PASTE + SLACK}

bp = Blueprint("imports", __name__)


class UploadForm(FlaskForm):  # type: ignore[misc]
    file = FileField(_("File"))


class PasteForm(FlaskForm):  # type: ignore[misc]
    text = TextAreaField(
        _("Your list"), description=_("One person a line: a number alone, or a row copied from a spreadsheet.")
    )


@bp.url_value_preprocessor
def allow_lists(endpoint: str | None, values: dict[str, Any] | None) -> None:
    # Before everything else, since the check against forgery reads the form; everybody else is kept to a small one.
    name = (endpoint or "").rpartition(".")[2]
    if name not in LARGEST or not current_user.is_authenticated:
        return
    if current_account().allows(Permission.MANAGE_CONTACTS):
        request.max_content_length = LARGEST[name]
        request.max_form_memory_size = LARGEST["create_pasted"]


@bp.context_processor
def words_for_imports() -> dict[str, object]:
    return {"words": import_words, "tallies": import_tallies}


@bp.get("/contacts/imports")
@requires(Permission.MANAGE_CONTACTS)
def index() -> str:
    rows = queries.list_imports(g.scope, before=_before())
    return render_template(
        "imports/index.html",
        rows=rows,
        people=members.list_emails(g.scope, [row.created_by_id for row in rows if row.created_by_id]),
        older_before=rows[-1].id if len(rows) >= queries.PAGE else None,
    )


@bp.get("/contacts/import")
@requires(Permission.MANAGE_CONTACTS)
def new() -> ResponseReturnValue:
    return _start_page(UploadForm(formdata=None), PasteForm(formdata=None))


@bp.post("/contacts/import")
@requires(Permission.MANAGE_CONTACTS)
def create() -> ResponseReturnValue:
    form = UploadForm()
    try:
        chosen = _chosen_file(form)
        listed = imports.begin(g.scope, file_name=chosen.filename or "", content=cast(BinaryIO, chosen.stream))
    except Invalid as e:
        show_problems(form, e)
        return _start_page(form, PasteForm(formdata=None), status=422)
    return _to_import(listed.id)


@bp.post("/contacts/import/pasted")
@requires(Permission.MANAGE_CONTACTS)
def create_pasted() -> ResponseReturnValue:
    form = PasteForm()
    try:
        listed = imports.begin_pasted(g.scope, text=form.text.data or "")
    except Invalid as e:
        show_problems(form, e)
        return _start_page(UploadForm(formdata=None), form, status=422)
    return _to_import(listed.id)


@bp.get("/contacts/import/example.csv")
@requires(Permission.MANAGE_CONTACTS)
def example() -> ResponseReturnValue:
    return csv_response(gettext("example-list"), *import_rows.example())


@bp.get("/contacts/imports/<uuid:import_id>")
@requires(Permission.MANAGE_CONTACTS)
def show(import_id: UUID) -> ResponseReturnValue:
    return _page(queries.get_import(g.scope, import_id))


@bp.post("/contacts/imports/<uuid:import_id>/columns", endpoint="map")
@requires(Permission.MANAGE_CONTACTS)
def map_columns(import_id: UUID) -> ResponseReturnValue:
    listed = queries.get_import(g.scope, import_id)
    choice = import_columns.chosen(listed, request.form)
    try:
        imports.map_columns(g.scope, import_id, roles=choice.roles, tag_names=choice.tag_names)
    except Invalid as e:
        return _page(listed, choice=choice, problems=e.fields, status=422)
    except Conflict as e:
        return _page(queries.get_import(g.scope, import_id), problems={"": e.message}, status=409)
    return _to_import(import_id)


@bp.post("/contacts/imports/<uuid:import_id>/confirm")
@requires(Permission.MANAGE_CONTACTS)
def confirm(import_id: UUID) -> ResponseReturnValue:
    return _carry_out(imports.confirm, import_id)


@bp.post("/contacts/imports/<uuid:import_id>/cancel")
@requires(Permission.MANAGE_CONTACTS)
def cancel(import_id: UUID) -> ResponseReturnValue:
    return _carry_out(imports.cancel, import_id)


@bp.get("/contacts/imports/<uuid:import_id>/undo")
@requires(Permission.MANAGE_CONTACTS)
def confirm_undo(import_id: UUID) -> ResponseReturnValue:
    listed = check_undoable(queries.get_import(g.scope, import_id))
    return render_template("imports/undo.html", listed=listed, counts=import_words.counts_of(listed))


@bp.post("/contacts/imports/<uuid:import_id>/undo")
@requires(Permission.MANAGE_CONTACTS)
def undo(import_id: UUID) -> ResponseReturnValue:
    return _carry_out(imports.undo, import_id)


@bp.get("/contacts/imports/<uuid:import_id>/wrong.csv")
@requires(Permission.MANAGE_CONTACTS)
def wrong(import_id: UUID) -> ResponseReturnValue:
    return csv_response(gettext("wrong-rows"), *import_rows.wrong(g.scope, queries.get_import(g.scope, import_id)))


@bp.get("/contacts/imports/<uuid:import_id>/renumbered.csv")
@requires(Permission.MANAGE_CONTACTS)
def renumbered(import_id: UUID) -> ResponseReturnValue:
    return csv_response(gettext("numbers"), *import_rows.renumbered(g.scope, queries.get_import(g.scope, import_id)))


@bp.errorhandler(RequestEntityTooLarge)
def refuse_too_large(error: RequestEntityTooLarge) -> ResponseReturnValue:
    """Nothing of the form was read, not even who may see the tenant: there is only the way back."""
    return render_template("imports/too_large.html", limits=import_words.limits()), 413


def _before() -> UUID | None:
    try:
        return UUID(request.args["before"]) if request.args.get("before") else None
    except ValueError as e:
        raise BadRequest from e


def _chosen_file(form: UploadForm) -> FileStorage:
    chosen: FileStorage | None = form.file.data
    if not chosen:
        raise Invalid({"file": gettext("Choose a file first.")})
    return chosen


def _start_page(upload: UploadForm, paste: PasteForm, *, status: int = 200) -> ResponseReturnValue:
    return render_template("imports/new.html", upload=upload, paste=paste), status


def _page(
    listed: Import, *, choice: Choice | None = None, problems: dict[str, str] | None = None, status: int = 200
) -> ResponseReturnValue:
    view = make_view(g.scope, listed, choice=choice, problems=problems, changes_columns="columns" in request.args)
    return render_news(
        "imports/show.html",
        fragment="imports/_import.html",
        news=view.news,
        status=status,
        listed=listed,
        view=view,
    )


def _carry_out(act: Callable[[TenantScope, UUID], Import], import_id: UUID) -> ResponseReturnValue:
    try:
        act(g.scope, import_id)
    except Conflict as e:
        return _page(queries.get_import(g.scope, import_id), problems={"": e.message}, status=409)
    return _to_import(import_id)


def _to_import(import_id: UUID) -> ResponseReturnValue:
    return redirect(url_for(".show", import_id=import_id), code=303)
