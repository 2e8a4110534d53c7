"""The conversation that a newcomer finds."""

EVENTS = ["MESSAGES_UPSERT", "MESSAGES_EDITED", "MESSAGES_DELETE"]


def test_the_first_shop_gets_some_of_everything_in_order(make_world, receiver):
    world = make_world(has_demo_chat=True)
    world.open(webhook={"url": receiver.url, "events": EVENTS})

    arrived = [one.data for one in receiver.wait_for("messages.upsert", 11)]
    receiver.wait_for("messages.delete")

    arrived.sort(key=lambda data: data["messageTimestamp"])
    assert [data["messageType"] for data in arrived] == [
        "conversation",
        "imageMessage",
        "audioMessage",
        "documentMessage",
        "conversation",
        "reactionMessage",
        "locationMessage",
        "contactMessage",
        "pollCreationMessageV3",
        "conversation",
        "conversation",
    ]
    assert len({data["messageTimestamp"] for data in arrived}) == 11
    assert {data["key"]["remoteJid"] for data in arrived} == {"5511999990002@s.whatsapp.net"}
    reaction = arrived[5]["message"]["reactionMessage"]
    assert (reaction["key"]["id"], arrived[4]["key"]["fromMe"]) == (arrived[4]["key"]["id"], True)
    assert {one.data["type"] for one in receiver.wait_for("messages.edited", 2)} == {"MESSAGE_EDIT", "REVOKE"}


def test_a_second_connection_and_a_second_shop_get_nothing_more(make_world, state_file, wait_until):
    world = make_world(has_demo_chat=True, state_file=state_file)
    world.open()
    shop = world.simulator.instances.find("shop")
    wait_until(lambda: len(shop.messages) == 11, "the conversation")

    world.call("POST", "/instance/restart/shop")
    world.wait_for_state("shop", "open")
    world.open("other")
    world.simulator.messages.pause(1.2)

    assert (len(shop.messages), len(world.simulator.instances.find("other").messages)) == (11, 0)


def test_nothing_is_written_unasked(world):
    world.open()
    world.simulator.messages.pause(1.2)

    assert world.simulator.instances.find("shop").messages == {}
