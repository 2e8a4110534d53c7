"""Whose token this is, and which tenant and unit the call is about."""

from typing import Any
from uuid import UUID

from flask import g, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from portal import tenancy
from portal.errors import NotFound
from portal.queries import units
from portal.secrets import fingerprint
from portal.services import accounts
from portal.services.accounts import Account
from portal.tenancy import TenantScope
from portal.web.access import remote_address

CHALLENGE = WWWAuthenticate("bearer", {"realm": "portal"})


def take_unit(endpoint: str | None, values: dict[str, Any] | None) -> None:
    """Every address under `/units/<unit_id>` names its unit in the same place."""
    g.unit_reference = (values or {}).pop("unit_id", None)


def open_scope() -> None:
    """Find the account behind the token and bind the tenant that the call is about, before anything else.

    An operator has no tenant of their own: theirs is the one of the unit in the address.
    """
    account = accounts.account_of_token(_token())
    if account is None:
        raise Unauthorized(www_authenticate=CHALLENGE)
    g.account = account
    if g.unit_reference is not None:
        _bind(_scope_for_unit(account, g.unit_reference))
        g.unit_id = units.get_unit_by_id(g.scope, g.unit_reference).id
    elif account.tenant_id is not None:
        _bind(accounts.own_scope(account, address=remote_address()))


def token_key() -> str:
    """What the limit counts by: the token, unreadable; callers without one share their address."""
    token = _token()
    return fingerprint(token) if token else remote_address() or ""


def _token() -> str:
    given = request.authorization
    return given.token or "" if given is not None and given.type == "bearer" else ""


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
