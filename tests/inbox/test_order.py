"""One conversation told in many orders, twice: the rows end the same (contract §10.3)."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from portal.models import (
    Connection,
    Contact,
    Conversation,
    EarlyReceipt,
    Lane,
    Message,
)
from tests.inbox.conftest import Evolution
from tests.inbox.payloads import MARIA, MARIA_LID, OPEN, SENT_AT, at, echo, message, qr_code, receipt

Rows = Callable[..., list[Any]]
ID = "3EB00123456789ABCDEF01"


CONVERSATION = [
    ("qrcode.updated", qr_code("2@one"), at(1)),
    ("qrcode.updated", qr_code("2@two"), at(2)),
    ("connection.update", {"instance": "unit_1", "state": "connecting", "statusReason": 200}, at(3)),
    ("connection.update", OPEN, at(4)),
    ("messages.upsert", message("3A01", "Bom dia", messageTimestamp=SENT_AT), at(10)),
    ("messages.upsert", message("3A02", "Têm pão?", chat=MARIA_LID, alt=MARIA, messageTimestamp=SENT_AT + 10), at(11)),
    ("send.message", echo("3EB001", "Temos sim", messageTimestamp=SENT_AT + 20), at(12)),
    ("messages.update", receipt("3EB001", "SERVER_ACK"), at(13)),
    ("messages.update", receipt("3EB001", "DELIVERY_ACK"), at(14)),
    ("messages.update", receipt("3EB001", "READ", chat=MARIA_LID), at(15)),
    ("messages.upsert", message("AC01", "Até as 18h", from_me=True, messageTimestamp=SENT_AT + 30), at(16)),
    ("messages.update", receipt("AC01", "DELIVERY_ACK"), at(17)),
    ("messages.upsert", message("3A03", "Obrigada", messageTimestamp=SENT_AT + 40), at(18)),
    ("messages.upsert", message("3A09", chat="120363000000000001@g.us"), at(19)),
    ("send.message", echo("3EB002", "Até logo", messageTimestamp=SENT_AT + 50), at(20)),
    ("messages.update", receipt("3EB002", "ERROR"), at(21)),
]


def picture(rows: Rows) -> dict[str, object]:
    """Everything that may not depend on the order in which it was told: all but the times of processing."""
    connection, conversation, contact = rows(Connection)[0], rows(Conversation)[0], rows(Contact)[0]
    return {
        "messages": sorted(
            (m.external_id, m.body, m.kind, m.direction, m.status, m.occurred_at, m.error_code)
            + tuple(bool(getattr(m, f"{rung}_at")) for rung in ("sent", "accepted", "delivered", "read", "failed"))
            for m in rows(Message)
        ),
        "contacts": [(c.phone, c.lid, c.name, c.whatsapp_number) for c in rows(Contact)],
        "conversation": (
            conversation.contact_id == contact.id,
            conversation.unread,
            conversation.last_message_at,
            conversation.last_message_preview,
            conversation.last_message_direction,
        ),
        "connection": (
            connection.status,
            connection.status_reason,
            connection.phone,
            connection.profile_name,
            connection.qr_code,
            connection.qr_count,
            connection.state_told_at,
        ),
        "lane_is_open": [lane.is_open for lane in rows(Lane)],
        "receipts_left": len(rows(EarlyReceipt)),
    }


EXPECTED = {
    "messages": sorted(
        [
            ("3A01", "Bom dia", "text", "inbound", "received", 0, None, False, False, False, False, False),
            ("3A02", "Têm pão?", "text", "inbound", "received", 10, None, False, False, False, False, False),
            ("3EB001", "Temos sim", "text", "outbound", "read", 20, None, True, True, True, True, False),
            ("AC01", "Até as 18h", "text", "outbound", "delivered", 30, None, True, True, True, False, False),
            ("3A03", "Obrigada", "text", "inbound", "received", 40, None, False, False, False, False, False),
            (
                "3EB002",
                "Até logo",
                "text",
                "outbound",
                "failed",
                50,
                "refused_by_whatsapp",
                True,
                False,
                False,
                False,
                True,
            ),
        ]
    ),
    "contacts": [("5511999990002", "123456789012345", "Maria", "5511999990002")],
    "conversation": (True, 3, datetime.fromtimestamp(SENT_AT + 50, tz=UTC), "Até logo", "outbound"),
    "connection": ("connected", "scan_completed", "5511999990001", "Loja Centro", None, 0, at(4)),
    "lane_is_open": [True],
    "receipts_left": 0,
}


def expected_picture() -> dict[str, object]:
    messages = [
        (*row[:5], datetime.fromtimestamp(SENT_AT, tz=UTC) + timedelta(seconds=row[5]), *row[6:])
        for row in EXPECTED["messages"]  # type: ignore[attr-defined]
    ]
    return {**EXPECTED, "messages": messages}


@pytest.mark.usefixtures("pairing_unit")
@pytest.mark.parametrize("seed", [None, *range(6)])
def test_a_whole_conversation_ends_the_same_in_any_order(evolution: Evolution, rows: Rows, seed: int | None) -> None:
    told = list(CONVERSATION) * 2
    if seed is not None:
        random.Random(seed).shuffle(told)

    for news in told:
        evolution.tell(news)

    assert picture(rows) == expected_picture()


@pytest.mark.usefixtures("pairing_unit")
@pytest.mark.parametrize("seed", range(3))
def test_a_whole_conversation_ends_the_same_in_one_batch_applied_twice(
    evolution: Evolution, rows: Rows, seed: int
) -> None:
    told = list(CONVERSATION)
    random.Random(seed).shuffle(told)

    evolution.tell(*told)
    once = picture(rows)
    evolution.replay()

    assert once == picture(rows) == expected_picture()
