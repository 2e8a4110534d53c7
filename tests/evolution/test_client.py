"""The client against little real servers: what it asks for, and what it makes of the answers (contract §3 to §5)."""

import ssl
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
import requests
from urllib3.exceptions import MaxRetryError
from urllib3.exceptions import SSLError as TransportSSLError

from portal.evolution import client as client_module
from portal.evolution import errors
from portal.evolution.client import EvolutionClient
from portal.evolution.errors import (
    EvolutionError,
    EvolutionFailed,
    EvolutionRejected,
    EvolutionUnavailable,
    EvolutionUnknown,
)
from portal.evolution.types import Instance, QrCode, SentMessage, Webhook
from tests.evolution.little_servers import (
    Scripted,
    closed_port,
    full_backlog,
    read_request,
    reset,
    respond,
    talking,
)

KEY = "a-key-for-tests-only"
JWT_KEY = "a-jwt-key-for-tests-of-32-characters-and-more"
MESSAGE_ID = "3EB00123456789ABCDEF01"
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


@pytest.fixture
def evolution() -> Iterator[Scripted]:
    scripted = Scripted()
    yield scripted
    scripted.stop()


@pytest.fixture
def client(evolution: Scripted) -> EvolutionClient:
    return EvolutionClient(evolution.url, KEY)


def said(status: int, message: object, error: str = "Bad Request") -> dict[str, object]:
    return {"status": status, "error": error, "response": {"message": message}}


def send(client: EvolutionClient) -> SentMessage:
    return client.send_text("unit_1", number="5531999990003", text="Olá", message_id=MESSAGE_ID)


NOT_THERE = {"jid": "5511900000000@s.whatsapp.net", "exists": False, "number": "5511900000000"}
LICENCE = {"error": "service not activated", "code": "LICENSE_REQUIRED", "message": "activate it first"}
ANSWERS = [
    ("key_refused", 401, said(401, "Unauthorized", "Unauthorized"), EvolutionUnavailable, errors.KEY_REFUSED),
    (
        "unknown_instance",
        404,
        said(404, ['The "unit_1" instance does not exist'], "Not Found"),
        EvolutionUnavailable,
        errors.INSTANCE_UNKNOWN,
    ),
    (
        "no_such_row",
        404,
        said(404, ['Instance "unit_1" not found'], "Not Found"),
        EvolutionUnavailable,
        errors.INSTANCE_UNKNOWN,
    ),
    (
        "another_program",
        404,
        said(404, ["Cannot POST /message/sendText/unit_1"], "Not Found"),
        EvolutionUnavailable,
        errors.UNREACHABLE,
    ),
    (
        "too_large",
        413,
        said(413, "request entity too large", "Internal Server Error"),
        EvolutionRejected,
        errors.INVALID_REQUEST,
    ),
    ("no_licence", 503, LICENCE, EvolutionUnavailable, errors.NOT_LICENSED),
    (
        "invalid_body",
        400,
        said(400, [['instance requires property "text"']]),
        EvolutionRejected,
        errors.INVALID_REQUEST,
    ),
    ("not_on_whatsapp", 400, said(400, [NOT_THERE]), EvolutionRejected, errors.NOT_ON_WHATSAPP),
    ("no_text", 400, said(400, ["Text is required"]), EvolutionRejected, errors.INVALID_REQUEST),
    (
        "bad_media",
        400,
        said(400, ["Owned media must be a url or base64"]),
        EvolutionRejected,
        errors.INVALID_REQUEST,
    ),
    (
        "no_file_name",
        400,
        said(400, ["For base64 the file name must be informed."]),
        EvolutionRejected,
        errors.INVALID_REQUEST,
    ),
    (
        "never_connected",
        500,
        said(500, "Cannot read properties of undefined (reading 'onWhatsApp')", "Internal Server Error"),
        EvolutionUnavailable,
        errors.UNIT_AWAY,
    ),
    (
        "not_loaded",
        500,
        said(500, "Cannot read properties of undefined (reading 'sendMessage')", "Internal Server Error"),
        EvolutionUnavailable,
        errors.UNIT_AWAY,
    ),
    (
        "closed_at_the_check",
        500,
        said(500, "Connection Closed", "Internal Server Error"),
        EvolutionUnavailable,
        errors.UNIT_AWAY,
    ),
    (
        "slow_at_the_check",
        500,
        said(500, "Timed Out", "Internal Server Error"),
        EvolutionFailed,
        errors.TIMED_OUT,
    ),
    (
        "closed_at_the_upload",
        500,
        said(500, ["Error: Connection Closed"], "Internal Server Error"),
        EvolutionUnavailable,
        errors.UNIT_AWAY,
    ),
    (
        "fetching_failed",
        500,
        said(500, ["AxiosError: Request failed with status code 404"], "Internal Server Error"),
        EvolutionFailed,
        "preparing_failed",
    ),
    (
        "preparing_failed",
        500,
        said(500, ["Error: Invalid media"], "Internal Server Error"),
        EvolutionFailed,
        "preparing_failed",
    ),
    (
        "closed_at_the_write",
        400,
        said(400, ["Error: Connection Closed"]),
        EvolutionUnavailable,
        errors.UNIT_AWAY,
    ),
    ("no_group", 400, said(400, ["[object Object]"]), EvolutionRejected, errors.INVALID_REQUEST),
    ("slow_at_the_write", 400, said(400, ["Error: Timed Out"]), EvolutionUnknown, errors.TIMED_OUT),
    (
        "any_other_400",
        400,
        said(400, ["TypeError: Cannot read properties of null"]),
        EvolutionUnknown,
        errors.UNCLEAR,
    ),
    (
        "database_after_the_send",
        400,
        said(400, ["PrismaClientKnownRequestError: Timed out fetching a connection"]),
        EvolutionUnknown,
        errors.UNCLEAR,
    ),
    (
        "an_error_that_sounds_like_logout",
        400,
        said(400, ["Error: the database is not connected"]),
        EvolutionUnknown,
        errors.UNCLEAR,
    ),
    (
        "any_other_500",
        500,
        said(500, "Something else", "Internal Server Error"),
        EvolutionUnknown,
        errors.UNCLEAR,
    ),
    (
        "any_other_500_in_a_list",
        500,
        said(500, ["TypeError: x is not a function"], "Internal Server Error"),
        EvolutionUnknown,
        errors.UNCLEAR,
    ),
    ("proxy_502", 502, "<html>Bad Gateway</html>", EvolutionUnknown, errors.UNCLEAR),
    ("proxy_503", 503, "<html>Service Unavailable</html>", EvolutionUnknown, errors.UNCLEAR),
    ("proxy_504", 504, "", EvolutionUnknown, errors.UNCLEAR),
    ("redirect", 307, "", EvolutionUnknown, errors.UNCLEAR),
    ("other_403", 403, said(403, ["not allowed"], "Forbidden"), EvolutionUnknown, errors.UNCLEAR),
    ("empty_400", 400, "", EvolutionUnknown, errors.UNCLEAR),
    ("success_without_key", 201, {"status": "PENDING"}, EvolutionUnknown, errors.UNCLEAR),
    ("success_that_is_no_json", 201, "<html></html>", EvolutionUnknown, errors.UNCLEAR),
]


