"""Erasing companies whose days are over: batch by batch, in the order of foreign keys, until nothing of them is left.

Each batch is one short transaction that sees this company only, and what is left says which one comes next: whoever is
killed in between is followed by one who goes on. Which tables these are follows from the models. The audit log is only
added to, so it stays, with the rows that it names: those lose whatever says who they were.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import structlog
from sqlalchemy import (
    ColumnElement,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    exists,
    false,
    func,
    literal,
    select,
    true,
    tuple_,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import InstrumentedAttribute, aliased

from portal.background.pauses import Pauses
from portal.clock import now
from portal.db import Base, atomic, db, found_once
from portal.models import ApiToken, AuditEvent, Connection, ConnectionAction, Message, MessageStatus, Tenant, User
from portal.queries.tenant_data import models_of_tenants
from portal.services import audit
from portal.services.audit import Actor
from portal.services.connections import lock_connection, note_wish
from portal.services.deleting import BATCH
from portal.tenancy import TenantScope, across_tenants, tenant_transaction

log = structlog.get_logger(__name__)

LOOK_AGAIN_S = 30.0
# Evolution is to forget the company's numbers too; a server that is away for longer is not waited for.
SERVERS_WAITED_FOR = timedelta(days=1)
STAYS = (Tenant, User, ApiToken, AuditEvent)
ERASED = "erased"


class TenantErasures:
    """What one process erases: of several companies that wait, one batch after the other."""

    def __init__(self) -> None:
        self._pauses = Pauses(LOOK_AGAIN_S)
        # The tables of each company that have yet to be looked at, before all of them are looked at once more.
        self._left: dict[UUID, Iterator[type[Base]]] = {}

    def work(self) -> bool:
        """Erase one batch of one company; False when there is nothing to do now."""
        for tenant_id, erase_at in _list_due():
            if self._pauses.is_over(tenant_id):
                # First of all: one that fails keeps no other from its turn.
                self._pauses.begin(tenant_id)
                if self._go_on(TenantScope(tenant_id), erase_at):
                    self._pauses.end(tenant_id)
                    return True
        return False

    def _go_on(self, scope: TenantScope, erase_at: datetime) -> bool:
        """False when something is waited for."""
        if scope.tenant_id not in self._left:
            if _is_sending(scope) or _is_at_evolution(scope, erase_at):
                return False
            _forget_people(scope)
            self._left[scope.tenant_id] = iter(models_to_erase())
        try:
            for model in self._left[scope.tenant_id]:
                if _erase_batch(scope, model):
                    # Once more, from this table on.
                    self._left[scope.tenant_id] = _from(model)
                    return True
        except IntegrityError:
            # Something new came in behind us, say a message that had been received before.
            del self._left[scope.tenant_id]
            return False
        del self._left[scope.tenant_id]
        return _finish(scope)


def models_to_erase() -> list[type[Base]]:
    """Each before the ones that it refers to."""
    return [model for model in reversed(models_of_tenants()) if model not in STAYS]


def _from(model: type[Base]) -> Iterator[type[Base]]:
    models = models_to_erase()
    return iter(models[models.index(model) :])


def _list_due() -> list[tuple[UUID, datetime]]:
    """By the database's clock, as whoever takes a closing back."""
    due = Tenant.closed_at.is_not(None) & (Tenant.erase_at <= func.clock_timestamp()) & Tenant.erased_at.is_(None)
    with across_tenants("every company's days end"):
        rows = db.session.execute(select(Tenant.id, Tenant.erase_at).where(due).order_by(Tenant.erase_at))
        return [(id_, erase_at) for id_, erase_at in rows if erase_at is not None]


def _is_sending(scope: TenantScope) -> bool:
    """What is in flight ends first: its outcome has a row to go to."""
    with tenant_transaction(scope):
        sending = scope.select(Message, Message.id).where(Message.status == MessageStatus.SENDING).limit(1)
        return db.session.scalar(sending) is not None


def _is_at_evolution(scope: TenantScope, erase_at: datetime) -> bool:
    """Whether Evolution still has numbers of the company, of which it is asked to forget them."""
    with tenant_transaction(scope):
        made = scope.select(Connection, Connection.unit_id, Connection.action)
        rows = db.session.execute(made.where(Connection.instance_name.is_not(None)).order_by(Connection.unit_id)).all()
        if now() > erase_at + SERVERS_WAITED_FOR:
            if rows:
                log.warning("instances stay at Evolution", tenant_id=str(scope.tenant_id), instances=len(rows))
            return False
        for unit_id, action in rows:
            if action is None:
                note_wish(lock_connection(scope, unit_id), ConnectionAction.DELETE)
    return bool(rows)


