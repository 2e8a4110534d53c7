"""The readable page of the JSON API, made from the very description that `/openapi.json` serves."""

import re
from dataclasses import dataclass

from flask import Blueprint, Flask, current_app, render_template
from markupsafe import Markup
from werkzeug.routing import Rule

from portal.extensions import parts
from portal.permissions import ALLOWED, ALLOWED_BY_SCOPE, Permission
from portal.web.access import public
from portal.web.api_description import Description, Group
from portal.web.language import choose_locale

bp = Blueprint("reference", __name__)
IN_THE_ROUTE = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")


@dataclass(frozen=True)
class Access:
    """Who may call: people of these roles, and tokens with one of these scopes."""

    roles: tuple[str, ...]
    scopes: tuple[str, ...]

    @property
    def is_for_all_scopes(self) -> bool:
        return len(self.scopes) == len(ALLOWED_BY_SCOPE)


@dataclass(frozen=True)
class Reference:
    """All that the page tells; `access` is by method and path, and lacks the calls that are open to everybody."""

    base_url: str
    groups: list[Group]
    access: dict[tuple[str, str], Access]


@bp.get("/reference")
@public
def show() -> str:
    return render_template("reference/show.html", calls=_calls())


def read_reference(app: Flask) -> Reference:
    api = app.extensions["flask-smorest"]["apis"][""]["ext_obj"]
    base_url = parts.config.base_url
    return Reference(
        base_url=base_url,
        groups=Description(api.spec.to_dict(), base_url=base_url).groups(),
        access={
            (method, _described(rule)): _access_of(permission)
            for rule in app.url_map.iter_rules()
            if isinstance(permission := getattr(app.view_functions[rule.endpoint], "access", None), Permission)
            for method in rule.methods or ()
        },
    )


def _calls() -> Markup:
    """The long part of the page, which stays as it is while the process runs; written once in each language."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    written: dict[str, Markup] = app.extensions.setdefault("portal_reference", {})
    locale = choose_locale()
    if locale not in written:
        written[locale] = Markup(render_template("reference/calls.html", reference=read_reference(app)))
    return written[locale]


def _described(rule: Rule) -> str:
    """The route as the description writes it: `/messages/{message_id}`."""
    return IN_THE_ROUTE.sub(r"{\1}", rule.rule)


def _access_of(permission: Permission) -> Access:
    return Access(
        roles=tuple(role.value for role, allowed in ALLOWED.items() if permission in allowed),
        scopes=tuple(scope.value for scope, allowed in ALLOWED_BY_SCOPE.items() if permission in allowed),
    )
