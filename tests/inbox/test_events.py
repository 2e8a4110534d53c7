"""What one webhook says, by event: facts without anything of Evolution's (contract §11)."""

import pytest

from portal.inbox.events import NotUnderstood, parse
from portal.inbox.facts import Address, ConnectionChanged, Fact, InstanceRemoved, MessageSeen, QrCodeIssued
from portal.models import MessageKind
from tests.inbox.parsing import AT, PHONE, facts, told
from tests.inbox.payloads import MARIA, echo, message, qr_code


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


def test_the_echo_of_a_send_is_a_message_of_ours() -> None:
    (fact,) = facts("send.message", echo("3EB001", "Temos sim"))

    assert isinstance(fact, MessageSeen)
    assert (fact.from_me, fact.receipt, fact.sender_name) == (True, "PENDING", None)


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
