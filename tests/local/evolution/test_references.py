"""Answers with a quote and reactions, through the API: what is refused, what is told, and what the phone shows."""

import re

import pytest

PLACE = {"shop": "shop", "customer": "5511999990002"}
MARIA = "5511999990002@s.whatsapp.net"
WRONG = {
    "empty": ({}, ['instance requires property "key"', 'instance requires property "reaction"']),
    "key without all": (
        {"key": {}, "reaction": "👍"},
        [f'key requires property "{name}"' for name in ("id", "remoteJid", "fromMe")],
    ),
    "fromMe as a text": (
        {"key": {"id": "3A01", "remoteJid": MARIA, "fromMe": "no"}, "reaction": "👍"},
        ["key.fromMe is not of a type(s) boolean"],
    ),
    "a number": (
        {"key": {"id": "3A01", "remoteJid": MARIA, "fromMe": False}, "reaction": 1},
        ["reaction is not of a type(s) string"],
    ),
}


def react(world, target, sign="👍", **key):
    body = {"key": {"id": target, "remoteJid": MARIA, "fromMe": False, **key}, "reaction": sign}
    return world.call("POST", "/message/sendReaction/shop", body)


def phone(world):
    return world.http.get("/phone", query_string=PLACE).text


def shown(name, page):
    return re.findall(rf'<span class="bubble__{name}">([^<]*)</span>', page)


@pytest.fixture
def question(world):
    world.open()
    return arrive(world)["id"]


def arrive(world):
    """Let the customer write, and give the key of it."""
    world.http.post("/phone/messages", data={**PLACE, "text": "Abre hoje?"})
    [message] = world.simulator.instances.find("shop").messages.values()
    return message.key


@pytest.mark.parametrize(("body", "complaints"), WRONG.values(), ids=WRONG)
def test_a_reaction_that_lacks_something_is_refused(world, body, complaints):
    world.open()

    answer = world.call("POST", "/message/sendReaction/shop", body)

    assert (answer.status_code, answer.get_json()["response"]["message"]) == (400, [complaints])


@pytest.mark.parametrize("sign", ["a", "👍👍", " "])
def test_a_reaction_is_one_emoji(world, question, sign):
    answer = react(world, question, sign)

    told = ["Reaction must be a single emoji or empty string"]
    assert (answer.status_code, answer.get_json()["response"]["message"]) == (400, told)


def test_a_reaction_leaves_and_stands_at_its_message_on_the_phone(world, question):
    answer = react(world, question)
    given = phone(world)
    react(world, question, "")
    taken_back = phone(world)

    body = answer.get_json()
    assert (answer.status_code, body["messageType"], body["key"]["remoteJid"]) == (201, "reactionMessage", MARIA)
    assert body["message"]["reactionMessage"]["text"] == "👍"
    assert body["message"]["reactionMessage"]["key"]["id"] == question
    assert "contextInfo" not in body
    assert (shown("text", given), shown("reactions", given)) == (["Abre hoje?"], ["👍"])
    assert (shown("text", taken_back), shown("reactions", taken_back)) == (["Abre hoje?"], [])
    sent = [(one["kind"], one["text"], one["refersTo"]) for one in world.http.get("/simulator/sends").get_json()]
    assert sent == [("reaction", "👍", question), ("reaction", "", question)]


def test_the_echo_of_a_reaction_is_its_answer(world, receiver):
    world.open(webhook={"url": receiver.url, "events": ["SEND_MESSAGE"]})

    answer = react(world, arrive(world)["id"])

    [echo] = receiver.wait_for("send.message")
    assert echo.data == answer.get_json()


def test_the_id_that_is_asked_for_is_not_a_reactions(make_world):
    world = make_world(version="2.4.0")
    world.open()

    body = {"key": arrive(world), "reaction": "👍", "messageId": "3EB0000000000000000001"}
    answer = world.call("POST", "/message/sendReaction/shop", body)

    assert answer.get_json()["key"]["id"] != "3EB0000000000000000001"


def test_a_quote_with_its_content_is_shown_whether_stored_or_not(world):
    world.open()
    key = {"id": "3A0000000000000000FF", "remoteJid": MARIA, "fromMe": False}

    answer = world.send(text="Sim", quoted={"key": key, "message": {"conversation": "Abre hoje?"}})

    context = answer.get_json()["contextInfo"]
    assert (context["stanzaId"], context["participant"]) == ("3A0000000000000000FF", MARIA)
    assert context["quotedMessage"] == {"conversation": "Abre hoje?"}
    assert (shown("quote", phone(world)), shown("text", phone(world))) == (["Abre hoje?"], ["Sim"])


def test_a_quote_without_its_content_is_looked_up(world, question):
    world.send(text="Sim", quoted={"key": {"id": question}})
    world.send(text="Talvez", quoted={"key": {"id": "3AELSE"}})

    assert shown("quote", phone(world)) == ["Abre hoje?"]
    assert shown("text", phone(world)) == ["Abre hoje?", "Sim", "Talvez"]


def test_a_quote_of_the_shop_is_of_its_own_number(world):
    world.open()
    key = {"id": "3EB0", "remoteJid": MARIA, "fromMe": True}

    answer = world.send(quoted={"key": key, "message": {"conversation": "Bom dia"}})

    assert answer.get_json()["contextInfo"]["participant"] == "5511999990001@s.whatsapp.net"
