"""When a unit is compared and from when on, and how a comparison that broke off is gone on with."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from local.evolution.model import Instance, State
from portal.clock import now
from portal.db import atomic, db
from portal.evolution.client import EvolutionClient
from portal.evolution.types import StoredPage
from portal.models import Connection, ConnectionStatus, Relay, StatusReason
from portal.outbox import backfill, owners
from portal.outbox.backfill import COMPARISONS
from portal.services.connections import COMPARE_SOON
from portal.tenancy import TenantScope, across_tenants, apart
from tests.evolution.little_servers import closed_port
from tests.factories import make_connected_unit
from tests.locks import wait_until_one_waits
from tests.outbox.desk import Desk, Evolution
from tests.outbox.rounds import (
    PAST,
    ago,
    bodies,
    change,
    close_to,
    compare,
    holes,
    keep,
    linked,
    linked_a_while_ago,
    message,
)

pytestmark = pytest.mark.commits


@pytest.fixture
def instance(desk: Desk, evolution: Evolution) -> Instance:
    return linked_a_while_ago(desk, evolution)


def test_a_link_that_came_back_is_compared_from_where_it_was(
    desk: Desk, evolution: Evolution, instance: Instance
) -> None:
    desk.move(ConnectionStatus.CONNECTING, StatusReason.CONNECTION_LOST)
    away = backfill.claim()
    keep(evolution, instance, message("3A1", ago_s=600, text="Enquanto isso"))
    desk.move(ConnectionStatus.CONNECTED, StatusReason.SCAN_COMPLETED)

    assert away == []
    assert desk.connection.compare_at is not None
    assert desk.connection.compare_at <= now() + COMPARE_SOON
    assert len(compare(desk)) == 1
    assert bodies() == ["Enquanto isso"]


def test_no_more_than_a_week_is_looked_through(desk: Desk, evolution: Evolution, instance: Instance) -> None:
    keep(evolution, instance, message("3A1", ago_s=8 * 86_400), message("3A2", ago_s=6 * 86_400, text="Há seis dias"))

    compare(desk, since=ago(30 * 86_400))

    assert bodies() == ["Há seis dias"]
    assert close_to(holes()[0].began_at, 7 * 86_400)


def test_a_server_that_stores_nothing_is_no_error(desk: Desk, evolution: Evolution, instance: Instance) -> None:
    compare(desk)

    assert close_to(desk.connection.compared_until, 20)
    assert holes() == []


def test_an_evolution_that_is_away_is_asked_again(
    desk: Desk, evolution: Evolution, instance: Instance, point_to: Callable[..., None]
) -> None:
    before = desk.connection.compared_until
    keep(evolution, instance, message("3A1", ago_s=600, text="Oi"))
    point_to(f"http://127.0.0.1:{closed_port()}")
    compare(desk)
    away = desk.connection.compared_until

    point_to(evolution.url)
    compare(desk)

    assert away == before
    assert bodies() == ["Oi"]


def test_whoever_breaks_off_is_followed_from_there(
    desk: Desk, evolution: Evolution, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(evolution, instance, *(message(f"3A{n:04}", ago_s=1700 - n * 4, text=f"{n}") for n in range(250)))
    find = EvolutionClient.find_messages

    def break_off(client: EvolutionClient, name: str, **asked: Any) -> StoredPage:
        if asked["page"] == 2:
            raise KeyboardInterrupt
        return find(client, name, **asked)

    monkeypatch.setattr(EvolutionClient, "find_messages", break_off)
    with pytest.raises(KeyboardInterrupt):
        compare(desk)
    monkeypatch.setattr(EvolutionClient, "find_messages", find)
    halfway = desk.connection.compared_until

    compare(desk)

    assert close_to(halfway, 1700 - 49 * 4)
    assert bodies() == [str(number) for number in range(250)]


def test_a_list_that_grows_meanwhile_is_gone_on_with_later(
    desk: Desk, evolution: Evolution, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Evolution stores late moves a message from a page that is to come to one that was read."""
    keep(evolution, instance, *(message(f"3A{n:04}", ago_s=1700 - n * 4, text=f"{n}") for n in range(250)))
    find = EvolutionClient.find_messages

    def grow(client: EvolutionClient, name: str, **asked: Any) -> StoredPage:
        if asked["page"] == 2:
            keep(evolution, instance, message("3AFFFF", ago_s=1000, text="atrasada"))
        return find(client, name, **asked)

    monkeypatch.setattr(EvolutionClient, "find_messages", grow)
    compare(desk)
    meanwhile = len(bodies())
    monkeypatch.setattr(EvolutionClient, "find_messages", find)
    compare(desk)

    assert meanwhile == 50
    assert sorted(bodies()) == sorted([*map(str, range(250)), "atrasada"])


