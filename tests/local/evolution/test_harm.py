"""What is changed by hand, behind everybody's back."""

import pytest

# Connecting, connecting again after the scan, open.
BY_OPENING = 3
STATES = ["CONNECTION_UPDATE", "MESSAGES_UPSERT", "REMOVE_INSTANCE", "INSTANCE_DELETE"]


def by_hand(world, method, path, body=None):
    answer = world.http.open(f"/simulator/instances/shop{path}", method=method, json=body or {})
    assert answer.status_code < 300, answer.text
    return answer.get_json()


def found_webhook(world):
    return world.call("GET", "/webhook/find/shop").get_json()


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"url": "http://127.0.0.1:9/elsewhere"}, {"url": "http://127.0.0.1:9/elsewhere", "enabled": True}),
        ({"events": ["CALL"]}, {"events": ["CALL"], "enabled": True}),
        ({"enabled": False}, {"enabled": False, "events": []}),
        ({"headers": {"x-other": "1"}}, {"headers": {"x-other": "1"}}),
    ],
)
def test_the_webhook_changes_in_parts_and_nobody_is_told(world, receiver, changes, seen):
    world.open(webhook={"url": receiver.url, "events": STATES})
    receiver.wait_for("connection.update", BY_OPENING)
    before, heard = found_webhook(world), len(receiver.received)

    by_hand(world, "PUT", "/webhook", changes)

    after = found_webhook(world)
    assert {name: after[name] for name in seen} == seen
    assert (after["id"], after["createdAt"]) == (before["id"], before["createdAt"])
    assert len(receiver.received) == heard


def test_a_removed_webhook_is_found_as_null_and_gets_nothing(world, receiver):
    world.open(webhook={"url": receiver.url, "events": STATES})

    by_hand(world, "DELETE", "/webhook")
    world.http.post("/simulator/instances/shop/messages", json={"from": "5511999990002", "text": "Oi"})

    answer = world.call("GET", "/webhook/find/shop")
    assert (answer.status_code, answer.text) == (200, "null")
    assert receiver.of("messages.upsert") == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/webhook", {"url": 5}),
        ("PUT", "/webhook", {"events": ["NO_SUCH"]}),
        ("PUT", "/webhook", {"address": "http://127.0.0.1"}),
        ("PUT", "/settings", {"groupsIgnore": "yes"}),
        ("POST", "/state", {"state": "refused"}),
        ("POST", "/storm", {"perSecond": 0}),
        ("POST", "/storm", {"seconds": 1e9}),
    ],
)
def test_nonsense_by_hand_is_refused(world, method, path, body):
    world.open()

    assert world.http.open(f"/simulator/instances/shop{path}", method=method, json=body).status_code == 400


def test_settings_change_by_hand_in_parts(world):
    world.open()

    by_hand(world, "PUT", "/settings", {"groupsIgnore": True})

    settings = world.call("GET", "/settings/find/shop").get_json()
    assert (settings["groupsIgnore"], settings["readStatus"]) == (True, False)
    [listed] = world.call("GET", "/instance/fetchInstances").get_json()
    assert listed["Setting"]["groupsIgnore"] is True


def test_a_connection_closes_silently_and_its_messages_wait(world, receiver):
    world.open(webhook={"url": receiver.url, "events": STATES})
    told = len(receiver.wait_for("connection.update", BY_OPENING))

    by_hand(world, "POST", "/state", {"state": "close"})
    written = world.http.post("/simulator/instances/shop/messages", json={"from": "5511999990002", "text": "Oi"})

    assert world.state() == "close"
    assert world.call("GET", "/instance/fetchInstances").get_json()[0]["connectionStatus"] == "open"
    assert written.get_json()["reported"] is False
    assert (len(receiver.of("connection.update")), receiver.of("messages.upsert")) == (told, [])

    by_hand(world, "POST", "/state", {"state": "open"})

    [arrived] = receiver.wait_for("messages.upsert")
    assert arrived.data["key"]["id"] == written.get_json()["id"]
    assert (world.state(), len(receiver.of("connection.update"))) == ("open", told)


def test_connecting_again_brings_what_waited(world, receiver):
    world.open(webhook={"url": receiver.url, "events": STATES})
    by_hand(world, "POST", "/state", {"state": "close"})
    world.http.post("/simulator/instances/shop/messages", json={"from": "5511999990002", "text": "Oi", "timestamp": 5})

    world.call("GET", "/instance/connect/shop")

    [arrived] = receiver.wait_for("messages.upsert")
    assert arrived.data["messageTimestamp"] == 5


def test_what_was_never_linked_cannot_be_open(world):
    world.create()

    answer = world.http.post("/simulator/instances/shop/state", json={"state": "open"})

    assert (answer.status_code, world.state()) == (409, "close")


def test_a_storm_says_connecting_while_polls_say_close(world, receiver, wait_until):
    world.open(webhook={"url": receiver.url, "events": STATES})

    receiver.wait_for("connection.update", BY_OPENING)
    before = connecting(receiver)
    ordered = by_hand(world, "POST", "/storm", {"perSecond": 100, "seconds": 0.3})
    wait_until(lambda: connecting(receiver) == before + 30, "the whole storm")

    assert ordered == {"webhooks": 30}
    assert world.state() == "close"


def connecting(receiver):
    return sum(one.data["state"] == "connecting" for one in receiver.of("connection.update"))


def test_a_storm_outlives_the_instance_and_ends_with_a_restart(make_world, receiver, wait_until):
    world = make_world(loading_s=60)
    world.open(webhook={"url": receiver.url, "events": ["CONNECTION_UPDATE"]})
    by_hand(world, "POST", "/storm", {"perSecond": 20, "seconds": 100})

    by_hand(world, "DELETE", "")
    before = connecting(receiver)
    wait_until(lambda: connecting(receiver) > before, "a webhook of the removed instance")
    world.http.post("/simulator/restart", json={})
    world.simulator.messages.pause(0.1)
    before = connecting(receiver)
    world.simulator.messages.pause(0.3)

    assert connecting(receiver) == before


@pytest.mark.parametrize(("body", "events"), [({}, 0), ({"reported": True}, 1)], ids=["by its row", "by the manager"])
def test_an_instance_is_removed_by_hand(world, receiver, wait_until, body, events):
    world.open(webhook={"url": receiver.url, "events": STATES})

    by_hand(world, "DELETE", "", body)
    wait_until(lambda: world.call("GET", "/instance/connectionState/shop").status_code == 404, "the removal")

    assert len(receiver.of("remove.instance")) == len(receiver.of("instance.delete")) == events
    assert world.call("GET", "/instance/fetchInstances?instanceName=shop").status_code == 404


@pytest.mark.parametrize(
    ("setting", "place", "is_reported"),
    [
        ({"groupsIgnore": True}, "group", False),
        ({"groupsIgnore": False}, "group", True),
        ({"readStatus": False}, "story", False),
        ({"readStatus": True}, "story", True),
        ({"readStatus": False}, "broadcast", False),
        ({"groupsIgnore": True, "readStatus": False}, "person", True),
    ],
)
def test_settings_keep_groups_and_stories_away(world, receiver, setting, place, is_reported):
    world.open(webhook={"url": receiver.url, "events": STATES})
    by_hand(world, "PUT", "/settings", setting)

    body = {"from": "5511999990002", "text": "Oi", "place": place}
    written = world.http.post("/simulator/instances/shop/messages", json=body).get_json()

    found = world.call("POST", "/chat/findMessages/shop", {"where": {}}).get_json()["messages"]["total"]
    assert (written["reported"], found) == (is_reported, int(is_reported))
