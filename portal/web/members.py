"""The people of a company: the list, an invitation, and one person with what can be done about them."""

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from flask_babel import ngettext
from flask_wtf import FlaskForm
from wtforms import EmailField, RadioField, SelectMultipleField

from portal.errors import Invalid, NotFound
from portal.permissions import Permission, Role
from portal.queries import members as queries
from portal.queries import units
from portal.queries.account_mails import LinkState, state_of
from portal.services import account_links, members
from portal.web import member_words
from portal.web.access import requires
from portal.web.confirming import confirmed
from portal.web.forms import show_problems
from portal.web.render import render_news

bp = Blueprint("members", __name__, url_prefix="/members")


class MemberForm(FlaskForm):  # type: ignore[misc]
    role = RadioField(_("What the person may do"), choices=[role.value for role in member_words.ROLES])
    units = SelectMultipleField(_("Units of an agent"), description=_("An administrator sees every unit."))

    def wanted(self) -> dict[str, Any]:
        """What the service takes. Raises NotFound for a unit that is none."""
        role = self.role.data or ""
        # What was ticked before another role was chosen means nothing.
        ticked = self.units.data or () if role != Role.TENANT_ADMIN else ()
        return {"role": role, "unit_ids": [_unit_id(text) for text in ticked]}


class InvitationForm(MemberForm):
    email = EmailField(_("E-mail"))


@bp.get("")
@requires(Permission.MANAGE_MEMBERS)
def index() -> str:
    return render_template("members/index.html", rows=queries.list_members(g.scope), words=member_words)


@bp.get("/new")
@requires(Permission.MANAGE_MEMBERS)
@confirmed
def new() -> ResponseReturnValue:
    return _new_page(InvitationForm(formdata=None, role=Role.AGENT.value))


@bp.post("")
@requires(Permission.MANAGE_MEMBERS)
@confirmed
def create() -> ResponseReturnValue:
    form = InvitationForm()
    try:
        invited = {"email": form.email.data or "", "by_mail": account_links.goes_by_mail(), **form.wanted()}
        user, address = members.invite(g.scope, **invited)
    except Invalid as e:
        show_problems(form, e)
        return _new_page(form, status=422)
    return _after_link(user.id, address)


@bp.get("/<uuid:user_id>")
@requires(Permission.MANAGE_MEMBERS)
def show(user_id: UUID) -> ResponseReturnValue:
    row = queries.get_member(g.scope, user_id)
    typed = {"role": row.user.role, "units": [str(unit.id) for unit in row.units]}
    return _page(row, MemberForm(formdata=None, **typed))


@bp.post("/<uuid:user_id>")
@requires(Permission.MANAGE_MEMBERS)
@confirmed
def change(user_id: UUID) -> ResponseReturnValue:
    form = MemberForm()
    try:
        members.change(g.scope, user_id, **form.wanted())
    except Invalid as e:
        show_problems(form, e)
        return _page(queries.get_member(g.scope, user_id), form, status=422)
    flash(_("Saved. It holds at once."))
    return _to_member(user_id)


@bp.get("/<uuid:user_id>/disable")
@requires(Permission.MANAGE_MEMBERS)
@confirmed
def confirm_disabling(user_id: UUID) -> ResponseReturnValue:
    return render_template("members/disable.html", row=queries.get_member(g.scope, user_id))


@bp.post("/<uuid:user_id>/disable")
@requires(Permission.MANAGE_MEMBERS)
@confirmed
def disable(user_id: UUID) -> ResponseReturnValue:
    members.disable(g.scope, user_id)
    flash(_("The person is shut out, and signed in nowhere any more."))
    return _to_member(user_id)


@bp.post("/<uuid:user_id>/enable")
@requires(Permission.MANAGE_MEMBERS)
@confirmed
def enable(user_id: UUID) -> ResponseReturnValue:
    members.enable(g.scope, user_id)
    flash(_("The person may sign in again."))
    return _to_member(user_id)


@bp.post("/<uuid:user_id>/sign-out")
@requires(Permission.MANAGE_MEMBERS)
@confirmed
def sign_out(user_id: UUID) -> ResponseReturnValue:
    ended = members.sign_out(g.scope, user_id)
    flash(ngettext("%(num)d sign-in was ended.", "%(num)d sign-ins were ended.", ended))
    return _to_member(user_id)


@bp.post("/<uuid:user_id>/link")
@requires(Permission.MANAGE_MEMBERS)
@confirmed
def make_link(user_id: UUID) -> ResponseReturnValue:
    by_mail = request.form.get("by") == "mail"
    return _after_link(user_id, members.make_link(g.scope, user_id, by_mail=by_mail))


def _after_link(user_id: UUID, address: str | None) -> ResponseReturnValue:
    """The one answer in which the link stands; or, when it goes by mail, the page that says how far that is."""
    if address is None:
        return _to_member(user_id)
    row = queries.get_member(g.scope, user_id)
    return render_template("members/link.html", row=row, address=address, words=member_words), 201


def _new_page(form: InvitationForm, *, status: int = 200) -> ResponseReturnValue:
    page = render_template(
        "members/new.html",
        form=form,
        roles=member_words.ROLES,
        units=units.list_names(g.scope),
        goes_by_mail=account_links.goes_by_mail(),
    )
    return page, status


def _page(row: queries.MemberRow, form: MemberForm, *, status: int = 200) -> ResponseReturnValue:
    link = row.link
    return render_news(
        "members/show.html",
        fragment="members/_link.html",
        news=(state_of(link), link.mail_error) if link else None,
        status=status,
        row=row,
        form=form,
        words=member_words,
        roles=member_words.ROLES,
        units=units.list_names(g.scope),
        is_oneself=row.user.id == g.scope.user_id,
        is_being_sent=link is not None and state_of(link) == LinkState.BEING_SENT,
        goes_by_mail=account_links.goes_by_mail(),
    )


def _to_member(user_id: UUID) -> ResponseReturnValue:
    return redirect(url_for(".show", user_id=user_id), code=303)


def _unit_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as e:
        raise NotFound("no such unit") from e
