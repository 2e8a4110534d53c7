"""From create to delete: QR codes, scan, restart, logout."""

import json
import re

import pytest

QR_EVENTS = ["QRCODE_UPDATED", "CONNECTION_UPDATE"]
GONE = ["STATUS_INSTANCE", "LOGOUT_INSTANCE", "CONNECTION_UPDATE"]


def states(receiver):
    return [(one.data["state"], one.data["statusReason"]) for one in receiver.of("connection.update")]


def test_create_without_a_qr_code_starts_nothing(world):
    created = world.create("shop", token="its-token", groupsIgnore=True)

    assert created["instance"]["status"] == "close"
    assert (created["hash"], created["webhook"]) == ("its-token", {})
    assert created["settings"]["groupsIgnore"] is True
    assert "qrcode" not in created
    assert world.state() == "close"


def test_create_answers_the_qr_code_that_came_in_time(make_world):
    created = make_world(create_wait_s=0.5).create(qrcode=True)

    assert created["instance"]["status"] == "connecting"
    assert created["qrcode"]["count"] == 1
    assert created["qrcode"]["pairingCode"] is None
    assert re.fullmatch(r"2@[^,]+(,[^,]+){3}", created["qrcode"]["code"])
    assert created["qrcode"]["base64"].startswith("data:image/png;base64,iVBOR")


def test_create_answers_a_bare_count_when_the_qr_code_is_late(make_world):
    created = make_world(first_qr_s=60).create(qrcode=True)

    assert created["qrcode"] == {"count": 0}


def test_create_without_events_removes_the_instance_again(world):
    body = {"instanceName": "shop", "integration": "WHATSAPP-BAILEYS", "webhook": {"url": "http://receiver.test"}}

    answer = world.call("POST", "/instance/create", body)

    assert answer.status_code == 400
    assert answer.get_json()["response"]["message"] == ["Cannot read properties of undefined (reading 'length')"]
    assert world.call("GET", "/instance/connectionState/shop").status_code == 404


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"instanceName": "x"}, "Invalid integration"),
        ({"instanceName": "x", "integration": "TELEGRAM"}, "Invalid integration"),
        (
            {
                "instanceName": "x",
                "integration": "WHATSAPP-BAILEYS",
                "proxyHost": "h",
                "proxyPort": "1",
                "proxyProtocol": "http",
            },
            "Invalid proxy",
        ),
    ],
)
def test_create_refuses_with_a_flat_list(world, body, message):
    answer = world.call("POST", "/instance/create", body)

    assert (answer.status_code, answer.get_json()["response"]["message"]) == (400, [message])


def test_qr_codes_follow_each_other_until_the_limit(make_world, receiver, wait_until):
    world = make_world(qr_interval_s=0.02, qr_limit=3)

    world.create(qrcode=True, webhook={"url": receiver.url, "events": QR_EVENTS})
    world.wait_for_state("shop", "close")
    shown = receiver.wait_for("qrcode.updated", 4)
    wait_until(lambda: len(states(receiver)) == 2, "connecting and refused")

    codes = {one.data["qrcode"]["code"] for one in shown if "qrcode" in one.data}
    limits = [one.data for one in shown if "qrcode" not in one.data]
    assert len(codes) == 3
    assert limits == [{"message": "QR code limit reached, please login again", "statusCode": 500}]
    assert set(states(receiver)) == {("connecting", 200), ("refused", 428)}
    assert world.tool()["count"] == 0


def test_pairing_gives_a_new_code_with_each_qr_code(make_world, receiver):
    world = make_world(qr_interval_s=0.02)

    world.create(qrcode=True, number="5511999990001", webhook={"url": receiver.url, "events": QR_EVENTS})
    shown = [one.data["qrcode"]["pairingCode"] for one in receiver.wait_for("qrcode.updated", 2)]

    assert all(re.fullmatch(r"[0-9A-Z]{8}", code) for code in shown)
    assert len(set(shown)) == len(shown)


def test_connect_answers_by_the_state(make_world, wait_until):
    world = make_world(connect_wait_s=0.5)
    world.create()

    started = world.call("GET", "/instance/connect/shop?number=5511999990001").get_json()
    again = world.call("GET", "/instance/connect/shop?number=5511999990009").get_json()
    world.simulator.sockets.scan(world.simulator.instances.find("shop"), number="5511999990001", profile_name="Loja")
    world.wait_for_state("shop", "open")

    assert len(started["pairingCode"]) == 8
    assert again == started
    assert world.call("GET", "/instance/connect/shop").get_json() == {
        "instance": {"instanceName": "shop", "state": "open"}
    }


def test_a_scan_connects_and_opens_with_the_profile(world, receiver, wait_until):
    world.open(webhook={"url": receiver.url, "events": QR_EVENTS})
    wait_until(lambda: len(states(receiver)) == 3, "three states")

    opened = next(one for one in receiver.of("connection.update") if one.data["state"] == "open")
    assert sorted(states(receiver)) == [("connecting", 200), ("connecting", 200), ("open", 200)]
    assert opened.data["wuid"] == "5511999990001@s.whatsapp.net"
    assert opened.data["profileName"] == "Demo shop"
    assert opened.json["sender"] == "5511999990001@s.whatsapp.net"
    assert "sender" not in receiver.of("qrcode.updated")[0].json
    [row] = world.call("GET", "/instance/fetchInstances?instanceName=shop").get_json()
    assert (row["connectionStatus"], row["ownerJid"]) == ("open", "5511999990001@s.whatsapp.net")


