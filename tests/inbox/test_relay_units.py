"""Units beside each other: which share a transaction, which go at once, and that none holds up another."""

import time
from collections.abc import Callable, Mapping, Sequence
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from portal.inbox import process, relay
from portal.inbox.process import Held
from portal.models import Connection, Contact, EarlyReceipt, EventState, Message, Unit, WebhookEvent
from portal.tenancy import TenantScope, apart
from tests.factories import make_connected_unit, make_tenant
from tests.inbox.conftest import NAME, Evolution
from tests.inbox.payloads import SENT_AT, message, receipt

Rows = Callable[..., list[Any]]
BROKEN = {"key": None}


def bodies(rows: Rows) -> list[str]:
    return [m.body for m in rows(Message)]


@pytest.mark.commits
def test_every_unit_with_news_gets_its_turn(
    app: Flask, scope: TenantScope, unit: Unit, evolution: Evolution, rows: Rows
) -> None:
    make_connected_unit(scope, "praia", instance_name="unit_praia")
    evolution.post("messages.upsert", message("3A01", "centro"))
    evolution.post("messages.upsert", message("3A02", "praia"), instance="unit_praia")

    assert relay.drain(app.app_context) == 2
    assert sorted(bodies(rows)) == ["centro", "praia"]
    assert len({m.unit_id for m in rows(Message)}) == 2


