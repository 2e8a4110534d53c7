"""The audit log, newest first: of one company, or of all for an operator."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, or_, select

from portal.db import among, db, end_read, first_id_at
from portal.models import ApiToken, AuditEvent, Tenant, TokenKind, Unit, User
from portal.queries import audit_names
from portal.queries.audit_names import Named
from portal.tenancy import TenantScope, across_tenants

PAGE = 50
BATCH = 1000
MOST_CHOICES = 1000


class Kind(StrEnum):
    """Who did it, where it was none of the company's people or tokens."""

    OPERATOR = "operator"
    PORTAL = "portal"
    LINK = "link"


@dataclass(frozen=True)
class Filter:
    """Some of the log: by who, by the nouns of the actions, about one thing, in a time, of one tenant."""

    who: UUID | Kind | None = None
    nouns: frozenset[str] | None = None
    subject_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    tenant_id: UUID | None = None


@dataclass(frozen=True)
class LogRow:
    """What was done, by whom, and what the ids in it are called."""

    event: AuditEvent
    # The e-mail address of a person whom the reader knows, or the name of a token.
    person: str | None
    token: str | None
    names: dict[UUID, Named]
    tenant: Named | None = None

    @property
    def kind(self) -> Kind | None:
        """None: somebody with a name."""
        if self.person or self.token:
            return None
        if self.event.user_id is not None:
            return Kind.OPERATOR
        return Kind.LINK if self.event.address else Kind.PORTAL


@dataclass(frozen=True)
class Choices:
    """Whom a filter may name, by the names that people know: id -> name."""

    people: dict[UUID, str]
    tokens: dict[UUID, str]


def list_log(
    scope: TenantScope | None, wanted: Filter, *, before: UUID | None = None, limit: int = PAGE
) -> list[LogRow]:
    """The newest rows that the filter takes; those older than `before`. Without a scope: of every tenant."""
    with _seeing(scope):
        everything = select(AuditEvent) if scope is None else scope.along_ids(AuditEvent)
        statement = everything.where(*_conditions(scope, wanted))
        if before is not None:
            statement = statement.where(AuditEvent.id < before)
        events = list(db.session.scalars(statement.order_by(AuditEvent.id.desc()).limit(limit)))
        return with_names(scope, events)


def iterate(scope: TenantScope | None, wanted: Filter) -> Iterator[LogRow]:
    """All rows that the filter takes, newest first; no connection is held while the caller is at a batch."""
    before = None
    while True:
        rows = list_log(scope, wanted, before=before, limit=BATCH)
        # Detached, the rows stay readable.
        db.session.expunge_all()
        end_read()
        yield from rows
        if len(rows) < BATCH:
            return
        before = rows[-1].event.id


def with_names(scope: TenantScope | None, events: Sequence[AuditEvent]) -> list[LogRow]:
    """These entries with all that they tell of by its name."""
    people = _names_of(scope, User, User.email, {event.user_id for event in events})
    tokens = _names_of(scope, ApiToken, ApiToken.name, {event.api_token_id for event in events})
    names = audit_names.find(scope, events)
    rows = [LogRow(event, people.get(event.user_id), tokens.get(event.api_token_id), names) for event in events]
    if scope is not None:
        return rows
    tenants = list_tenants()
    return [replace(row, tenant=tenants.get(row.event.tenant_id) if row.event.tenant_id else None) for row in rows]


def list_choices(scope: TenantScope | None) -> Choices:
    """The people and the tokens of a company; without a scope the operators."""
    with _seeing(scope):
        people = _select(scope, User, User.id, User.email).order_by(User.email).limit(MOST_CHOICES)
        if scope is None:
            return Choices(
                {row.id: row.email for row in db.session.execute(people.where(User.tenant_id.is_(None)))}, {}
            )
        own = ApiToken.kind.in_((TokenKind.LIVE, TokenKind.TEST))
        tokens = scope.select(ApiToken, ApiToken.id, ApiToken.name).where(own, ApiToken.name.is_not(None))
        return Choices(
            people={row.id: row.email for row in db.session.execute(people)},
            tokens={row.id: row.name for row in db.session.execute(tokens.order_by(ApiToken.name).limit(MOST_CHOICES))},
        )


def list_tenants() -> dict[UUID, Named]:
    """Id -> tenant, by name, for an operator's filter."""
    with across_tenants("an operator reads the log of every tenant"):
        rows = db.session.execute(select(Tenant.id, Tenant.name, Tenant.slug).order_by(Tenant.name))
        return {row.id: Named(row.name, row.slug) for row in rows}


def find_time_zone(scope: TenantScope) -> str | None:
    """The clock of the company's first unit."""
    first: str | None = db.session.scalar(scope.select(Unit, Unit.time_zone).order_by(Unit.id).limit(1))
    return first


def _seeing(scope: TenantScope | None) -> AbstractContextManager[None]:
    return across_tenants("an operator reads the log of every tenant") if scope is None else nullcontext()


def _select(scope: TenantScope | None, model: Any, *columns: Any) -> Select[Any]:
    return select(*(columns or (model,))) if scope is None else scope.select(model, *columns)


def _conditions(scope: TenantScope | None, wanted: Filter) -> list[ColumnElement[bool]]:
    found = list(_by_whom(scope, wanted.who))
    if wanted.nouns is not None:
        found.append(func.split_part(AuditEvent.action, ".", 1).in_(sorted(wanted.nouns)))
    if wanted.subject_id is not None:
        found.append(AuditEvent.subject_id == wanted.subject_id)
    if wanted.tenant_id is not None:
        found.append(AuditEvent.tenant_id == wanted.tenant_id)
    # The ids begin with their time, and the index is on them.
    if wanted.since is not None:
        found.append(AuditEvent.id >= first_id_at(wanted.since))
    if wanted.until is not None:
        found.append(AuditEvent.id < first_id_at(wanted.until))
    return found


def _by_whom(scope: TenantScope | None, who: UUID | Kind | None) -> Iterator[ColumnElement[bool]]:
    if who is None:
        return
    if isinstance(who, UUID):
        yield or_(AuditEvent.user_id == who, AuditEvent.api_token_id == who)
        return
    yield AuditEvent.api_token_id.is_(None)
    if who == Kind.OPERATOR:
        yield AuditEvent.user_id.is_not(None)
        if scope is not None:
            yield AuditEvent.user_id.not_in(scope.select(User, User.id))
        else:
            yield AuditEvent.user_id.in_(select(User.id).where(User.tenant_id.is_(None)))
    else:
        yield AuditEvent.user_id.is_(None)
        yield AuditEvent.address.is_not(None) if who == Kind.LINK else AuditEvent.address.is_(None)


def _names_of(scope: TenantScope | None, model: Any, name: Any, ids: set[UUID | None]) -> dict[UUID | None, str]:
    known = [id_ for id_ in ids if id_ is not None]
    if not known:
        return {}
    rows = db.session.execute(_select(scope, model, model.id, name).where(among(model.id, known)))
    return {id_: text for id_, text in rows if text}
