"""The second fence: the session reads each statement and refuses those that no scope, or another's, built."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Executable, delete, exists, func, insert, literal, select, union_all, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import aliased

from portal import statement_tables
from portal.db import atomic, db
from portal.models import Contact, Conversation, EvolutionServer, Message, Tenant, Unit, UserUnit
from portal.tenancy import TenantScope, UnscopedQuery, acting_for, tenant_transaction
from tests.companies import Company, make_company

ROW = {"name": "Praia", "slug": "praia"}
UNSCOPED: dict[str, Callable[[], Executable]] = {
    "select": lambda: select(Unit),
    "columns": lambda: select(Unit.name),
    "table": lambda: select(Unit.__table__),
    "tenants": lambda: select(Tenant),
    "own rows without a scope": lambda: select(Unit).where(Unit.tenant_id == uuid4()),
    "count": lambda: select(func.count()).select_from(Unit),
    "alias": lambda: select(aliased(Unit)),
    "join": lambda: select(EvolutionServer).join(Unit, literal(True)),
    "subquery": lambda: select(select(Unit.id).subquery()),
    "nested subquery": lambda: select(select(select(Unit.id).subquery()).subquery()),
    "lateral": lambda: select(EvolutionServer.id, select(Unit.id).lateral()),
    "exists": lambda: select(literal(1)).where(exists(select(Unit.id))),
    "not exists": lambda: select(literal(1)).where(~exists(select(Unit.id))),
    "in": lambda: select(literal(1)).where(literal(1).in_(select(func.count(Unit.id)))),
    "scalar subquery": lambda: select(select(Unit.id).limit(1).scalar_subquery()),
    "order": lambda: select(literal(1)).order_by(select(Unit.id).limit(1).scalar_subquery()),
    "having": lambda: select(literal(1)).having(exists(select(Unit.id))),
    "case": lambda: select(func.coalesce(None, select(Unit.id).limit(1).scalar_subquery())),
    "union": lambda: union_all(select(literal(uuid4())), select(Unit.id)),
    "cte": lambda: select(select(Unit.id).cte("u")),
    "cte in a condition": lambda: select(literal(1)).where(literal(uuid4()).in_(select(select(Unit.id).cte("u").c.id))),
    "column of a cte": lambda: select(literal(1)).where(select(Unit.id).cte("u").c.id == uuid4()),
    "update": lambda: update(Unit).values(name="x"),
    "update of another by a subquery": lambda: update(EvolutionServer).values(
        name=select(Unit.name).limit(1).scalar_subquery()
    ),
    "delete": lambda: delete(Unit),
    "delete by a subquery": lambda: delete(EvolutionServer).where(EvolutionServer.id.in_(select(Unit.id))),
    "insert": lambda: insert(Unit).values(id=uuid4(), tenant_id=uuid4(), **ROW),
    "upsert": lambda: upsert(Unit).values(id=uuid4(), tenant_id=uuid4(), **ROW).on_conflict_do_nothing(),
    "insert from select": lambda: insert(EvolutionServer).from_select(["id"], select(Unit.id)),
    "update by a cte in a condition": lambda: (
        update(EvolutionServer).where(EvolutionServer.id == select(Unit.id).cte("u").c.id).values(name="x")
    ),
    "delete by a cte in a condition": lambda: delete(EvolutionServer).where(
        EvolutionServer.id == select(Unit.id).cte("u").c.id
    ),
    "written in a cte": lambda: select(update(Unit).values(name="x").returning(Unit.id).cte("u")),
}


@pytest.fixture
def acme(database: None) -> Company:
    return make_company("acme")


@pytest.fixture
def rival(database: None) -> Company:
    return make_company("rival")


@pytest.mark.parametrize("build", UNSCOPED.values(), ids=UNSCOPED)
def test_statement_that_no_scope_built_is_refused(acme: Company, build: Callable[[], Executable]) -> None:
    with acting_for(acme.scope), pytest.raises(UnscopedQuery):
        db.session.execute(build())


@pytest.mark.parametrize("build", UNSCOPED.values(), ids=UNSCOPED)
def test_statement_on_tenants_is_refused_while_nobody_is_bound(database: None, build: Callable[[], Any]) -> None:
    with pytest.raises(UnscopedQuery):
        db.session.execute(build())


@pytest.mark.parametrize("build", UNSCOPED.values(), ids=UNSCOPED)
def test_statement_that_passed_before_is_refused_all_the_same(acme: Company, build: Callable[[], Any]) -> None:
    """What was read of a statement is kept for others of the same form, but not who may execute it."""
    with acting_for(acme.scope):
        for _ in range(2):
            with pytest.raises(UnscopedQuery):
                db.session.execute(build())
        with pytest.raises(UnscopedQuery):
            db.session.execute(build().execution_options(tenant_scoped=uuid4()))


def test_guard_forgets_statements_before_they_grow_too_many(acme: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.statement_tables.MOST_KNOWN", 3)

    with acting_for(acme.scope):
        for number in range(10):
            with pytest.raises(UnscopedQuery):
                db.session.execute(select(Unit.id, *(literal(one) for one in range(number))))

    assert len(statement_tables._KNOWN_TABLES) <= 3


ASKED_OF_SESSION: dict[str, Callable[[Company], object]] = {
    "get": lambda rival: db.session.get(Unit, rival.unit.id),
    "get_one": lambda rival: db.session.get_one(Unit, rival.unit.id),
    "query": lambda rival: db.session.query(Unit).all(),
    "merge": lambda rival: db.session.merge(Unit(id=rival.unit.id, name="x")),
    "bulk insert": lambda rival: db.session.execute(insert(Unit), [{"tenant_id": rival.scope.tenant_id, **ROW}]),
    "bulk update": lambda rival: db.session.execute(update(Unit), [{"id": rival.unit.id, "name": "x"}]),
    "get_or_404": lambda rival: db.get_or_404(Unit, rival.unit.id),
}


@pytest.mark.parametrize("ask", ASKED_OF_SESSION.values(), ids=ASKED_OF_SESSION)
def test_session_itself_gives_out_no_tenants_row(
    acme: Company, rival: Company, ask: Callable[[Company], object]
) -> None:
    db.session.expunge_all()

    with acting_for(acme.scope), pytest.raises(UnscopedQuery):
        ask(rival)


SCOPED: dict[str, Callable[[TenantScope], Executable]] = {
    "select": lambda scope: scope.select(Unit),
    "columns": lambda scope: scope.select(Unit, Unit.id, Unit.name),
    "join": lambda scope: scope.select(Conversation).join(
        Contact, (Contact.tenant_id == Conversation.tenant_id) & (Contact.id == Conversation.contact_id)
    ),
    "update": lambda scope: scope.update(Unit).values(name="x"),
    "delete": lambda scope: scope.delete(UserUnit),
    "insert": lambda scope: scope.insert(Contact, [{"id": uuid4(), "phone": "12125550001"}]),
}


@pytest.mark.parametrize("build", SCOPED.values(), ids=SCOPED)
def test_statement_of_the_bound_scope_passes(acme: Company, build: Callable[[TenantScope], Executable]) -> None:
    with acting_for(acme.scope), atomic():
        db.session.execute(build(acme.scope))


@pytest.mark.parametrize("build", SCOPED.values(), ids=SCOPED)
def test_statement_of_one_scope_is_refused_while_another_tenant_is_bound(
    acme: Company, rival: Company, build: Callable[[TenantScope], Executable]
) -> None:
    statement = build(acme.scope)

    with acting_for(rival.scope), pytest.raises(UnscopedQuery):
        db.session.execute(statement)


def test_columns_of_a_loaded_row_may_be_loaded_again(acme: Company) -> None:
    with acting_for(acme.scope):
        unit = acme.scope.get(Unit, acme.unit.id)
        db.session.expire(unit)

        assert unit.name == "Centro"
        db.session.refresh(unit, ["slug"])


def add_row_of(rival: Company) -> None:
    db.session.add(Contact(tenant_id=rival.scope.tenant_id, phone="12125550001"))


def change_row_of(rival: Company) -> None:
    db.session.add(rival.unit)
    rival.unit.name = "Taken"


def delete_row_of(rival: Company) -> None:
    db.session.delete(rival.message)


@pytest.mark.parametrize("touch", [add_row_of, change_row_of, delete_row_of])
def test_row_of_another_tenant_is_never_written(
    acme: Company, rival: Company, touch: Callable[[Company], None]
) -> None:
    unit_id, message_id = rival.unit.id, rival.message.id

    with pytest.raises(UnscopedQuery), tenant_transaction(acme.scope):
        touch(rival)

    with acting_for(rival.scope):
        assert rival.scope.get(Unit, unit_id).name == "Centro"
        assert rival.scope.get(Message, message_id).body == "Bom dia"


def test_row_is_not_written_while_nobody_is_bound(acme: Company) -> None:
    with pytest.raises(UnscopedQuery), atomic():
        db.session.add(Contact(tenant_id=acme.scope.tenant_id, phone="12125550001"))


def test_statement_outside_a_transaction_of_ours_is_not_kept(acme: Company) -> None:
    with acting_for(acme.scope):
        db.session.execute(acme.scope.update(Unit).values(name="Taken"))

    with acting_for(acme.scope):
        assert acme.scope.get(Unit, acme.unit.id).name == "Centro"
