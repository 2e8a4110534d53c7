"""What no webhook brought is found among Evolution's stored messages and goes in, once and in order."""

import pytest

from local.evolution.model import Instance
from portal.clock import now
from portal.db import atomic, db
from portal.models import Direction, Message, MessageSource, MessageStatus, Unit, WebhookEvent
from portal.services import events
from portal.tenancy import across_tenants, acting_for
from tests.factories import make_conversation, make_message
from tests.inbox.payloads import message as delivered
from tests.inbox.payloads import webhook
from tests.outbox.conftest import rows_of
from tests.outbox.desk import Desk, Evolution
from tests.outbox.rounds import ago, bodies, close_to, compare, holes, keep, linked, linked_a_while_ago, message

pytestmark = pytest.mark.commits
GROUP = "120363000000000001@g.us"


@pytest.fixture
def instance(desk: Desk, evolution: Evolution) -> Instance:
    return linked_a_while_ago(desk, evolution)


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
