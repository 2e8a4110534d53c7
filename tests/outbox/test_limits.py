"""WhatsApp limits a number: new chats wait, replies flow, and it goes on slowly (R3, contract §11.6)."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from portal.clock import now
from portal.evolution import errors
from portal.evolution.errors import EvolutionError, EvolutionFailed, EvolutionRejected, EvolutionUnknown
from portal.evolution.types import SentMessage
from portal.inbox import relay as inbox
from portal.inbox.receive import receive
from portal.models import ColdReason, Connection, Lane, Message, MessageStatus
from portal.services import delivery, lanes
from portal.tenancy import TenantScope
from tests.factories import SECRET, make_tenant
from tests.inbox.conftest import signature
from tests.inbox.payloads import MARIA, closed, message, receipt, webhook
from tests.outbox.conftest import Shop, rows_of
from tests.outbox.sending import claim, claim_one, record, seconds_to_next

pytestmark = pytest.mark.commits

STRANGER, ANOTHER = "5511999990009", "5511999990010"
OVERLIMIT = "rate-overlimit"


class Evolution:
    """Tells the news of one unit's instance."""

    def __init__(self, shop: Shop) -> None:
        self.name: str = next(c for c in rows_of(Connection) if c.unit_id == shop.unit.id).instance_name

    def tell(self, event: str, data: dict[str, Any]) -> None:
        body = json.dumps(webhook(event, data, instance=self.name)).encode()
        receive(SECRET, signature(self.name), body)
        inbox.drain()

    def tell_receipt(self, message_id: UUID, status: str) -> None:
        self.tell("messages.update", receipt(external_id(message_id), status))


@pytest.fixture
def evolution(shop: Shop) -> Evolution:
    return Evolution(shop)


def external_id(message_id: UUID) -> str:
    return f"3EB0{message_id.hex[-18:].upper()}"


def send(shop: Shop) -> UUID:
    """Hand the next message over to Evolution."""
    claimed = claim_one()
    record(claimed, SentMessage(external_id(claimed.id), MARIA))
    return claimed.id


def send_cold(shop: Shop) -> UUID:
    shop.reply_to(STRANGER)
    return send(shop)


def end_pause(shop: Shop) -> None:
    past = now() - timedelta(seconds=1)
    shop.change(Lane, cold_paused_until=past, next_cold_at=past, next_send_at=past)


def let_gap_pass(shop: Shop) -> None:
    past = now() - timedelta(seconds=1)
    shop.change(Lane, next_cold_at=past, next_send_at=past)


def limited(shop: Shop) -> tuple[str | None, int]:
    """Why new chats are paused, and for how many minutes."""
    lane = shop.lane()
    if lane.cold_paused_until is None:
        return lane.cold_reason, 0
    return lane.cold_reason, round((lane.cold_paused_until - now()).total_seconds() / 60)


def test_a_refused_message_to_a_new_chat_pauses_new_chats(shop: Shop, evolution: Evolution) -> None:
    refused = send_cold(shop)

    evolution.tell_receipt(refused, "ERROR")

    assert limited(shop) == (ColdReason.NEW_CHATS_REFUSED, 60)
    failed = shop.message(refused)
    assert (failed.status, failed.error_code) == (MessageStatus.FAILED, delivery.NEW_CHAT_REFUSED)


def test_a_refused_reply_pauses_nothing(shop: Shop, evolution: Evolution) -> None:
    shop.hear()
    shop.reply()
    refused = send(shop)

    evolution.tell_receipt(refused, "ERROR")

    assert limited(shop) == (None, 0)
    assert shop.message(refused).error_code == delivery.REFUSED


def test_a_refusal_that_is_told_twice_counts_once(shop: Shop, evolution: Evolution) -> None:
    refused = send_cold(shop)
    evolution.tell_receipt(refused, "ERROR")
    end_pause(shop)

    evolution.tell("messages.update", {**receipt(external_id(refused), "ERROR"), "messageId": "another"})

    assert shop.lane().cold_pauses == 1
    assert limited(shop)[1] <= 0


