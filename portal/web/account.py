"""A person's own account: where they are signed in, their password, and the way to their second factor."""

from uuid import UUID

from flask import Blueprint, flash, make_response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import PasswordField

from portal.errors import Invalid
from portal.permissions import Role
from portal.services import own_account, second_factors, sessions
from portal.web.access import current_account, current_session, remote_address, signed_in
from portal.web.browser_words import browser_words
from portal.web.forms import show_problems
from portal.web.throttling import count_confirmation, remember_browser

bp = Blueprint("account", __name__, url_prefix="/account")

ROLES = {
    Role.SUPER_ADMIN: _("Operator of the portal"),
    Role.TENANT_ADMIN: _("Administrator"),
    Role.AGENT: _("Agent"),
}


class PasswordForm(FlaskForm):  # type: ignore[misc]
    old = PasswordField(_("Your password until now"))
    password = PasswordField(
        _("New password"), description=_("At least 12 characters. Several words that do not belong together do.")
    )


@bp.get("")
@signed_in
def index() -> str:
    account = current_account()
    return render_template(
        "account/index.html",
        account=account,
        role=ROLES[account.role],
        this=current_session(),
        sessions=sessions.list_open(account),
        api_sign_ins=own_account.list_api_sign_ins(account),
        has_second_factor=second_factors.is_on(account.id),
        browser_words=browser_words,
    )


@bp.get("/password")
@signed_in
def password_page() -> str:
    return render_template("account/password.html", form=PasswordForm(formdata=None))


@bp.post("/password")
@signed_in
def change_password() -> ResponseReturnValue:
    count_confirmation()
    form = PasswordForm()
    given = {"old": form.old.data or "", "new": form.password.data or ""}
    try:
        own_account.change_password(current_session(), **given, address=remote_address())
    except Invalid as e:
        show_problems(form, e)
        return render_template("account/password.html", form=form), 422
    flash(gettext("Your password was changed. Everything else that was signed in as you has ended."))
    response = make_response(_to_account())
    remember_browser(response, current_account().email)
    return response


@bp.post("/sessions/<uuid:session_id>/end")
@signed_in
def end_session(session_id: UUID) -> ResponseReturnValue:
    sessions.end(current_session(), session_id, address=remote_address())
    flash(gettext("That browser is signed out."))
    return _to_account()


@bp.post("/sessions/end-others")
@signed_in
def end_other_sessions() -> ResponseReturnValue:
    count = sessions.end_others(current_session(), address=remote_address())
    flash(
        ngettext("%(num)s other browser was signed out.", "%(num)s other browsers were signed out.", count)
        if count
        else gettext("There was no other browser.")
    )
    return _to_account()


@bp.post("/api-sign-ins/<uuid:family_id>/end")
@signed_in
def end_api_sign_in(family_id: UUID) -> ResponseReturnValue:
    own_account.end_api_sign_in(current_account(), family_id, address=remote_address())
    flash(gettext("That program is signed out."))
    return _to_account()


def _to_account() -> ResponseReturnValue:
    return redirect(url_for(".index"), code=303)
