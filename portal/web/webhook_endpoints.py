"""Where a company's programs are told what happened: the list, a new endpoint, its secret once, and its end."""

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import SelectMultipleField, StringField

from portal.errors import Invalid
from portal.models import WebhookTopic
from portal.permissions import Permission
from portal.queries import webhook_deliveries as queries
from portal.services import webhook_endpoints
from portal.services.webhook_endpoints import MOST_ENDPOINTS
from portal.web import webhook_deliveries, webhook_words
from portal.web.access import requires
from portal.web.confirming import confirmed
from portal.web.forms import show_problems

bp = Blueprint("webhook_endpoints", __name__, url_prefix="/webhooks")
bp.register_blueprint(webhook_deliveries.bp)


class EndpointForm(FlaskForm):  # type: ignore[misc]
    url = StringField(
        _("Address"), description=_("Where your program listens, such as https://crm.company.com/whatsapp.")
    )
    topics = SelectMultipleField(_("What it is told of"), choices=list(WebhookTopic))


@bp.get("")
@requires(Permission.MANAGE_INTEGRATIONS)
def index() -> str:
    rows = queries.list_endpoints(g.scope)
    return render_template("webhook_endpoints/index.html", rows=rows, most=MOST_ENDPOINTS, words=webhook_words)


@bp.get("/new")
@requires(Permission.MANAGE_INTEGRATIONS)
@confirmed
def new() -> ResponseReturnValue:
    return _new_page(EndpointForm(formdata=None, topics=list(WebhookTopic)))


@bp.post("")
@requires(Permission.MANAGE_INTEGRATIONS)
@confirmed
def create() -> ResponseReturnValue:
    form = EndpointForm()
    try:
        endpoint, secret = webhook_endpoints.create(g.scope, **_typed(form))
    except Invalid as e:
        show_problems(form, e)
        return _new_page(form, status=422)
    return _secret_page(endpoint.id, secret, status=201)


@bp.get("/<uuid:endpoint_id>/edit")
@requires(Permission.MANAGE_INTEGRATIONS)
@confirmed
def edit(endpoint_id: UUID) -> ResponseReturnValue:
    endpoint = queries.get_endpoint(g.scope, endpoint_id).endpoint
    return _edit_page(endpoint_id, EndpointForm(formdata=None, obj=endpoint))


@bp.post("/<uuid:endpoint_id>/edit")
@requires(Permission.MANAGE_INTEGRATIONS)
@confirmed
def save(endpoint_id: UUID) -> ResponseReturnValue:
    form = EndpointForm()
    try:
        webhook_endpoints.change(g.scope, endpoint_id, **_typed(form))
    except Invalid as e:
        show_problems(form, e)
        return _edit_page(endpoint_id, form, status=422)
    flash(_("Saved. It holds for all that is posted from now on."))
    return _to_endpoint(endpoint_id)


@bp.get("/<uuid:endpoint_id>/secret")
@requires(Permission.MANAGE_INTEGRATIONS)
@confirmed
def confirm_rotation(endpoint_id: UUID) -> str:
    row = queries.get_endpoint(g.scope, endpoint_id)
    mark = webhook_endpoints.secret_mark(row.endpoint)
    return render_template("webhook_endpoints/rotate.html", row=row, words=webhook_words, mark=mark)


@bp.post("/<uuid:endpoint_id>/secret")
@requires(Permission.MANAGE_INTEGRATIONS)
@confirmed
def rotate(endpoint_id: UUID) -> ResponseReturnValue:
    endpoint, secret = webhook_endpoints.rotate_secret(
        g.scope, endpoint_id, instead_of=request.form.get("instead_of", "")
    )
    return _secret_page(endpoint.id, secret, status=201)


@bp.post("/<uuid:endpoint_id>/off")
@requires(Permission.MANAGE_INTEGRATIONS)
def switch_off(endpoint_id: UUID) -> ResponseReturnValue:
    webhook_endpoints.switch_off(g.scope, endpoint_id)
    flash(_("The address is switched off."))
    return _to_endpoint(endpoint_id)


@bp.post("/<uuid:endpoint_id>/on")
@requires(Permission.MANAGE_INTEGRATIONS)
def switch_on(endpoint_id: UUID) -> ResponseReturnValue:
    webhook_endpoints.switch_on(g.scope, endpoint_id)
    flash(_("The address is on. What is due is posted now."))
    return _to_endpoint(endpoint_id)


@bp.get("/<uuid:endpoint_id>/delete")
@requires(Permission.MANAGE_INTEGRATIONS)
def confirm_deletion(endpoint_id: UUID) -> str:
    row = queries.get_endpoint(g.scope, endpoint_id)
    return render_template("webhook_endpoints/delete.html", row=row, words=webhook_words)


@bp.post("/<uuid:endpoint_id>/delete")
@requires(Permission.MANAGE_INTEGRATIONS)
def delete(endpoint_id: UUID) -> ResponseReturnValue:
    if not webhook_endpoints.delete(g.scope, endpoint_id):
        flash(_("Its log is long, and some of it is left. Delete the address once more."))
        return redirect(url_for(".confirm_deletion", endpoint_id=endpoint_id), code=303)
    flash(_("The address and its log are deleted."))
    return redirect(url_for(".index"), code=303)


def _typed(form: EndpointForm) -> dict[str, Any]:
    return {"url": form.url.data or "", "topics": form.topics.data or []}


def _new_page(form: EndpointForm, *, status: int = 200) -> ResponseReturnValue:
    return render_template("webhook_endpoints/new.html", form=form, words=webhook_words), status


def _edit_page(endpoint_id: UUID, form: EndpointForm, *, status: int = 200) -> ResponseReturnValue:
    row = queries.get_endpoint(g.scope, endpoint_id)
    return render_template("webhook_endpoints/edit.html", row=row, form=form, words=webhook_words), status


def _secret_page(endpoint_id: UUID, secret: str, *, status: int) -> ResponseReturnValue:
    """The one answer in which the secret stands: it is nowhere else to be seen again."""
    row = queries.get_endpoint(g.scope, endpoint_id)
    return render_template("webhook_endpoints/secret.html", row=row, secret=secret, words=webhook_words), status


def _to_endpoint(endpoint_id: UUID) -> ResponseReturnValue:
    return redirect(url_for(".deliveries.index", endpoint_id=endpoint_id), code=303)
