"""What no webhook brought is found among Evolution's stored messages and goes in, once and in order."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from local.evolution.model import Instance, State
from portal.clock import now
from portal.db import atomic, db
from portal.evolution.client import EvolutionClient
from portal.evolution.types import StoredPage
from portal.models import (
    ConnectionStatus,
    Direction,
    Message,
    MessageSource,
    MessageStatus,
    Relay,
    Repair,
    StatusReason,
    Unit,
    WebhookEvent,
)
from portal.outbox import backfill, owners
from portal.outbox.backfill import COMPARISONS
from portal.services import events
from portal.services.connections import COMPARE_SOON
from portal.tenancy import across_tenants, acting_for
from tests.evolution.little_servers import closed_port
from tests.factories import make_conversation, make_message
from tests.inbox.payloads import message as delivered
from tests.inbox.payloads import webhook
from tests.outbox.conftest import rows_of
from tests.outbox.desk import Desk, Evolution
from tests.outbox.rounds import PAST, change, compare, keep, linked, message

pytestmark = pytest.mark.commits
GROUP = "120363000000000001@g.us"


@pytest.fixture
def instance(desk: Desk, evolution: Evolution) -> Instance:
    """Linked, and compared until half an hour ago."""
    instance = linked(desk, evolution)
    change(desk, compared_until=ago(1800))
    return instance


def ago(seconds: float) -> datetime:
    return now() - timedelta(seconds=seconds)


def bodies() -> list[str]:
    return [row.body for row in sorted(rows_of(Message), key=lambda row: row.id)]


def holes() -> list[Repair]:
    return [repair for repair in rows_of(Repair) if repair.kind == "hole"]


def close_to(at: datetime | None, seconds: float) -> bool:
    return at is not None and abs((now() - at).total_seconds() - seconds) < 10


def test_a_hole_of_several_pages_is_filled_once_and_in_order(
    desk: Desk, evolution: Evolution, instance: Instance
) -> None:
    missed = [message(f"3A{number:04}", ago_s=1700 - number * 4, text=f"{number}") for number in range(250)]
    keep(evolution, instance, *missed)

    compare(desk)
    compare(desk, since=ago(1800))

    (hole,) = holes()
    rows = sorted(rows_of(Message), key=lambda row: row.id)
    assert [row.body for row in rows] == [str(number) for number in range(250)]
    assert {row.repair_id for row in rows} == {hole.id}
    assert hole.found == 250
    assert len(rows_of(WebhookEvent)) == 250
    assert close_to(hole.began_at, 1800)
    assert close_to(hole.ended_at, 20)
    assert close_to(desk.connection.compared_until, 20)


def test_only_what_we_lack_goes_in_and_the_hole_has_its_edges(
    desk: Desk, evolution: Evolution, instance: Instance
) -> None:
    stored = [message(f"3A{number}", ago_s=1000 - number * 100, text=f"{number}") for number in range(6)]
    keep(evolution, instance, *stored)
    conversation = make_conversation(desk.scope, unit_of(desk))
    for known in (0, 1, 4, 5):
        make_message(desk.scope, conversation, external_id=f"3A{known}", body=f"{known}")

    compare(desk)

    (hole,) = holes()
    assert sorted(bodies()) == ["0", "1", "2", "3", "4", "5"]
    assert [row.external_id for row in rows_of(Message) if row.repair_id == hole.id] == ["3A2", "3A3"]
    assert close_to(hole.began_at, 900)
    assert close_to(hole.ended_at, 600)
    assert hole.found == 2


def unit_of(desk: Desk) -> Unit:
    return next(unit for unit in rows_of(Unit) if unit.id == desk.unit_id)


def test_nothing_is_noted_when_nothing_was_missed(desk: Desk, evolution: Evolution, instance: Instance) -> None:
    keep(evolution, instance, message("3A1", ago_s=600))
    make_message(desk.scope, make_conversation(desk.scope, unit_of(desk)), external_id="3A1")
    webhook_checked_at = desk.connection.webhook_checked_at

    compare(desk)

    assert holes() == []
    assert rows_of(WebhookEvent) == []
    assert close_to(desk.connection.compared_until, 20)
    assert desk.connection.webhook_checked_at == webhook_checked_at


def test_what_was_missed_has_the_webhook_looked_at(desk: Desk, evolution: Evolution, instance: Instance) -> None:
    keep(evolution, instance, message("3A1", ago_s=600))

    compare(desk)

    connection = desk.connection
    assert connection.webhook_checked_at is None
    assert connection.check_at is not None
    assert connection.check_at <= now()


def test_what_was_written_on_the_phone_is_missed_too(desk: Desk, evolution: Evolution, instance: Instance) -> None:
    keep(evolution, instance, message("3A1", ago_s=600, from_me=True, text="Do celular"))

    compare(desk)

    (row,) = rows_of(Message)
    assert (row.direction, row.source, row.repair_id) == (Direction.OUTBOUND, MessageSource.PHONE, holes()[0].id)


def test_a_send_in_doubt_is_settled_and_is_no_hole(desk: Desk, evolution: Evolution, instance: Instance) -> None:
    conversation = make_conversation(desk.scope, unit_of(desk))
    columns = {"status": MessageStatus.UNCONFIRMED, "sending_at": ago(601), "source": MessageSource.PERSON}
    row = make_message(desk.scope, conversation, body="Olá", direction=Direction.OUTBOUND, **columns)
    forget_id(desk, row)
    keep(evolution, instance, message("3A1", ago_s=600, from_me=True, text="Olá"))

    compare(desk)

    assert [(one.id, one.status, one.external_id) for one in rows_of(Message)] == [(row.id, "sent", "3A1")]
    assert holes() == []


def forget_id(desk: Desk, row: Message) -> None:
    with acting_for(desk.scope), atomic():
        this = desk.scope.update(Message).where(Message.id == row.id)
        db.session.execute(this.values(external_id=None).execution_options(synchronize_session=False))


def test_a_receipt_that_was_missed_moves_the_message_and_is_no_hole(
    desk: Desk, evolution: Evolution, instance: Instance
) -> None:
    conversation = make_conversation(desk.scope, unit_of(desk))
    make_message(desk.scope, conversation, external_id="3A1", direction=Direction.OUTBOUND)
    stored = message("3A1", ago_s=600, from_me=True)
    stored.statuses = ["SERVER_ACK", "DELIVERY_ACK"]
    keep(evolution, instance, stored)

    compare(desk)
    compare(desk, since=ago(1800))

    assert [row.status for row in rows_of(Message)] == ["delivered"]
    assert holes() == []
    assert len(rows_of(WebhookEvent)) == 1


@pytest.mark.parametrize("chat", [GROUP, "status@broadcast", "5511999990009@broadcast", "1203@newsletter"])
def test_chats_that_the_unit_does_not_want_are_no_hole(
    desk: Desk, evolution: Evolution, instance: Instance, chat: str
) -> None:
    keep(evolution, instance, message("3A1", ago_s=600, chat=chat))

    compare(desk)

    assert (rows_of(Message), rows_of(WebhookEvent), holes()) == ([], [], [])


def test_what_the_inbox_has_not_come_to_yet_is_no_hole(desk: Desk, evolution: Evolution, instance: Instance) -> None:
    keep(evolution, instance, message("3A1", ago_s=600))
    payload = webhook("messages.upsert", delivered("3A1"), instance=instance.name)
    with across_tenants("a test delivers a webhook"), atomic():
        events.store(desk.scope.tenant_id, desk.unit_id, instance.name, "messages.upsert", payload)

    compare(desk)

    assert [row.repair_id for row in rows_of(Message)] == [None]
    assert holes() == []


def test_what_is_no_message_is_left_out(desk: Desk, evolution: Evolution, instance: Instance) -> None:
    inner = message("3A1", ago_s=600)
    inner.message = {"protocolMessage": {"type": 5}}
    keep(evolution, instance, inner)

    compare(desk)

    assert (rows_of(Message), rows_of(WebhookEvent), holes()) == ([], [], [])


def test_what_was_handed_over_before_is_no_second_hole(desk: Desk, evolution: Evolution, instance: Instance) -> None:
    """Say because its event is parked: no message came of it."""
    keep(evolution, instance, message("3A1", ago_s=600))
    compare(desk)
    with acting_for(desk.scope), atomic():
        db.session.execute(desk.scope.delete(Message))

    compare(desk, since=ago(1800))

    assert len(holes()) == 1
    assert len(rows_of(WebhookEvent)) == 1


def test_the_history_of_a_first_pairing_is_no_hole(desk: Desk, evolution: Evolution) -> None:
    instance = linked(desk, evolution)
    keep(evolution, instance, message("3A1", ago_s=86_400), message("3A2", ago_s=130))

    compare(desk)

    assert (rows_of(Message), holes()) == ([], [])


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
