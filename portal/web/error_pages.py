"""What somebody reads instead of the page they asked for: what happened, what to do, and one link that helps."""

from dataclasses import dataclass
from datetime import timedelta

from flask import Response, current_app, g, make_response, render_template, request, url_for
from flask_babel import force_locale, lazy_gettext
from flask_babel import gettext as _
from flask_login import current_user

from portal.clock import now
from portal.db import DATABASE_AWAY
from portal.web import tenant
from portal.web.addresses import own_path
from portal.web.language import choose_time_zone, locale_without_database
from portal.web.moments import moment

# What the JSON answers call a form that another session made.
FORM_EXPIRED = "form_expired"
TRY_AGAIN_AFTER_S = 30
STEPS = {
    400: lazy_gettext("Go back with your browser and try again."),
    401: lazy_gettext("Sign in, then open this page again."),
    403: lazy_gettext("Nothing was changed. From the first page you reach everything that is open to you."),
    404: lazy_gettext("Check the address. What was here may have been deleted, or moved."),
    405: lazy_gettext("This address only takes what a form sends. Open the page with the form, and use its button."),
    409: lazy_gettext("Nothing was changed. Open the page anew to see how things are now, then decide again."),
    413: lazy_gettext(
        "Nothing was saved. Go back with your browser: what you wrote is still there. Send a smaller file, or less at"
        " once."
    ),
    415: lazy_gettext("Nothing was saved. Go back with your browser, and send it with the button of the page."),
    422: lazy_gettext(
        "Nothing was saved. Go back with your browser: what you typed is still there. Correct it, and send it again."
    ),
}
FORM_EXPIRED_TITLE = lazy_gettext("This form is too old.")
FORM_EXPIRED_STEP = lazy_gettext(
    "You signed in or out since it was opened, and nothing was saved. Go back with your browser: what you typed is"
    " still there. Copy it, open the page anew, and send it from there."
)
# What is said of the status alone, where nobody found better words.
TITLES = {
    400: lazy_gettext("The request could not be understood."),
    401: lazy_gettext("You are not signed in."),
    403: lazy_gettext("You may not do this."),
    404: lazy_gettext("There is nothing here, or not for you."),
    405: lazy_gettext("This address shows no page."),
    413: lazy_gettext("That is too large."),
    415: lazy_gettext("This was sent in a form that the portal does not read."),
    429: lazy_gettext("Too many attempts."),
    500: lazy_gettext("Something went wrong on our side."),
    503: lazy_gettext("The portal cannot reach its data at the moment."),
}


@dataclass(frozen=True)
class Link:
    label: str
    address: str


@dataclass(frozen=True)
class Help:
    """One refusal in words."""

    status: int
    title: str
    step: str
    link: Link


def refusal(status: int, code: str, message: str | None = None, *, wait_s: int | None = None) -> Response:
    """The page for a refusal, or for htmx the few lines of it. `message`: what is known better than the status says."""
    try:
        title = message or str(FORM_EXPIRED_TITLE if code == FORM_EXPIRED else TITLES.get(status, TITLES[400]))
        help_ = Help(status, title, _step(status, code, wait_s), _link(status))
        if _asks_for_part():
            return _in_place(help_)
        return make_response(render_template("errors/error.html", help=help_, **_layout()), status)
    except DATABASE_AWAY:
        # Who is signed in decides about the language and the frame, and that cannot be asked now.
        return failure(503)


def failure(status: int) -> Response:
    """The page for what went wrong here. It needs nothing of the database, which may be what is away."""
    with force_locale(locale_without_database()):
        help_ = Help(status, str(TITLES[status]), _failed_step(status), _link(status))
        if _asks_for_part():
            response = _in_place(help_)
        else:
            # Not `render_template`: what that adds to every page begins with who is signed in, and rows say that.
            page = current_app.jinja_env.get_template("errors/failure.html")
            response = make_response(page.render(help=help_), status)
    if status == 503:
        response.headers["Retry-After"] = str(TRY_AGAIN_AFTER_S)
    return response


def _in_place(help_: Help) -> Response:
    """What htmx puts where each page keeps room for it; the page itself stays as it is, with all that was typed."""
    told = {"told": help_, "page": own_path(request.headers.get("HX-Current-URL")), "is_poll": request.method == "GET"}
    response = make_response(current_app.jinja_env.get_template("errors/_problem.html").render(told), help_.status)
    response.headers.update({"HX-Retarget": "#problem", "HX-Reswap": "outerHTML", "HX-Reselect": "#problem"})
    return response


def _asks_for_part() -> bool:
    """Whether htmx waits for the answer, a form that it sends for a page included; never its history."""
    return "HX-Request" in request.headers and "HX-History-Restore-Request" not in request.headers


def _step(status: int, code: str, wait_s: int | None) -> str:
    if code == FORM_EXPIRED:
        return str(FORM_EXPIRED_STEP)
    if wait_s is not None:
        again = moment(now() + timedelta(seconds=wait_s), choose_time_zone())
        return str(_("You can try again after %(time)s.", time=again))
    return str(STEPS.get(status, STEPS[400]))


def _failed_step(status: int) -> str:
    if status == 503:
        return str(
            _(
                "It usually takes a minute at most. What you just sent may not have been saved: look at it before you"
                " send it again. Messages that come in meanwhile are not lost."
            )
        )
    return str(
        _(
            "It was noted. Try again in a moment. If it happens again, tell whoever runs the portal this number:"
            " %(id)s",
            id=g.get("request_id", ""),
        )
    )


def _link(status: int) -> Link:
    before = own_path(request.referrer)
    if status == 401:
        return Link(str(_("Sign in")), url_for("auth.login_page"))
    if request.method == "GET" and (status == 429 or status >= 500):
        return Link(str(_("Try again")), request.full_path.rstrip("?"))
    if request.method != "GET" and before and status not in (403, 404):
        return Link(str(_("Open the page anew")), before)
    return Link(str(_("To the first page")), url_for("auth.home"))


def _layout() -> dict[str, object]:
    """With the navigation of their company for its people, wherever in the portal they are."""
    if current_user.is_authenticated and tenant.is_open_for_navigation():
        return {"layout": "layout_tenant.html", **tenant.page_words()}
    return {"layout": "layout_plain.html"}
