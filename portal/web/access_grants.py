"""The page on which a company lets the portal's operators read, sees what they read, and ends it."""

from flask import Blueprint, flash, g, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from flask_babel import ngettext
from flask_wtf import FlaskForm
from wtforms import RadioField, StringField

from portal.errors import Conflict, Invalid
from portal.permissions import Permission
from portal.queries import access_grants as queries
from portal.services import access_grants
from portal.services.access_grants import HOURS
from portal.web.access import requires
from portal.web.confirming import confirmed
from portal.web.forms import show_problems

bp = Blueprint("access_grants", __name__, url_prefix="/access")

# What an operator looked at, by the blueprint of the page.
PAGES = {
    "home": _("Home"),
    "units": _("Units"),
    "checks": _("Units"),
    "connections": _("Units"),
    "conversations": _("Conversations"),
    "media": _("Files of messages"),
    "stories": _("Single messages"),
    "undelivered": _("Messages not delivered"),
    "contacts": _("Contacts"),
    "campaigns": _("Campaigns"),
    "recipients": _("Recipients of campaigns"),
}


class GrantForm(FlaskForm):  # type: ignore[misc]
    reason = StringField(_("What for"), description=_("Such as: messages to our customers in Recife do not arrive."))
    hours = RadioField(_("For how long"), choices=[str(hours) for hours in HOURS])


@bp.get("")
@requires(Permission.MANAGE_COMPANY)
def index() -> str:
    return render_template(
        "access_grants/index.html",
        running=queries.list_running(g.scope),
        past=queries.list_past(g.scope),
        page_words=page_words,
    )


@bp.get("/new")
@requires(Permission.MANAGE_COMPANY)
@confirmed
def new() -> ResponseReturnValue:
    return _form_page(GrantForm(formdata=None, hours=str(HOURS[0])))


@bp.post("")
@requires(Permission.MANAGE_COMPANY)
@confirmed
def create() -> ResponseReturnValue:
    form = GrantForm()
    try:
        access_grants.give(g.scope, reason=form.reason.data or "", hours=_hours(form.hours.data))
    except Invalid as e:
        show_problems(form, e)
        return _form_page(form), 422
    except Conflict as e:
        form.form_errors.append(e.message)
        return _form_page(form), 409
    flash(_("Operators may read from now on. You see here what they look at."))
    return redirect(url_for(".index"), code=303)


@bp.post("/end")
@requires(Permission.MANAGE_COMPANY)
def end() -> ResponseReturnValue:
    access_grants.end(g.scope)
    flash(_("From now on operators read nothing any more."))
    return redirect(url_for(".index"), code=303)


def page_words(endpoint: str) -> str:
    """What stands on the page of that endpoint, in the words of the navigation."""
    noun = endpoint.removeprefix("tenant.").partition(".")[0]
    return str(PAGES.get(noun, noun))


def _form_page(form: GrantForm) -> str:
    lengths = {str(hours): ngettext("%(num)s hour", "%(num)s hours", hours) for hours in HOURS}
    return render_template("access_grants/new.html", form=form, lengths=lengths)


def _hours(typed: str | None) -> int | None:
    return next((hours for hours in HOURS if str(hours) == typed), None)
