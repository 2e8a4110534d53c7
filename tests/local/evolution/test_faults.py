"""What a caller and a receiver of webhooks see of each fault, and how faults are ordered."""

import http.client
import json
import threading
import time

import pytest

KEY = "a-global-key-for-tests"
ALL = ["SEND_MESSAGE", "MESSAGES_UPDATE", "MESSAGES_UPSERT"]
MARIA = "5511999990002"


def order(world, **faults):
    answer = world.http.put("/simulator/settings", json={"faults": faults})
    assert answer.status_code == 200, answer.text
    return answer.get_json()["faults"]


def sends(world):
    return world.http.get("/simulator/sends").get_json()


def struck(world):
    counts = world.http.get("/simulator/faults").get_json()["struck"]
    return {name: count for name, count in counts.items() if count}


def connect(server, timeout_s=0.5):
    return http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=timeout_s)


def begin_send(connection):
    body = json.dumps({"number": MARIA, "text": "Olá!"})
    connection.request("POST", "/message/sendText/shop", body, {"apikey": KEY, "content-type": "application/json"})


@pytest.mark.parametrize(
    ("faults", "status", "message", "left"),
    [
        ({"serverError": {"rate": 1, "variant": "connectionClosed"}}, 500, "Connection Closed", 0),
        ({"serverError": {"rate": 1, "variant": "timedOut"}}, 500, "Timed Out", 0),
        ({"serverError": {"rate": 1, "variant": "preparing"}}, 500, ["Error: Media upload failed on all hosts"], 0),
        ({"databaseErrorAfterSend": 1}, 400, ["PrismaClientKnownRequestError: (text)"], 1),
        ({"timedOut": 1}, 400, ["Error: Timed Out"], 0),
        ({"timedOut": {"rate": 1, "afterSend": True}}, 400, ["Error: Timed Out"], 1),
        ({"rateOverlimit": True}, 400, ["Error: rate-overlimit"], 0),
    ],
)
def test_a_send_fails_with_an_answer_of_evolution(world, faults, status, message, left):
    world.open()
    order(world, **faults)

    answer = world.send()

    assert answer.status_code == status
    assert answer.get_json()["status"] == status
    assert answer.get_json()["response"] == {"message": message}
    assert [send["fault"] for send in sends(world)] == list(faults) * left
    assert struck(world) == {next(iter(faults)): 1}


@pytest.mark.parametrize(("variant", "left"), [("proxy", 0), ("proxyAfterSend", 1)])
def test_a_proxy_answers_with_a_page(world, variant, left):
    world.open()
    order(world, serverError={"rate": 1, "variant": variant})

    answer = world.send()

    assert (answer.status_code, answer.mimetype) == (502, "text/html")
    assert "502 Bad Gateway" in answer.text
    assert len(sends(world)) == left


@pytest.mark.parametrize(
    ("faults", "error", "left"),
    [
        ({"resetBeforeSend": 1}, ConnectionError, 0),
        ({"resetAfterSend": 1}, ConnectionError, 1),
        ({"hang": 1}, TimeoutError, 0),
        ({"hang": {"rate": 1, "afterSend": True}}, TimeoutError, 1),
    ],
)
def test_a_send_stays_without_an_answer(world, server, faults, error, left):
    world.open()
    order(world, **faults)
    connection = connect(server)

    begin_send(connection)
    with pytest.raises(error):
        connection.getresponse()

    assert len(sends(world)) == left
    connection.close()


def test_a_hanging_send_ends_when_the_caller_hangs_up(world, server, wait_until):
    world.open()
    order(world, hang=1)
    before = threading.active_count()
    connection = connect(server)

    begin_send(connection)
    wait_until(lambda: struck(world) == {"hang": 1}, "the send to hang")
    connection.close()

    wait_until(lambda: threading.active_count() <= before, "the thread of the request to end")


def test_hangs_end_by_themselves_after_their_time(world, server):
    world.open()
    world.http.put("/simulator/settings", json={"faults": {"hang": 1}, "hangS": 0.2})
    connection = connect(server, timeout_s=5)

    begin_send(connection)
    with pytest.raises(ConnectionError):
        connection.getresponse()


def test_latency_makes_a_send_slower_by_a_random_time(world):
    world.open()
    order(world, latency={"rate": 1, "seconds": [0.2, 0.3]})

    began = time.monotonic()
    answer = world.send()
    took_s = time.monotonic() - began

    assert answer.status_code == 201
    assert 0.2 <= took_s < 2
    assert struck(world) == {"latency": 1}


