"""Numbers, sending, receipts, and what customers write."""

import http.client
import json
import re

import pytest

from local.evolution import serve
from local.evolution.numbers import jid_for

KEY = "a-global-key-for-tests"
ALL = ["SEND_MESSAGE", "MESSAGES_UPDATE", "MESSAGES_UPSERT"]


@pytest.mark.parametrize(
    ("number", "jid"),
    [
        ("5511999990001", "5511999990001@s.whatsapp.net"),
        ("5531999990003", "553199990003@s.whatsapp.net"),
        ("5531965550004", "5531965550004@s.whatsapp.net"),
        ("+55 (31) 99999-0003", "553199990003@s.whatsapp.net"),
        ("31999990003", "31999990003@s.whatsapp.net"),
        ("5215512345678", "525512345678@s.whatsapp.net"),
        ("5491123456789", "541123456789@s.whatsapp.net"),
        ("5511999990002:17@s.whatsapp.net", "5511999990002@s.whatsapp.net"),
        ("5531999990003@s.whatsapp.net", "5531999990003@s.whatsapp.net"),
        ("271000000000002@lid", "271000000000002@lid"),
        ("120363000000000001", "120363000000000001@g.us"),
        ("120363000000000001@g.us", "120363000000000001@g.us"),
        ("5511999990001-1500000000", "5511999990001-1500000000@g.us"),
        ("status@broadcast", "status@broadcast"),
    ],
)
def test_a_number_becomes_a_jid(number, jid):
    assert jid_for(number) == jid


def test_a_text_leaves_and_is_delivered_and_read(world, receiver):
    created = world.open(webhook={"url": receiver.url, "events": ALL})

    answer = world.send("5531999990003", "Olá, João!")
    [echo] = receiver.wait_for("send.message")
    receipts = receiver.wait_for("messages.update", 2)

    body = answer.get_json()
    assert answer.status_code == 201
    assert list(body) == [
        "key",
        "pushName",
        "status",
        "message",
        "contextInfo",
        "messageType",
        "messageTimestamp",
        "instanceId",
        "source",
    ]
    assert body["key"]["remoteJid"] == "553199990003@s.whatsapp.net"
    assert re.fullmatch(r"3EB0[0-9A-F]{18}", body["key"]["id"])
    assert (body["pushName"], body["status"], body["source"]) == ("Você", "PENDING", "web")
    assert body["instanceId"] == created["instance"]["instanceId"]
    assert echo.data == body
    assert {one.data["status"] for one in receipts} == {"DELIVERY_ACK", "READ"}
    assert {one.data["keyId"] for one in receipts} == {body["key"]["id"]}
    [sent] = world.http.get("/simulator/sends").get_json()
    assert (sent["number"], sent["text"], sent["keyId"]) == ("5531999990003", "Olá, João!", body["key"]["id"])


def test_a_customer_who_does_not_confirm_reading_only_gets_deliveries(world, receiver, wait_until):
    world.http.post("/simulator/customers", json={"number": "5511999990002", "name": "Maria", "reads": False})
    world.open(webhook={"url": receiver.url, "events": ["MESSAGES_UPDATE"]})

    silent = world.send("5511999990002").get_json()["key"]["id"]
    open_ = world.send("5521999990004").get_json()["key"]["id"]
    receipts = receiver.wait_for("messages.update", 3)

    # The second text's READ is later than the first one's would be.
    wait_until(lambda: (open_, "READ") in seen(receiver), "the READ of the second text")
    assert (silent, "DELIVERY_ACK") in seen(receiver)
    assert (silent, "READ") not in seen(receiver)
    assert len(receipts) == 3


def seen(receiver):
    return {(one.data["keyId"], one.data["status"]) for one in receiver.of("messages.update")}


