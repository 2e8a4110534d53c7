"""Parked webhook events: given back to the inbox, told by their outline, and forgotten."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select

from portal import queue
from portal.clock import now
from portal.db import atomic, db
from portal.errors import Invalid, NotFound
from portal.models import AuditEvent, EventState, Unit, WebhookEvent
from portal.queries import parked_events as queries
from portal.queries.parked_events import Filter
from portal.services import parked_events
from portal.services.audit import Actor
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.factories import connection_of, make_connected_unit, make_parked_event, make_tenant

NOBODY = Actor(None, "192.0.2.1")


@pytest.fixture
def acme(database: None) -> TenantScope:
    return make_tenant("acme")


@pytest.fixture
def centro(acme: TenantScope) -> Unit:
    return make_connected_unit(acme, "centro", instance_name="unit_centro")


@pytest.fixture
def praia(acme: TenantScope) -> Unit:
    return make_connected_unit(acme, "praia", phone="5511999990003")


def event_of(event_id: int) -> WebhookEvent:
    with across_tenants("a test looks"):
        return db.session.scalars(
            select(WebhookEvent).where(WebhookEvent.id == event_id).execution_options(populate_existing=True)
        ).one()


def states(*event_ids: int) -> list[str]:
    return [event_of(id_).state for id_ in event_ids]


def test_replayed_event_is_new_and_keeps_its_error_until_it_is_done(acme: TenantScope, centro: Unit) -> None:
    parked = make_parked_event(acme, centro, error="KeyError", attempts=5, retry_at=now())

    done = parked_events.replay(Filter(ids=[parked]), by=NOBODY)

    event = event_of(parked)
    assert done == 1
    assert (event.state, event.attempts, event.retry_at, event.error) == (EventState.NEW, 0, None, "KeyError")


def test_replay_wakes_the_inbox_and_nothing_chosen_does_not(
    acme: TenantScope, centro: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    parked, woken = make_parked_event(acme, centro), []
    monkeypatch.setattr(queue, "wake_inbox", lambda: woken.append(1))

    parked_events.replay(Filter(ids=[parked]), by=NOBODY)
    parked_events.replay(Filter(ids=[parked]), by=NOBODY)

    assert woken == [1]


def test_filter_leaves_all_others_parked(acme: TenantScope, centro: Unit, praia: Unit) -> None:
    wanted = make_parked_event(acme, centro, event="messages.upsert", error="KeyError")
    others = [
        make_parked_event(acme, praia, event="messages.upsert", error="KeyError"),
        make_parked_event(acme, centro, event="messages.update", error="KeyError"),
        make_parked_event(acme, centro, event="messages.upsert", error="ValueError"),
        make_parked_event(None, None, event="messages.upsert", error="KeyError"),
        make_parked_event(acme, centro, event="messages.upsert", error="KeyError"),
    ]
    only = Filter(event="messages.upsert", error="KeyError", unit_id=centro.id, up_to=others[-1] - 1)

    done = parked_events.replay(only, by=NOBODY)

    assert (done, states(wanted)) == (1, ["new"])
    assert set(states(*others)) == {"parked"}


def test_event_that_is_done_or_new_is_never_replayed(acme: TenantScope, centro: Unit) -> None:
    ids = [make_parked_event(acme, centro, state=state) for state in (EventState.DONE, EventState.NEW)]

    assert parked_events.replay(Filter(ids=ids), by=NOBODY) == 0
    assert parked_events.replay(Filter(), by=NOBODY) == 0
    assert states(*ids) == ["done", "new"]


def test_event_of_an_instance_that_a_unit_has_now_goes_to_that_unit(acme: TenantScope, centro: Unit) -> None:
    parked = make_parked_event(None, None, instance_name="unit_centro")

    done = parked_events.replay(Filter(ids=[parked]), by=NOBODY)

    event = event_of(parked)
    assert done == 1
    assert (event.state, event.tenant_id, event.unit_id) == (EventState.NEW, acme.tenant_id, centro.id)


@pytest.mark.parametrize(("hours", "replayed"), [(1, 1), (-1, 0)])
def test_event_of_an_instance_that_a_unit_had_goes_there_while_that_is_accepted(
    acme: TenantScope, centro: Unit, hours: int, replayed: int
) -> None:
    parked = make_parked_event(None, None, instance_name="unit_before")
    with acting_for(acme), atomic():
        connection = connection_of(acme, centro.id)
        connection.previous_instance_name = "unit_before"
        connection.previous_accepted_until = now() + timedelta(hours=hours)

    done = parked_events.replay(Filter(ids=[parked]), by=NOBODY)

    assert (done, event_of(parked).unit_id) == (replayed, centro.id if replayed else None)


def test_event_of_an_instance_that_is_still_nobodys_stays(acme: TenantScope, centro: Unit) -> None:
    parked = make_parked_event(None, None, instance_name="unit_of_nobody")

    done = parked_events.replay(Filter(instance="unit_of_nobody", is_unknown=True), by=NOBODY)

    assert (done, states(parked)) == (0, ["parked"])
    assert queries.count_unknown(Filter(ids=[parked])) == 1


def test_replay_is_noted_with_the_ids_and_without_what_stands_in_the_events(acme: TenantScope, centro: Unit) -> None:
    first, second = make_parked_event(acme, centro), make_parked_event(acme, centro)

    parked_events.replay(Filter(), by=NOBODY)

    with across_tenants("a test looks"):
        noted = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "webhook_events.replayed")).one()
    assert noted.after == {"count": 2, "ids": [first, second], "instance": None}
    assert noted.address == "192.0.2.1"


def test_forgetting_deletes_what_is_nobodys_of_that_instance_only(acme: TenantScope, centro: Unit) -> None:
    gone = [make_parked_event(None, None, instance_name="stranger") for _ in range(2)]
    kept = [
        make_parked_event(None, None, instance_name="another"),
        make_parked_event(acme, centro, instance_name="stranger"),
    ]

    assert parked_events.forget("stranger", by=NOBODY) == len(gone)
    assert parked_events.forget("stranger", by=NOBODY) == 0
    assert states(*kept) == ["parked", "parked"]


def test_outline_tells_names_and_types_and_no_value() -> None:
    body = {"event": "x", "data": {"secret": "Oi"}, "list": [1], "n": 1.5, "yes": True, "none": None}

    fields = parked_events.outline(json.dumps(body))

    assert fields is not None
    assert [(field.name, field.type) for field in fields] == [
        ("event", "string"),
        ("data", "object"),
        ("list", "array"),
        ("n", "number"),
        ("yes", "boolean"),
        ("none", "null"),
    ]


@pytest.mark.parametrize("body", ['{"cut": "sho', "[1, 2]", '"text"', "[" * 100_000])
def test_body_that_is_no_whole_object_has_no_outline(body: str) -> None:
    assert parked_events.outline(body) is None


def test_outline_is_bounded() -> None:
    fields = parked_events.outline(json.dumps({f"{number}" * 100: 1 for number in range(100)}))

    assert fields is not None
    assert (len(fields), max(len(field.name) for field in fields)) == (40, 60)


@pytest.mark.parametrize(
    "typed",
    [
        {"every": False, "ids": (), "unit": None, "event": None},
        {"every": True, "ids": (1,), "unit": None, "event": None},
        {"every": True, "ids": (), "unit": None, "event": "messages.upsert"},
        {"every": False, "ids": (1,), "unit": "acme/centro", "event": None},
    ],
)
def test_choice_that_is_none_or_two_is_refused(centro: Unit, typed: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        parked_events.checked_choice(**typed)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["acme/nowhere", "nobody/centro", "acme", "/", "acme/centro\x00x"])
def test_unit_that_is_nowhere_is_not_found(centro: Unit, path: str) -> None:
    with pytest.raises(NotFound):
        parked_events.checked_filter(unit=path, event=None)


def test_unit_and_event_may_be_named_together(acme: TenantScope, centro: Unit) -> None:
    wanted = parked_events.checked_choice(every=False, ids=(), unit="acme/centro", event="messages.upsert")

    assert (wanted.unit_id, wanted.event, wanted.ids) == (centro.id, "messages.upsert", None)


def test_unknown_instances_are_grouped_the_last_heard_first(acme: TenantScope, centro: Unit) -> None:
    for name in ("stranger", "unit_centro", "stranger"):
        make_parked_event(None, None, instance_name=name)
    make_parked_event(acme, centro)

    found = queries.list_unknown_instances()

    assert {(one.name, one.count, one.is_known_now) for one in found} == {
        ("stranger", 2, False),
        ("unit_centro", 1, True),
    }
    assert [one.newest for one in found] == sorted((one.newest for one in found), reverse=True)


def test_unit_counts_its_own_parked_events_only(acme: TenantScope, centro: Unit, praia: Unit) -> None:
    for _ in range(3):
        make_parked_event(acme, centro)
    make_parked_event(acme, praia)
    make_parked_event(acme, centro, state=EventState.DONE)

    with acting_for(acme):
        assert queries.count_of_unit(acme, centro.id) == 3
        assert queries.count_of_unit(acme, uuid4()) == 0
