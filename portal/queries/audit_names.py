"""What the things are called that the audit log tells of, as far as the reader may see them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from portal.db import among, db
from portal.models import (
    ApiToken,
    AuditEvent,
    Campaign,
    Contact,
    Conversation,
    EvolutionServer,
    Import,
    Message,
    MessageTemplate,
    Tag,
    Tenant,
    Unit,
    User,
    WebhookEndpoint,
)
from portal.tenancy import TenantScope, across_tenants

MOST_IDS = 2_000
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Kind of row -> what names it.
_NAMES: tuple[tuple[Any, Any], ...] = (
    (Unit, Unit.name),
    (User, User.email),
    (Campaign, Campaign.name),
    (MessageTemplate, MessageTemplate.name),
    (Tag, Tag.name),
    (Import, Import.file_name),
    (ApiToken, ApiToken.name),
)
# Customers and what was written stand in the log by their ids only.
_NAMELESS: tuple[Any, ...] = (Contact, Conversation, Message, WebhookEndpoint)
_SHORT_NAMES = {Unit: Unit.slug}


@dataclass(frozen=True)
class Named:
    """What something is called, or nothing; and the short name in its address, where it has one."""

    name: str
    slug: str | None = None


def find(scope: TenantScope | None, events: Iterable[AuditEvent]) -> dict[UUID, Named]:
    """Id -> name, of all that these events tell of and that is still there. Without a scope: of every tenant."""
    ids = _ids_in(events)
    if not ids:
        return {}
    found: dict[UUID, Named] = {}
    for model, name in _NAMES:
        rows = _rows(scope, model, ids, name, *([_SHORT_NAMES[model]] if model in _SHORT_NAMES else []))
        found |= {row[0]: Named(row[1] or "", row[2] if len(row) > 2 else None) for row in rows}
    for model in _NAMELESS:
        found |= {row[0]: Named("") for row in _rows(scope, model, ids)}
    if scope is None:
        found |= _of_the_portal(ids)
    return found


def _rows(scope: TenantScope | None, model: Any, ids: list[UUID], *columns: Any) -> Iterable[Any]:
    statement = scope.select(model, model.id, *columns) if scope is not None else select(model.id, *columns)
    return db.session.execute(statement.where(among(model.id, ids)))


def _of_the_portal(ids: list[UUID]) -> dict[UUID, Named]:
    """What belongs to no tenant, and the tenants themselves: for operators."""
    with across_tenants("an operator reads the log of every tenant"):
        servers = db.session.execute(
            select(EvolutionServer.id, EvolutionServer.name).where(among(EvolutionServer.id, ids))
        )
        tenants = db.session.execute(select(Tenant.id, Tenant.name, Tenant.slug).where(among(Tenant.id, ids)))
        return {row.id: Named(row.name) for row in servers} | {row.id: Named(row.name, row.slug) for row in tenants}


def _ids_in(events: Iterable[AuditEvent]) -> list[UUID]:
    ids: dict[UUID, None] = {}
    for event in events:
        if event.subject_id is not None:
            ids[event.subject_id] = None
        for told in (event.before, event.after):
            ids.update(dict.fromkeys(_ids_of(told or {})))
    return list(ids)[:MOST_IDS]


def _ids_of(told: dict[str, Any]) -> Iterator[UUID]:
    for name, value in told.items():
        # A list of messages is told by their number.
        if name == "ids":
            continue
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str) and _ID.fullmatch(one):
                yield UUID(one)
