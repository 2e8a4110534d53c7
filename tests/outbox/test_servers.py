"""The servers as the workers use them: the breaker that is a row, its probes, and an operator's check."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask

from portal.clock import now
from portal.db import atomic, db
from portal.evolution import errors
from portal.extensions import parts
from portal.models import EvolutionServer
from portal.outbox import servers
from portal.secrets import Unreadable
from portal.services.servers import request_check
from portal.tenancy import across_tenants
from tests.evolution.little_servers import Scripted, closed_port
from tests.factories import make_server
from tests.outbox.conftest import rows_of
from tests.outbox.desk import KEY

pytestmark = pytest.mark.commits

UNKNOWN_NAME = {"status": 404, "error": "Not Found", "response": {"message": ['The "x" instance does not exist']}}
REFUSED = {"status": 401, "error": "Unauthorized", "response": {"message": "Unauthorized"}}


@pytest.fixture
def server_id(scripted: Scripted) -> UUID:
    return servers.default_server_id()


def row(server_id: UUID) -> EvolutionServer:
    return next(server for server in rows_of(EvolutionServer) if server.id == server_id)


def change(server_id: UUID, **columns: object) -> None:
    with across_tenants("a test changes a server"), atomic():
        server = db.session.get_one(EvolutionServer, server_id, populate_existing=True)
        for name, value in columns.items():
            setattr(server, name, value)


def end_pause(server_id: UUID) -> None:
    change(server_id, paused_until=now() - timedelta(seconds=1))


def paused_for_s(server_id: UUID) -> float:
    until = row(server_id).paused_until
    assert until is not None
    return (until - now()).total_seconds()


def is_paused(server_id: UUID) -> bool:
    return next(server.is_paused for server in servers.list_servers() if server.id == server_id)


def test_a_pause_is_seen_by_everybody_and_says_why(server_id: UUID) -> None:
    servers.pause(server_id, errors.UNREACHABLE)

    server = row(server_id)
    assert is_paused(server_id)
    assert (server.pause_reason, server.pause_count, server.paused_at is None) == (errors.UNREACHABLE, 1, False)
    assert 0 < paused_for_s(server_id) < 3


def test_a_paused_server_is_not_paused_again(server_id: UUID) -> None:
    servers.pause(server_id, errors.UNREACHABLE)
    change(server_id, pause_count=4)
    before = row(server_id).paused_until

    servers.pause(server_id, errors.KEY_REFUSED)

    server = row(server_id)
    assert (server.pause_reason, server.pause_count, server.paused_until) == (errors.UNREACHABLE, 4, before)


def test_other_servers_are_not_paused(server_id: UUID) -> None:
    other_id = make_server().id

    servers.pause(server_id, errors.UNREACHABLE)

    assert not is_paused(other_id)


def test_a_paused_server_is_probed_when_its_pause_is_over(server_id: UUID) -> None:
    servers.pause(server_id, errors.UNREACHABLE)
    too_early = servers.claim_probes()
    end_pause(server_id)

    assert too_early == []
    assert servers.claim_probes() == [server_id]


def test_a_server_that_is_well_is_not_probed(server_id: UUID) -> None:
    assert servers.claim_probes() == []


def test_one_worker_probes_at_a_time(app: Flask, server_id: UUID) -> None:
    servers.pause(server_id, errors.UNREACHABLE)
    end_pause(server_id)
    start = threading.Barrier(4)

    def claim() -> list[UUID]:
        with app.app_context():
            start.wait(timeout=10)
            return servers.claim_probes()

    with ThreadPoolExecutor(4) as pool:
        claims = [pool.submit(claim) for _ in range(4)]
        taken = [claimed.result(timeout=10) for claimed in claims]

    assert sorted(map(len, taken)) == [0, 0, 0, 1]


def test_a_probe_whose_worker_died_is_taken_by_another_one(server_id: UUID) -> None:
    servers.pause(server_id, errors.UNREACHABLE)
    end_pause(server_id)
    servers.claim_probes()

    assert 0 < paused_for_s(server_id) <= servers.LEASE.total_seconds()
    end_pause(server_id)
    assert servers.claim_probes() == [server_id]


def test_a_probe_that_is_answered_ends_the_pause(scripted: Scripted, server_id: UUID) -> None:
    scripted.answer(404, UNKNOWN_NAME)
    servers.pause(server_id, errors.UNREACHABLE)

    servers.probe(server_id)

    server = row(server_id)
    assert not is_paused(server_id)
    assert (server.pause_reason, server.paused_at, server.paused_until, server.pause_count) == (None, None, None, 0)
    assert [asked.path.split("?")[0] for asked in scripted.asked] == ["/instance/fetchInstances"]


def test_a_probe_that_fails_tells_the_reason_it_met(scripted: Scripted, server_id: UUID) -> None:
    scripted.answer(401, REFUSED)
    servers.pause(server_id, errors.UNREACHABLE)

    servers.probe(server_id)

    assert row(server_id).pause_reason == errors.KEY_REFUSED


def test_each_probe_that_fails_lengthens_the_pause_up_to_a_minute(scripted: Scripted, server_id: UUID) -> None:
    scripted.answer(502, "Bad Gateway")
    servers.pause(server_id, errors.UNREACHABLE)
    pauses = []
    for _ in range(8):
        servers.probe(server_id)
        pauses.append(paused_for_s(server_id))

    assert all(after > before for before, after in zip(pauses[:3], pauses[1:4], strict=True))
    assert all(servers.LONGEST_PAUSE_S * 0.7 < pause < servers.LONGEST_PAUSE_S * 1.3 for pause in pauses[5:])


def test_a_server_that_was_down_for_weeks_is_still_probed(scripted: Scripted, server_id: UUID) -> None:
    scripted.answer(502, "Bad Gateway")
    servers.pause(server_id, errors.UNREACHABLE)
    change(server_id, pause_count=100_000)

    servers.probe(server_id)

    assert paused_for_s(server_id) < servers.LONGEST_PAUSE_S * 1.3


def test_an_operators_check_notes_that_all_is_well_and_the_version(scripted: Scripted, server_id: UUID) -> None:
    scripted.answer(404, UNKNOWN_NAME)
    scripted.answer(200, {"version": "2.4.0"})
    request_check(server_id)

    claimed = servers.claim_checks()
    servers.check(server_id)

    server = row(server_id)
    assert claimed == [server_id]
    assert (server.check_error, server.check_requested_at, server.checked_at is None) == (None, None, False)
    assert (server.version, server.version_read_at is None) == ("2.4.0", False)
    assert servers.claim_checks() == []


def test_an_operators_check_reads_the_version_even_when_it_is_fresh(scripted: Scripted, server_id: UUID) -> None:
    change(server_id, version="2.3.6", version_read_at=now())
    scripted.answer(404, UNKNOWN_NAME)
    scripted.answer(200, {"version": "2.4.0"})

    servers.check(server_id)

    assert row(server_id).version == "2.4.0"


def test_an_operators_check_notes_what_is_wrong(scripted: Scripted, server_id: UUID) -> None:
    change(server_id, version="2.3.6", version_read_at=now())
    scripted.answer(401, REFUSED)

    servers.check(server_id)

    server = row(server_id)
    assert (server.check_error, server.checked_at is None) == (errors.KEY_REFUSED, False)
    assert server.version == "2.3.6"
    assert not is_paused(server_id)


def test_an_operators_check_ends_a_pause_when_all_is_well(scripted: Scripted, server_id: UUID) -> None:
    scripted.answer(404, UNKNOWN_NAME)
    scripted.answer(200, {"version": "2.3.6"})
    servers.pause(server_id, errors.UNREACHABLE)

    servers.check(server_id)

    assert not is_paused(server_id)


def test_a_check_whose_worker_died_is_taken_by_another_one(server_id: UUID) -> None:
    request_check(server_id)
    servers.claim_checks()
    meanwhile = servers.claim_checks()
    change(server_id, check_requested_at=now() - timedelta(seconds=1))

    assert meanwhile == []
    assert servers.claim_checks() == [server_id]


def test_a_version_that_cannot_be_read_stays_what_it_was(scripted: Scripted, server_id: UUID) -> None:
    change(server_id, version="2.3.6", version_read_at=now() - timedelta(days=2))
    scripted.answer(502, "Bad Gateway")

    servers.read_version(server_id)

    assert row(server_id).version == "2.3.6"


def test_a_fresh_version_is_not_read_again(scripted: Scripted, server_id: UUID) -> None:
    change(server_id, version="2.3.6", version_read_at=now())

    servers.read_version(server_id)

    assert scripted.asked == []


@pytest.fixture
def unreadable_id(server_id: UUID) -> UUID:
    """A server whose key was written with an encryption key that is gone."""
    other_id = make_server().id
    change(other_id, api_key_encrypted="gAAAAA-written-with-another-key")
    return other_id


def test_a_server_with_an_unreadable_key_is_left_out(server_id: UUID, unreadable_id: UUID) -> None:
    assert [server.id for server in servers.list_servers()] == [server_id]
    with pytest.raises(Unreadable):
        servers.client_for(unreadable_id)


def test_a_check_of_an_unreadable_key_says_so(unreadable_id: UUID) -> None:
    servers.check(unreadable_id)

    assert row(unreadable_id).check_error == servers.UNREADABLE_KEY


def test_a_probe_of_an_unreadable_key_says_so(unreadable_id: UUID) -> None:
    servers.pause(unreadable_id, errors.UNREACHABLE)

    servers.probe(unreadable_id)

    assert row(unreadable_id).pause_reason == servers.UNREADABLE_KEY


def test_one_client_serves_all_who_use_the_same_address_and_key(server_id: UUID) -> None:
    first = servers.client_for(server_id)

    assert servers.client_for(server_id) is first
    assert servers.list_servers()[0].client is first


def test_the_default_server_follows_the_environment(
    server_id: UUID, scripted: Scripted, point_to: Callable[..., None]
) -> None:
    change(server_id, version="2.3.6", version_read_at=now())
    elsewhere = f"http://127.0.0.1:{closed_port()}"

    servers.sync_default()
    same = row(server_id).version
    point_to(elsewhere, "another-key")

    server = row(server_id)
    assert (same, server.url, server.version) == ("2.3.6", elsewhere, None)
    assert parts.vault.decrypt(server.api_key_encrypted) == "another-key"
    assert [server.is_default for server in rows_of(EvolutionServer)] == [True]


def test_the_default_server_is_made_once_by_several_workers_at_once(app: Flask, scripted: Scripted) -> None:
    with across_tenants("a test forgets the servers"), atomic():
        for server in rows_of(EvolutionServer):
            db.session.delete(db.session.merge(server))
    start = threading.Barrier(3)

    def sync() -> None:
        with app.app_context():
            start.wait(timeout=10)
            servers.sync_default()

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(sync) for _ in range(3)]:
            done.result(timeout=10)

    assert [server.url for server in rows_of(EvolutionServer)] == [scripted.url]
    assert parts.vault.decrypt(rows_of(EvolutionServer)[0].api_key_encrypted) == KEY


@pytest.mark.parametrize(("version", "is_told"), [("2.3.6", False), ("2.2.3", True), ("2.1.2", True), ("2.4.0", True)])
def test_log_tells_of_a_version_with_limits(
    scripted: Scripted, caplog: pytest.LogCaptureFixture, version: str, is_told: bool
) -> None:
    scripted.answer(200, {"version": version})

    servers.read_version(servers.default_server_id(), is_asked=True)

    assert ("version of the Evolution server has limits" in caplog.text) is is_told
