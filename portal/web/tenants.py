"""The operator's pages of the companies: opening one, how it is, suspending it, closing it, and erasing all it has."""

from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import IntegerField, StringField

from portal.errors import Invalid
from portal.models import Tenant
from portal.permissions import Permission
from portal.queries import tenants as queries
from portal.services import tenants as service
from portal.services.audit import Actor
from portal.services.tenants import FEWEST_DAYS, MOST_DAYS, USUAL_DAYS
from portal.web.access import current_account, remote_address, requires
from portal.web.confirming import confirmed
from portal.web.forms import show_problems
from portal.web.words import Tone

bp = Blueprint("tenants", __name__, url_prefix="/tenants")


@dataclass(frozen=True)
class Standing:
    """Whether a company goes on, in two words."""

    title: str
    tone: Tone


RUNS = Standing(_("Running"), Tone.GOOD)
SUSPENDED = Standing(_("Suspended"), Tone.WARNING)
CLOSED = Standing(_("Closed"), Tone.BAD)
ERASED = Standing(_("Erased"), Tone.CALM)


class TenantForm(FlaskForm):  # type: ignore[misc]
    name = StringField(_("Name"), description=_("As its people call it."))
    slug = StringField(
        _("Short name"), description=_("Stands in the addresses of its pages, and cannot be changed: padaria-do-joao.")
    )


class CloseForm(FlaskForm):  # type: ignore[misc]
    days = IntegerField(
        _("Erase all data after so many days"),
        default=USUAL_DAYS,
        description=_("From %(fewest)s to %(most)s.", fewest=FEWEST_DAYS, most=MOST_DAYS),
    )


class EraseForm(FlaskForm):  # type: ignore[misc]
    slug = StringField(_("The company's short name"), description=_("Type it to show that you mean this one."))


@bp.get("/new")
@requires(Permission.OPERATE)
def new() -> str:
    return render_template("operator/tenant_new.html", form=TenantForm(formdata=None))


@bp.post("")
@requires(Permission.OPERATE)
def create() -> ResponseReturnValue:
    form = TenantForm()
    try:
        tenant = service.create_tenant(name=form.name.data or "", slug=form.slug.data or "", by=_actor())
    except Invalid as e:
        show_problems(form, e)
        return render_template("operator/tenant_new.html", form=form), 422
    return _to_tenant(tenant.id)


@bp.get("/<uuid:tenant_id>")
@requires(Permission.OPERATE)
def show(tenant_id: UUID) -> str:
    tenant = service.get_tenant(tenant_id)
    return render_template("operator/tenant.html", tenant=tenant, overview=queries.get_overview(tenant_id))


@bp.get("/<uuid:tenant_id>/suspend")
@requires(Permission.OPERATE)
@confirmed
def confirm_suspension(tenant_id: UUID) -> ResponseReturnValue:
    return render_template("operator/tenant_suspend.html", tenant=service.get_tenant(tenant_id))


@bp.post("/<uuid:tenant_id>/suspend")
@requires(Permission.OPERATE)
@confirmed
def suspend(tenant_id: UUID) -> ResponseReturnValue:
    service.suspend(tenant_id, by=_actor())
    flash(_("Suspended. Nothing of this company is sent any more."))
    return _to_tenant(tenant_id)


@bp.post("/<uuid:tenant_id>/resume")
@requires(Permission.OPERATE)
@confirmed
def resume(tenant_id: UUID) -> ResponseReturnValue:
    service.resume(tenant_id, by=_actor())
    flash(_("This company goes on. What waited is being sent."))
    return _to_tenant(tenant_id)


@bp.get("/<uuid:tenant_id>/close")
@requires(Permission.OPERATE)
@confirmed
def confirm_closing(tenant_id: UUID) -> ResponseReturnValue:
    return _close_page(tenant_id, CloseForm(formdata=None))


@bp.post("/<uuid:tenant_id>/close")
@requires(Permission.OPERATE)
@confirmed
def close(tenant_id: UUID) -> ResponseReturnValue:
    form = CloseForm()
    try:
        service.close(tenant_id, days=form.days.data, by=_actor())
    except Invalid as e:
        form.days.errors = [*e.fields.values()]
        return _close_page(tenant_id, form), 422
    flash(_("Closed. Its administrators can fetch its data until then."))
    return _to_tenant(tenant_id)


@bp.post("/<uuid:tenant_id>/reopen")
@requires(Permission.OPERATE)
@confirmed
def reopen(tenant_id: UUID) -> ResponseReturnValue:
    service.reopen(tenant_id, by=_actor())
    flash(_("Taken back. The company is suspended; let it go on when it is ready."))
    return _to_tenant(tenant_id)


@bp.get("/<uuid:tenant_id>/erase")
@requires(Permission.OPERATE)
@confirmed
def confirm_erasure(tenant_id: UUID) -> ResponseReturnValue:
    return _erase_page(tenant_id, EraseForm(formdata=None))


@bp.post("/<uuid:tenant_id>/erase")
@requires(Permission.OPERATE)
@confirmed
def erase(tenant_id: UUID) -> ResponseReturnValue:
    form = EraseForm()
    try:
        service.erase_now(tenant_id, typed=form.slug.data or "", by=_actor())
    except Invalid as e:
        show_problems(form, e)
        return _erase_page(tenant_id, form), 422
    flash(_("All data of this company is being erased."))
    return _to_tenant(tenant_id)


@bp.app_template_global()
def standing(tenant: Tenant) -> Standing:
    """Whether the company goes on."""
    if tenant.erased_at is not None:
        return ERASED
    if tenant.closed_at is not None:
        return CLOSED
    return RUNS if tenant.suspended_at is None else SUSPENDED


def _actor() -> Actor:
    return Actor(current_account().id, remote_address())


def _close_page(tenant_id: UUID, form: CloseForm) -> str:
    return render_template("operator/tenant_close.html", tenant=service.get_tenant(tenant_id), form=form)


def _erase_page(tenant_id: UUID, form: EraseForm) -> str:
    return render_template("operator/tenant_erase.html", tenant=service.get_tenant(tenant_id), form=form)


def _to_tenant(tenant_id: UUID) -> ResponseReturnValue:
    return redirect(url_for(".show", tenant_id=tenant_id), code=303)