def test_nothing_can_be_scanned_while_no_code_is_shown(world):
    world.create()

    assert world.http.post("/simulator/instances/shop/scan", json={}).status_code == 409


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/simulator/instances/shop/unlink"), ("DELETE", "/instance/logout/shop")]
)
def test_a_logout_closes_for_good_and_keeps_the_instance(world, receiver, method, path):
    world.open(webhook={"url": receiver.url, "events": GONE})

    answer = world.call(method, path)
    [closed] = receiver.wait_for("status.instance")
    [logged_out] = receiver.wait_for("logout.instance")
    receiver.wait_for("connection.update", 4)

    assert answer.status_code == 200
    assert ("close", 401) in states(receiver)
    assert (closed.data["status"], closed.data["disconnectionReasonCode"]) == ("closed", 401)
    assert json.loads(closed.data["disconnectionObject"])["error"]["output"]["statusCode"] == 401
    assert logged_out.data is None
    assert world.state() == "close"
    assert world.call("GET", "/webhook/find/shop").get_json()["url"] == receiver.url


def test_logout_and_restart_of_a_closed_instance_answer_oddly(world):
    world.create()

    logout = world.call("DELETE", "/instance/logout/shop")
    restart = world.call("POST", "/instance/restart/shop")

    assert logout.status_code == 400
    assert logout.get_json()["response"]["message"] == ['The "shop" instance is not connected']
    assert (restart.status_code, restart.get_json()) == (200, {"error": True, "message": "[object Object]"})


def test_restart_answers_the_state_of_before_and_opens_again(make_world):
    world = make_world(pairing_s=0.2)
    world.open()

    answer = world.call("POST", "/instance/restart/shop").get_json()
    state_after = world.state()
    world.wait_for_state("shop", "open")

    assert answer == {"instance": {"instanceName": "shop", "state": "open"}}
    assert state_after == "connecting"


def test_delete_frees_the_name_when_the_last_webhook_is_through(make_world, receiver, wait_until):
    world = make_world(retry_initial_s=0.2)
    receiver.answers.extend([(500, None), (500, None)])
    world.create(webhook={"url": receiver.url, "events": ["REMOVE_INSTANCE"]})

    answer = world.call("DELETE", "/instance/delete/shop").get_json()
    receiver.wait_for("remove.instance")
    taken = world.call("POST", "/instance/create", {"instanceName": "shop"})
    wait_until(lambda: world.call("GET", "/instance/connectionState/shop").status_code == 404, "the name to be free")

    assert answer == {"status": "SUCCESS", "error": False, "response": {"message": "Instance deleted"}}
    assert taken.status_code == 403
    assert len(receiver.of("remove.instance")) == 3
    assert world.call("GET", "/instance/fetchInstances?instanceName=shop").status_code == 404


def test_settings_and_webhook_are_stored_as_sent(world):
    world.create()
    switches = ("rejectCall", "groupsIgnore", "alwaysOnline", "readMessages", "readStatus", "syncFullHistory")
    sent = {**dict.fromkeys(switches, False), "groupsIgnore": True}

    before = world.call("GET", "/webhook/find/shop").get_json()
    settings = world.call("POST", "/settings/set/shop", sent)
    first = {"enabled": True, "url": "http://receiver.test/a", "events": [], "headers": {"X-Secret": "s"}}
    world.call("POST", "/webhook/set/shop", {"webhook": first})
    second = {"enabled": True, "url": "http://receiver.test/b", "events": ["MESSAGES_UPSERT"], "byEvents": True}
    webhook = world.call("POST", "/webhook/set/shop", {"webhook": second})
    off = world.call("POST", "/webhook/set/shop", {"webhook": {**second, "enabled": False}}).get_json()

    assert before is None
    assert settings.status_code == webhook.status_code == 201
    assert settings.get_json() == {"settings": {"instanceName": "shop", "settings": sent}}
    assert world.call("GET", "/settings/find/shop").get_json() == {**sent, "msgCall": "", "wavoipToken": ""}
    assert webhook.get_json()["headers"] == {"X-Secret": "s"}
    assert (webhook.get_json()["webhookByEvents"], off["enabled"], off["events"]) == (True, False, [])


def test_a_second_run_keeps_everything_and_reconnects(make_world, state_file, receiver, wait_until):
    first = make_world(state_file=state_file)
    created = first.open(webhook={"url": receiver.url, "events": ["CONNECTION_UPDATE"]})
    first.http.post("/simulator/instances/shop/messages", json={"from": "5511999990002", "text": "Oi"})
    first.simulator.stop()
    before = len(receiver.wait_for("connection.update", 3))

    second = make_world(state_file=state_file)
    second.wait_for_state("shop", "open")

    receiver.wait_for("connection.update", before + 2)
    assert sorted(state for state, _ in states(receiver)[before:]) == ["connecting", "open"]
    assert second.call("GET", "/instance/connectionState/shop", key=created["hash"]).status_code == 200
    [chat] = second.http.get("/simulator/instances/shop/chats").get_json()
    assert (chat["number"], chat["messages"][0]["text"]) == ("5511999990002", "Oi")