def test_a_comparison_comes_round_every_five_minutes(desk: Desk, evolution: Evolution, instance: Instance) -> None:
    change(desk, compare_at=now() - timedelta(seconds=1))
    for comparison in backfill.claim():
        backfill.carry_out(comparison)

    compare_at = desk.connection.compare_at
    assert compare_at is not None
    assert COMPARISONS.period_s * 0.9 - 5 < (compare_at - now()).total_seconds() < COMPARISONS.period_s * 1.1
    assert backfill.claim() == []


def test_units_of_busy_servers_and_units_that_are_away_are_not_compared(
    desk: Desk, evolution: Evolution, instance: Instance
) -> None:
    change(desk, compare_at=now() - PAST)
    server_id = desk.connection.evolution_server_id
    assert server_id is not None

    assert backfill.claim(busy_servers=[server_id]) == []
    desk.move(ConnectionStatus.DISCONNECTED, StatusReason.LOGGED_OUT)
    assert backfill.claim() == []
    assert instance.socket.state == State.OPEN


def test_after_a_downtime_every_connected_unit_is_compared(desk: Desk, evolution: Evolution) -> None:
    linked(desk, evolution)
    later = now() + timedelta(minutes=4)
    change(desk, compare_at=later)
    owners.beat(owners.new_owner(), "inbox")

    assert backfill.hurry_after_downtime() is True
    assert (desk.connection.compare_at or later) <= now()
    assert [comparison.is_late for comparison in backfill.claim()] == [True]


def test_workers_that_begin_together_wait_in_one_order(app: Flask, desk: Desk, evolution: Evolution) -> None:
    """The other one has the first connection, and wants the next, when this one comes."""
    linked(desk, evolution)
    make_connected_unit(desk.scope, "praia", instance_name="unit_praia")
    change(desk, compare_at=now() + timedelta(minutes=4))
    with across_tenants("a test looks at all"):
        first, second = db.session.scalars(select(Connection.id).order_by(Connection.id)).all()

    def hurry() -> bool:
        with app.app_context():
            return backfill.hurry_after_downtime()

    with ThreadPoolExecutor(1) as pool, apart(desk.scope) as other:
        # Its row lies behind the other one's now.
        _lock(other, desk.scope, first)
        hurried = pool.submit(hurry)
        wait_until_one_waits(hurried)
        _lock(other, desk.scope, second)
        other.commit()

        assert hurried.result(timeout=10) is True


def _lock(session: Session, scope: TenantScope, connection_id: UUID) -> None:
    this = scope.update(Connection).where(Connection.id == connection_id)
    session.execute(this.values(qr_count=1).execution_options(synchronize_session=False))


def test_a_comparison_that_comes_late_is_followed_by_another_soon(
    desk: Desk, evolution: Evolution, instance: Instance
) -> None:
    compare(desk)

    assert desk.connection.compare_at is not None
    assert desk.connection.compare_at <= now() + backfill.COME_BACK


@pytest.mark.parametrize(
    ("started_ago_s", "heard_ago_s", "is_downtime"), [(3600, 5, False), (3600, 61, True), (10, 1, True)]
)
def test_a_worker_that_was_at_work_just_before_means_no_downtime(
    desk: Desk, evolution: Evolution, started_ago_s: float, heard_ago_s: float, is_downtime: bool
) -> None:
    owner_id = owners.new_owner()
    with across_tenants("a test makes a worker"), atomic():
        times = {"started_at": ago(started_ago_s), "heartbeat_at": ago(heard_ago_s)}
        db.session.add(Relay(id=owner_id, queue="outbox", **times))

    assert backfill.hurry_after_downtime() is is_downtime


def test_what_could_not_be_compared_is_compared_again_soon(
    desk: Desk, evolution: Evolution, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(evolution, instance, message("3A1", ago_s=600, text="Enquanto isso"))
    monkeypatch.setattr(backfill, "compare", fail_in_the_database)

    compare(desk, since=now() - timedelta(hours=1))

    assert desk.connection.compare_at is not None
    assert desk.connection.compare_at <= now() + backfill.COME_BACK
    monkeypatch.undo()
    compare(desk)
    assert bodies() == ["Enquanto isso"]


def fail_in_the_database(*args: object) -> None:
    raise OperationalError("a deadlock", None, Exception())


def test_a_link_too_young_to_be_compared_is_compared_soon(desk: Desk, evolution: Evolution, instance: Instance) -> None:
    compare(desk, since=now())

    assert desk.connection.compare_at is not None
    assert desk.connection.compare_at <= now() + backfill.COME_BACK
