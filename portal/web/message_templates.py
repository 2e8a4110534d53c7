"""Message templates: the list, one with its versions, writing one with a preview, restore and archive."""

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from flask_login import current_user
from werkzeug import Response

from portal.errors import Conflict, Invalid, NotFound
from portal.permissions import Permission
from portal.queries import members, variables
from portal.queries import message_templates as queries
from portal.queries.message_templates import TemplateRow
from portal.services import message_templates as service
from portal.services.media import LARGEST_FILE, too_large
from portal.web import media
from portal.web.access import requires
from portal.web.forms import show_problems
from portal.web.render import render
from portal.web.template_forms import VARIANTS, TemplateForm
from portal.web.template_previews import list_gaps, make_preview
from portal.web.uploads import ACCEPTED, LARGEST_FORM

bp = Blueprint("message_templates", __name__)

# A larger number is none that a version could have.
VERSION = "/templates/<uuid:template_id>/versions/<int(max=1000000):number>"


@bp.url_value_preprocessor
def allow_files(endpoint: str | None, values: dict[str, Any] | None) -> None:
    # Before everything else, since the check against forgery reads the form; strangers are kept to a small one.
    if request.method == "POST" and current_user.is_authenticated:
        request.max_content_length = LARGEST_FORM


@bp.get("/templates")
@requires(Permission.SEND)
def index() -> str:
    return render_template("message_templates/index.html", rows=queries.list_templates(g.scope))


@bp.get("/templates/new")
@requires(Permission.MANAGE_TEMPLATES)
def new() -> ResponseReturnValue:
    return _form_page(TemplateForm(formdata=None))


@bp.post("/templates/new")
@requires(Permission.MANAGE_TEMPLATES)
def create() -> ResponseReturnValue:
    form = TemplateForm()
    if form.wants_preview:
        return _form_page(form)
    try:
        template_id = service.create_template(g.scope, form.content)
    except Invalid as e:
        show_problems(form, e)
        return _form_page(form, status=422)
    return _saved(template_id)


@bp.get("/templates/<uuid:template_id>")
@requires(Permission.SEND)
def show(template_id: UUID) -> str:
    return _template_page(queries.get_template(g.scope, template_id))


@bp.get("/templates/<uuid:template_id>/edit")
@requires(Permission.MANAGE_TEMPLATES)
def edit(template_id: UUID) -> ResponseReturnValue:
    row = queries.get_template(g.scope, template_id)
    return _form_page(TemplateForm.of(row), row)


@bp.post("/templates/<uuid:template_id>/edit")
@requires(Permission.MANAGE_TEMPLATES)
def save(template_id: UUID) -> ResponseReturnValue:
    row, form = queries.get_template(g.scope, template_id), TemplateForm()
    if form.wants_preview:
        return _form_page(form, row)
    try:
        service.save_template(g.scope, template_id, form.content, based_on=form.version_looked_at)
    except Invalid as e:
        show_problems(form, e)
        return _form_page(form, row, status=422)
    except Conflict as e:
        return _form_page(form.after_conflict(row, e), row, status=409)
    return _saved(template_id)


@bp.get(VERSION)
@requires(Permission.SEND)
def version(template_id: UUID, number: int) -> str:
    return _template_page(queries.get_template(g.scope, template_id, number))


@bp.get(f"{VERSION}/file")
@requires(Permission.SEND)
def file(template_id: UUID, number: int) -> ResponseReturnValue:
    row = queries.get_template(g.scope, template_id, number)
    if row.file is None:
        raise NotFound("this version carries no file")
    return media.hand_out(row.file)


@bp.post(f"{VERSION}/restore")
@requires(Permission.MANAGE_TEMPLATES)
def restore(template_id: UUID, number: int) -> ResponseReturnValue:
    newest = request.form.get("based_on", type=int) or 0
    try:
        service.restore_version(g.scope, template_id, number, based_on=newest)
        flash(_("This version counts again."))
    except Conflict as e:
        flash(e.message)
    return _to_template(template_id)


@bp.get("/templates/<uuid:template_id>/archive")
@requires(Permission.MANAGE_TEMPLATES)
def confirm_archive(template_id: UUID) -> str:
    return render_template("message_templates/archive.html", row=queries.get_template(g.scope, template_id))


@bp.post("/templates/<uuid:template_id>/archive")
@requires(Permission.MANAGE_TEMPLATES)
def archive(template_id: UUID) -> ResponseReturnValue:
    service.archive_template(g.scope, template_id)
    flash(_("The template was archived."))
    return redirect(url_for(".index"), code=303)


def _template_page(row: TemplateRow) -> str:
    versions = queries.list_versions(g.scope, row.template.id)
    authors = {version.created_by_id for version in versions if version.created_by_id is not None}
    return render_template(
        "message_templates/show.html",
        row=row,
        versions=versions,
        people=members.list_emails(g.scope, authors),
        gaps=list_gaps(variables.survey(g.scope), row.version.variants),
    )


def _form_page(form: TemplateForm, row: TemplateRow | None = None, *, status: int = 200) -> ResponseReturnValue:
    has_file = form.has_file(row)
    form.ask_for_file_again()
    return render(
        "message_templates/edit.html",
        fragment="message_templates/_preview.html",
        status=status,
        form=form,
        row=row,
        variants=[form[name] for name in VARIANTS],
        preview=make_preview(g.scope, form.texts, has_file=has_file, search=form.preview_for.data or ""),
        files={"accept": ACCEPTED, "data_file": True, "data_largest": LARGEST_FILE, "data_too_large": too_large()},
    )


def _saved(template_id: UUID) -> Response:
    flash(_("Saved."))
    return _to_template(template_id)


def _to_template(template_id: UUID) -> Response:
    return redirect(url_for(".show", template_id=template_id), code=303)