def test_a_message_can_be_pending_for_ever(world, receiver):
    world.open(webhook={"url": receiver.url, "events": ALL})
    order(world, pendingForEver=1)

    lost = world.send(text="lost")
    order(world, pendingForEver=0)
    fine = world.send(text="fine")
    receipts = receiver.wait_for("messages.update", 2)

    assert (lost.status_code, lost.get_json()["status"]) == (201, "PENDING")
    assert {one.data["keyId"] for one in receipts} == {fine.get_json()["key"]["id"]}
    assert [(send["text"], send["fault"], send["arrived"]) for send in sends(world)] == [
        ("lost", "pendingForEver", False),
        ("fine", None, True),
    ]
    [chat] = world.http.get("/simulator/instances/shop/chats").get_json()
    assert [message["text"] for message in chat["messages"]] == ["fine"]
    stored = world.call("POST", "/chat/findMessages/shop", {}).get_json()["messages"]["records"]
    assert [record["message"]["conversation"] for record in stored] == ["fine", "lost"]


def test_only_new_chats_are_restricted(world, receiver):
    world.open(webhook={"url": receiver.url, "events": ALL})
    order(world, restricted=True)
    world.http.post("/simulator/instances/shop/messages", json={"from": MARIA, "text": "Oi"})

    cold = world.send("5531999990003").get_json()
    reply = world.send(MARIA).get_json()
    receipts = receiver.wait_for("messages.update", 3)

    told = {(one.data["keyId"], one.data["status"]) for one in receipts}
    assert cold["status"] == "PENDING"
    assert told == {
        (cold["key"]["id"], "ERROR"),
        (reply["key"]["id"], "DELIVERY_ACK"),
        (reply["key"]["id"], "READ"),
    }
    [error] = [one.data for one in receipts if one.data["status"] == "ERROR"]
    assert set(error) == {"keyId", "remoteJid", "fromMe", "status", "instanceId", "messageId"}
    assert [(send["fault"], send["arrived"]) for send in sends(world)] == [("restricted", False), (None, True)]


def write_as_customer(world, *texts):
    for text in texts:
        world.http.post("/simulator/instances/shop/messages", json={"from": MARIA, "text": text})


def received_texts(receiver):
    return [one.data["message"]["conversation"] for one in receiver.of("messages.upsert")]


def test_a_webhook_can_be_lost(world, receiver):
    world.open(webhook={"url": receiver.url, "events": ["MESSAGES_UPSERT"]})
    order(world, webhookLost=1)
    write_as_customer(world, "lost")
    order(world, webhookLost=0)

    write_as_customer(world, "told")
    receiver.wait_for("messages.upsert")

    assert received_texts(receiver) == ["told"]


def test_a_webhook_can_come_twice_byte_for_byte(world, receiver):
    hook = {"url": receiver.url, "events": ["MESSAGES_UPSERT"], "headers": {"jwt_key": "k" * 40}}
    world.open(webhook=hook)
    order(world, webhookDuplicate=1)

    write_as_customer(world, "Oi")
    one, two = receiver.wait_for("messages.upsert", 2)

    assert (one.body, one.headers) == (two.body, two.headers)


def test_a_webhook_can_be_late(world, receiver):
    world.open(webhook={"url": receiver.url, "events": ["MESSAGES_UPSERT"]})
    order(world, webhookLate={"rate": 1, "seconds": 0.3})
    began = time.monotonic()

    write_as_customer(world, "Oi")
    receiver.wait_for("messages.upsert")

    assert time.monotonic() - began >= 0.3


def test_a_webhook_can_be_overtaken_by_the_next_one(world, receiver):
    world.open(webhook={"url": receiver.url, "events": ["MESSAGES_UPSERT"]})
    order(world, webhookDisorder=1)

    write_as_customer(world, "first", "second")
    receiver.wait_for("messages.upsert", 2)

    assert received_texts(receiver) == ["second", "first"]


def test_an_event_that_nothing_overtakes_goes_out_all_the_same(world, receiver):
    world.open(webhook={"url": receiver.url, "events": ["MESSAGES_UPSERT"]})
    order(world, webhookDisorder=1)

    write_as_customer(world, "alone")

    receiver.wait_for("messages.upsert")


def test_without_a_licence_every_business_route_is_closed_before_any_guard(world):
    world.open()
    order(world, licence=True)

    closed = [
        world.send(),
        world.call("GET", "/instance/connectionState/nobody", key=None),
        world.call("POST", "/instance/create", {"instanceName": "new"}),
        world.call("POST", "/verify-creds"),
    ]

    assert {answer.status_code for answer in closed} == {503}
    assert closed[0].get_json() == {
        "error": "service not activated",
        "code": "LICENSE_REQUIRED",
        "register_url": "http://localhost/manager/login",
        "instance_id": "00000000-0000-4000-8000-000000000000",
        "docs_url": "https://docs.example.test/licensing",
        "message": closed[0].get_json()["message"],
    }
    assert [world.http.get(path).status_code for path in ("/", "/phone", "/simulator/sends")] == [200, 200, 200]
    assert world.http.get("/manager").status_code == 404
    order(world, licence=False)
    assert world.send().status_code == 201


