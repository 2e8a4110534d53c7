"""The Evolution servers: what may be typed about one, which a new unit comes to, and what is known of their keys."""

import json
import threading
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from portal.clock import now
from portal.config import KNOWN_API_KEYS
from portal.db import atomic, db
from portal.errors import Conflict, Invalid, NotFound
from portal.extensions import parts
from portal.models import AuditEvent, Connection, EvolutionServer, Lane, Unit
from portal.outbox import servers as outbox_servers
from portal.outbox.servers import default_server_id, sync_default
from portal.services import connections, servers
from portal.services.audit import Actor
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.architecture.walk import everything
from tests.factories import SERVER_KEY, connection_of, make_connected_unit, make_server, make_tenant, make_unit

NOBODY = Actor(None)
GOOD: dict[str, Any] = {
    "name": "second",
    "url": "https://evolution.example.test",
    "api_key": SERVER_KEY,
    "capacity": 60,
    "accepts_units": True,
}


@pytest.fixture
def scope(database: None) -> TenantScope:
    return make_tenant()


@pytest.fixture
def default_id(database: None) -> UUID:
    sync_default()
    return default_server_id()


def assign(scope: TenantScope, unit: Unit, server_id: UUID) -> None:
    """The unit is to be served from there, though nobody has connected it yet."""
    with acting_for(scope), atomic():
        connections.lock_connection(scope, unit.id).evolution_server_id = server_id


def placed() -> UUID | None:
    with across_tenants("a test places a unit"), atomic():
        return servers.place()


def note(server_id: UUID, **columns: object) -> None:
    with across_tenants("a test changes a server"), atomic():
        server = db.session.get_one(EvolutionServer, server_id)
        for name, value in columns.items():
            setattr(server, name, value)


def read(server_id: UUID) -> EvolutionServer:
    return servers.get_server(server_id).server


def audited() -> list[AuditEvent]:
    with across_tenants("a test looks at the audit log"):
        found = select(AuditEvent).where(AuditEvent.subject_type == "server").order_by(AuditEvent.id)
        return list(db.session.scalars(found))


def test_server_is_added_and_is_to_be_checked(scope: TenantScope) -> None:
    server = servers.add_server(**{**GOOD, "name": "  second ", "url": "https://evolution.example.test/"}, by=NOBODY)

    kept = read(server.id)
    assert (kept.name, kept.url, kept.capacity, kept.accepts_units) == ("second", GOOD["url"], 60, True)
    assert kept.check_requested_at is not None
    assert kept.is_default is False


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("name", " "),
        ("name", "x" * 61),
        ("name", "Default"),
        ("url", ""),
        ("url", "evolution.example.test"),
        ("url", "ftp://evolution.example.test"),
        ("url", "https://"),
        ("url", "https://evolution.example.test:port"),
        ("url", "https://[evolution"),
        ("url", "https://evolution.example.test/a path"),
        ("url", "https://evolution.example.test/\x00"),
        ("url", "https://somebody:secret@evolution.example.test"),
        ("url", "https://evolution.example.test?a=b"),
        ("url", "https://evolution.example.test/#a"),
        ("url", "https://" + "x" * 500 + ".test"),
        ("api_key", " "),
        ("api_key", "with a space"),
        ("api_key", "with\nline"),
        ("api_key", "ação-ação"),
        ("api_key", next(iter(KNOWN_API_KEYS))),
        ("capacity", 0),
        ("capacity", 1001),
        ("capacity", None),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence_beside_its_field(
    scope: TenantScope, field: str, typed: object
) -> None:
    with pytest.raises(Invalid) as refused:
        servers.add_server(**{**GOOD, field: typed}, by=NOBODY)

    assert list(refused.value.fields) == [field]
    assert refused.value.fields[field].endswith(".")
    assert servers.list_servers() == []


def test_all_that_is_wrong_is_said_at_once(scope: TenantScope) -> None:
    with pytest.raises(Invalid) as refused:
        servers.add_server(name="", url="", api_key="", capacity=None, by=NOBODY)

    assert set(refused.value.fields) == {"name", "url", "api_key", "capacity"}


@pytest.mark.parametrize("url", ["http://10.0.0.7:8080", "https://example.test/evolution", "http://[::1]:8080"])
def test_address_may_have_a_port_and_a_path(scope: TenantScope, url: str) -> None:
    assert servers.add_server(**{**GOOD, "url": url}, by=NOBODY).url == url


@pytest.mark.parametrize(("field", "other"), [("name", {"url": "https://x.test"}), ("url", {"name": "third"})])
def test_name_and_address_belong_to_one_server(scope: TenantScope, field: str, other: dict[str, str]) -> None:
    servers.add_server(**GOOD, by=NOBODY)

    with pytest.raises(Invalid) as refused:
        servers.add_server(**{**GOOD, **other}, by=NOBODY)

    assert list(refused.value.fields) == [field]
    assert len(servers.list_servers()) == 1


