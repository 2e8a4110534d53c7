"""Sign in, sign out, and the language of the pages."""

from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, g, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_login import current_user
from flask_wtf import FlaskForm
from wtforms import EmailField, PasswordField
from wtforms.validators import DataRequired

from portal.extensions import csrf, limiter, login
from portal.permissions import Role
from portal.services import accounts
from portal.services.accounts import Account
from portal.web.access import address_group, current_account, public, sign_in_here, sign_out_here
from portal.web.errors import envelope, wants_json
from portal.web.language import LOCALES

ATTEMPTS = "10 per minute"
# Of all the people behind one address.
ATTEMPTS_OF_ALL = "100/minute"

bp = Blueprint("auth", __name__)


class LoginForm(FlaskForm):  # type: ignore[misc]
    email = EmailField(lazy_gettext("E-mail"), [DataRequired(lazy_gettext("Give your e-mail address."))])
    password = PasswordField(lazy_gettext("Password"), [DataRequired(lazy_gettext("Give your password."))])


def register(app: Flask) -> None:
    app.register_blueprint(bp)
    login.unauthorized_handler(ask_to_sign_in)


def throttle_key() -> str:
    """One person guessing from one place; a whole shop behind one address is not locked out by it."""
    return f"{address_group()} {accounts.as_typed(request.form.get('email', ''))}"


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
@limiter.limit(ATTEMPTS_OF_ALL, key_func=address_group)
@limiter.limit(ATTEMPTS, key_func=throttle_key)
def sign_in() -> ResponseReturnValue:
    form = LoginForm()
    if not form.validate():
        return render_template("auth/login.html", form=form), 422
    account = accounts.sign_in(form.email.data, form.password.data)
    if account is None:
        problem = _("The e-mail address or the password is wrong. Check both and try again.")
        return render_template("auth/login.html", form=form, problem=problem), 401
    sign_in_here(account)
    return _see_other(safe_path(request.args.get("next")) or _first_page(account))


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


def _first_page(account: Account) -> str:
    if account.role is Role.SUPER_ADMIN or account.tenant_slug is None:
        return url_for("operator.index")
    g.tenant_slug = account.tenant_slug
    return url_for("tenant.units.index")


def _path_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _see_other(target: str) -> Response:
    response: Response = redirect(target, code=303)  # type: ignore[assignment]
    return response
