"""What the client asks of Evolution, and what it reads from a success (contract §3 to §5)."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from portal.evolution import client as client_module
from portal.evolution import errors
from portal.evolution.client import EvolutionClient
from portal.evolution.errors import EvolutionError, EvolutionUnavailable
from portal.evolution.types import ChatFilter, Instance, QrCode, SentMessage, Webhook
from tests.evolution.conftest import KEY, MESSAGE_ID, said, send
from tests.evolution.little_servers import Scripted

JWT_KEY = "a-jwt-key-for-tests-of-32-characters-and-more"
WEBHOOK = Webhook(url="https://portal.test/webhooks/whatsapp/evolution/secret", jwt_key=JWT_KEY)
SENT = {
    "key": {"remoteJid": "553199990003@s.whatsapp.net", "fromMe": True, "id": MESSAGE_ID},
    "pushName": "Você",
    "status": "PENDING",
    "message": {"conversation": "Olá"},
    "messageType": "conversation",
    "messageTimestamp": 1760000000,
    "instanceId": "8c5a1a7e-3a41-4d1f-9f3f-2a3f5c6d7e8f",
    "source": "web",
}
QR = {"pairingCode": None, "code": "2@abc,def,ghi", "base64": "data:image/png;base64,AAAA", "count": 1}


def test_a_text_is_sent_with_our_own_message_id(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(201, SENT)

    sent = send(client)

    assert sent == SentMessage(external_id=MESSAGE_ID, jid="553199990003@s.whatsapp.net")
    asked = evolution.asked[0]
    assert (asked.method, asked.path) == ("POST", "/message/sendText/unit_1")
    assert asked.body == {"number": "5531999990003", "text": "Olá", "messageId": MESSAGE_ID}
    assert asked.headers["apikey"] == KEY


def test_an_instance_is_created_with_its_webhook(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(201, {"instance": {"instanceName": "unit_1"}, "hash": "TOKEN", "qrcode": QR})

    code = client.create_instance("unit_1", webhook=WEBHOOK, pairing_number="5511999990001")

    assert code == QrCode(code="2@abc,def,ghi", pairing_code=None)
    body = evolution.asked[0].body
    assert (evolution.asked[0].method, evolution.asked[0].path) == ("POST", "/instance/create")
    assert (body["instanceName"], body["integration"]) == ("unit_1", "WHATSAPP-BAILEYS")
    assert body["qrcode"] is True
    assert body["number"] == "5511999990001"
    assert body["webhook"]["url"] == WEBHOOK.url
    assert body["webhook"]["headers"] == {"jwt_key": JWT_KEY}
    assert {"QRCODE_UPDATED", "CONNECTION_UPDATE", "MESSAGES_UPSERT", "MESSAGES_UPDATE", "SEND_MESSAGE"} <= set(
        body["webhook"]["events"]
    )


def test_no_number_is_given_when_no_pairing_code_is_wanted(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(201, {"qrcode": {"count": 0}})

    client.create_instance("unit_1", webhook=WEBHOOK)

    assert "number" not in evolution.asked[0].body


def test_a_code_that_is_late_is_no_error(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(201, {"qrcode": {"count": 0}})

    assert client.create_instance("unit_1", webhook=WEBHOOK) is None
    assert client.connect("unit_1") is None


def test_the_webhook_is_set_in_the_nested_form(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(201, {"id": "1", "enabled": True})

    client.set_webhook("unit_1", WEBHOOK)

    assert (evolution.asked[0].method, evolution.asked[0].path) == ("POST", "/webhook/set/unit_1")
    webhook = evolution.asked[0].body["webhook"]
    assert set(evolution.asked[0].body) == {"webhook"}
    assert webhook["enabled"] is True
    assert webhook["url"] == WEBHOOK.url
    assert webhook["byEvents"] is False
    assert webhook["base64"] is False
    assert webhook["headers"] == {"jwt_key": JWT_KEY}
    assert isinstance(webhook["events"], list)


def test_connect_gives_the_code_and_asks_with_the_number(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(200, {**QR, "pairingCode": "ABCD1234"})

    code = client.connect("unit_1", pairing_number="5511999990001")

    assert code == QrCode(code="2@abc,def,ghi", pairing_code="ABCD1234")
    assert (evolution.asked[0].method, evolution.asked[0].path) == (
        "GET",
        "/instance/connect/unit_1?number=5511999990001",
    )


def test_connect_gives_no_code_when_the_instance_is_open(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(200, {"instance": {"instanceName": "unit_1", "state": "open"}})

    assert client.connect("unit_1") is None


@pytest.mark.parametrize("call", ["connect", "restart"])
def test_an_error_with_status_200_is_an_error(evolution: Scripted, client: EvolutionClient, call: str) -> None:
    evolution.answer(200, {"error": True, "message": "[object Object]"})

    with pytest.raises(EvolutionUnavailable) as raised:
        getattr(client, call)("unit_1")

    assert raised.value.code == errors.UNIT_AWAY


@pytest.mark.parametrize(
    ("body", "state"),
    [
        ({"instance": {"instanceName": "unit_1", "state": "open"}}, "open"),
        ({"instance": {"instanceName": "unit_1", "state": "close"}}, "close"),
        ({"instance": {"instanceName": "unit_1"}}, None),
    ],
    ids=["open", "close", "not_loaded"],
)
def test_the_state_is_absent_while_the_instance_is_not_loaded(
    evolution: Scripted, client: EvolutionClient, body: object, state: str | None
) -> None:
    evolution.answer(200, body)

    assert client.connection_state("unit_1") == state


def test_the_row_of_an_instance_is_found_among_others(evolution: Scripted, client: EvolutionClient) -> None:
    row = {
        "name": "unit_1",
        "connectionStatus": "open",
        "ownerJid": "5511999990001@s.whatsapp.net",
        "profileName": "Loja",
        "token": "TOKEN",
    }
    evolution.answer(200, [{**row, "name": "unit_2"}, row])

    found = client.fetch_instance("unit_1")

    assert found == Instance("unit_1", "open", "5511999990001@s.whatsapp.net", "Loja")


@pytest.mark.parametrize("body", [[], {"error": True}], ids=["no_row", "no_list"])
def test_an_instance_without_a_row_is_unknown(evolution: Scripted, client: EvolutionClient, body: object) -> None:
    evolution.answer(200, body)

    with pytest.raises(EvolutionUnavailable) as raised:
        client.fetch_instance("unit_1")

    assert raised.value.code == errors.INSTANCE_UNKNOWN


CALLS: list[tuple[Callable[[EvolutionClient, str], object], str]] = [
    (lambda client, name: client.connect(name), "/instance/connect/"),
    (lambda client, name: client.connection_state(name), "/instance/connectionState/"),
    (lambda client, name: client.set_webhook(name, WEBHOOK), "/webhook/set/"),
    (lambda client, name: client.find_webhook(name), "/webhook/find/"),
    (lambda client, name: client.set_settings(name, found=None, chats=ChatFilter()), "/settings/set/"),
    (lambda client, name: client.restart(name), "/instance/restart/"),
    (lambda client, name: client.log_out(name), "/instance/logout/"),
    (lambda client, name: client.delete_instance(name), "/instance/delete/"),
    (lambda client, name: client.send_text(name, number="1", text="x", message_id="y"), "/message/sendText/"),
]


@pytest.mark.parametrize(("call", "path"), CALLS, ids=[path for _call, path in CALLS])
def test_a_name_is_one_segment_of_the_path(
    evolution: Scripted, client: EvolutionClient, call: Callable[[EvolutionClient, str], object], path: str
) -> None:
    evolution.answer(200, {"key": {"id": "1"}})

    call(client, "a/b?instanceName=c é")

    assert evolution.asked[0].path == f"{path}a%2Fb%3FinstanceName%3Dc%20%C3%A9"


def test_restart_log_out_and_delete_use_the_methods_of_version_2(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(200, {"status": "SUCCESS"})

    client.restart("unit_1")
    client.log_out("unit_1")
    client.delete_instance("unit_1")

    assert [(one.method, one.path) for one in evolution.asked] == [
        ("POST", "/instance/restart/unit_1"),
        ("DELETE", "/instance/logout/unit_1"),
        ("DELETE", "/instance/delete/unit_1"),
    ]


def test_a_slash_at_the_end_of_the_address_is_not_doubled(evolution: Scripted) -> None:
    evolution.answer(200, {"version": "2.3.6"})

    assert EvolutionClient(evolution.url + "/", KEY).version() == "2.3.6"
    assert evolution.asked[0].path == "/"


def test_the_key_is_in_no_error(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(401, said(401, "Unauthorized", "Unauthorized"))

    with pytest.raises(EvolutionUnavailable) as raised:
        send(client)

    assert KEY not in f"{raised.value!r} {raised.value.detail}"


def test_a_key_is_verified_by_asking_for_an_instance_that_nobody_has(
    evolution: Scripted, client: EvolutionClient
) -> None:
    evolution.answer(404, said(404, ['The "portal-probe" instance does not exist'], "Not Found"))

    client.verify_key()

    assert [(one.method, one.path) for one in evolution.asked] == [
        ("GET", "/instance/fetchInstances?instanceName=portal-probe")
    ]
    assert evolution.asked[0].headers["apikey"] == KEY


def test_a_key_is_good_when_the_list_comes_empty(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(200, [])

    client.verify_key()


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, said(401, "Unauthorized", "Unauthorized"), errors.KEY_REFUSED),
        (404, said(404, ["Cannot GET /instance/fetchInstances"], "Not Found"), errors.UNREACHABLE),
        (503, {"code": "LICENSE_REQUIRED", "message": "activate it first"}, errors.NOT_LICENSED),
        (502, "<html>Bad Gateway</html>", errors.UNCLEAR),
    ],
    ids=["other_key", "other_program", "no_licence", "proxy"],
)
def test_a_key_is_not_good_when_the_server_says_anything_else(
    evolution: Scripted, client: EvolutionClient, status: int, body: object, code: str
) -> None:
    evolution.answer(status, body)

    with pytest.raises(EvolutionError) as raised:
        client.verify_key()

    assert raised.value.code == code


SINCE, UNTIL = datetime(2026, 5, 17, 10, 0, tzinfo=UTC), datetime(2026, 5, 17, 10, 4, tzinfo=UTC)


def stored(*ids: str, pages: int) -> dict[str, object]:
    records = [{"key": {"id": id_, "fromMe": True}} for id_ in ids]
    return {"messages": {"total": 5, "pages": pages, "currentPage": 1, "records": records}}


def found(client: EvolutionClient) -> list[str]:
    return [record["key"]["id"] for record in client.find_sent("unit_1", since=SINCE, until=UNTIL)]


def test_what_was_sent_is_asked_for_by_its_span(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(200, stored("A", pages=1))

    assert found(client) == ["A"]
    asked = evolution.asked[0]
    assert (asked.method, asked.path) == ("POST", "/chat/findMessages/unit_1")
    assert asked.body["where"] == {
        "key": {"fromMe": True},
        "messageTimestamp": {"gte": "2026-05-17T10:00:00+00:00", "lte": "2026-05-17T10:04:00+00:00"},
    }


def test_every_page_of_what_was_sent_is_read(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(200, stored("E", "D", pages=3))
    evolution.answer(200, stored("C", "B", pages=3))
    evolution.answer(200, stored("A", pages=3))

    assert found(client) == ["E", "D", "C", "B", "A"]
    # Evolution calls the size of a page its offset.
    assert [(one.body["page"], one.body["offset"]) for one in evolution.asked] == [(1, 100), (2, 100), (3, 100)]


def test_endless_pages_are_not_read_to_the_end(
    evolution: Scripted, client: EvolutionClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "MOST_PAGES", 2)
    evolution.answer(200, stored("A", pages=1_000))

    assert found(client) == ["A", "A"]


@pytest.mark.parametrize(
    "body", [{"messages": {"total": 0, "pages": 0, "records": []}}, {}, []], ids=["none", "nothing", "a_list"]
)
def test_nothing_found_is_no_error(evolution: Scripted, client: EvolutionClient, body: object) -> None:
    evolution.answer(200, body)

    assert found(client) == []