def test_change_with_a_blank_key_keeps_the_key_and_what_is_known(scope: TenantScope) -> None:
    server = make_server()
    note(server.id, version="2.3.6", version_read_at=now(), check_requested_at=None)

    servers.change_server(server.id, **{**GOOD, "name": "third", "url": server.url, "api_key": " "}, by=NOBODY)

    kept = read(server.id)
    assert (kept.name, kept.version, kept.check_requested_at) == ("third", "2.3.6", None)
    assert parts.vault.decrypt(kept.api_key_encrypted) == SERVER_KEY


@pytest.mark.parametrize(
    "change", [{"url": "https://elsewhere.test", "api_key": SERVER_KEY}, {"api_key": "another-key-for-tests"}]
)
def test_new_address_or_key_makes_what_is_known_old(scope: TenantScope, change: dict[str, str]) -> None:
    server = make_server()
    note(server.id, version="2.3.6", version_read_at=now(), check_requested_at=None)

    servers.change_server(server.id, **{**GOOD, "url": server.url, "api_key": "", **change}, by=NOBODY)

    kept = read(server.id)
    assert (kept.version, kept.version_read_at) == (None, None)
    assert kept.check_requested_at is not None
    assert parts.vault.decrypt(kept.api_key_encrypted) == change.get("api_key", SERVER_KEY)


def test_key_of_a_server_is_not_told_to_another_address(scope: TenantScope) -> None:
    server = make_server()

    with pytest.raises(Invalid) as refused:
        servers.change_server(server.id, **{**GOOD, "url": "https://elsewhere.test", "api_key": " "}, by=NOBODY)

    assert list(refused.value.fields) == ["api_key"]
    assert read(server.id).url == server.url


def test_change_to_the_name_of_another_server_is_refused(scope: TenantScope) -> None:
    make_server("second")
    third = make_server("third")

    with pytest.raises(Invalid) as refused:
        servers.change_server(third.id, **{**GOOD, "url": third.url}, by=NOBODY)

    assert list(refused.value.fields) == ["name"]


def test_default_server_changes_its_capacity_and_whether_it_accepts_units(default_id: UUID) -> None:
    servers.change_server(default_id, name="", url="", api_key="", capacity=7, accepts_units=False, by=NOBODY)

    kept = read(default_id)
    assert (kept.name, kept.url, kept.capacity, kept.accepts_units) == (
        "default",
        parts.config.evolution_api_url,
        7,
        False,
    )


@pytest.mark.parametrize("change", [{"url": "https://elsewhere.test"}, {"api_key": "another-key-for-tests"}])
def test_default_server_keeps_the_address_and_key_of_the_settings(default_id: UUID, change: dict[str, str]) -> None:
    with pytest.raises(Conflict):
        servers.change_server(default_id, **{**GOOD, "url": "", "api_key": "", **change}, by=NOBODY)

    assert read(default_id).url == parts.config.evolution_api_url


@pytest.mark.parametrize("act", ["get", "change", "remove", "check"])
def test_what_is_not_there_is_not_found(scope: TenantScope, act: str) -> None:
    acts = {
        "get": lambda: servers.get_server(uuid4()),
        "change": lambda: servers.change_server(uuid4(), **GOOD, by=NOBODY),
        "remove": lambda: servers.remove_server(uuid4(), by=NOBODY),
        "check": lambda: servers.request_check(uuid4()),
    }

    with pytest.raises(NotFound):
        acts[act]()


def test_check_is_asked_for(scope: TenantScope) -> None:
    server = make_server()
    note(server.id, check_requested_at=None)

    servers.request_check(server.id)

    assert read(server.id).check_requested_at is not None


def test_server_that_nobody_uses_is_removed(scope: TenantScope) -> None:
    server = make_server()

    servers.remove_server(server.id, by=NOBODY)

    assert servers.list_servers() == []


def test_server_with_a_unit_stays(scope: TenantScope) -> None:
    server = make_server()
    assign(scope, make_unit(scope), server.id)

    with pytest.raises(Conflict):
        servers.remove_server(server.id, by=NOBODY)


def test_default_server_stays(default_id: UUID) -> None:
    with pytest.raises(Conflict):
        servers.remove_server(default_id, by=NOBODY)


def test_server_on_which_an_old_instance_is_left_stays(scope: TenantScope, default_id: UUID) -> None:
    second = make_server()
    unit = make_connected_unit(scope, server_id=second.id)
    connections.request_move(scope, unit.id, default_id)

    with pytest.raises(Conflict):
        servers.remove_server(second.id, by=NOBODY)


def test_archived_units_and_closed_lanes_let_their_server_go(scope: TenantScope, default_id: UUID) -> None:
    second = make_server()
    moved, archived = make_connected_unit(scope, server_id=second.id), make_unit(scope, "norte")
    connections.request_move(scope, moved.id, default_id)
    assign(scope, archived, second.id)
    with acting_for(scope), atomic():
        scope.get(Unit, archived.id).archived_at = now()
        db.session.execute(scope.update(Connection).values(previous_evolution_server_id=None))

    servers.remove_server(second.id, by=NOBODY)

    with acting_for(scope):
        lane_servers = set(db.session.scalars(scope.select(Lane, Lane.evolution_server_id)))
    assert connection_of(scope, archived.id).evolution_server_id is None
    assert lane_servers == {None}