def _forget_people(scope: TenantScope) -> None:
    """Nobody of it can sign in, by page or by API, and nothing says who they were."""
    nobody = {
        "email": _nameless(User.id),
        "password_hash": None,
        "locale": None,
        "totp_secret_encrypted": None,
        "totp_since": None,
        "totp_last_step": None,
        "disabled_at": func.coalesce(User.disabled_at, now()),
    }
    no_token = {
        "name": ERASED,
        "hint": None,
        "token_hash": _nameless(ApiToken.id),
        "revoked_at": func.coalesce(ApiToken.revoked_at, now()),
    }
    with tenant_transaction(scope):
        for statement in (
            scope.update(User).values(nobody),
            scope.delete(ApiToken).where(ApiToken.user_id.is_not(None)),
            scope.update(ApiToken).values(no_token),
        ):
            db.session.execute(statement.execution_options(synchronize_session=False))


def _nameless(id_: InstrumentedAttribute[UUID]) -> ColumnElement[str]:
    return func.concat(f"{ERASED}-", id_.cast(String))


def _erase_batch(scope: TenantScope, model: type[Base]) -> int:
    """How many rows went; what somebody else holds at this moment is left for later."""
    key = tuple(model.__table__.primary_key)
    some = scope.select(model, *key).where(_is_near(scope, model), ~_is_needed(model)).limit(BATCH)
    batch = scope.delete(model).where(tuple_(*key).in_(found_once(some.with_for_update(skip_locked=True, of=model))))
    with tenant_transaction(scope):
        gone = db.session.execute(batch.execution_options(synchronize_session=False))
        return int(gone.rowcount)  # type: ignore[attr-defined]


def _is_near(scope: TenantScope, model: type[Base]) -> ColumnElement[bool]:
    """Leads to the company's rows by an index: those of the rows that own them, where none begins with the company."""
    first = _first_of_indexes(model)
    if "tenant_id" in first:
        return true()
    owners = {mapper.local_table: mapper.class_ for mapper in Base.registry.mappers}
    for name, referred in _references(model):
        owner: Any = owners[referred]
        if name in first and owner is not model:
            is_owned: ColumnElement[bool] = _column(model, name).in_(scope.select(owner, owner.id))
            return is_owned
    return true()


def _is_needed(model: type[Base]) -> ColumnElement[bool]:
    """Whether another row of the same table refers to it: that one goes first."""
    other: Any = aliased(model)
    needed: ColumnElement[bool] = false()
    for name, referred in _references(model):
        if referred is model.__table__:
            is_same = (other.tenant_id == _column(model, "tenant_id")) & (getattr(other, name) == _column(model, "id"))
            needed |= exists().where(is_same)
    return needed


def _references(model: type[Base]) -> list[tuple[str, Any]]:
    """The columns that name a row, and the tables that these are in; the company's own is no such row."""
    table = cast(Table, model.__table__)
    named = [(constraint.column_keys[-1], constraint.referred_table) for constraint in table.foreign_key_constraints]
    return sorted((one for one in named if one[0] != "tenant_id"), key=lambda one: one[0])


def _first_of_indexes(model: type[Base]) -> set[str]:
    """The columns by which all of the table's rows are found quickly."""
    table = cast(Table, model.__table__)
    keys = [one for one in table.constraints if isinstance(one, PrimaryKeyConstraint | UniqueConstraint)]
    whole = [one for one in table.indexes if one.dialect_options["postgresql"]["where"] is None]
    return {one.columns[0].name for one in (*keys, *whole) if one.columns}


def _column(model: type[Base], name: str) -> Any:
    return getattr(model, name)


def _finish(scope: TenantScope) -> bool:
    """Note that it is done, once nothing is left; False when something is."""
    with across_tenants("the company's own row is the operators'"), atomic():
        this = select(Tenant).where(Tenant.id == scope.tenant_id, Tenant.erased_at.is_(None)).with_for_update()
        tenant = db.session.scalar(this.execution_options(populate_existing=True))
        if tenant is None or any(_has_rows(scope, model) for model in models_to_erase()):
            return False
        tenant.name, tenant.erased_at = ERASED, now()
        subject = ("tenant", tenant.id)
        audit.record(scope, "tenant.erased", subject)
        audit.record_for_operator(Actor(None), "tenant.erased", subject)
    log.info("company erased", tenant_id=str(scope.tenant_id))
    return True


def _has_rows(scope: TenantScope, model: type[Base]) -> bool:
    one = scope.select(model, literal(1)).where(_is_near(scope, model)).limit(1)
    return db.session.scalar(one) is not None
