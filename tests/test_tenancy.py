"""The first fence: a scope sees one tenant, maybe only some units of it, and blocks say whose rows a session sees."""

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import String, bindparam, select

from portal.db import atomic, db
from portal.errors import NotFound
from portal.models import Contact, Conversation, Lane, Message, Tenant, Unit
from portal.permissions import Permission, Role
from portal.tenancy import (
    Form,
    TenantScope,
    UnscopedQuery,
    across_tenants,
    acting_for,
    bind,
    tenant_transaction,
    unbind,
)
from tests.companies import Company, make_company
from tests.factories import make_unit


@pytest.fixture
def acme(database: None) -> Company:
    return make_company("acme")


@pytest.fixture
def rival(database: None) -> Company:
    return make_company("rival")


def test_scope_sees_its_own_rows_only(acme: Company, rival: Company) -> None:
    with acting_for(acme.scope):
        seen = db.session.scalars(acme.scope.select(Message)).all()

        assert [message.id for message in seen] == [acme.message.id]
        with pytest.raises(NotFound):
            acme.scope.get(Message, rival.message.id)


NEW_CONTACT = Form(lambda scope: scope.insert_one(Contact).returning(Contact))
OWN_UNITS = Form(lambda scope: scope.select(Unit, Unit.id, bindparam("said", type_=String())))


def test_form_is_built_once_and_shows_each_scope_its_own(acme: Company, rival: Company) -> None:
    other = make_unit(acme.scope, "praia")
    limited = TenantScope(acme.scope.tenant_id, unit_ids=frozenset({other.id}))
    without = TenantScope(acme.scope.tenant_id, unit_ids=frozenset())
    seen = {}

    for name, scope in {"acme": acme.scope, "rival": rival.scope, "limited": limited, "without": without}.items():
        with acting_for(scope):
            seen[name] = {tuple(row) for row in scope.execute(OWN_UNITS, said=name)}

    assert seen["acme"] == {(acme.unit.id, "acme"), (other.id, "acme")}
    assert seen["rival"] == {(rival.unit.id, "rival")}
    assert seen["limited"] == {(other.id, "limited")}
    assert seen["without"] == set()
    assert OWN_UNITS.statement(is_limited=True) is OWN_UNITS.statement(is_limited=True)


def test_form_is_filled_in_by_the_bound_scope_only(acme: Company, rival: Company) -> None:
    theirs = {"scope_tenant_id": rival.scope.tenant_id, "said": ""}

    with acting_for(acme.scope):
        with pytest.raises(UnscopedQuery):
            rival.scope.execute(OWN_UNITS, said="")
        with pytest.raises(UnscopedQuery):
            db.session.execute(OWN_UNITS.statement(is_limited=False), theirs)
        seen = list(acme.scope.execute(OWN_UNITS, **theirs))

    assert [row[0] for row in seen] == [acme.unit.id]


def test_form_that_inserts_is_stamped_by_the_bound_scope(acme: Company, rival: Company) -> None:
    row = {"id": uuid4(), "phone": "12125550001", "tenant_id": rival.scope.tenant_id}

    with acting_for(acme.scope):
        with pytest.raises(UnscopedQuery):
            rival.scope.execute(NEW_CONTACT, **row)
        with pytest.raises(UnscopedQuery):
            db.session.execute(NEW_CONTACT.statement(is_limited=False), {**row, "scope_tenant_id": row["tenant_id"]})
        with atomic():
            inserted = acme.scope.execute(NEW_CONTACT, **row).scalar_one()

    assert (inserted.id, inserted.tenant_id, inserted.phone) == (row["id"], acme.scope.tenant_id, row["phone"])


def test_scope_stamps_what_it_adds_and_inserts(acme: Company, rival: Company) -> None:
    row = {"id": uuid4(), "phone": "12125550001", "tenant_id": rival.scope.tenant_id}

    with acting_for(acme.scope), atomic():
        db.session.execute(acme.scope.insert(Contact, [row]))
        added = acme.scope.add(Contact(phone="12125550002", tenant_id=rival.scope.tenant_id))

    assert added.tenant_id == acme.scope.tenant_id
    with acting_for(acme.scope):
        assert acme.scope.get(Contact, row["id"]).tenant_id == acme.scope.tenant_id


@pytest.mark.parametrize("model", [Unit, Message, Conversation, Lane])
def test_scope_limited_to_units_sees_those_only(acme: Company, model: type[Any]) -> None:
    other = make_unit(acme.scope, "praia")
    limited = TenantScope(acme.scope.tenant_id, unit_ids=frozenset({other.id}))
    without = TenantScope(acme.scope.tenant_id, unit_ids=frozenset())

    with acting_for(acme.scope):
        seen = db.session.scalars(limited.select(model)).all()
        unseen = db.session.scalars(without.select(model)).all()

    assert {getattr(row, "unit_id", None) or row.id for row in seen} <= {other.id}
    assert unseen == []