def test_new_unit_comes_to_the_server_that_is_emptiest_for_its_capacity(scope: TenantScope) -> None:
    large, small = make_server("large", capacity=10), make_server("small", capacity=2)
    for slug, server in (("a", large), ("b", large), ("c", large), ("d", small)):
        assign(scope, make_unit(scope, slug), server.id)

    assert placed() == large.id


def test_a_paused_server_takes_a_unit_only_when_no_other_does(scope: TenantScope) -> None:
    paused, busy = make_server("paused"), make_server("busy", capacity=1)
    outbox_servers.pause(paused.id, "evolution_unreachable")
    first = placed()
    assign(scope, make_unit(scope, "a"), busy.id)

    assert (first, placed()) == (busy.id, paused.id)


def test_of_equals_the_first_by_name_takes_it(scope: TenantScope) -> None:
    make_server("beta")
    alpha = make_server("alpha")

    assert placed() == alpha.id


def test_archived_units_take_no_room(scope: TenantScope) -> None:
    only, unit = make_server(capacity=1), make_unit(scope)
    assign(scope, unit, only.id)
    full = placed()
    with acting_for(scope), atomic():
        scope.get(Unit, unit.id).archived_at = now()

    assert (full, placed()) == (None, only.id)
    assert [row.units for row in servers.list_servers()] == [0]


def test_server_that_is_full_or_accepts_none_is_passed_over(scope: TenantScope) -> None:
    full = make_server("full", capacity=1)
    make_server("closed", accepts_units=False)
    assign(scope, make_unit(scope), full.id)

    assert placed() is None


def test_list_begins_with_the_default_one_and_counts(scope: TenantScope, default_id: UUID) -> None:
    alpha = make_server("alpha")
    assign(scope, make_unit(scope), alpha.id)

    assert [(row.server.name, row.units) for row in servers.list_servers()] == [("default", 0), ("alpha", 1)]
    assert [row.server.name for row in servers.list_targets(default_id)] == ["alpha"]
    assert [served.unit.name for served in servers.list_units(alpha.id)] == ["Centro"]


@pytest.mark.commits
def test_two_workers_do_not_give_the_last_place_away_twice(app: Flask) -> None:
    scope = make_tenant()
    only = make_server(capacity=3)
    unit_ids = [make_unit(scope, f"unit-{n}").id for n in range(8)]
    barrier, given = threading.Barrier(len(unit_ids)), []

    def place_one(unit_id: UUID) -> None:
        with app.app_context(), across_tenants("a worker serves every tenant"):
            barrier.wait()
            with atomic():
                connection = connections.lock_connection(scope, unit_id)
                connection.evolution_server_id = servers.place()
                given.append(connection.evolution_server_id)

    threads = [threading.Thread(target=place_one, args=(unit_id,)) for unit_id in unit_ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(given, key=str) == sorted([only.id] * 3 + [None] * 5, key=str)
    assert servers.get_server(only.id).units == 3


def test_key_is_nowhere_but_can_be_read_again(scope: TenantScope) -> None:
    server = make_server()
    servers.change_server(server.id, **{**GOOD, "api_key": "another-key-for-tests"}, by=NOBODY)
    servers.request_check(server.id)

    kept = "\n".join(row for rows in everything().values() for row in rows)

    assert parts.vault.decrypt(read(server.id).api_key_encrypted) == "another-key-for-tests"
    assert [key for key in (SERVER_KEY, "another-key-for-tests") if key in kept] == []


def test_every_change_is_in_the_audit_log_without_the_key(
    scope: TenantScope, capsys: pytest.CaptureFixture[str]
) -> None:
    by = Actor(None, "192.0.2.7")
    server = servers.add_server(**GOOD, by=by)
    servers.change_server(server.id, **{**GOOD, "capacity": 70, "api_key": "another-key-for-tests"}, by=by)
    servers.change_server(server.id, **{**GOOD, "capacity": 70, "api_key": ""}, by=by)
    servers.remove_server(server.id, by=by)

    events = audited()
    settings = {"name": "second", "url": GOOD["url"], "capacity": 60, "accepts_units": True}
    assert [(event.action, event.before, event.after) for event in events] == [
        ("server.added", None, settings),
        ("server.changed", {"capacity": 60}, {"capacity": 70, "key": "replaced"}),
        ("server.removed", {**settings, "capacity": 70}, None),
    ]
    assert {(event.tenant_id, event.address, event.subject_id) for event in events} == {(None, "192.0.2.7", server.id)}
    told = json.dumps([[event.before, event.after] for event in events]) + "".join(capsys.readouterr())
    assert [key for key in (SERVER_KEY, "another-key-for-tests") if key in told] == []
