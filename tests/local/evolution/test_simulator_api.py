"""The way in which tests of the whole portal act on simulated phones."""

import pytest

from tests.running.clients import SimulatorApi

EVENTS = ["MESSAGES_UPSERT", "MESSAGES_EDITED", "MESSAGES_DELETE", "CALL", "MESSAGES_SET", "CONNECTION_UPDATE"]
MARIA = "5511999990002"


@pytest.fixture
def phones(world, server, receiver):
    world.open(webhook={"url": receiver.url, "events": EVENTS})
    return SimulatorApi(f"http://127.0.0.1:{server.server_port}")


def shop(world):
    return world.simulator.instances.find("shop")


def test_both_sides_write_and_change_what_they_wrote(world, phones):
    picture = phones.customer_sends("shop", number=MARIA, kind="image", name="Maria", place="group")
    phones.customer_sends("shop", number=MARIA, text="Oi")
    own = phones.own_phone("shop", to=MARIA, text="Abre amanha?")
    reaction = phones.react("shop", number=MARIA, message_id=own["id"], emoji="👍")
    phones.edit("shop", message_id=own["id"], text="Abre amanhã?")
    phones.delete("shop", message_id=picture["id"])

    messages = shop(world).messages
    assert (picture["reported"], messages[picture["id"]].is_deleted) == (True, True)
    assert (messages[own["id"]].text, messages[reaction["id"]].text) == ("Abre amanhã?", "👍")
    assert phones.own_reads("shop", number=MARIA) == 2


def test_calls_and_history_reach_the_webhook(phones, receiver):
    call_id = phones.call("shop", number=MARIA, answered=True)
    ids = phones.history("shop", messages=12, chats=3, numbers=[MARIA])

    assert {one.data["id"] for one in receiver.wait_for("call", 4)} == {call_id}
    assert {message["key"]["id"] for message in receiver.wait_for("messages.set")[0].data} == set(ids)


def test_everything_is_harmed_by_hand(world, phones, receiver):
    phones.change_settings("shop", groupsIgnore=True)
    phones.set_addressing("shop", "lid")
    phones.force_state("shop", "close")
    assert phones.storm("shop", per_second=10, seconds=0.5) == 5
    phones.change_webhook("shop", events=["CALL"])
    assert (shop(world).webhook.events, shop(world).socket.state) == (["CALL"], "close")
    phones.remove_webhook("shop")
    assert (shop(world).webhook, shop(world).addressing) == (None, "lid")
    assert shop(world).settings["groupsIgnore"] is True

    phones.remove_instance("shop")

    assert phones.instances() == []
