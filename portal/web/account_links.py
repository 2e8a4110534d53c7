"""What is behind a link to a password, for whoever was sent it; and asking for such a link."""

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import EmailField, PasswordField
from wtforms.validators import DataRequired

from portal.errors import Conflict, Invalid, NotFound
from portal.extensions import csrf, limiter
from portal.models import LinkKind
from portal.services import account_links
from portal.services.account_links import OpenLink
from portal.web.access import address_group, public, remote_address
from portal.web.forms import show_problems
from portal.web.throttling import remember_browser

# Of all the people behind one address.
OPENED = "30/minute"
ASKED = "5/minute"

bp = Blueprint("account_links", __name__)


class AskForm(FlaskForm):  # type: ignore[misc]
    email = EmailField(_("E-mail"), [DataRequired(_("Give your e-mail address."))])


class PasswordForm(FlaskForm):  # type: ignore[misc]
    password = PasswordField(_("New password"))
    again = PasswordField(_("The same password again"))


@bp.after_request
def leak_nothing(response: Response) -> Response:
    # The page that asks sends its form with a Referer, which the check against forgery wants over HTTPS.
    if "token" in (request.view_args or {}):
        response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


@bp.errorhandler(NotFound)
def say_unknown(error: NotFound) -> ResponseReturnValue:
    return render_template("account_links/gone.html"), 404


@bp.errorhandler(Conflict)
def say_over(error: Conflict) -> ResponseReturnValue:
    return render_template("account_links/gone.html"), 410


@bp.get("/password-reset")
@public
def ask_page() -> str:
    return _ask_page(AskForm(formdata=None))


@bp.post("/password-reset")
@public
@limiter.limit(ASKED, key_func=address_group)
def ask() -> ResponseReturnValue:
    form = AskForm()
    if not form.validate():
        return _ask_page(form), 422
    account_links.ask(form.email.data)
    return render_template("account_links/asked.html", goes_by_mail=account_links.goes_by_mail())


@bp.get("/invitation/<token>", defaults={"kind": LinkKind.INVITATION})
@bp.get("/password-reset/<token>", defaults={"kind": LinkKind.PASSWORD_RESET})
@public
@limiter.limit(OPENED, key_func=address_group)
def show(kind: LinkKind, token: str) -> str:
    """Changes nothing: programs that look through mails open every link."""
    return _page(account_links.find(token, kind), PasswordForm(formdata=None))


@bp.post("/invitation/<token>", defaults={"kind": LinkKind.INVITATION})
@bp.post("/password-reset/<token>", defaults={"kind": LinkKind.PASSWORD_RESET})
# The address is the secret and no cookie counts; without a Referer the usual check could not pass over HTTPS.
@csrf.exempt  # type: ignore[untyped-decorator]
@public
@limiter.limit(OPENED, key_func=address_group)
def choose(kind: LinkKind, token: str) -> ResponseReturnValue:
    form = PasswordForm(meta={"csrf": False})
    typed = {"password": form.password.data or "", "again": form.again.data or ""}
    link = account_links.find(token, kind)
    try:
        account_links.choose_password(token, kind, **typed, address=remote_address())
    except Invalid as e:
        show_problems(form, e)
        return _page(link, form), 422
    flash(_("Your password is set. Sign in with it."))
    response: Response = redirect(url_for("auth.login_page"), code=303)  # type: ignore[assignment]
    # Whoever reads this mail is let in, however many others try the account meanwhile.
    remember_browser(response, link.email)
    return response


def _page(link: OpenLink, form: PasswordForm) -> str:
    return render_template("account_links/choose.html", link=link, form=form)


def _ask_page(form: AskForm) -> str:
    return render_template("account_links/ask.html", form=form, goes_by_mail=account_links.goes_by_mail())