@pytest.mark.parametrize(
    ("number", "jid"),
    [
        ("5511999990008", "5511999990008@s.whatsapp.net"),
        ("31999990003", "31999990003@s.whatsapp.net"),
        ("+55 11 9999-0001", "551199990001@s.whatsapp.net"),
        ("271000000000004@lid", "271000000000004@lid"),
    ],
)
def test_a_number_that_is_not_on_whatsapp_is_refused(world, number, jid):
    world.open()

    answer = world.send(number)

    assert answer.status_code == 400
    assert answer.get_json()["response"]["message"] == [{"jid": jid, "exists": False, "number": number}]
    assert world.http.get("/simulator/sends").get_json() == []


def test_bare_digits_are_found_without_their_ninth_digit(world):
    world.open()

    assert world.send("551199990002").get_json()["key"]["remoteJid"] == "5511999990002@s.whatsapp.net"


def test_an_instance_that_is_not_open_sends_nothing(make_world):
    world = make_world(first_qr_s=60)
    world.create()

    never = world.send()
    looked_up = world.call("POST", "/chat/whatsappNumbers/shop", {"numbers": ["5511999990002"]})
    world.call("GET", "/instance/connect/shop")
    connecting = world.send()
    closed = world.call("POST", "/chat/whatsappNumbers/shop", {"numbers": ["5511999990002"]})

    assert (never.status_code, never.get_json()["response"]["message"]) == (
        500,
        "Cannot read properties of undefined (reading 'onWhatsApp')",
    )
    assert (looked_up.status_code, looked_up.get_json()) == (400, {})
    assert (connecting.status_code, connecting.get_json()["response"]["message"]) == (500, "Connection Closed")
    assert (closed.status_code, closed.get_json()["output"]["statusCode"]) == (400, 428)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"number": "5511999990002", "text": "  "}, "Text is required"),
        ({"number": "120363000000000000@g.us", "text": "oi"}, "[object Object]"),
    ],
)
def test_the_handler_refuses_with_a_flat_list(world, body, message):
    world.open()

    answer = world.call("POST", "/message/sendText/shop", body)

    assert (answer.status_code, answer.get_json()["response"]["message"]) == (400, [message])


@pytest.mark.parametrize(("version", "is_kept"), [("2.3.6", False), ("2.4.0", True)])
def test_the_callers_message_id_counts_from_2_4(make_world, version, is_kept):
    world = make_world(version=version)
    world.open()
    wanted = "3EB0000000000000000001"

    given = world.send(messageId=wanted).get_json()["key"]["id"]

    assert (given == wanted) is is_kept


def test_numbers_are_looked_up_groups_first_and_with_known_names(world):
    world.open()
    world.http.post("/simulator/instances/shop/messages", json={"from": "5531999990003", "text": "Oi"})
    numbers = ["5531999990003", "5511999990008", "120363000000000001@g.us"]

    answer = world.call("POST", "/chat/whatsappNumbers/shop", {"numbers": numbers})

    assert answer.get_json() == [
        {"jid": "120363000000000001@g.us", "exists": False, "number": "120363000000000001@g.us"},
        {
            "jid": "553199990003@s.whatsapp.net",
            "exists": True,
            "number": "5531999990003",
            "name": "João Exemplo",
        },
        {"jid": "5511999990008@s.whatsapp.net", "exists": False, "number": "5511999990008"},
    ]


