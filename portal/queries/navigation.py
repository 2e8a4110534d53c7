"""What stands at the top of every page of a company, found at one look."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, literal

from portal.models import Tenant
from portal.queries import access_grants, conversations, undelivered
from portal.tenancy import Form, TenantScope


@dataclass(frozen=True)
class Bar:
    """The company's name, until when operators may read, unread messages, and those that wait for a decision."""

    tenant_name: str
    granted_until: datetime | None
    unread: int
    undelivered: int


def get_bar(scope: TenantScope, *, counts: bool) -> Bar:
    """`counts`: else nothing is counted, for whoever may not read messages."""
    return Bar(*scope.execute(_WITH_COUNTS if counts else _WITHOUT).one())


def _bar(scope: TenantScope, *counts: Any) -> Select[Any]:
    return scope.select(Tenant, Tenant.name, access_grants.running_until(scope).scalar_subquery(), *counts)


_WITH_COUNTS = Form(
    lambda scope: _bar(
        scope, conversations.sum_of_unread(scope).scalar_subquery(), undelivered.number_waiting(scope).label("waiting")
    )
)
_WITHOUT = Form(lambda scope: _bar(scope, literal(0), literal(0)))
