"""The parent of all pages of a tenant: it opens the scope, so no page under it can be reached without one."""

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, g
from flask.typing import ResponseReturnValue
from flask_login import current_user

from portal import tenancy
from portal.extensions import login
from portal.permissions import Permission
from portal.queries import conversations, tenants, undelivered
from portal.services import accounts
from portal.web.access import current_account, remote_address


@dataclass(frozen=True)
class Navigation:
    """What stands at the top of every page of a tenant."""

    tenant_name: str
    can_read_messages: bool
    can_operate: bool
    unread: int
    undelivered: int


def make_blueprint() -> Blueprint:
    """A fresh parent for each app: blueprints may not gain children once they are registered."""
    bp = Blueprint("tenant", __name__, url_prefix="/t/<tenant_slug>")
    bp.url_value_preprocessor(_take_slug)
    bp.url_defaults(_put_slug)
    bp.before_request(_open_scope)
    bp.context_processor(lambda: {"navigation": _navigation, "may": _may})
    return bp


def _take_slug(endpoint: str | None, values: dict[str, Any] | None) -> None:
    g.tenant_slug = (values or {}).pop("tenant_slug", None)


def _put_slug(endpoint: str, values: dict[str, Any]) -> None:
    if "tenant_slug" in g:
        values.setdefault("tenant_slug", g.tenant_slug)


def _open_scope() -> ResponseReturnValue | None:
    if not current_user.is_authenticated:
        refused: ResponseReturnValue = login.unauthorized()
        return refused
    g.scope = accounts.scope_for(current_account(), g.tenant_slug, address=remote_address())
    tenancy.bind(g.scope)
    return None


def _navigation() -> Navigation:
    can_read = g.scope.allows(Permission.READ_MESSAGES)
    return Navigation(
        tenant_name=tenants.get_tenant_name(g.scope),
        can_read_messages=can_read,
        can_operate=g.scope.allows(Permission.OPERATE),
        unread=conversations.count_unread(g.scope) if can_read else 0,
        undelivered=undelivered.count_waiting(g.scope) if can_read else 0,
    )


def _may(permission: str) -> bool:
    allowed: bool = g.scope.allows(Permission(permission))
    return allowed
