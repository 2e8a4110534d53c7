"""Evolution restarts: what its memory held is gone, what its database and WhatsApp hold is not."""

import http.client
import threading
import time

import pytest

KEY = "a-global-key-for-tests"


def connect(server, timeout_s=5.0):
    return http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=timeout_s)


def restart(server, down_s=0.0):
    connection = connect(server)
    connection.request("POST", "/simulator/restart", f'{{"downS": {down_s}}}', {"content-type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def is_refused(server):
    connection = connect(server)
    try:
        connection.request("GET", "/", headers={"apikey": KEY})
    except ConnectionRefusedError:
        return True
    connection.getresponse().read()
    connection.close()
    return False


def test_the_port_is_closed_while_evolution_is_down(world, server, wait_until):
    began = time.monotonic()

    answered = restart(server, down_s=0.6)
    refused_at_once = is_refused(server)
    wait_until(lambda: not is_refused(server), "the port to open again")

    assert answered == 202
    assert refused_at_once
    assert 0.6 <= time.monotonic() - began < 4


def test_a_request_in_flight_is_broken_and_what_it_asked_for_never_happens(world, server, wait_until):
    world.open()
    world.http.put("/simulator/settings", json={"sendLatencyS": 30})
    connection, seen = connect(server), []
    waiting = threading.Thread(target=lambda: seen.append(pytest.raises(ConnectionError, connection.getresponse)))
    body = '{"number": "5511999990002", "text": "Oi"}'
    connection.request("POST", "/message/sendText/shop", body, {"apikey": KEY, "content-type": "application/json"})
    waiting.start()
    time.sleep(0.2)

    restart(server)
    waiting.join(timeout=5)

    assert len(seen) == 1
    assert world.http.get("/simulator/sends").get_json() == []
    connection.close()


def test_an_instance_is_away_from_memory_until_it_is_loaded(make_world):
    world = make_world(loading_s=60)
    world.open()

    world.http.post("/simulator/restart")

    state = world.call("GET", "/instance/connectionState/shop")
    text, media = world.send(), world.call("POST", "/message/sendMedia/shop", {})
    assert state.get_json() == {"instance": {"instanceName": "shop"}}
    assert (text.status_code, text.get_json()["response"]["message"]) == (
        500,
        "Cannot read properties of undefined (reading 'textMessage')",
    )
    assert media.get_json()["response"]["message"] == "Cannot read properties of undefined (reading 'mediaMessage')"
    assert world.call("GET", "/instance/connect/shop").get_json() == {"error": True, "message": "[object Object]"}
    assert world.call("POST", "/instance/restart/shop").get_json() == {"error": True, "message": "[object Object]"}
    assert world.call("GET", "/webhook/find/shop").get_json() is None
    assert world.call("GET", "/instance/fetchInstances").get_json() == []
    assert world.call("POST", "/chat/whatsappNumbers/shop", {"numbers": ["5511999990002"]}).get_json() == {}
    assert world.call("DELETE", "/instance/logout/shop").status_code == 200


def test_a_paired_instance_connects_again_by_itself(make_world, receiver, wait_until):
    world = make_world(loading_s=0.05)
    world.open(webhook={"url": receiver.url, "events": ["CONNECTION_UPDATE"]})
    before = len(receiver.wait_for("connection.update", 3))

    world.http.post("/simulator/restart")
    again = receiver.wait_for("connection.update", before + 2)[before:]

    assert sorted(one.data["state"] for one in again) == ["connecting", "open"]
    [connecting] = [one for one in again if one.data["state"] == "connecting"]
    assert "sender" not in connecting.json
    assert world.send().status_code == 201


def test_events_that_wait_for_another_try_are_lost_but_receipts_are_not(make_world, receiver, wait_until):
    world = make_world(loading_s=0.05, retry_initial_s=0.3, receipt_delay_s=0.2, read_delay_s=None)
    world.open(webhook={"url": receiver.url, "events": ["SEND_MESSAGE", "MESSAGES_UPDATE"]})
    receiver.answers.append((500, None))
    sent = world.send().get_json()["key"]["id"]
    receiver.wait_for("send.message")

    world.http.post("/simulator/restart")
    [receipt] = receiver.wait_for("messages.update")
    time.sleep(0.5)

    assert (receipt.data["keyId"], receipt.data["status"]) == (sent, "DELIVERY_ACK")
    assert len(receiver.of("send.message")) == 1


@pytest.mark.parametrize("down_s", [-1, "1", 601])
def test_a_restart_takes_a_sensible_time(world, down_s):
    assert world.http.post("/simulator/restart", json={"downS": down_s}).status_code == 400


def test_what_left_stays_known_when_the_process_is_killed(make_world, state_file):
    killed = make_world(state_file=state_file)
    killed.open()
    killed.send(text="Olá, João!")
    left = killed.http.get("/simulator/sends").get_json()

    started_again = make_world(state_file=state_file)

    assert len(left) == 1
    assert started_again.http.get("/simulator/sends").get_json() == left