@pytest.mark.parametrize(
    ("status", "body", "error", "code"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS]
)
def test_an_answer_to_a_send_says_whether_it_may_have_left(
    evolution: Scripted, client: EvolutionClient, status: int, body: object, error: type[EvolutionError], code: str
) -> None:
    evolution.answer(status, body)

    with pytest.raises(EvolutionError) as raised:
        send(client)

    assert (type(raised.value), raised.value.code) == (error, code)


def test_a_name_in_use_is_refused_as_such(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(403, said(403, ['This name "unit_1" is already in use.'], "Forbidden"))

    with pytest.raises(EvolutionRejected) as raised:
        client.create_instance("unit_1", webhook=WEBHOOK)

    assert raised.value.code == errors.NAME_IN_USE


def test_a_logout_of_what_is_closed_is_refused_as_such(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(400, said(400, ['The "unit_1" instance is not connected']))

    with pytest.raises(EvolutionRejected) as raised:
        client.log_out("unit_1")

    assert raised.value.code == errors.NOT_CONNECTED


def test_the_detail_of_an_error_is_cut() -> None:
    assert len(EvolutionUnknown(errors.UNCLEAR, "x" * 10_000).detail) == errors.LONGEST_DETAIL


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (said(500, "plain"), ["plain"]),
        (said(400, ["one", "two"]), ["one", "two"]),
        (said(400, [["one", "two"]]), ["one", "two"]),
        ({"status": 400, "message": [["too few"]]}, ["too few"]),
        ({}, []),
        (None, []),
    ],
    ids=["string", "list", "list_in_a_list", "no_response", "empty", "no_json"],
)
def test_every_shape_of_a_message_is_flattened(body: object, expected: list[str]) -> None:
    assert list(errors.texts(body)) == expected


