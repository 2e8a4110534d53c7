"""Sending again from the command line: what an operator asks for, carried out tenant by tenant."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from portal.errors import Invalid, NotFound
from portal.models import Tenant, Unit
from portal.queries import undelivered as queries
from portal.queries import units
from portal.queries.undelivered import Bucket, Filter
from portal.services import accounts, tenants
from portal.services.undelivered import MOST_AT_ONCE, Decision, decide
from portal.tenancy import TenantScope, acting_for

CODE = re.compile(r"[a-z][a-z0-9_]{0,59}")
DECISIONS = {Bucket.FAILED: Decision.TRY_AGAIN, Bucket.UNCONFIRMED: Decision.SEND_AGAIN}


@dataclass(frozen=True)
class Order:
    """Which messages to send again: of one tenant and unit or of all, for a reason, since an instant, by id."""

    tenant_slug: str | None
    unit_slug: str | None
    reason: str | None
    since: datetime | None
    ids: frozenset[UUID]
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True)
class Line:
    """How many messages of a unit were sent again, and how many somebody handled in this very moment."""

    tenant: Tenant
    unit: Unit
    bucket: Bucket
    done: int
    left: int = 0

    def in_words(self, *, is_dry_run: bool) -> str:
        done = "would go back to the queue" if is_dry_run else "went back to the queue"
        if self.bucket == Bucket.UNCONFIRMED:
            done = "would be sent again" if is_dry_run else "sent again"
            done = f"{done}, perhaps for the second time"
        left = f"; {self.left} had been handled meanwhile" if self.left else ""
        return f"{self.tenant.slug}/{self.unit.slug}: {self.done} {done}{left}"


def checked_order(
    message_ids: Sequence[str],
    *,
    tenant: str | None,
    unit: str | None,
    reason: str | None,
    since: str | None,
    include_unconfirmed: bool,
) -> Order:
    """What was typed, understood. Raises Invalid, with a sentence for each option that makes no sense."""
    problems: dict[str, str] = {}
    if unit and not tenant:
        problems["unit"] = "Name the tenant as well: two tenants may have units of one name."
    if reason is not None and not CODE.fullmatch(reason):
        problems["reason"] = "An error code is small letters and underscores, such as not_on_whatsapp."
    ids = {text: _parsed_id(text) for text in message_ids}
    if wrong := [text for text, id_ in ids.items() if id_ is None]:
        problems["id"] = f"No message has an id such as {', '.join(wrong)}."
    instant = _parsed_instant(since) if since is not None else None
    if since is not None and instant is None:
        problems["since"] = "Give an instant with its offset, such as 2026-05-01T08:00-03:00 or 2026-05-01T11:00Z."
    if problems:
        raise Invalid(problems)
    buckets = tuple(DECISIONS) if include_unconfirmed else (Bucket.FAILED,)
    return Order(tenant, unit, reason, instant, frozenset(id_ for id_ in ids.values() if id_), buckets)


def resend(order: Order, *, is_dry_run: bool) -> Iterator[Line]:
    """Send again what the order names, and say how many by unit. Raises NotFound, before anything is sent again."""
    work = [
        (tenant, bucket, unit, ids)
        for tenant in _tenants(order)
        for bucket in order.buckets
        for unit, ids in _wanted(tenant, order, bucket)
    ]
    missing = order.ids - {id_ for _tenant, _bucket, _unit, ids in work for id_ in ids}
    if missing:
        named = ", ".join(str(id_) for id_ in sorted(missing))
        raise NotFound(
            "These messages are not there, do not wait to be sent again, or are of a campaign that is paused or"
            f" cancelled: {named}"
        )
    for tenant, bucket, unit, ids in work:
        yield Line(tenant, unit, bucket, len(ids)) if is_dry_run else _send(tenant, unit, bucket, ids)


def _tenants(order: Order) -> list[Tenant]:
    if order.tenant_slug is None:
        return tenants.list_tenants()
    scope = accounts.system_scope(order.tenant_slug)
    return [tenant for tenant in tenants.list_tenants() if tenant.id == scope.tenant_id]


def _wanted(tenant: Tenant, order: Order, bucket: Bucket) -> list[tuple[Unit, list[UUID]]]:
    """The ids are all found before the first is sent: what fails again meanwhile is not sent in a circle."""
    found = []
    with acting_for(TenantScope(tenant.id)) as scope:
        for unit in _units(scope, order):
            ids = queries.list_ids(scope, Filter(bucket, unit.id, order.reason, order.since, is_free=True))
            found.append((unit, [id_ for id_ in ids if not order.ids or id_ in order.ids]))
    return [(unit, ids) for unit, ids in found if ids]


def _units(scope: TenantScope, order: Order) -> list[Unit]:
    if order.unit_slug is None:
        return units.list_names(scope)
    try:
        return [units.get_unit(scope, order.unit_slug)]
    except NotFound as e:
        raise NotFound(f"There is no unit {order.unit_slug}.") from e


def _send(tenant: Tenant, unit: Unit, bucket: Bucket, ids: list[UUID]) -> Line:
    done = left = 0
    with acting_for(TenantScope(tenant.id)) as scope:
        for start in range(0, len(ids), MOST_AT_ONCE):
            decided = decide(scope, DECISIONS[bucket], ids[start : start + MOST_AT_ONCE])
            done, left = done + decided.done, left + decided.left + decided.stopped
    return Line(tenant, unit, bucket, done, left)


def _parsed_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _parsed_instant(text: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant if instant.tzinfo is not None else None
