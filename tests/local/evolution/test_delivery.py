"""How webhooks go out: envelope, headers, retries, redirects."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest

from local.evolution.delivery import wait_before
from local.evolution.settings import SimulatorSettings

SECRET = "a-secret-of-more-than-thirty-two-bytes"
EVENT = "instance.create"


def hook(url, **more):
    return {"url": url, "events": ["INSTANCE_CREATE"], **more}


def test_the_envelope_has_its_keys_in_order(make_world, receiver):
    world = make_world(server_url="http://evolution.test")

    created = world.create(webhook=hook(receiver.url))
    [arrived] = receiver.wait_for(EVENT)

    assert list(arrived.json) == ["event", "instance", "data", "destination", "date_time", "server_url", "apikey"]
    assert arrived.json["apikey"] == created["hash"]
    assert arrived.json["destination"] == receiver.url
    assert arrived.data == {"instanceName": "shop", "instanceId": created["instance"]["instanceId"]}
    local = datetime.fromisoformat(arrived.json["date_time"])
    assert abs(datetime.now(UTC) - timedelta(hours=3) - local) < timedelta(minutes=1)
    assert arrived.json["date_time"].endswith("Z")
    assert arrived.headers["user-agent"] == "axios/1.12.2"


def test_the_token_can_be_kept_out_of_the_envelope(make_world, receiver):
    make_world(is_token_exposed=False).create(webhook=hook(receiver.url))

    [arrived] = receiver.wait_for(EVENT)

    assert arrived.json["apikey"] is None


def test_the_suffix_is_put_behind_the_url_by_events(world, receiver):
    world.create(webhook=hook(f"{receiver.url}/hook", byEvents=True))

    [arrived] = receiver.wait_for(EVENT)

    assert arrived.path == "/hook/instance-create"
    assert arrived.json["destination"] == f"{receiver.url}/hook"


def test_headers_travel_and_the_jwt_key_becomes_a_token(world, receiver):
    world.create(webhook=hook(receiver.url, headers={"X-Secret": "s3cret", "jwt_key": SECRET}))

    [arrived] = receiver.wait_for(EVENT)

    claims = jwt.decode(arrived.headers["Authorization"].removeprefix("Bearer "), SECRET, algorithms=["HS256"])
    assert (claims["app"], claims["action"]) == ("evolution", "webhook")
    assert claims["exp"] - claims["iat"] == 600
    assert arrived.headers["X-Secret"] == "s3cret"
    assert "jwt_key" not in arrived.headers


def test_an_empty_jwt_key_stops_all_delivery(world, receiver):
    world.create("mute", webhook=hook(receiver.url, headers={"jwt_key": ""}))
    world.create("loud", webhook=hook(receiver.url))

    receiver.wait_for(EVENT)

    assert [one.json["instance"] for one in receiver.received] == ["loud"]
    assert {one["instance"] for one in world.http.get("/simulator/deliveries").get_json()} <= {"loud"}


def test_a_failure_is_retried_byte_for_byte(world, receiver, wait_until):
    receiver.answers.extend([(500, None), (429, None)])

    world.create(webhook=hook(receiver.url, headers={"jwt_key": SECRET}))
    attempts = receiver.wait_for(EVENT, 3)
    wait_until(lambda: len(world.http.get("/simulator/deliveries").get_json()) == 3, "three attempts in the log")

    assert len({one.body for one in attempts}) == 1
    assert len({one.headers["Authorization"] for one in attempts}) == 1
    log = world.http.get("/simulator/deliveries").get_json()
    assert [(one["attempt"], one["status"]) for one in log] == [(1, 500), (2, 429), (3, 200)]


def test_an_event_is_dropped_after_the_last_attempt(make_world, receiver, wait_until):
    world = make_world(retry_attempts=3, retry_initial_s=0.01)
    receiver.answers.extend([(503, None)] * 3)
    world.create("gone", webhook=hook(receiver.url, events=["REMOVE_INSTANCE"]))

    world.call("DELETE", "/instance/delete/gone")
    wait_until(lambda: world.call("GET", "/instance/connectionState/gone").status_code == 404, "the removal")

    assert [one.event for one in receiver.received] == ["remove.instance"] * 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_some_answers_end_it_at_once(world, receiver, wait_until, status):
    receiver.answers.append((status, None))
    world.create("gone", webhook=hook(receiver.url, events=["REMOVE_INSTANCE"]))

    world.call("DELETE", "/instance/delete/gone")
    wait_until(lambda: world.call("GET", "/instance/connectionState/gone").status_code == 404, "the removal")

    assert len(receiver.received) == 1


def test_a_receiver_that_is_down_is_logged_and_tried_again(world, receiver, wait_until):
    receiver.stop()

    world.create(webhook=hook(receiver.url))
    wait_until(lambda: len(world.http.get("/simulator/deliveries").get_json()) >= 2, "two attempts")

    assert {one["status"] for one in world.http.get("/simulator/deliveries").get_json()} == {"unreachable"}


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_redirect_loses_the_event_in_a_get(world, receiver, wait_until, status):
    receiver.answers.append((status, "/elsewhere"))

    world.create(webhook=hook(receiver.url))
    wait_until(lambda: len(receiver.received) == 2, "the request that follows")

    assert (receiver.received[1].method, receiver.received[1].path) == ("GET", "/elsewhere")
    assert receiver.received[1].body == b""


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_that_keeps_the_method_repeats_the_post(world, receiver, status):
    receiver.answers.append((status, "/elsewhere"))

    world.create(webhook=hook(receiver.url))
    first, second = receiver.wait_for(EVENT, 2)

    assert (second.method, second.path, second.body) == ("POST", "/elsewhere", first.body)


def test_nothing_is_sent_unasked(world, receiver):
    world.create("deaf", webhook=hook(receiver.url, events=["MESSAGES_UPSERT"]))
    world.create("odd", webhook=hook("ftp://receiver.test"))
    world.create("loud", webhook=hook(receiver.url))

    receiver.wait_for(EVENT)

    assert [one.json["instance"] for one in receiver.received] == ["loud"]


@pytest.mark.parametrize(("attempt", "steady"), [(2, 5), (3, 10), (4, 20), (7, 160), (8, 300), (10, 300)])
def test_the_waits_double_up_to_a_cap_and_jitter(attempt, steady):
    settings = SimulatorSettings(api_key="k")

    waits = [wait_before(attempt, settings) for _ in range(200)]

    assert max(5, steady * 0.8) <= min(waits)
    assert max(waits) <= steady * 1.2
    assert len(set(waits)) > 1
