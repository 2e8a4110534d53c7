"""Two contacts of one company who share a unit, and each have one of their own."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import inspect

from portal.clock import now
from portal.db import atomic, db
from portal.models import (
    ConsentEvent,
    ConsentKind,
    ConsentSource,
    Contact,
    ContactMerge,
    ContactTag,
    Direction,
    Tag,
    Unit,
)
from portal.queries.contacts import get_contact
from portal.services import consent
from portal.services.merging import merge_contacts
from portal.services.parting import undo_merge
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_connected_unit, make_conversation, make_message, make_tenant

ANA, MARIA = "5511988880001", "5511977770001"


@pytest.fixture
def acme(database: None) -> TenantScope:
    return make_tenant("acme")


@pytest.fixture
def unit(acme: TenantScope) -> Unit:
    return make_connected_unit(acme, "centro")


@pytest.fixture
def other_unit(acme: TenantScope) -> Unit:
    return make_connected_unit(acme, "praia", phone="5511999990009")


@pytest.fixture
def both(acme: TenantScope, unit: Unit, other_unit: Unit) -> tuple[UUID, UUID]:
    """Ana, and Ana again under another number: at one unit both wrote, at the other only the second."""
    kept = make_conversation(acme, unit, phone=ANA, name="Ana")
    joined = make_conversation(acme, unit, phone=MARIA, name="Ana Maria")
    whole = make_conversation(acme, other_unit, phone=MARIA)
    for conversation, text, minutes in ((kept, "um", 1), (joined, "dois", 2), (kept, "três", 3), (whole, "quatro", 4)):
        make_message(acme, conversation, body=text, at=now() - timedelta(minutes=10 - minutes))
    make_message(acme, kept, direction=Direction.OUTBOUND, client_message_id="order-1", body="eco")
    make_message(acme, joined, direction=Direction.OUTBOUND, client_message_id="order-1", body="eco")
    _enrich(acme, kept.contact_id, attributes={"cidade": "Santos"}, tags=("vip",), kind=ConsentKind.OPTED_IN)
    more = {"Cidade": "Recife", "plano": "Ouro"}
    _enrich(acme, joined.contact_id, attributes=more, tags=("vip", "praia"), kind=ConsentKind.OPTED_OUT)
    return kept.contact_id, joined.contact_id


def _enrich(scope: TenantScope, contact_id: UUID, *, attributes: Any, tags: tuple[str, ...], kind: ConsentKind) -> None:
    with acting_for(scope), atomic():
        scope.get(Contact, contact_id).attributes = attributes
        known = {tag.name: tag for tag in db.session.scalars(scope.select(Tag))}
        for name in tags:
            tag = known.get(name) or scope.add(Tag(name=name))
            db.session.flush()
            scope.add(ContactTag(contact_id=contact_id, tag_id=tag.id))
        event = {"kind": kind, "source": ConsentSource.STAFF, "happened_at": now()}
        scope.add(ConsentEvent(contact_id=contact_id, **event))
        db.session.flush()
        consent.recompute(scope, contact_id)


@pytest.fixture
def rows(acme: TenantScope) -> Callable[..., list[Any]]:
    def read(model: Any) -> list[Any]:
        with acting_for(acme):
            in_order = acme.select(model).order_by(*inspect(model).primary_key)
            return list(db.session.scalars(in_order.execution_options(populate_existing=True)))

    return read


@pytest.fixture
def person(acme: TenantScope) -> Callable[[UUID], Contact]:
    def read(contact_id: UUID) -> Contact:
        db.session.expire_all()
        with acting_for(acme):
            return get_contact(acme, contact_id)

    return read


def merge(scope: TenantScope, kept_id: UUID, other_id: UUID) -> ContactMerge:
    with acting_for(scope):
        return merge_contacts(scope, kept_id, other_id)


def undo(scope: TenantScope, merge_id: UUID) -> None:
    with acting_for(scope):
        undo_merge(scope, merge_id)
