"""What others do to two contacts while they are merged or parted."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask

from portal.db import atomic, db
from portal.errors import Conflict
from portal.models import (
    ConsentEvent,
    Contact,
    ContactMerge,
    Conversation,
    Erasure,
)
from portal.permissions import Role
from portal.queries.persons import find_merge
from portal.services import consent, contacts, conversations, delivery, erasing, joining
from portal.services.merging import lock_units, merge_contacts
from portal.services.parting import undo_merge
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_connected_unit
from tests.services.merging.conftest import ANA, MARIA, merge


@pytest.mark.commits
def test_merge_waits_for_whoever_writes_at_a_unit_of_the_company(app: Flask, acme: TenantScope, both: Any) -> None:
    third = make_connected_unit(acme, "norte", phone="5511999990007")
    with acting_for(acme), atomic():
        delivery.lock_unit(acme, third.id)
        with ThreadPoolExecutor(1) as others:
            merging = others.submit(_merge_apart, app, acme, both)
            with pytest.raises(TimeoutError):
                merging.result(timeout=0.5)
            opened = conversations.open_conversation(acme, third.id, both[1]).id
            db.session.commit()
            merging.result(timeout=10)

    with acting_for(acme):
        assert acme.get(Conversation, opened).contact_id == both[0]


@pytest.mark.commits
def test_two_people_who_merge_the_same_two_at_once_merge_them_once(app: Flask, acme: TenantScope, rows: Any) -> None:
    with acting_for(acme), atomic():
        # Of a company that has no unit yet, whose units nobody can hold.
        ids = [acme.add(Contact(id=uuid4(), phone=number)).id for number in (ANA, MARIA)]
    with ThreadPoolExecutor(2) as others, acting_for(acme), atomic():
        joining.hold(acme, *ids)
        merging = [others.submit(_merge_apart, app, acme, pair) for pair in (ids, ids[::-1])]
        for one in merging:
            with pytest.raises(TimeoutError):
                one.result(timeout=0.3)
        db.session.commit()
        refused = [one.exception(timeout=10) for one in merging]

    assert sorted(type(one) for one in refused if one) == [Conflict]
    assert [contact.merged_into_id is None for contact in rows(Contact)].count(True) == 1
    assert len(rows(ContactMerge)) == 1


@pytest.mark.commits
@pytest.mark.parametrize("act", ["opt_in", "edit", "erase"])
def test_what_is_done_to_somebody_while_they_are_merged_is_done_to_the_kept_one(
    app: Flask, acme: TenantScope, both: Any, act: str
) -> None:
    with ThreadPoolExecutor(1) as others, acting_for(acme), atomic():
        merge_contacts(acme, *both)
        acting = others.submit(_act_apart, app, acme, both[1], act)
        with pytest.raises(TimeoutError):
            acting.result(timeout=0.5)
        db.session.commit()
        acting.result(timeout=10)

    with acting_for(acme):
        kept, other = acme.get(Contact, both[0]), acme.get(Contact, both[1])
        done_to = {
            "opt_in": [one.contact_id for one in db.session.scalars(acme.select(ConsentEvent)) if one.note == "x"],
            "edit": [one.id for one in (kept, other) if one.name == "x"],
            "erase": list(db.session.scalars(acme.select(Erasure, Erasure.contact_id))),
        }
    assert done_to[act] == [both[0]]


@pytest.mark.commits
def test_conversation_that_is_opened_during_a_merge_is_the_kept_ones(app: Flask, acme: TenantScope, both: Any) -> None:
    third = make_connected_unit(acme, "norte", phone="5511999990007")
    agent = TenantScope(acme.tenant_id, role=Role.AGENT, unit_ids=frozenset({third.id}))
    with ThreadPoolExecutor(1) as others, acting_for(acme), atomic():
        # The merge has begun, and not said yet who is a part of whom.
        lock_units(acme)
        joining.hold(acme, *both)
        adding = others.submit(_add_apart, app, agent, third.id)
        with pytest.raises(TimeoutError):
            adding.result(timeout=0.5)
        merge_contacts(acme, *both)
        db.session.commit()
        adding.result(timeout=10)

    with acting_for(agent):
        assert db.session.scalars(agent.select(Conversation, Conversation.contact_id)).all() == [both[0]]


def _add_apart(app: Flask, scope: TenantScope, unit_id: UUID) -> None:
    with app.app_context(), acting_for(scope):
        contacts.add_contact(scope, phone=MARIA, name="", unit_id=unit_id)


@pytest.mark.commits
def test_two_clicks_undo_a_merge_once(app: Flask, acme: TenantScope, both: Any, rows: Any) -> None:
    done = merge(acme, *both)
    with ThreadPoolExecutor(2) as others, acting_for(acme), atomic():
        joining.hold(acme, *both)
        undoing = [others.submit(_undo_apart, app, acme, done.id) for _click in range(2)]
        for one in undoing:
            with pytest.raises(TimeoutError):
                one.result(timeout=0.3)
        db.session.commit()
        refused = [one.exception(timeout=10) for one in undoing]

    assert [type(one) for one in refused if one] == [Conflict]
    assert len(rows(Conversation)) == 3


def _undo_apart(app: Flask, scope: TenantScope, merge_id: UUID) -> None:
    with app.app_context(), acting_for(scope):
        # Held, as the page does: a session gives back what it has already read.
        found = find_merge(scope, merge_id)
        undo_merge(scope, found.id)


def _merge_apart(app: Flask, scope: TenantScope, both: Any) -> None:
    with app.app_context():
        merge(scope, *both)


def _act_apart(app: Flask, scope: TenantScope, contact_id: UUID, act: str) -> None:
    with app.app_context(), acting_for(scope):
        if act == "opt_in":
            consent.opt_in(scope, contact_id, note="x")
        elif act == "edit":
            contacts.edit_contact(scope, contact_id, name="x", attributes=())
        else:
            erasing.erase(scope, contact_id, is_understood=True)
