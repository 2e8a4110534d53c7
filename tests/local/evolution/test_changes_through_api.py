"""Edits and deletions through the API: what is refused, what is told, and what the phone shows."""

import re
import time

import pytest

PLACE = {"shop": "shop", "customer": "5511999990002"}
MARIA = "5511999990002@s.whatsapp.net"


def phone(world):
    page = world.http.get("/phone", query_string=PLACE).text
    texts, notes = (re.findall(rf'<\w+ class="bubble__{name}">([^<]*)</', page) for name in ("text", "note"))
    return texts, notes


def sent_key(world, **body):
    return world.send(**{"text": "Fechamos às 18h", **body}).get_json()["key"]


def edit(world, key, text="Fechamos às 19h", number=MARIA):
    return world.call("POST", "/chat/updateMessage/shop", {"number": number, "key": key, "text": text})


def delete(world, key):
    return world.call("DELETE", "/chat/deleteMessageForEveryone/shop", key)


def words(answer):
    return answer.get_json()["response"]["message"]


def age(world, key, seconds):
    world.simulator.instances.find("shop").messages[key["id"]].timestamp = int(time.time()) - seconds


def test_an_edit_is_told_answered_and_shown_on_the_phone(world, receiver):
    world.open(webhook={"url": receiver.url, "events": ["SEND_MESSAGE_UPDATE", "MESSAGES_EDITED", "MESSAGES_UPSERT"]})
    key = sent_key(world)

    answer = edit(world, key)

    body, [echo] = answer.get_json(), receiver.wait_for("send.message.update")
    protocol = body["message"]["protocolMessage"]
    assert (answer.status_code, body["key"]["remoteJid"], body["key"]["id"] != key["id"]) == (200, MARIA, True)
    assert (protocol["key"], protocol["type"]) == (key, 14)
    assert protocol["editedMessage"] == {"extendedTextMessage": {"text": "Fechamos às 19h"}}
    assert echo.data == protocol
    assert phone(world) == (["Fechamos às 19h"], ["Edited"])
    assert [one.event for one in receiver.received] == ["send.message.update"]


def test_a_deletion_is_told_with_the_stored_message_and_shown_on_the_phone(world, receiver):
    world.open(webhook={"url": receiver.url, "events": ["MESSAGES_DELETE"]})
    key = sent_key(world)

    answer = delete(world, key)

    [echo] = receiver.wait_for("messages.delete")
    assert (answer.status_code, answer.get_json()["message"]["protocolMessage"]) == (201, {"key": key, "type": 0})
    assert (echo.data["key"], echo.data["status"]) == ({**key, "deleted": True}, "DELETED")
    assert echo.data["message"]["conversation"] == "Fechamos às 18h"
    assert phone(world)[0] == ["This message was deleted."]


def test_changes_are_among_the_sends(world):
    world.open()
    key = sent_key(world)

    edit(world, key)
    delete(world, key)

    sends = [(one["kind"], one["text"], one["refersTo"]) for one in world.http.get("/simulator/sends").get_json()]
    assert sends[1:] == [("edit", "Fechamos às 19h", key["id"]), ("deletion", "", key["id"])]


@pytest.mark.parametrize(
    ("change", "seconds", "shown"),
    [(edit, 15 * 60, "Fechamos às 18h"), (delete, 60 * 3600, "Fechamos às 18h")],
    ids=["edit", "delete"],
)
def test_what_comes_too_late_is_taken_and_ignored_by_every_phone(world, change, seconds, shown):
    world.open()
    key = sent_key(world)
    age(world, key, seconds)

    assert change(world, key).status_code in (200, 201)
    assert phone(world)[0] == [shown]


def test_the_customers_messages_are_not_the_shops_to_change(world):
    world.open()
    world.http.post("/phone/messages", data={**PLACE, "text": "Abre hoje?"})
    [message] = world.simulator.instances.find("shop").messages.values()
    key = {**message.key, "fromMe": True}

    edit(world, key)
    delete(world, key)

    assert phone(world)[0] == ["Abre hoje?"]


def test_an_edit_of_what_is_not_stored_or_of_another_chat_is_refused(world):
    world.open()
    key = sent_key(world)

    unknown = edit(world, {**key, "id": "3EB0000000000000000000"})
    elsewhere = edit(world, key, number="5531999990003@s.whatsapp.net")

    assert (unknown.status_code, words(unknown)) == (400, ["Message not compatible"])
    assert (elsewhere.status_code, words(elsewhere)) == (400, ["RemoteJid does not match"])
    assert phone(world) == (["Fechamos às 18h"], [])


@pytest.mark.parametrize("lacking", ["id", "remoteJid", "fromMe"])
def test_a_change_that_lacks_something_is_refused(world, lacking):
    world.open()
    key = {name: value for name, value in sent_key(world).items() if name != lacking}

    answers = [edit(world, key), delete(world, key)]

    assert [answer.status_code for answer in answers] == [400, 400]
    assert [words(answer)[0][0].endswith(f'requires property "{lacking}"') for answer in answers] == [True, True]


def test_nothing_is_changed_while_the_phone_is_away(world):
    world.open()
    key = sent_key(world)
    world.simulator.instances.find("shop").socket.state = "close"

    closed, failed = edit(world, key), delete(world, key)

    assert (closed.status_code, words(closed)) == (500, "Connection Closed")
    told = ["Error while deleting message for everyone", "Error: Connection Closed"]
    assert (failed.status_code, words(failed)) == (500, told)