def test_a_refusal_that_comes_before_the_answer_pauses_new_chats(shop: Shop, evolution: Evolution) -> None:
    shop.reply_to(STRANGER)
    claimed = claim_one()
    evolution.tell_receipt(claimed.id, "ERROR")

    record(claimed, SentMessage(external_id(claimed.id), MARIA))

    assert limited(shop) == (ColdReason.NEW_CHATS_REFUSED, 60)
    assert shop.message(claimed.id).status == MessageStatus.FAILED


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (EvolutionUnknown(errors.UNCLEAR, OVERLIMIT), MessageStatus.UNCONFIRMED),
        (EvolutionUnknown(errors.UNCLEAR, "Error: 463"), MessageStatus.UNCONFIRMED),
        (EvolutionFailed(errors.PREPARING_FAILED, OVERLIMIT), MessageStatus.QUEUED),
        (EvolutionRejected(errors.INVALID_REQUEST, OVERLIMIT), MessageStatus.FAILED),
    ],
    ids=["not_known", "timelock", "failed", "refused"],
)
@pytest.mark.parametrize("is_warm", [False, True], ids=["new_chat", "reply"])
def test_a_limit_in_an_answer_pauses_new_chats(
    shop: Shop, error: EvolutionError, status: MessageStatus, is_warm: bool
) -> None:
    if is_warm:
        shop.hear()
    message_id = shop.reply()

    record(claim_one(), error)

    assert limited(shop) == (ColdReason.RATE_LIMITED, 60)
    assert shop.message(message_id).status == status
    assert shop.lane().message_id is None


def test_a_number_that_looks_like_a_limit_is_none(shop: Shop) -> None:
    shop.reply()

    record(claim_one(), EvolutionRejected(errors.INVALID_REQUEST, "5511946399990 is no number"))

    assert limited(shop) == (None, 0)


def test_replies_flow_while_new_chats_wait(shop: Shop, evolution: Evolution) -> None:
    evolution.tell_receipt(send_cold(shop), "ERROR")
    cold = shop.reply_to(ANOTHER)
    shop.hear()

    replies = [shop.reply("um"), shop.reply("dois")]

    assert [send(shop), send(shop)] == replies
    assert claim() == []
    assert shop.message(cold).status == MessageStatus.QUEUED
    assert 3_500 < (seconds_to_next() or 0) < 3_600


def test_another_unit_is_not_limited(scope: TenantScope, shop: Shop, evolution: Evolution) -> None:
    evolution.tell_receipt(send_cold(shop), "ERROR")
    other = Shop(scope, "praia", phone="5511999990003")

    wanted = other.reply()

    assert claim_one().id == wanted


def test_a_reply_of_the_customer_frees_what_waits_for_them(shop: Shop, evolution: Evolution) -> None:
    evolution.tell_receipt(send_cold(shop), "ERROR")
    waiting = [shop.reply("um"), shop.reply("dois")]
    other = shop.reply_to(ANOTHER)
    while_limited = claim()

    evolution.tell("messages.upsert", message("3A01", "Oi", chat=MARIA))

    assert while_limited == []
    assert [send(shop), send(shop)] == waiting
    assert claim() == []
    assert shop.message(other).is_cold is True
    assert [m.is_cold for m in rows_of(Message) if m.id in waiting] == [False, False]


def test_after_the_pause_one_goes_and_the_next_waits_for_the_gap(shop: Shop, evolution: Evolution) -> None:
    evolution.tell_receipt(send_cold(shop), "ERROR")
    wanted = [shop.reply_to(ANOTHER, "um"), shop.reply_to(ANOTHER, "dois")]
    end_pause(shop)

    first, meanwhile = send(shop), claim()
    wait_s = seconds_to_next() or 0
    let_gap_pass(shop)
    second = send(shop)

    assert ([first, second], meanwhile) == (wanted, [])
    assert lanes.FIRST_COLD_GAP_S - 10 < wait_s <= lanes.FIRST_COLD_GAP_S


