"""Whose token this is, and which tenant and unit the call is about."""

from typing import Any
from uuid import UUID

from flask import g, request
from flask_babel import gettext as _
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from portal import tenancy
from portal.errors import Invalid, NotFound
from portal.queries import units
from portal.services import accounts
from portal.services.accounts import Account
from portal.tenancy import TenantScope
from portal.web.access import remote_address
from portal.web.api.limits import bearer_token, count_refused_token

CHALLENGE = WWWAuthenticate("bearer", {"realm": "portal"})


def take_unit(endpoint: str | None, values: dict[str, Any] | None) -> None:
    """Every address under `/units/<unit_id>` names its unit in the same place."""
    g.unit_reference = (values or {}).pop("unit_id", None)


def open_scope() -> None:
    """Find the account behind the token and bind the tenant that the call is about, before anything else.

    An operator has no tenant of their own: theirs is the one of the unit in the address.
    """
    account = accounts.account_of_token(bearer_token())
    if account is None:
        count_refused_token()
        raise Unauthorized(www_authenticate=CHALLENGE)
    g.account = account
    if g.unit_reference is not None:
        _bind(_scope_for_unit(account, g.unit_reference))
        g.unit_id = units.get_unit_id(g.scope, g.unit_reference)
    elif account.tenant_id is not None:
        _bind(accounts.own_scope(account, address=remote_address()))


def chosen_unit(reference: str | None) -> UUID:
    """The unit of that id or short name, or the only one that the caller sees. Raises NotFound and Invalid."""
    if reference:
        return units.get_unit_id(g.scope, reference)
    unit = units.find_only_unit(g.scope)
    if unit is None:
        raise Invalid({"unitId": _("Say which unit sends: you have none, or more than one.")})
    return unit.id


def _scope_for_unit(account: Account, reference: str) -> TenantScope:
    if account.tenant_id is not None:
        return accounts.own_scope(account, address=remote_address())
    try:
        unit_id = UUID(reference)
    except ValueError as e:
        # Short names are unique within a tenant only.
        raise NotFound("no such unit") from e
    return accounts.scope_for_unit(account, unit_id, address=remote_address())


def _bind(scope: TenantScope) -> None:
    g.scope = scope
    tenancy.bind(scope)
    if request.method == "POST":
        # What it asks about has a key of its own: to plan that anew takes longer than to look.
        tenancy.plan_once()
