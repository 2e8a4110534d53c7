"""The ladder as receipts move it: up, never down, early or late (contract §11.6)."""

from collections.abc import Callable
from typing import Any

import pytest

from portal.models import (
    Conversation,
    Direction,
    EarlyReceipt,
    Message,
    MessageStatus,
    Unit,
)
from portal.tenancy import TenantScope
from tests.factories import make_conversation, make_message
from tests.inbox.conftest import Evolution
from tests.inbox.payloads import MARIA_LID, SENT_AT, at, echo, message, receipt

Rows = Callable[..., list[Any]]
ID = "3EB00123456789ABCDEF01"
SENT, DELIVERED, READ, FAILED = MessageStatus.SENT, MessageStatus.DELIVERED, MessageStatus.READ, MessageStatus.FAILED


@pytest.mark.parametrize(
    ("receipts", "expected"),
    [
        (["PENDING"], SENT),
        (["SERVER_ACK"], SENT),
        (["DELIVERY_ACK"], DELIVERED),
        (["READ"], READ),
        (["PLAYED"], READ),
        (["DELIVERY_ACK", "READ"], READ),
        (["READ", "DELIVERY_ACK"], READ),
        (["READ", "SERVER_ACK"], READ),
        (["READ", "ERROR"], READ),
        (["DELIVERY_ACK", "DELETED"], DELIVERED),
        (["READ", "EDITED"], READ),
        (["ERROR"], FAILED),
        (["SERVER_ACK", "ERROR"], FAILED),
        (["ERROR", "SERVER_ACK"], FAILED),
        (["ERROR", "DELIVERY_ACK"], DELIVERED),
        (["DELIVERY_ACK", "ERROR"], DELIVERED),
        (["ERROR", "READ"], READ),
        (["UNHEARD_OF"], SENT),
    ],
    ids="-".join,
)
def test_receipts_only_move_a_message_up(
    scope: TenantScope, unit: Unit, evolution: Evolution, rows: Rows, receipts: list[str], expected: MessageStatus
) -> None:
    conversation = make_conversation(scope, unit)
    make_message(scope, conversation, direction=Direction.OUTBOUND, external_id=ID)

    for number, status in enumerate(receipts):
        evolution.tell(("messages.update", receipt(ID, status), at(number)))

    assert rows(Message)[0].status == expected


def test_read_implies_delivered_and_accepted(scope: TenantScope, unit: Unit, evolution: Evolution, rows: Rows) -> None:
    make_message(scope, make_conversation(scope, unit), direction=Direction.OUTBOUND, external_id=ID)

    evolution.tell(("messages.update", receipt(ID, "READ")))

    read = rows(Message)[0]
    assert read.read_at == read.delivered_at == read.accepted_at
    assert read.read_at is not None


def test_a_failure_is_taken_back_when_the_message_arrived(
    scope: TenantScope, unit: Unit, evolution: Evolution, rows: Rows
) -> None:
    make_message(scope, make_conversation(scope, unit), direction=Direction.OUTBOUND, external_id=ID)

    evolution.tell(("messages.update", receipt(ID, "ERROR")))
    failed = rows(Message)[0]
    reason, failed_at = failed.error_code, failed.failed_at
    evolution.tell(("messages.update", receipt(ID, "DELIVERY_ACK")))

    assert (reason, failed_at is None) == ("refused_by_whatsapp", False)
    arrived = rows(Message)[0]
    assert (arrived.status, arrived.error_code, arrived.failed_at) == (DELIVERED, None, None)


@pytest.mark.parametrize("chat", [MARIA_LID, "5511999990002:17@s.whatsapp.net"], ids=["lid", "device"])
def test_a_receipt_is_matched_by_its_id_alone(
    scope: TenantScope, unit: Unit, evolution: Evolution, rows: Rows, chat: str
) -> None:
    make_message(scope, make_conversation(scope, unit), direction=Direction.OUTBOUND, external_id=ID)

    evolution.tell(("messages.update", receipt(ID, "DELIVERY_ACK", chat=chat)))

    assert rows(Message)[0].status == DELIVERED


@pytest.mark.usefixtures("unit")
def test_a_receipt_before_its_message_is_kept_for_it(evolution: Evolution, rows: Rows) -> None:
    evolution.tell(("messages.update", receipt(ID, "READ")))
    kept = [early.receipt for early in rows(EarlyReceipt)]
    evolution.tell(("send.message", echo(ID, "Olá")))

    assert kept == ["READ"]
    assert rows(Message)[0].status == READ
    assert rows(EarlyReceipt) == []


def test_a_message_read_on_the_phone_is_not_waiting_here(
    scope: TenantScope, unit: Unit, evolution: Evolution, rows: Rows
) -> None:
    evolution.tell(("messages.upsert", message("3A01")))

    evolution.tell(("messages.update", receipt("3A01", "READ", from_me=False)))

    assert rows(Conversation)[0].unread == 0
    assert (rows(Message)[0].status, rows(Message)[0].read_at is None) == (MessageStatus.RECEIVED, False)


def test_an_older_message_read_on_the_phone_leaves_the_newer_one_waiting(
    unit: Unit, evolution: Evolution, rows: Rows
) -> None:
    evolution.tell(
        ("messages.upsert", message("3A01")),
        ("messages.upsert", message("3A02", messageTimestamp=SENT_AT + 60)),
        ("messages.update", receipt("3A01", "READ", from_me=False)),
    )

    assert rows(Conversation)[0].unread == 1
