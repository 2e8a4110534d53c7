"""The parent of all pages of a tenant: it opens the scope, so no page under it can be reached without one."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

from flask import Blueprint, current_app, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from portal import tenancy
from portal.errors import DomainError, Forbidden
from portal.extensions import login
from portal.permissions import Permission
from portal.queries.navigation import get_bar
from portal.services import access_grants, accounts
from portal.web.access import current_account, remote_address
from portal.web.render import wants_part

P = ParamSpec("P")
R = TypeVar("R")
READING = ("GET", "HEAD")


@dataclass(frozen=True)
class Navigation:
    """What stands at the top of every page of a tenant."""

    tenant_name: str
    can_read_messages: bool
    can_operate: bool
    unread: int
    undelivered: int
    # While operators may read: for the company's administrators, and for the operator who does.
    granted_until: datetime | None


def make_blueprint() -> Blueprint:
    """A fresh parent for each app: blueprints may not gain children once they are registered."""
    bp = Blueprint("tenant", __name__, url_prefix="/t/<tenant_slug>")
    bp.url_value_preprocessor(_take_slug)
    bp.url_defaults(_put_slug)
    bp.before_request(_open_scope)
    bp.context_processor(page_words)
    return bp


def page_words() -> dict[str, object]:
    """What the frame of every page of a tenant asks."""
    return {"navigation": _navigation, "may": _may}


def is_open_for_navigation() -> bool:
    """Whether a page outside of a tenant's may show the navigation of the person's own company; opens its scope."""
    if "scope" in g:
        # A scan link opens one too, whoever looks at it.
        return "tenant" in request.blueprints
    account = current_account()
    if account.tenant_slug is None:
        return False
    try:
        g.scope = accounts.own_scope(account, address=remote_address())
    except DomainError:
        return False
    g.tenant_slug = account.tenant_slug
    tenancy.bind(g.scope)
    return True


def _take_slug(endpoint: str | None, values: dict[str, Any] | None) -> None:
    g.tenant_slug = (values or {}).pop("tenant_slug", None)


def _put_slug(endpoint: str, values: dict[str, Any]) -> None:
    if "tenant_slug" in g:
        values.setdefault("tenant_slug", g.tenant_slug)


def _open_scope() -> ResponseReturnValue | None:
    if not current_user.is_authenticated:
        refused: ResponseReturnValue = login.unauthorized()
        return refused
    is_export = getattr(_view(), "serves_closed", False)
    try:
        g.scope = accounts.scope_for(current_account(), g.tenant_slug, address=remote_address(), is_export=is_export)
    except Forbidden:
        if not _may_still_export():
            raise
        return redirect(url_for("tenant.company_export.show"), code=303)
    if request.method not in READING:
        # Leave to read is none to change anything.
        g.scope = replace(g.scope, is_granted=False)
    tenancy.bind(g.scope)
    if g.scope.is_granted:
        _note_use()
    return None


def while_closed(view: Callable[P, R]) -> Callable[P, R]:
    """A page that a company's people still reach when the company is closed."""
    view.serves_closed = True  # type: ignore[attr-defined]
    return view


def _view() -> object:
    return current_app.view_functions.get(request.endpoint or "")


def _may_still_export() -> bool:
    """Whether this is a page, for an administrator of a company that is closed."""
    account, is_page = current_account(), request.method == "GET" and not wants_part()
    return account.is_closed and account.allows(Permission.MANAGE_COMPANY) and is_page


def _note_use() -> None:
    """Tell the company what an operator reads, before they do; a page that is refused shows nothing."""
    page = request.endpoint or ""
    access = getattr(_view(), "access", None)
    if isinstance(access, Permission) and g.scope.allows(access):
        access_grants.note_use(g.scope, operator=current_account().email, page=page)


def _navigation() -> Navigation:
    can_read = g.scope.allows(Permission.READ_MESSAGES)
    sees_grant = g.scope.is_granted or g.scope.allows(Permission.MANAGE_COMPANY)
    bar = get_bar(g.scope, counts=can_read)
    return Navigation(
        tenant_name=bar.tenant_name,
        can_read_messages=can_read,
        can_operate=g.scope.allows(Permission.OPERATE),
        unread=int(bar.unread),
        undelivered=bar.undelivered,
        granted_until=bar.granted_until if sees_grant else None,
    )


def _may(permission: str) -> bool:
    allowed: bool = g.scope.allows(Permission(permission))
    return allowed