def test_each_that_arrives_brings_the_next_one_sooner_until_the_limit_is_gone(shop: Shop, evolution: Evolution) -> None:
    evolution.tell_receipt(send_cold(shop), "ERROR")
    end_pause(shop)
    gaps = []
    for _ in range(6):
        sent = send_cold(shop)
        evolution.tell_receipt(sent, "DELIVERY_ACK")
        gaps.append(shop.lane().cold_gap_s)
        let_gap_pass(shop)

    assert gaps == [150.0, 75.0, 37.5, 18.75, 0.0, 0.0]
    assert limited(shop) == (None, 0)


def test_one_message_eases_once_however_many_receipts_it_has(shop: Shop, evolution: Evolution) -> None:
    evolution.tell_receipt(send_cold(shop), "ERROR")
    end_pause(shop)
    sent = send_cold(shop)

    for status in ("SERVER_ACK", "DELIVERY_ACK", "READ"):
        evolution.tell_receipt(sent, status)

    assert shop.lane().cold_gap_s == lanes.FIRST_COLD_GAP_S / 2


def test_receipts_of_what_was_sent_before_the_pause_do_not_ease(shop: Shop, evolution: Evolution) -> None:
    before = send_cold(shop)
    evolution.tell_receipt(send_cold(shop), "ERROR")

    evolution.tell_receipt(before, "DELIVERY_ACK")

    assert shop.lane().cold_gap_s == lanes.FIRST_COLD_GAP_S
    assert limited(shop) == (ColdReason.NEW_CHATS_REFUSED, 60)


def test_receipts_of_replies_do_not_ease(shop: Shop, evolution: Evolution) -> None:
    evolution.tell_receipt(send_cold(shop), "ERROR")
    end_pause(shop)
    shop.hear()
    shop.reply()

    evolution.tell_receipt(send(shop), "READ")

    assert shop.lane().cold_gap_s == lanes.FIRST_COLD_GAP_S


def test_a_second_refusal_after_the_pause_lasts_twice_as_long(shop: Shop, evolution: Evolution) -> None:
    evolution.tell_receipt(send_cold(shop), "ERROR")
    end_pause(shop)

    evolution.tell_receipt(send_cold(shop), "ERROR")

    assert limited(shop) == (ColdReason.NEW_CHATS_REFUSED, 120)


def test_refusals_of_what_was_under_way_do_not_lengthen_the_pause(shop: Shop, evolution: Evolution) -> None:
    sent = [send_cold(shop) for _ in range(3)]

    for message_id in sent:
        evolution.tell_receipt(message_id, "ERROR")

    assert shop.lane().cold_pauses == 1
    assert limited(shop) == (ColdReason.NEW_CHATS_REFUSED, 60)


def test_a_message_that_arrives_after_all_is_not_failed(shop: Shop, evolution: Evolution) -> None:
    sent = send_cold(shop)
    evolution.tell_receipt(sent, "ERROR")

    evolution.tell_receipt(sent, "DELIVERY_ACK")

    message = shop.message(sent)
    assert (message.status, message.error_code, message.failed_at) == (MessageStatus.DELIVERED, None, None)


@pytest.mark.parametrize("code", [402, 403, 406])
def test_a_ban_closes_the_lane_and_pauses_new_chats_for_a_day(shop: Shop, evolution: Evolution, code: int) -> None:
    shop.reply()

    evolution.tell("connection.update", closed(code))

    assert shop.lane().is_open is False
    assert limited(shop) == (ColdReason.NUMBER_BANNED, 24 * 60)
    assert claim() == []


def test_a_number_that_is_back_after_a_ban_replies_at_once_and_begins_no_chats(
    shop: Shop, evolution: Evolution
) -> None:
    evolution.tell("connection.update", closed(403))
    shop.reply_to(STRANGER)
    shop.hear()
    reply = shop.reply()
    evolution.tell(
        "connection.update",
        {"instance": "unit_1", "wuid": MARIA, "profileName": "Loja", "state": "open", "statusReason": 200},
    )

    assert send(shop) == reply
    assert claim() == []


def test_another_tenants_unit_is_not_limited(shop: Shop, evolution: Evolution) -> None:
    rival = Shop(make_tenant("rival"))
    evolution.tell_receipt(send_cold(shop), "ERROR")

    wanted = rival.reply()

    assert claim_one().id == wanted