def test_a_refused_connection_carried_nothing() -> None:
    client = EvolutionClient(f"http://127.0.0.1:{closed_port()}", KEY)

    with pytest.raises(EvolutionUnavailable) as raised:
        send(client)

    assert raised.value.code == errors.UNREACHABLE


def test_an_unknown_host_carried_nothing() -> None:
    client = EvolutionClient("http://evolution.invalid", KEY)

    with pytest.raises(EvolutionUnavailable) as raised:
        send(client)

    assert raised.value.code == errors.UNREACHABLE


def test_a_connect_timeout_carried_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "CONNECT_TIMEOUT_S", 0.1)

    with full_backlog() as url, pytest.raises(EvolutionUnavailable) as raised:
        send(EvolutionClient(url, KEY))

    assert raised.value.code == errors.UNREACHABLE


@pytest.mark.parametrize("url", ["localhost:8080", "evolution", "http://", "ftp://evolution.test"])
def test_an_address_that_is_none_carried_nothing(url: str) -> None:
    with pytest.raises(EvolutionUnavailable) as raised:
        send(EvolutionClient(url, KEY))

    assert raised.value.code == errors.UNREACHABLE


def test_a_certificate_that_is_refused_carried_nothing() -> None:
    refused = TransportSSLError(ssl.SSLCertVerificationError(1, "certificate verify failed"))
    error = requests.exceptions.SSLError(MaxRetryError(None, "/", refused))  # type: ignore[arg-type]

    assert isinstance(errors.from_exception(error), EvolutionUnavailable)


def test_tls_that_breaks_off_may_have_carried_it() -> None:
    broken = TransportSSLError(ssl.SSLEOFError(8, "EOF occurred in violation of protocol"))
    error = requests.exceptions.SSLError(MaxRetryError(None, "/", broken))  # type: ignore[arg-type]

    assert isinstance(errors.from_exception(error), EvolutionUnknown)


def test_a_read_timeout_may_have_carried_it() -> None:
    with talking(lambda c: (read_request(c), c.recv(1))) as url, pytest.raises(EvolutionUnknown) as raised:
        send(EvolutionClient(url, KEY, send_timeout_s=0.1))

    assert raised.value.code == errors.TIMED_OUT


def test_a_reset_after_the_write_may_have_carried_it() -> None:
    with talking(lambda c: (read_request(c), reset(c))) as url, pytest.raises(EvolutionUnknown) as raised:
        send(EvolutionClient(url, KEY))

    assert raised.value.code == errors.UNCLEAR


def test_a_close_without_an_answer_may_have_carried_it() -> None:
    with talking(lambda c: read_request(c)) as url, pytest.raises(EvolutionUnknown) as raised:
        send(EvolutionClient(url, KEY))

    assert raised.value.code == errors.UNCLEAR


def test_an_answer_cut_short_may_have_carried_it() -> None:
    with (
        talking(lambda c: (read_request(c), respond(c, b'{"key"', length=500))) as url,
        pytest.raises(EvolutionUnknown) as raised,
    ):
        send(EvolutionClient(url, KEY))

    assert raised.value.code == errors.UNCLEAR


def test_a_kept_connection_that_is_closed_under_a_send_is_written_to_once() -> None:
    requests_read: list[bytes] = []

    def talk(connection: object) -> None:
        requests_read.append(read_request(connection))  # type: ignore[arg-type]
        respond(connection, b'{"version": "2.3.6"}')  # type: ignore[arg-type]
        requests_read.append(read_request(connection))  # type: ignore[arg-type]

    with talking(talk) as url:
        client = EvolutionClient(url, KEY)
        client.version()
        with pytest.raises(EvolutionUnknown):
            send(client)

    assert [one.split(b" ")[0] for one in requests_read] == [b"GET", b"POST"]


def test_a_connection_is_kept_for_calls_that_follow_each_other(evolution: Scripted, client: EvolutionClient) -> None:
    evolution.answer(200, {"version": "2.3.6"})

    client.version()
    client.version()

    assert evolution.asked[0].port == evolution.asked[1].port


def test_a_connection_idle_for_four_seconds_is_retired(
    evolution: Scripted, client: EvolutionClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    evolution.answer(200, {"version": "2.3.6"})
    client.version()
    later = time.monotonic() + 4.1
    monkeypatch.setattr(client_module, "time", SimpleNamespace(monotonic=lambda: later))

    client.version()

    assert evolution.asked[0].port != evolution.asked[1].port


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