@pytest.mark.parametrize("is_lid", [False, True], ids=["by number", "by anonymous id"])
def test_a_customers_text_arrives_in_the_encoding_of_2_3_6(world, receiver, is_lid):
    world.open(webhook={"url": receiver.url, "events": ALL})

    world.http.post(
        "/simulator/instances/shop/messages", json={"from": "5511999990002", "text": "Oi! Abre amanhã?", "lid": is_lid}
    )
    [arrived] = receiver.wait_for("messages.upsert")

    data, key = arrived.data, arrived.data["key"]
    phone, lid = "5511999990002@s.whatsapp.net", key["remoteJid" if is_lid else "remoteJidAlt"]
    assert lid.endswith("@lid")
    assert (key["remoteJid"], key["remoteJidAlt"]) == ((lid, phone) if is_lid else (phone, lid))
    assert (key["fromMe"], key["participant"], key["addressingMode"]) == (False, "", "lid" if is_lid else "pn")
    assert (data["pushName"], data["status"], data["source"]) == ("Maria Exemplo", "DELIVERY_ACK", "ios")
    assert (data["messageType"], data["message"]["conversation"]) == ("conversation", "Oi! Abre amanhã?")
    devices = data["message"]["messageContextInfo"]["deviceListMetadata"]
    assert devices["senderTimestamp"]["high"] == 0
    assert set(devices["senderKeyHash"]) == {str(index) for index in range(10)}
    assert isinstance(data["messageTimestamp"], int)


def test_the_owners_own_text_is_an_upsert_from_me(world, receiver):
    world.open(webhook={"url": receiver.url, "events": ALL})

    world.http.post("/simulator/instances/shop/own-messages", json={"to": "5511999990002", "text": "Abrimos às 9h."})
    [arrived] = receiver.wait_for("messages.upsert")

    assert arrived.data["key"]["fromMe"] is True
    assert (arrived.data["status"], arrived.data["pushName"]) == ("SERVER_ACK", "Demo shop")
    assert receiver.of("send.message") == []


def test_nobody_can_write_to_a_shop_that_is_not_connected(world):
    world.create()

    answer = world.http.post("/simulator/instances/shop/messages", json={"from": "5511999990002", "text": "Oi"})

    assert answer.status_code == 409


def test_stored_messages_are_found_newest_first_with_their_receipts(world, receiver):
    world.open(webhook={"url": receiver.url, "events": ["MESSAGES_UPDATE"]})
    sent = world.send(text="first").get_json()["key"]
    receiver.wait_for("messages.update", 2)
    world.http.post("/simulator/instances/shop/messages", json={"from": "5511999990002", "text": "second"})
    world.http.post("/simulator/instances/shop/messages", json={"from": "5521999990004", "text": "third"})
    where = {"key": {"remoteJid": "5511999990002@s.whatsapp.net"}}

    page = world.call("POST", "/chat/findMessages/shop", {"where": where, "offset": 1}).get_json()["messages"]
    by_id = world.call("POST", "/chat/findMessages/shop", {"where": {"key": {"id": sent["id"]}}}).get_json()
    statuses = world.call("POST", "/chat/findStatusMessage/shop", {"where": {"id": sent["id"]}}).get_json()

    assert (page["total"], page["pages"], page["currentPage"]) == (2, 2, 1)
    assert [record["message"]["conversation"] for record in page["records"]] == ["second"]
    [record] = by_id["messages"]["records"]
    assert record["MessageUpdate"] == [{"status": "DELIVERY_ACK"}, {"status": "READ"}]
    assert [(row["keyId"], row["status"]) for row in statuses] == [
        (sent["id"], "DELIVERY_ACK"),
        (sent["id"], "READ"),
    ]


def test_a_quote_of_a_stored_message_travels_along(world):
    world.open()
    asked = world.http.post("/simulator/instances/shop/messages", json={"from": "5511999990002", "text": "Quanto?"})
    quoted = asked.get_json()["id"]

    context = world.send(quoted={"key": {"id": quoted}}).get_json()["contextInfo"]
    without = world.send(quoted={"key": {"id": "unknown"}}).get_json()["contextInfo"]

    assert (context["stanzaId"], context["quotedMessage"]) == (quoted, {"conversation": "Quanto?"})
    assert "stanzaId" not in without