@pytest.mark.parametrize("path", ["/", "/instance/connectionState/shop", "/instance/fetchInstances"])
def test_a_hanging_server_answers_nothing_but_the_tool(world, server, path):
    world.open()
    order(world, hangAll=True)
    api, tool = connect(server, timeout_s=0.3), connect(server)

    api.request("GET", path, headers={"apikey": KEY})
    with pytest.raises(TimeoutError):
        api.getresponse()
    tool.request("GET", "/simulator/sends")

    assert tool.getresponse().status == 200
    api.close()
    tool.close()


def draw(world, number):
    return [world.send(text=str(index)).status_code for index in range(number)]


def test_the_same_seed_repeats_the_same_faults_at_about_their_rates(world):
    world.open()
    faults = {"timedOut": 0.3, "databaseErrorAfterSend": {"rate": 0.2}, "serverError": 0.1}
    world.http.put("/simulator/settings", json={"faults": faults, "seed": 7})
    first = draw(world, 200)
    counted = struck(world)

    world.http.put("/simulator/settings", json={"seed": 7})
    second = draw(world, 200)
    world.http.put("/simulator/settings", json={"seed": 8})
    other = draw(world, 200)

    assert first == second != other
    assert counted == {"timedOut": pytest.approx(60, abs=25), **{n: counted[n] for n in counted if n != "timedOut"}}
    assert first.count(500) == counted["serverError"]
    assert first.count(400) == counted["timedOut"] + counted["databaseErrorAfterSend"]


def test_faults_are_changed_in_parts_and_put_back_by_null(world):
    shown = order(world, hang={"afterSend": True}, latency={"rate": 0.5, "seconds": 2}, licence=False)
    again = order(world, hang=0.1, latency=None)
    off = world.http.put("/simulator/settings", json={"faults": None}).get_json()["faults"]

    assert (shown["hang"], shown["latency"]) == (
        {"rate": 0.0, "afterSend": True},
        {"rate": 0.5, "seconds": [2.0, 2.0]},
    )
    assert (again["hang"], again["latency"]) == ({"rate": 0.1, "afterSend": True}, {"rate": 0.0, "seconds": [1.0, 1.0]})
    assert off["hang"] == {"rate": 0.0, "afterSend": False}
    assert all(not (fault["rate"] if isinstance(fault, dict) else fault) for fault in off.values())


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"faults": {"explode": 1}}, "there is no fault called explode"),
        ({"faults": []}, "faults must be an object"),
        ({"faults": {"hang": 1.5}}, "the rate of hang must be a number from 0 (never) to 1 (always)"),
        ({"faults": {"hang": "often"}}, "the rate of hang must be"),
        ({"faults": {"hang": {"seconds": 3}}}, "hang has no seconds; it has rate, afterSend"),
        ({"faults": {"hang": {"afterSend": 1}}}, "afterSend of hang must be true or false"),
        ({"faults": {"licence": 1}}, "licence is a switch: true or false"),
        ({"faults": {"latency": {"seconds": [3, 1]}}}, "seconds of latency must be a number, or two"),
        ({"faults": {"latency": {"seconds": [1, "2"]}}}, "seconds of latency must be a number, or two"),
        ({"faults": {"webhookLate": {"seconds": -1}}}, "seconds of webhookLate must be a number, or two"),
        ({"faults": {"serverError": {"variant": "odd"}}}, "the variant of serverError must be one of"),
        ({"faults": {"hang": 0.6, "timedOut": 0.6}}, "must not add up to more than 1"),
        ({"faults": {"webhookLost": 1, "webhookLate": 0.1}}, "must not add up to more than 1"),
        ({"seed": "x"}, "seed must be a whole number"),
        ({"hangS": None}, "hangS must be a number of seconds"),
        ({"speed": 3}, "there is no setting called speed"),
        ({"failNextSends": {"mode": "hang"}}, "failNextSends must be a list of objects"),
        ({"failNextSends": [{"status": "500"}]}, "status must be an HTTP status"),
        ({"seed": 3, "sendLatencyS": 9, "faults": {"hang": 1, "explode": 1}}, "there is no fault called explode"),
    ],
)
def test_nonsense_is_refused_with_a_sentence_and_changes_nothing(world, body, reason):
    before = world.http.get("/simulator/settings").get_json()

    answer = world.http.put("/simulator/settings", json=body)

    assert answer.status_code == 400
    assert reason in answer.get_json()["error"]
    assert world.http.get("/simulator/settings").get_json() == before
