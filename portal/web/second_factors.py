"""A person's second factor: setting it up with an app, the codes for when the app is lost, and its end."""

from flask import Blueprint, flash, make_response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import StringField

from portal.errors import Invalid
from portal.services import second_factors
from portal.web.access import current_account, remote_address, signed_in
from portal.web.confirming import confirmed
from portal.web.forms import show_problems
from portal.web.qr import svg_uri
from portal.web.throttling import count_confirmation, remember_browser

bp = Blueprint("second_factor", __name__, url_prefix="/account/second-factor")


class TryForm(FlaskForm):  # type: ignore[misc]
    code = StringField(lazy_gettext("Code"), description=lazy_gettext("The six digits that your app shows now."))


@bp.get("")
@signed_in
@confirmed
def show() -> ResponseReturnValue:
    account = current_account()
    if second_factors.is_on(account.id):
        return render_template("account/second_factor.html", left=second_factors.count_recovery_codes(account))
    return _setup_page(TryForm(formdata=None))


@bp.post("")
@signed_in
@confirmed
def begin() -> ResponseReturnValue:
    second_factors.begin(current_account())
    return redirect(url_for(".show"), code=303)


@bp.post("/on")
@signed_in
@confirmed
def turn_on() -> ResponseReturnValue:
    count_confirmation()
    form = TryForm()
    try:
        codes = second_factors.turn_on(current_account(), form.code.data or "", address=remote_address())
    except Invalid as e:
        show_problems(form, e)
        return _setup_page(form), 422
    # The only page that ever shows the codes: no address leads back to it.
    response = make_response(render_template("account/recovery_codes.html", codes=codes, is_new=True), 201)
    remember_browser(response, current_account().email)
    return response


@bp.get("/recovery-codes")
@signed_in
@confirmed
def ask_to_renew() -> str:
    return render_template("account/renew_codes.html", left=second_factors.count_recovery_codes(current_account()))


@bp.post("/recovery-codes")
@signed_in
@confirmed
def renew_codes() -> ResponseReturnValue:
    codes = second_factors.renew_recovery_codes(current_account(), address=remote_address())
    return render_template("account/recovery_codes.html", codes=codes, is_new=False), 201


@bp.get("/off")
@signed_in
@confirmed
def ask_to_turn_off() -> str:
    return render_template("account/turn_off.html")


@bp.post("/off")
@signed_in
@confirmed
def turn_off() -> ResponseReturnValue:
    second_factors.turn_off(current_account(), address=remote_address())
    flash(_("Your second factor is off. Your password alone signs you in."))
    response = make_response(redirect(url_for("account.index"), code=303))
    remember_browser(response, current_account().email)
    return response


def _setup_page(form: TryForm) -> str:
    account = current_account()
    secret = second_factors.find_begun(account)
    picture = svg_uri(second_factors.address_for_apps(account, secret)) if secret else None
    return render_template("account/set_up.html", form=form, secret=secret, picture=picture)
