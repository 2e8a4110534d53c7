"""What webhooks say about messages that are there: receipts, edits and deletions (contract §11)."""

from datetime import timedelta
from typing import Any

import pytest

from portal.clock import now
from portal.inbox.facts import MessageDeleted, MessageEdited, ReceiptSeen
from tests.inbox.parsing import AT, facts, seen
from tests.inbox.payloads import MARIA, OWN, SENT_AT, message, receipt

RECEIPTS = {
    "accepted": (receipt("3EB001", "SERVER_ACK"), "SERVER_ACK"),
    "delivered": (receipt("3EB001", "DELIVERY_ACK"), "DELIVERY_ACK"),
    "read": (receipt("3EB001", "READ"), "READ"),
    "played": (receipt("3EB001", "PLAYED"), "PLAYED"),
    "error": (receipt("3EB001", "ERROR"), "ERROR"),
    "by_number": (receipt("3EB001", 3), "DELIVERY_ACK"),  # type: ignore[arg-type]
    "error_by_number": (receipt("3EB001", 0), "ERROR"),  # type: ignore[arg-type]
    "pending": (receipt("3EB001", "PENDING"), None),
    "deleted": (receipt("3EB001", "DELETED"), None),
    "edited": (receipt("3EB001", "EDITED"), None),
    "none": (receipt("3EB001", None), None),  # type: ignore[arg-type]
    "object": (receipt("3EB001", {}), None),  # type: ignore[arg-type]
    "boolean": (receipt("3EB001", True), None),  # type: ignore[arg-type]
    "beyond": (receipt("3EB001", 6), None),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(("data", "rung"), RECEIPTS.values(), ids=RECEIPTS)
def test_receipts(data: dict[str, Any], rung: str | None) -> None:
    assert facts("messages.update", data) == ([ReceiptSeen("3EB001", rung)] if rung else [])


@pytest.mark.parametrize(
    ("status", "kept"), [("READ", "READ"), ("PENDING", "PENDING"), (2, "SERVER_ACK"), ("LOST", None), ({}, None)]
)
def test_a_message_carries_the_receipt_that_it_was_told_with(status: object, kept: str | None) -> None:
    assert seen(message(status=status)).receipt == kept


EDITED = {"conversation": "Às 9h?"}
EDIT_MS = SENT_AT * 1000 + 250
EDIT_AT = AT + timedelta(milliseconds=250)
BY_TIME = MessageEdited("3A01", "Às 9h?", str(EDIT_MS), EDIT_AT)


def edit(content: object = EDITED, *, type_: object = "MESSAGE_EDIT", ms: object = str(EDIT_MS)) -> dict[str, Any]:
    return {"key": {"remoteJid": OWN, "fromMe": True, "id": "3A01"}, "type": type_, "editedMessage": content} | (
        {"timestampMs": ms} if ms is not None else {}
    )


EDITS = {
    "by_name": ("messages.edited", edit()),
    "by_number": ("messages.edited", edit(type_=14)),
    "long": ("messages.edited", edit(ms={"low": EDIT_MS % 2**32 - 2**32, "high": EDIT_MS // 2**32})),
    "through_the_api": ("send.message.update", edit(type_=14, ms=EDIT_MS)),
    "extended": ("messages.edited", edit({"extendedTextMessage": {"text": "Às 9h?"}})),
    "caption": ("messages.edited", edit({"imageMessage": {"caption": "Às 9h?"}})),
    "wrapped": ("messages.edited", edit({"ephemeralMessage": {"message": EDITED}})),
    "protocol": (
        "messages.upsert",
        message("AC09", message={"editedMessage": {"message": {"protocolMessage": edit(type_=14)}}}),
    ),
    "bare_protocol": (
        "messages.upsert",
        message("AC09", message={"protocolMessage": edit(), "messageContextInfo": {}}, messageType="protocolMessage"),
    ),
}


@pytest.mark.parametrize(("event", "data"), EDITS.values(), ids=EDITS)
def test_edits_with_their_time(event: str, data: object) -> None:
    assert facts(event, data) == [BY_TIME]


UPDATES = {
    "wrapped": {"editedMessage": {"message": EDITED}},
    "plain": EDITED,
    "protocol": {"protocolMessage": edit(type_=14)},
}


@pytest.mark.parametrize("content", UPDATES.values(), ids=UPDATES)
def test_an_edit_as_a_status_update_has_no_time_and_is_no_receipt(content: object) -> None:
    (fact,) = facts("messages.update", {**receipt("3A01", "SERVER_ACK"), "message": content})

    assert isinstance(fact, MessageEdited)
    assert (fact.external_id, fact.body, fact.at, len(fact.told_as)) == ("3A01", "Às 9h?", None, 64)


def test_two_edits_without_a_time_are_told_apart() -> None:
    first, second = (facts("messages.edited", edit({"conversation": text}, ms=None))[0] for text in ("a", "b"))

    assert isinstance(first, MessageEdited)
    assert isinstance(second, MessageEdited)
    assert first.told_as != second.told_as


def test_an_edit_from_the_future_is_from_now() -> None:
    (fact,) = facts("messages.edited", edit(ms=str(EDIT_MS + 10**13)))

    assert isinstance(fact, MessageEdited)
    assert fact.at is not None
    assert fact.at <= now()


DELETIONS = {
    "bare_key": ("messages.delete", {"remoteJid": MARIA, "fromMe": False, "id": "3A01", "participant": ""}),
    "in_a_list": ("messages.delete", [{"remoteJid": MARIA, "id": "3A01", "status": "DELETED"}]),
    "through_the_api": (
        "messages.delete",
        {"id": "cm0000000000000000000000", "key": {"remoteJid": MARIA, "id": "3A01"}, "messageTimestamp": SENT_AT},
    ),
    "revoke": ("messages.edited", {"key": {"id": "3A01"}, "type": "REVOKE"}),
    "revoke_by_number": ("messages.edited", {"key": {"id": "3A01"}, "type": 0}),
    "revoke_as_message": ("messages.upsert", message(message={"protocolMessage": {"key": {"id": "3A01"}, "type": 0}})),
}


@pytest.mark.parametrize(("event", "data"), DELETIONS.values(), ids=DELETIONS)
def test_deletions(event: str, data: object) -> None:
    assert facts(event, data) == [MessageDeleted("3A01")]


@pytest.mark.parametrize("type_", ["EPHEMERAL_SETTING", 3, "HISTORY_SYNC_NOTIFICATION", None, False, {}])
def test_other_protocol_messages_say_nothing(type_: object) -> None:
    assert facts("messages.edited", {"key": {"id": "3A01"}, "type": type_}) == []
