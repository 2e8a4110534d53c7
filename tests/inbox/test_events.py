"""What one webhook says, by event: facts without anything of Evolution's (contract §11)."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from portal.clock import now
from portal.inbox.events import News, NotUnderstood, parse
from portal.inbox.facts import (
    Address,
    CallSeen,
    ChatNamed,
    ConnectionChanged,
    Fact,
    InstanceRemoved,
    MessageDeleted,
    MessageEdited,
    MessageSeen,
    QrCodeIssued,
    ReceiptSeen,
)
from portal.models import ContactKind, MessageKind
from tests.inbox.payloads import MARIA, MARIA_LID, OWN, SENT_AT, echo, message, qr_code, receipt, webhook

PHONE, LID = "5511999990002", "123456789012345"
OWN_LID = "999456789012345@lid"
GROUP = "120363000000000001@g.us"
TEAM = Address(jid=GROUP, kind=ContactKind.GROUP)
AT = datetime.fromtimestamp(SENT_AT, tz=UTC)


def told(event: str, data: object, **envelope: Any) -> News:
    return parse(event, json.dumps({**webhook(event, data, instance="unit_1"), **envelope}))


def facts(event: str, data: object, **envelope: Any) -> list[Fact]:
    return told(event, data, **envelope).facts


def seen(data: object, **envelope: Any) -> MessageSeen:
    (fact,) = facts("messages.upsert", data, **envelope)
    assert isinstance(fact, MessageSeen)
    return fact


def test_a_plain_text_is_one_fact() -> None:
    assert facts("messages.upsert", message("3A01", "Bom dia")) == [
        MessageSeen(
            external_id="3A01",
            chat=Address(number=PHONE),
            from_me=False,
            kind=MessageKind.TEXT,
            body="Bom dia",
            sender_name="Maria",
            at=AT,
            receipt="DELIVERY_ACK",
        )
    ]


KNOWN = [
    "application.startup",
    "chats.delete",
    "chats.update",
    "group.update",
    "groups.update",
    "instance.create",
    "labels.association",
    "labels.edit",
    "messaging-history.set",
    "presence.update",
    "typebot.change-status",
    "typebot.start",
]


@pytest.mark.parametrize("event", KNOWN)
@pytest.mark.parametrize("data", [{"id": "x"}, [{"id": "x"}], ["x"], [], None], ids=str)
def test_a_known_event_that_nobody_needs_says_nothing(event: str, data: object) -> None:
    news = told(event, data)

    assert (news.facts, news.is_known) == ([], True)


def test_an_event_that_no_version_names_is_not_known() -> None:
    assert (told("new.thing", {"id": "x"}).is_known, told("new.thing", None).facts) == (False, [])


@pytest.mark.parametrize(
    ("date_time", "kept"),
    [
        ("2026-05-17T10:00:00.000Z", "2026-05-17T10:00:00.000Z"),
        (None, None),
        (1_760_000_000, None),
        ("soon", None),
        ("2026-05-17T10:00:00.000Z" * 9, None),
        ("2026-05-17\x0010:00:00", None),
    ],
    ids=["iso", "null", "number", "word", "endless", "zero_byte"],
)
def test_evolutions_clock_is_kept_where_it_is_one(date_time: object, kept: str | None) -> None:
    assert told("logout.instance", None, date_time=date_time).told_at == kept


INSTANCE = {
    "code": ("qrcode.updated", qr_code("2@a,b,c", "K7QX2M9D"), QrCodeIssued("2@a,b,c", "K7QX2M9D")),
    "code_alone": ("qrcode.updated", qr_code("2@a,b,c"), QrCodeIssued("2@a,b,c", None)),
    "code_limit": ("qrcode.updated", {"message": "limit", "statusCode": 500}, ConnectionChanged("refused", 428)),
    "connecting": (
        "connection.update",
        {"state": "connecting", "statusReason": 200},
        ConnectionChanged("connecting", 200),
    ),
    "open": (
        "connection.update",
        {"state": "open", "statusReason": 200, "wuid": "5511999990001:17@s.whatsapp.net", "profileName": "Lo\u202eja"},
        ConnectionChanged("open", 200, "5511999990001", "Loja"),
    ),
    "open_in_a_list": ("connection.update", [{"state": "open", "wuid": None}], ConnectionChanged("open")),
    "closed": ("connection.update", {"state": "close", "statusReason": "401"}, ConnectionChanged("close", 401)),
    "logged_out": ("logout.instance", None, ConnectionChanged("close", 401)),
    "status": (
        "status.instance",
        {"status": "closed", "disconnectionReasonCode": 403},
        ConnectionChanged("close", 403),
    ),
    "removed": ("remove.instance", None, InstanceRemoved()),
    "deleted": ("instance.delete", {"instanceName": "unit_1", "instanceId": "x"}, InstanceRemoved()),
}


@pytest.mark.parametrize(("event", "data", "fact"), INSTANCE.values(), ids=INSTANCE)
def test_news_of_the_instance(event: str, data: object, fact: Fact) -> None:
    assert facts(event, data) == [fact]


def test_a_status_that_ends_nothing_says_nothing() -> None:
    assert facts("status.instance", {"status": "open"}) == []


NOT_UNDERSTOOD = {
    "code_without_data": ("qrcode.updated", None),
    "code_that_is_none": ("qrcode.updated", {"qrcode": {"code": 7}}),
    "code_without_code": ("qrcode.updated", {}),
    "connection_without_data": ("connection.update", None),
    "connection_without_state": ("connection.update", {"statusReason": 200}),
    "state_that_is_none": ("connection.update", {"state": ["open"]}),
    "message_without_data": ("messages.upsert", None),
    "message_without_key": ("messages.upsert", {"message": {"conversation": "Oi"}}),
    "message_without_id": ("messages.upsert", {"key": {"remoteJid": MARIA}}),
    "message_without_chat": ("messages.upsert", {"key": {"id": "3A01", "remoteJid": None}}),
    "id_with_zero_byte": ("messages.upsert", message("3A\x00")),
    "id_with_blank": ("messages.upsert", message("3A 01")),
    "id_endless": ("messages.upsert", message("3" * 81)),
    "id_number": ("messages.upsert", message(7)),  # type: ignore[arg-type]
    "all_of_a_list": ("messages.set", [None, {"key": {}}]),
    "receipt_without_id": ("messages.update", {"status": "READ"}),
    "deletion_without_id": ("messages.delete", {"remoteJid": MARIA}),
    "deletion_as_text": ("messages.delete", ["3A01"]),
    "edit_without_key": ("messages.edited", {"type": "MESSAGE_EDIT", "editedMessage": {"conversation": "Oi"}}),
    "edit_without_content": ("messages.edited", {"type": "MESSAGE_EDIT", "key": {"id": "3A01"}}),
}


@pytest.mark.parametrize(("event", "data"), NOT_UNDERSTOOD.values(), ids=NOT_UNDERSTOOD)
def test_what_lacks_what_its_event_always_carries_is_not_understood(event: str, data: object) -> None:
    with pytest.raises(NotUnderstood):
        facts(event, data)


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '"x"', "[" * 200_000, '{"data":' * 100_000], ids=range(7))
def test_a_body_that_is_no_event_is_not_understood(body: str) -> None:
    with pytest.raises(NotUnderstood):
        parse("messages.upsert", body)


def test_one_bad_item_of_a_history_loses_none_of_the_others() -> None:
    items = [message("3A01"), {"key": {"remoteJid": MARIA}}, None, "text", message("3A02", "Oi", messageTimestamp="?")]

    found = facts("messages.set", items)

    assert [(fact.external_id, fact.is_history) for fact in found if isinstance(fact, MessageSeen)] == [
        ("3A01", True),
        ("3A02", True),
    ]


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


PEOPLE = {
    "number": ({"remoteJid": MARIA}, Address(PHONE)),
    "2.2 lid alone": ({"remoteJid": MARIA_LID}, Address(lid=LID)),
    "2.3.0": ({"remoteJid": MARIA_LID, "senderPn": MARIA}, Address(PHONE, LID)),
    "2.3.1": ({"remoteJid": MARIA, "previousRemoteJid": MARIA_LID, "senderPn": MARIA}, Address(PHONE, LID)),
    "2.3.6": ({"remoteJid": MARIA_LID, "remoteJidAlt": MARIA}, Address(PHONE, LID)),
    "2.3.6 pn": ({"remoteJid": MARIA, "remoteJidAlt": MARIA_LID}, Address(PHONE, LID)),
    "2.3.7": ({"remoteJid": MARIA, "remoteJidAlt": MARIA, "addressingMode": "lid"}, Address(PHONE)),
    "devices": (
        {"remoteJid": "123456789012345:3@lid", "remoteJidAlt": f"{PHONE}:17@s.whatsapp.net"},
        Address(PHONE, LID),
    ),
    "the new place counts": ({"remoteJid": "5511999990009@s.whatsapp.net", "remoteJidAlt": MARIA}, Address(PHONE)),
    "alt of another type": ({"remoteJid": MARIA, "remoteJidAlt": {"user": "x"}}, Address(PHONE)),
    "group": ({"remoteJid": GROUP}, TEAM),
    "old group": (
        {"remoteJid": "5511999990002-1600000000@g.us"},
        Address(jid="5511999990002-1600000000@g.us", kind=ContactKind.GROUP),
    ),
    "stories": ({"remoteJid": "status@broadcast"}, Address(jid="status@broadcast", kind=ContactKind.STORIES)),
    "list": ({"remoteJid": "1600000000@broadcast"}, Address(jid="1600000000@broadcast", kind=ContactKind.BROADCAST)),
}


@pytest.mark.parametrize(("key", "chat"), PEOPLE.values(), ids=PEOPLE)
def test_the_chat_of_a_message(key: dict[str, Any], chat: Address) -> None:
    assert seen({**message(), "key": {**key, "id": "3A01", "fromMe": False}}).chat == chat


@pytest.mark.parametrize(
    "jid", ["120363000000000001@newsletter", "0@s.whatsapp.net", "abc@lid", "x@g.us", "5511999990002", "@lid", ""]
)
def test_what_is_no_chat_gives_no_message(jid: str) -> None:
    assert facts("messages.upsert", message("3A01", chat=jid)) == []


OURS = {
    "number": ({"remoteJid": MARIA}, Address(PHONE)),
    "alt is hers": ({"remoteJid": MARIA_LID, "remoteJidAlt": MARIA}, Address(PHONE, LID)),
    "alt is ours": ({"remoteJid": MARIA_LID, "remoteJidAlt": OWN}, Address(lid=LID)),
    "alt is ours with device": (
        {"remoteJid": MARIA_LID, "remoteJidAlt": "5511999990001:5@s.whatsapp.net"},
        Address(lid=LID),
    ),
    "a lid that may be ours": ({"remoteJid": MARIA, "remoteJidAlt": OWN_LID}, Address(PHONE)),
    "the replaced lid is hers": ({"remoteJid": MARIA, "previousRemoteJid": MARIA_LID}, Address(PHONE, LID)),
    "replaced by our number": (
        {"remoteJid": OWN, "previousRemoteJid": MARIA_LID, "senderPn": OWN},
        Address(lid=LID),
    ),
    "note to oneself": ({"remoteJid": OWN, "remoteJidAlt": OWN}, Address("5511999990001")),
}


@pytest.mark.parametrize(("key", "chat"), OURS.values(), ids=OURS)
def test_the_chat_of_a_message_of_ours_is_never_ourselves(key: dict[str, Any], chat: Address) -> None:
    assert seen({**message(), "key": {**key, "id": "AC01", "fromMe": True}}).chat == chat


def test_without_our_number_the_other_address_of_our_message_is_not_believed() -> None:
    assert seen(message("AC01", chat=MARIA_LID, alt=MARIA, from_me=True), sender=None).chat == Address(lid=LID)


SENDERS = {
    "lid with number": ({"participant": MARIA_LID, "participantAlt": MARIA}, PHONE),
    "number": ({"participant": MARIA}, PHONE),
    "old form": ({"participant": "553199990003:2@s.whatsapp.net"}, "5531999990003"),
    "lid": ({"participant": MARIA_LID}, MARIA_LID),
    "2.3.0": ({"participant": MARIA_LID, "senderPn": MARIA}, PHONE),
}


@pytest.mark.parametrize(("key", "sender"), SENDERS.values(), ids=SENDERS)
@pytest.mark.parametrize("chat", [GROUP, "status@broadcast"])
def test_who_wrote_in_a_chat_of_many(chat: str, key: dict[str, Any], sender: str) -> None:
    data = message("3A01", chat=chat)
    data["key"] |= key

    found = seen(data)

    assert (found.details, found.sender_name) == ({"sender": sender, "senderName": "Maria"}, None)


def test_nobody_else_wrote_our_own_message_in_a_group() -> None:
    data = message("AC01", chat=GROUP, from_me=True)
    data["key"]["participant"] = OWN

    assert seen(data).details is None


def test_the_echo_of_a_send_is_a_message_of_ours() -> None:
    (fact,) = facts("send.message", echo("3EB001", "Temos sim"))

    assert isinstance(fact, MessageSeen)
    assert (fact.from_me, fact.receipt, fact.sender_name) == (True, "PENDING", None)


NAMED = {
    "contact": ("contacts.upsert", {"remoteJid": MARIA, "pushName": "Maria"}, [ChatNamed(Address(PHONE), "Maria")]),
    "contacts": (
        "contacts.update",
        [{"remoteJid": MARIA_LID, "pushName": "Maria"}],
        [ChatNamed(Address(lid=LID), "Maria")],
    ),
    "no name": ("contacts.update", [{"remoteJid": MARIA, "profilePicUrl": None}], []),
    "empty name": ("contacts.upsert", {"remoteJid": MARIA, "pushName": ""}, []),
    "digits": ("contacts.upsert", {"remoteJid": MARIA, "pushName": "+55 11 99999-0002"}, []),
    "a writer's name is not the group's": ("contacts.upsert", {"remoteJid": GROUP, "pushName": "Maria"}, []),
    "no address": ("contacts.upsert", [{"id": "x"}], []),
    "no contact": ("contacts.upsert", None, []),
    "no contacts": ("contacts.upsert", [], []),
    "chat": ("chats.set", [{"remoteJid": MARIA, "name": "Maria"}], [ChatNamed(Address(PHONE), "Maria")]),
    "group": ("chats.set", [{"remoteJid": GROUP, "name": "Equipe"}], [ChatNamed(TEAM, "Equipe")]),
    "2.4 link": ("chats.set", [{"remoteJid": MARIA, "remoteLid": MARIA_LID}], [ChatNamed(Address(PHONE, LID), None)]),
    "2.4 link as digits": (
        "chats.set",
        [{"remoteJid": MARIA, "remoteLid": LID}],
        [ChatNamed(Address(PHONE, LID), None)],
    ),
    "chat upsert": ("chats.upsert", [{"remoteJid": MARIA, "name": "Ma"}], [ChatNamed(Address(PHONE), "Ma")]),
    "chat without address": ("chats.upsert", [{"id": "cm0", "name": "Maria"}], []),
    "chat without name": ("chats.upsert", [{"remoteJid": MARIA, "unreadMessages": 3}], []),
    "groups": (
        "groups.upsert",
        [
            {
                "id": GROUP,
                "subject": "Equipe",
                "participants": [
                    {"id": MARIA_LID, "phoneNumber": MARIA, "admin": None},
                    {"id": OWN_LID, "phoneNumber": OWN},
                    {"id": "5511999990003@s.whatsapp.net"},
                    "5511999990004@s.whatsapp.net",
                ],
            }
        ],
        [ChatNamed(TEAM, "Equipe"), ChatNamed(Address(PHONE, LID), None)],
    ),
    "participants as objects": (
        "group-participants.update",
        {"id": GROUP, "action": "add", "participants": [{"id": MARIA, "lid": MARIA_LID}]},
        [ChatNamed(Address(PHONE, LID), None)],
    ),
    "participants as strings": (
        "group-participants.update",
        {
            "id": GROUP,
            "action": "add",
            "participants": [MARIA_LID],
            "participantsData": [{"jid": MARIA_LID, "phoneNumber": PHONE, "name": "Maria", "imgUrl": None}],
        },
        [ChatNamed(Address(PHONE, LID), "Maria")],
    ),
}


@pytest.mark.parametrize(("event", "data", "named"), NAMED.values(), ids=NAMED)
def test_names_and_other_addresses_told_without_a_message(event: str, data: object, named: list[Fact]) -> None:
    assert facts(event, data) == named


CALLED = {"chatId": MARIA_LID, "from": MARIA_LID, "id": "9F00", "status": "offer", "date": "2025-10-09T08:53:20.000Z"}
CALLS = {
    "missed by us": ({}, (Address(lid=LID), False)),
    "both addresses": ({"from": MARIA}, (Address(PHONE, LID), False)),
    "in a group": ({"isGroup": True, "groupJid": GROUP}, (TEAM, False)),
    "ours": ({"chatId": MARIA, "from": OWN}, (Address(PHONE), True)),
    "ours to a lid": ({"from": OWN}, (Address(lid=LID), True)),
    "ours under our lid": ({"from": OWN_LID}, (Address(lid=LID), True)),
}


@pytest.mark.parametrize(("more", "expected"), CALLS.values(), ids=CALLS)
def test_calls(more: dict[str, Any], expected: tuple[Address, bool]) -> None:
    chat, from_me = expected

    assert facts("call", {**CALLED, **more}) == [CallSeen("9F00", chat, from_me, "offer", False, AT)]


def test_a_video_call_without_a_time_is_now() -> None:
    (fact,) = facts("call", [{**CALLED, "isVideo": True, "date": "yesterday", "status": "TIMEOUT"}])

    assert isinstance(fact, CallSeen)
    assert (fact.is_video, fact.status) == (True, "timeout")
    assert now() - fact.at < timedelta(minutes=1)


@pytest.mark.parametrize("data", [None, {}, [{"id": "x"}], {**CALLED, "id": None}, {**CALLED, "chatId": 7, "from": 7}])
def test_a_call_of_nobody_says_nothing(data: object) -> None:
    assert facts("call", data) == []