def test_an_ordered_answer_replaces_one_success(world):
    world.open()
    body = {"status": 400, "error": "Bad Request", "response": {"message": ["Error: Timed Out"]}}
    faults = [{"status": 400, "body": body}, {"status": 400, "body": body, "afterSend": True}]
    world.http.put("/simulator/settings", json={"failNextSends": faults})

    answers = [world.send(text=text) for text in ("lost", "left", "fine")]

    assert [answer.status_code for answer in answers] == [400, 400, 201]
    assert answers[0].get_json() == body
    assert [send["text"] for send in world.http.get("/simulator/sends").get_json()] == ["left", "fine"]


@pytest.mark.parametrize("mode", ["reset", "hang"])
def test_a_send_can_leave_without_an_answer(world, mode):
    world.open()
    world.http.put("/simulator/settings", json={"failNextSends": [{"mode": mode, "afterSend": True}]})
    server, thread = serve(world.flask, 0)
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=0.5)
    body = json.dumps({"number": "5511999990002", "text": "Olá!"})

    connection.request("POST", "/message/sendText/shop", body, {"apikey": KEY, "content-type": "application/json"})
    with pytest.raises((ConnectionError, TimeoutError)):
        connection.getresponse()

    assert len(world.http.get("/simulator/sends").get_json()) == 1
    connection.close()
    server.shutdown()
    thread.join(timeout=5)
    server.server_close()


@pytest.mark.parametrize(
    "body",
    [{"sendLatencyS": "1"}, {"sendLatencyS": None}, {"readDelayS": -1}, {"failNextSends": [{"mode": "explode"}]}],
)
def test_a_switch_with_a_wrong_value_changes_nothing(world, body):
    before = world.http.get("/simulator/settings").get_json()

    answer = world.http.put("/simulator/settings", json=body)

    assert answer.status_code == 400
    assert world.http.get("/simulator/settings").get_json() == before


def find(world, where, **more):
    return world.call("POST", "/chat/findMessages/shop", {"where": where, **more}).get_json()["messages"]


def texts(found):
    return [record["message"]["conversation"] for record in found["records"]]


def test_messages_are_found_by_each_filter(world):
    world.open()
    first = world.send("5511999990002", "first").get_json()["key"]
    world.http.post("/simulator/instances/shop/messages", json={"from": "5511999990002", "text": "second"})
    world.send("5531999990003", "third")

    assert texts(find(world, {"key": {"id": first["id"]}})) == ["first"]
    assert texts(find(world, {"key": {"fromMe": True}})) == ["third", "first"]
    assert texts(find(world, {"key": {"fromMe": False}})) == ["third", "second", "first"]
    assert texts(find(world, {"key": {"remoteJid": "5511999990002@s.whatsapp.net"}})) == ["second", "first"]
    assert texts(find(world, {"key": {"remoteJid": "5511999990002@s.whatsapp.net", "fromMe": True}})) == ["first"]
    assert texts(find(world, {"source": "ios"})) == ["second"]
    assert texts(find(world, {"messageType": "imageMessage"})) == []


def test_messages_are_found_within_a_span_of_whole_seconds(world):
    world.open()
    world.send(text="early")
    world.send(text="late")
    stored = list(world.simulator.instances.find("shop").messages.values())
    stored[0].timestamp, stored[1].timestamp = 1_761_055_300, 1_761_055_400
    early, late = "2025-10-21T14:01:40.900Z", "2025-10-21T14:03:20.000Z"

    assert texts(find(world, {"messageTimestamp": {"gte": early, "lte": late}})) == ["late", "early"]
    assert texts(find(world, {"messageTimestamp": {"gte": early, "lte": early}})) == ["early"]
    assert texts(find(world, {"messageTimestamp": {"gte": late}})) == ["late", "early"]


def test_offset_is_the_size_of_a_page(world):
    world.open()
    for number in range(5):
        world.send(text=str(number))

    last = find(world, {"key": {"fromMe": True}}, offset=2, page=3)

    assert (last["total"], last["pages"], last["currentPage"], texts(last)) == (5, 3, 3, ["0"])