@pytest.mark.parametrize("change", ["update", "delete"])
def test_scope_limited_to_units_changes_those_only(acme: Company, change: str) -> None:
    limited = TenantScope(acme.scope.tenant_id, unit_ids=frozenset({uuid4()}))
    statement = {"update": limited.update(Lane).values(away_count=1), "delete": limited.delete(Lane)}[change]

    with acting_for(acme.scope), atomic():
        changed = db.session.execute(statement)

    assert changed.rowcount == 0  # type: ignore[attr-defined]


def test_system_sees_every_tenant_inside_the_block_and_nobody_after_it(acme: Company, rival: Company) -> None:
    with across_tenants("a test looks at all"):
        assert {tenant.slug for tenant in db.session.scalars(select(Tenant))} == {"acme", "rival"}

    with pytest.raises(UnscopedQuery):
        db.session.scalars(select(Tenant))


def test_each_block_gives_back_what_was_bound_before(acme: Company, rival: Company) -> None:
    with acting_for(acme.scope):
        with across_tenants("a look aside"):
            with acting_for(rival.scope):
                assert db.session.scalars(rival.scope.select(Unit)).one().id == rival.unit.id
            assert len(db.session.scalars(select(Unit)).all()) == 2
        assert db.session.scalars(acme.scope.select(Unit)).one().id == acme.unit.id
        with pytest.raises(UnscopedQuery):
            db.session.scalars(rival.scope.select(Unit))


def test_failing_block_gives_back_what_was_bound_before(acme: Company) -> None:
    with acting_for(acme.scope):
        with pytest.raises(ValueError, match="failed"), across_tenants("a look aside"):
            raise ValueError("failed")

        assert db.session.scalars(acme.scope.select(Unit)).one().id == acme.unit.id


def test_tenant_cannot_change_inside_a_transaction(acme: Company, rival: Company) -> None:
    with tenant_transaction(acme.scope):
        with pytest.raises(RuntimeError, match="inside a transaction"), acting_for(rival.scope):
            pass
        with pytest.raises(RuntimeError, match="inside a transaction"), across_tenants("a look aside"):
            pass
        with pytest.raises(RuntimeError, match="inside a transaction"):
            bind(rival.scope)


def test_same_tenant_may_be_named_again_inside_a_transaction(acme: Company) -> None:
    with tenant_transaction(acme.scope), acting_for(acme.scope):
        acme.scope.get(Unit, acme.unit.id)


def test_failure_in_an_inner_block_that_is_caught_loses_nothing_of_the_transaction(acme: Company) -> None:
    with tenant_transaction(acme.scope):
        contact = acme.scope.add(Contact(phone="12125550001"))
        db.session.flush()
        with pytest.raises(NotFound), acting_for(acme.scope):
            acme.scope.get(Unit, uuid4())

    with acting_for(acme.scope):
        assert acme.scope.get(Contact, contact.id).phone == "12125550001"


def test_tenant_cannot_change_over_unwritten_rows(acme: Company) -> None:
    with acting_for(acme.scope):
        added = acme.scope.add(Contact(phone="12125550001"))
        with pytest.raises(RuntimeError, match="would be lost"), across_tenants("x"):
            pass
        db.session.expunge(added)


def test_unbound_session_sees_nobody(acme: Company) -> None:
    bind(acme.scope)
    unbind()

    with pytest.raises(UnscopedQuery):
        db.session.scalars(acme.scope.select(Unit))


@pytest.mark.parametrize(
    ("role", "permission", "expected"),
    [
        (Role.SUPER_ADMIN, Permission.OPERATE, True),
        (Role.SUPER_ADMIN, Permission.CONNECT, True),
        (Role.SUPER_ADMIN, Permission.READ_MESSAGES, False),
        (Role.SUPER_ADMIN, Permission.SEND, False),
        (Role.TENANT_ADMIN, Permission.OPERATE, False),
        (Role.TENANT_ADMIN, Permission.MANAGE_UNITS, True),
        (Role.AGENT, Permission.SEND, True),
        (Role.AGENT, Permission.CONNECT, False),
        (Role.AGENT, Permission.MANAGE_UNITS, False),
    ],
)
def test_role_decides_what_a_scope_allows(role: Role, permission: Permission, expected: bool) -> None:
    assert TenantScope(uuid4(), role=role).allows(permission) is expected
