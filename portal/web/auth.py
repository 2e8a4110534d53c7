"""Sign in with a password and maybe a code, sign out, show again who one is, and the language of the pages."""

from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, g, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_login import current_user
from flask_wtf import FlaskForm
from wtforms import EmailField, PasswordField, StringField
from wtforms.validators import DataRequired

from portal.extensions import csrf, limiter, login
from portal.permissions import Role
from portal.services import accounts, own_account, second_factors, sessions
from portal.services.accounts import Account
from portal.web import throttling
from portal.web.access import (
    address_group,
    current_account,
    current_session,
    public,
    remote_address,
    sign_in_here,
    sign_out_here,
    signed_in,
)
from portal.web.errors import envelope, wants_json
from portal.web.language import LOCALES

# Where the cookie keeps who gave their password and has yet to give a code.
HALF = "half"

bp = Blueprint("auth", __name__)


class LoginForm(FlaskForm):  # type: ignore[misc]
    email = EmailField(lazy_gettext("E-mail"), [DataRequired(lazy_gettext("Give your e-mail address."))])
    password = PasswordField(lazy_gettext("Password"), [DataRequired(lazy_gettext("Give your password."))])


class CodeForm(FlaskForm):  # type: ignore[misc]
    code = StringField(
        lazy_gettext("Code"),
        [DataRequired(lazy_gettext("Give the code."))],
        description=lazy_gettext("The six digits that your app shows now, or one of your recovery codes."),
    )


class ConfirmForm(FlaskForm):  # type: ignore[misc]
    password = PasswordField(lazy_gettext("Password"), [DataRequired(lazy_gettext("Give your password."))])
    code = StringField(lazy_gettext("Code"), description=CodeForm.code.kwargs["description"])


def register(app: Flask) -> None:
    app.register_blueprint(bp)
    login.unauthorized_handler(ask_to_sign_in)


def claimed_email() -> str:
    return request.form.get("email", "")


@bp.get("/")
@public
def home() -> Response:
    if not current_user.is_authenticated:
        return _see_other(url_for(".login_page"))
    return _see_other(_first_page(current_account()))


@bp.get("/login")
@public
def login_page() -> ResponseReturnValue:
    if current_user.is_authenticated:
        return _see_other(_first_page(current_account()))
    return render_template("auth/login.html", form=LoginForm())


@bp.post("/login")
@public
@limiter.limit(
    throttling.ATTEMPTS_OF_ALL,
    key_func=address_group,
    exempt_when=lambda: throttling.known_browser(claimed_email()) is not None,
)
@limiter.limit(throttling.ATTEMPTS, key_func=lambda: throttling.place_key(claimed_email()))
def sign_in() -> ResponseReturnValue:
    form = LoginForm()
    if not form.validate():
        return render_template("auth/login.html", form=form), 422
    throttling.count_account(form.email.data)
    account = accounts.sign_in(form.email.data, form.password.data)
    if account is None:
        problem = _("The e-mail address or the password is wrong. Check both and try again.")
        return render_template("auth/login.html", form=form, problem=problem), 401
    if second_factors.is_on(account.id):
        sign_out_here()
        session[HALF] = own_account.begin_half(account)
        return _see_other(url_for(".code_page", next=safe_path(request.args.get("next"))))
    return _enter(account)


@bp.get("/login/code")
@public
def code_page() -> ResponseReturnValue:
    if own_account.find_half(session.get(HALF)) is None:
        return _see_other(url_for(".login_page", next=safe_path(request.args.get("next"))))
    return render_template("auth/code.html", form=CodeForm(formdata=None))


@bp.post("/login/code")
@public
@limiter.limit(throttling.ATTEMPTS_OF_ALL, key_func=address_group)
def give_code() -> ResponseReturnValue:
    account = own_account.find_half(session.get(HALF))
    if account is None:
        return _see_other(url_for(".login_page", next=safe_path(request.args.get("next"))))
    form = CodeForm()
    if not form.validate():
        return render_template("auth/code.html", form=form), 422
    throttling.count_code(account.email, form.code.data)
    if not second_factors.take(account, form.code.data, address=remote_address()):
        form.code.errors = [_wrong_code()]
        return render_template("auth/code.html", form=form), 401
    return _enter(account)


@bp.get("/confirm")
@signed_in
def confirm_page() -> str:
    return _confirm_page(ConfirmForm(formdata=None))


@bp.post("/confirm")
@signed_in
def confirm() -> ResponseReturnValue:
    throttling.count_confirmation()
    form = ConfirmForm()
    if not _is_confirmed(form):
        return _confirm_page(form), 422
    sessions.confirm(current_session())
    return _see_other(safe_path(request.args.get("next")) or url_for(".home"))


@bp.post("/logout")
@public
def sign_out() -> Response:
    sign_out_here()
    return _see_other(url_for(".login_page"))


@bp.post("/language")
# The scan page sends no Referer, which the check asks for over HTTPS; forging this changes only a language.
@csrf.exempt  # type: ignore[untyped-decorator]
@public
def choose_language() -> Response:
    locale = request.form.get("locale", "")
    if locale in LOCALES:
        session["locale"] = locale
        if current_user.is_authenticated:
            accounts.choose_locale(current_account(), locale)
    return _see_other(safe_path(request.form.get("next")) or url_for(".home"))


def ask_to_sign_in() -> ResponseReturnValue:
    """A page leads to the sign-in and back; a poll of a page whose session ended takes the whole page there."""
    if wants_json():
        return envelope("unauthorized", _("Sign in first.")), 401
    here = request.full_path.rstrip("?") if request.method == "GET" else None
    if request.headers.get("HX-Request"):
        here = safe_path(_path_of(request.headers.get("HX-Current-URL", "")))
        return Response(status=204, headers={"HX-Redirect": url_for("auth.login_page", next=here)})
    return redirect(url_for("auth.login_page", next=here))


def safe_path(target: str | None) -> str | None:
    """The target when it is a path of this portal; None for whatever could lead elsewhere."""
    if not target or not target.startswith("/") or target.startswith("//"):
        return None
    # Browsers read a backslash as a slash and drop control characters.
    if "\\" in target or any(ord(character) < 32 for character in target):
        return None
    parts = urlsplit(target)
    return target if not parts.scheme and not parts.netloc else None


def _enter(account: Account) -> Response:
    next_page = safe_path(request.args.get("next")) or _first_page(account)
    sign_in_here(account)
    response = _see_other(next_page)
    throttling.remember_browser(response, account.email, account.mark)
    return response


def _confirm_page(form: ConfirmForm) -> str:
    return render_template("auth/confirm.html", form=form, asks_code=second_factors.is_on(current_account().id))


def _is_confirmed(form: ConfirmForm) -> bool:
    """A code is good once, so it is looked at last."""
    account = current_account()
    if not form.validate():
        return False
    if not own_account.has_password(account, form.password.data):
        form.password.errors = [_("This is not your password.")]
        return False
    if second_factors.is_on(account.id) and not second_factors.take(
        account, form.code.data or "", address=remote_address()
    ):
        form.code.errors = [_wrong_code()]
        return False
    return True


def _wrong_code() -> str:
    return str(_("This code is not right, or it was used already. Wait for the next one in your app, and type that."))


def _first_page(account: Account) -> str:
    if account.role is Role.SUPER_ADMIN or account.tenant_slug is None:
        return url_for("operator.index")
    g.tenant_slug = account.tenant_slug
    return url_for("tenant.home.show")


def _path_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _see_other(target: str) -> Response:
    response: Response = redirect(target, code=303)  # type: ignore[assignment]
    return response