@pytest.mark.usefixtures("unit")
def test_units_of_a_company_share_a_transaction(
    scope: TenantScope, evolution: Evolution, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of another company none does, and none of which many events wait."""
    make_connected_unit(scope, "praia", instance_name="unit_praia")
    make_connected_unit(scope, "busy", instance_name="unit_busy")
    make_connected_unit(make_tenant("globex"), "norte", instance_name="unit_norte")
    for place in range(3):
        evolution.post("messages.upsert", message(f"3A0{place}", "busy"), instance="unit_busy")
    for place, instance in enumerate((NAME, "unit_praia", "unit_norte")):
        evolution.post("messages.upsert", message(f"3A1{place}", instance), instance=instance)
    together, apply = list[list[str]](), process.apply

    def note(scope: TenantScope, held: Mapping[UUID, Held], events: Sequence[WebhookEvent]) -> None:
        together.append([event.instance_name for event in events])
        apply(scope, held, events)

    monkeypatch.setattr(process, "apply", note)
    monkeypatch.setattr(relay, "FEW_EVENTS", 2)

    assert relay.drain() == 6
    assert sorted(together[:2]) == [[NAME, "unit_praia"], ["unit_norte"]]
    assert together[2:] == [["unit_busy"] * 3]
    assert len(rows(Message)) == 6


@pytest.mark.usefixtures("unit")
def test_what_fails_in_a_shared_transaction_holds_up_no_other_unit(
    scope: TenantScope, evolution: Evolution, rows: Rows
) -> None:
    make_connected_unit(scope, "praia", instance_name="unit_praia")
    evolution.post("messages.upsert", BROKEN)
    evolution.post("messages.upsert", message("3A01", "centro"))
    evolution.post("messages.upsert", message("3A02", "praia"), instance="unit_praia")

    assert relay.drain() == 3
    assert [(event.state, event.attempts) for event in evolution.events()] == [
        (EventState.NEW, 1),
        (EventState.DONE, 0),
        (EventState.DONE, 0),
    ]
    assert sorted(bodies(rows)) == ["centro", "praia"]


def test_units_that_write_to_each_other_have_the_same_ids_and_their_own_receipts(
    scope: TenantScope, unit: Unit, evolution: Evolution, rows: Rows
) -> None:
    other = make_connected_unit(scope, "praia", phone="5511999990009", instance_name="unit_praia")
    to_praia, to_centro = "5511999990009@s.whatsapp.net", "5511999990001@s.whatsapp.net"
    evolution.post("messages.upsert", message("3A01", "Oi", chat=to_praia, from_me=True))
    evolution.post("messages.upsert", message("3A01", "Oi", chat=to_centro), instance="unit_praia")
    relay.drain()
    evolution.post("messages.update", receipt("3A01", "READ", chat=to_praia))
    evolution.post("messages.update", receipt("3A02", "READ", chat=to_centro), instance="unit_praia")

    assert relay.drain() == 2
    assert {(m.unit_id, m.status) for m in rows(Message)} == {(unit.id, "read"), (other.id, "received")}
    assert [(early.unit_id, early.external_id) for early in rows(EarlyReceipt)] == [(other.id, "3A02")]


@pytest.mark.commits
def test_a_unit_whose_connection_somebody_holds_waits_and_the_others_do_not(
    scope: TenantScope, unit: Unit, evolution: Evolution, rows: Rows
) -> None:
    make_connected_unit(scope, "praia", instance_name="unit_praia")
    evolution.post("messages.upsert", message("3A01", "centro"))
    evolution.post("messages.upsert", message("3A02", "praia"), instance="unit_praia")
    with apart(scope) as elsewhere:
        elsewhere.execute(scope.select(Connection).where(Connection.unit_id == unit.id).with_for_update())
        applied = relay.drain()
    meanwhile = bodies(rows)

    assert (applied, meanwhile) == (1, ["praia"])
    assert relay.drain() == 1
    assert sorted(bodies(rows)) == ["centro", "praia"]


@pytest.mark.commits
def test_the_first_round_waits_for_nothing_and_the_next_for_what_comes_meanwhile(
    app: Flask, unit: Unit, evolution: Evolution, rows: Rows
) -> None:
    rounds = relay.InboxRelay(app.app_context)
    evolution.post("messages.upsert", message("3A01", "first"))

    began_at = time.monotonic()
    first = rounds.drain()
    first_s = time.monotonic() - began_at
    second, third = rounds.drain(), rounds.drain()
    all_s = time.monotonic() - began_at

    assert (first, second, third) == (0.0, None, None)
    assert bodies(rows) == ["first"]
    assert all_s - first_s >= relay.ROUND_S
    assert all_s >= 2 * relay.ROUND_S


@pytest.mark.commits
def test_transactions_are_made_at_once(
    app: Flask, scope: TenantScope, unit: Unit, evolution: Evolution, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each waits for the other within its transaction, so that one after the other they would never end."""
    make_connected_unit(scope, "praia", instance_name="unit_praia")
    evolution.post("messages.upsert", message("3A01", "centro"))
    evolution.post("messages.upsert", message("3A02", "praia"), instance="unit_praia")
    both, apply = Barrier(2, timeout=20), process.apply

    def meet(*told: Any) -> None:
        both.wait()
        apply(*told)

    monkeypatch.setattr(process, "apply", meet)
    monkeypatch.setattr(relay, "UNITS_TOGETHER", 1)

    assert relay.drain(app.app_context) == 2
    assert sorted(bodies(rows)) == ["centro", "praia"]


@pytest.mark.commits
def test_large_batches_are_applied_in_turn(
    app: Flask, scope: TenantScope, unit: Unit, evolution: Evolution, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_connected_unit(scope, "praia", instance_name="unit_praia")
    evolution.post("messages.upsert", message("3A01", "centro"))
    evolution.post("messages.upsert", message("3A02", "praia"), instance="unit_praia")
    at_it, most, apply = list[int](), list[int](), process.apply

    def count(*told: Any) -> None:
        at_it.append(1)
        time.sleep(0.05)
        most.append(len(at_it))
        apply(*told)
        at_it.pop()

    monkeypatch.setattr(process, "apply", count)
    monkeypatch.setattr(relay, "UNITS_TOGETHER", 1)
    monkeypatch.setattr(relay, "LARGEST_BATCH", 10)

    assert relay.drain(app.app_context) == 2
    assert most == [1, 1]


@pytest.mark.commits
def test_a_unit_that_breaks_off_does_not_hold_up_the_others(
    app: Flask, scope: TenantScope, unit: Unit, evolution: Evolution, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_connected_unit(scope, "praia", instance_name="unit_praia")
    evolution.post("messages.upsert", message("3A01", "centro"))
    evolution.post("messages.upsert", message("3A02", "praia"), instance="unit_praia")
    broken, hold = unit.id, relay._hold

    def hold_others(scope: TenantScope, unit_ids: Sequence[UUID]) -> dict[UUID, Held]:
        if broken in unit_ids:
            raise RuntimeError("a unit that cannot be read")
        return hold(scope, unit_ids)

    monkeypatch.setattr(relay, "_hold", hold_others)

    assert relay.drain(app.app_context) == 1
    assert [m.unit_id for m in rows(Message)] == [other.id]
    assert [event.state for event in evolution.events()] == [EventState.NEW, EventState.DONE]


@pytest.mark.commits
def test_when_the_database_goes_away_the_units_that_were_not_begun_are_left(
    app: Flask, scope: TenantScope, unit: Unit, evolution: Evolution, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_connected_unit(scope, "praia", instance_name="unit_praia")
    evolution.post("messages.upsert", message("3A01", "centro"))
    evolution.post("messages.upsert", message("3A02", "praia"), instance="unit_praia")
    begun = list[tuple[UUID, ...]]()

    def lose(scope: TenantScope, unit_ids: tuple[UUID, ...]) -> dict[UUID, Held]:
        begun.append(unit_ids)
        raise OperationalError("SELECT", {}, Exception("the connection was lost"))

    monkeypatch.setattr(relay, "_hold", lose)

    with pytest.raises(OperationalError):
        relay.drain(app.app_context)

    together, *alone = begun
    assert len(together) == 2
    assert len(set(alone)) == 1
    assert {event.state for event in evolution.events()} == {EventState.NEW}


@pytest.mark.commits
def test_a_unit_whose_people_somebody_writes_waits_without_a_mark_and_the_others_do_not(
    scope: TenantScope, unit: Unit, evolution: Evolution, rows: Rows
) -> None:
    """As while an import holds a person whose name the unit has just learnt."""
    make_connected_unit(scope, "praia", instance_name="unit_praia")
    evolution.tell(("messages.upsert", message("3A01", "hello", pushName="Maria")))
    maria = rows(Contact)[0].id
    evolution.post("messages.upsert", message("3A02", "centro", pushName="Maria Silva", messageTimestamp=SENT_AT + 60))
    evolution.post(
        "messages.upsert", message("3A03", "praia", chat="5511999990077@s.whatsapp.net"), instance="unit_praia"
    )
    with apart(scope) as importing:
        importing.execute(scope.select(Contact).where(Contact.id == maria).with_for_update())
        applied, meanwhile = relay.drain(), bodies(rows)

    assert (applied, meanwhile) == (1, ["hello", "praia"])
    assert [(event.state, event.attempts) for event in evolution.events()][1] == (EventState.NEW, 0)
    assert relay.drain() == 1
    assert sorted(bodies(rows)) == ["centro", "hello", "praia"]
