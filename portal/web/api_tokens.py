"""API tokens of a company: the list, a new one, its secret once, and the end of one."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Blueprint, flash, g, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import RadioField, SelectMultipleField, StringField

from portal.errors import Invalid, NotFound
from portal.models import TokenKind
from portal.permissions import ApiScope, Permission
from portal.queries import api_tokens as queries
from portal.queries import units
from portal.services import api_tokens
from portal.web.access import requires
from portal.web.confirming import confirmed
from portal.web.forms import show_problems
from portal.web.language import choose_time_zone
from portal.web.words import Tone

bp = Blueprint("api_tokens", __name__, url_prefix="/api-tokens")


@dataclass(frozen=True)
class Choice:
    """What a token may be or do: a title, one sentence, and how it is coloured in the list."""

    title: str
    sentence: str
    tone: Tone = Tone.CALM


KINDS = {
    TokenKind.LIVE: Choice(_("Live"), _("Messages reach people, and campaigns run."), Tone.GOOD),
    TokenKind.TEST: Choice(
        _("Test"), _("To try a program out: everything is answered as usual, and nobody gets a message.")
    ),
}
SCOPES = {
    ApiScope.READ: Choice(_("Read data"), _("See conversations, messages, contacts and campaigns.")),
    ApiScope.SEND: Choice(_("Send messages"), _("Write to one person at a time, by text or with a file.")),
    ApiScope.CAMPAIGNS: Choice(_("Campaigns"), _("Make campaigns; see, start, pause, resume and cancel them.")),
    ApiScope.CONNECT: Choice(_("Connections"), _("Show QR codes, and link and unlink the numbers of units.")),
}


GRACES = {"1h": _("1 hour"), "24h": _("24 hours"), "7d": _("7 days")}


class RotationForm(FlaskForm):  # type: ignore[misc]
    grace = RadioField(
        _("How long the old secret goes on"),
        description=_(
            "Time for the program to change over. If somebody else may know the secret, choose the shortest."
        ),
        choices=list(GRACES),
        default="24h",
    )


class TokenForm(FlaskForm):  # type: ignore[misc]
    name = StringField(_("Name"), description=_("Which program will use it, such as CRM or Online shop."))
    kind = RadioField(_("Kind"), choices=[kind.value for kind in KINDS])
    scopes = SelectMultipleField(_("What it may do"), choices=[scope.value for scope in SCOPES])
    units = SelectMultipleField(_("Units"), description=_("Leave all empty for a token that acts for every unit."))
    expires_on = StringField(
        _("Last day (optional)"), description=_("It works through the end of that day; otherwise until you revoke it.")
    )

    def wanted(self) -> dict[str, Any]:
        """What the service takes. Raises NotFound for a unit that is none."""
        return {
            "name": self.name.data or "",
            "kind": self.kind.data or "",
            "scopes": self.scopes.data or (),
            "unit_ids": [_unit_id(text) for text in self.units.data or ()],
            "expires_on": self.expires_on.data or "",
            "zone": choose_time_zone(),
        }


@bp.get("")
@requires(Permission.MANAGE_INTEGRATIONS)
def index() -> str:
    return render_template(
        "api_tokens/index.html",
        working=queries.list_working(g.scope),
        ended=queries.list_ended(g.scope),
        kinds=KINDS,
        scopes=SCOPES,
        last_day=last_day,
    )


@bp.get("/new")
@requires(Permission.MANAGE_INTEGRATIONS)
@confirmed
def new() -> ResponseReturnValue:
    return _form_page(TokenForm(formdata=None, kind=TokenKind.LIVE.value))


@bp.post("")
@requires(Permission.MANAGE_INTEGRATIONS)
@confirmed
def create() -> ResponseReturnValue:
    form = TokenForm()
    try:
        token, secret = api_tokens.create(g.scope, **form.wanted())
    except Invalid as e:
        show_problems(form, e)
        return _form_page(form), 422
    # The only page that ever shows the secret: no address leads back to it.
    return render_template("api_tokens/created.html", token=token, secret=secret), 201


@bp.get("/<uuid:token_id>/rotate")
@requires(Permission.MANAGE_INTEGRATIONS)
@confirmed
def confirm_rotation(token_id: UUID) -> ResponseReturnValue:
    return _rotation_page(token_id, RotationForm(formdata=None))


@bp.post("/<uuid:token_id>/rotate")
@requires(Permission.MANAGE_INTEGRATIONS)
@confirmed
def rotate(token_id: UUID) -> ResponseReturnValue:
    form = RotationForm()
    try:
        token, secret = api_tokens.rotate(g.scope, token_id, grace=form.grace.data or "")
    except Invalid as e:
        show_problems(form, e)
        return _rotation_page(token_id, form), 422
    return render_template("api_tokens/created.html", token=token, secret=secret), 201


@bp.get("/<uuid:token_id>/revoke")
@requires(Permission.MANAGE_INTEGRATIONS)
def confirm_revoke(token_id: UUID) -> str:
    return render_template("api_tokens/revoke.html", token=queries.get_working(g.scope, token_id))


@bp.post("/<uuid:token_id>/revoke")
@requires(Permission.MANAGE_INTEGRATIONS)
def revoke(token_id: UUID) -> ResponseReturnValue:
    api_tokens.revoke(g.scope, token_id)
    flash(_("The token was revoked. Calls with it are refused from now on."))
    return redirect(url_for(".index"), code=303)


def last_day(expires_at: datetime) -> date:
    """The day at whose end it is over."""
    return (expires_at - timedelta(seconds=1)).astimezone(ZoneInfo(choose_time_zone())).date()


def _form_page(form: TokenForm) -> str:
    return render_template(
        "api_tokens/new.html", form=form, kinds=KINDS, scopes=SCOPES, units=units.list_names(g.scope)
    )


def _rotation_page(token_id: UUID, form: RotationForm) -> str:
    return render_template(
        "api_tokens/rotate.html", token=queries.get_working(g.scope, token_id), form=form, graces=GRACES
    )


def _unit_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as e:
        raise NotFound("no such unit") from e
