"""The operator's pages of everybody who signs in: the list, one person, and what can be done about them."""

from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from flask_babel import ngettext
from flask_wtf import FlaskForm
from wtforms import EmailField, StringField

from portal.clock import now
from portal.errors import Invalid
from portal.permissions import Permission, Role
from portal.queries import people as queries
from portal.queries.people import OPERATORS, PAGE, Filter, Person
from portal.services import account_links, people, tenants
from portal.services.audit import Actor
from portal.services.sessions import UNUSED_FOR
from portal.web import member_words
from portal.web.access import current_account, remote_address, requires
from portal.web.confirming import confirmed
from portal.web.forms import show_problems

bp = Blueprint("people", __name__, url_prefix="/people")

ROLES = {
    Role.SUPER_ADMIN: _("Operator of the portal"),
    Role.TENANT_ADMIN: _("Administrator"),
    Role.AGENT: _("Agent"),
}


class InvitationForm(FlaskForm):  # type: ignore[misc]
    email = EmailField(_("E-mail"))


class ReasonForm(FlaskForm):  # type: ignore[misc]
    reason = StringField(
        _("How do you know that it is them?"), description=_("Such as: called back on the number of their contract.")
    )


@bp.get("")
@requires(Permission.OPERATE)
def index() -> str:
    wanted = Filter(email=_text("email").strip(), tenant=_text("tenant"))
    rows = queries.list_people(wanted, after=_text("after"))
    return render_template(
        "operator/people.html",
        rows=rows,
        wanted=wanted,
        next_after=rows[-1].user.email if len(rows) >= PAGE else None,
        tenants=tenants.list_tenants(),
        of_none=OPERATORS,
        roles=ROLES,
        words=member_words,
    )


@bp.get("/new")
@requires(Permission.OPERATE)
@confirmed
def new() -> ResponseReturnValue:
    return render_template("operator/people_new.html", form=InvitationForm(formdata=None))


@bp.post("")
@requires(Permission.OPERATE)
@confirmed
def create() -> ResponseReturnValue:
    form, by_mail = InvitationForm(), account_links.goes_by_mail()
    try:
        user, address = people.invite_operator(email=form.email.data or "", by_mail=by_mail, by=_actor())
    except Invalid as e:
        show_problems(form, e)
        return render_template("operator/people_new.html", form=form), 422
    return _after_link(user.id, address)


@bp.get("/<uuid:user_id>")
@requires(Permission.OPERATE)
def show(user_id: UUID) -> str:
    return render_template(
        "operator/people_person.html",
        person=_person(user_id),
        roles=ROLES,
        words=member_words,
        is_oneself=user_id == current_account().id,
        goes_by_mail=account_links.goes_by_mail(),
    )


@bp.get("/<uuid:user_id>/disable")
@requires(Permission.OPERATE)
@confirmed
def confirm_disabling(user_id: UUID) -> ResponseReturnValue:
    return render_template("operator/people_disable.html", person=_person(user_id))


@bp.post("/<uuid:user_id>/disable")
@requires(Permission.OPERATE)
@confirmed
def disable(user_id: UUID) -> ResponseReturnValue:
    people.disable(user_id, by=_actor())
    flash(_("The person is shut out, and signed in nowhere any more."))
    return _to_person(user_id)


@bp.post("/<uuid:user_id>/enable")
@requires(Permission.OPERATE)
@confirmed
def enable(user_id: UUID) -> ResponseReturnValue:
    people.enable(user_id, by=_actor())
    flash(_("The person may sign in again."))
    return _to_person(user_id)


@bp.post("/<uuid:user_id>/sign-out")
@requires(Permission.OPERATE)
@confirmed
def sign_out(user_id: UUID) -> ResponseReturnValue:
    ended = people.sign_out(user_id, by=_actor())
    flash(ngettext("%(num)d sign-in was ended.", "%(num)d sign-ins were ended.", ended))
    return _to_person(user_id)


@bp.post("/<uuid:user_id>/link")
@requires(Permission.OPERATE)
@confirmed
def make_link(user_id: UUID) -> ResponseReturnValue:
    return _after_link(user_id, people.make_link(user_id, by_mail=request.form.get("by") == "mail", by=_actor()))


@bp.get("/<uuid:user_id>/second-factor")
@requires(Permission.OPERATE)
@confirmed
def confirm_removal(user_id: UUID) -> ResponseReturnValue:
    return _removal_page(user_id, ReasonForm(formdata=None))


@bp.post("/<uuid:user_id>/second-factor")
@requires(Permission.OPERATE)
@confirmed
def remove_second_factor(user_id: UUID) -> ResponseReturnValue:
    form = ReasonForm()
    try:
        people.remove_second_factor(user_id, reason=form.reason.data or "", by=_actor())
    except Invalid as e:
        show_problems(form, e)
        return _removal_page(user_id, form), 422
    flash(_("The person signs in with the password alone, until they set up a second factor again."))
    return _to_person(user_id)


def _person(user_id: UUID) -> Person:
    return queries.get_person(user_id, used_since=now() - UNUSED_FOR)


def _after_link(user_id: UUID, address: str | None) -> ResponseReturnValue:
    """The one answer in which the link stands; or, when it goes by mail, the page that says how far that is."""
    if address is None:
        return _to_person(user_id)
    return render_template("operator/people_link.html", person=_person(user_id), address=address), 201


def _removal_page(user_id: UUID, form: ReasonForm) -> str:
    return render_template("operator/people_second_factor.html", person=_person(user_id), form=form)


def _to_person(user_id: UUID) -> ResponseReturnValue:
    return redirect(url_for(".show", user_id=user_id), code=303)


def _actor() -> Actor:
    return Actor(current_account().id, remote_address())


def _text(name: str) -> str:
    """PostgreSQL refuses a NUL in any text, and an address may hold one."""
    return request.args.get(name, "").replace("\x00", "")
