"""What happens after and beside writing: edits, deletions, reading, calls."""

import pytest

from tests.local.evolution.writing import EVENTS, OWN, ask, write


@pytest.fixture
def shop(world, receiver):
    world.open(webhook={"url": receiver.url, "events": EVENTS})
    return world


def test_a_customers_edit_is_told_from_the_customers_view_in_the_oldest_style(shop, receiver):
    key = write(shop, receiver, text="Abre amanha?")["key"]

    ask(shop, "edits", {"id": key["id"], "text": "Abre amanhã?"})

    [edited] = receiver.wait_for("messages.edited")
    assert edited.data["key"] == {"remoteJid": OWN, "fromMe": True, "id": key["id"]}
    assert (edited.data["type"], edited.data["editedMessage"]) == ("MESSAGE_EDIT", {"conversation": "Abre amanhã?"})
    assert edited.data["timestampMs"].isdigit()
    where = {"where": {"key": {"id": key["id"]}}}
    [record] = shop.call("POST", "/chat/findMessages/shop", where).get_json()["messages"]["records"]
    assert (record["message"]["conversation"], record["MessageUpdate"]) == ("Abre amanhã?", [{"status": "EDITED"}])


def test_the_caption_of_a_file_is_edited(shop, receiver):
    key = write(shop, receiver, kind="image", caption="Assim")["key"]

    ask(shop, "edits", {"id": key["id"], "text": "Chegou assim"})

    [edited] = receiver.wait_for("messages.edited")
    image = edited.data["editedMessage"]["imageMessage"]
    assert (image["caption"], type(image["fileLength"]), type(image["mediaKey"])) == ("Chegou assim", str, str)


@pytest.mark.parametrize("path", ["messages", "own-messages"], ids=["customer", "own phone"])
def test_a_deletion_is_a_revoke_and_the_bare_key(shop, receiver, path):
    key = write(shop, receiver, path, text="Engano")["key"]

    ask(shop, "deletions", {"id": key["id"]})

    [deleted] = receiver.wait_for("messages.delete")
    [revoked] = receiver.wait_for("messages.edited")
    assert deleted.data == key
    assert (revoked.data["type"], revoked.data["key"]["id"]) == ("REVOKE", key["id"])


@pytest.mark.parametrize("path", ["edits", "deletions"])
def test_an_unknown_message_cannot_be_changed(shop, path):
    body = {"id": "unknown", "text": "Oi"}

    assert shop.http.post(f"/simulator/instances/shop/{path}", json=body).status_code == 404


def test_an_edit_holds_up_what_follows_until_it_is_through(shop, receiver, wait_until):
    key = write(shop, receiver, text="primeira")["key"]
    receiver.answers.extend([(500, None)] * 3)

    ask(shop, "edits", {"id": key["id"], "text": "Primeira"})
    write(shop, receiver, text="segunda")

    assert [one.event for one in receiver.received][-5:] == ["messages.edited"] * 4 + ["messages.upsert"]


def test_the_owner_reads_on_the_phone(shop, receiver):
    key = write(shop, receiver, text="Oi")["key"]

    first = ask(shop, "own-reads", {"number": "5511999990002"})
    again = ask(shop, "own-reads", {"number": "5511999990002"})

    [read] = receiver.wait_for("messages.update")
    assert (first, again) == ({"read": 1}, {"read": 0})
    assert (read.data["keyId"], read.data["fromMe"], read.data["status"]) == (key["id"], False, "READ")


@pytest.mark.parametrize(
    ("body", "statuses"),
    [
        ({}, {"offer", "ringing", "timeout"}),
        ({"answered": True, "video": True}, {"offer", "ringing", "accept", "terminate"}),
    ],
    ids=["missed", "answered"],
)
def test_a_call_is_told_in_steps_with_one_id(shop, receiver, body, statuses):
    placed = ask(shop, "calls", {"from": "5511999990002", **body})

    steps = [one.data for one in receiver.wait_for("call", len(statuses))]

    assert {one["status"] for one in steps} == statuses
    assert {one["id"] for one in steps} == {placed["id"]}
    assert {one["isVideo"] for one in steps} == {bool(body)}
    assert steps[0]["from"].endswith("@lid")


def test_calls_are_refused_with_a_text_where_the_settings_say_so(shop, receiver):
    shop.http.put("/simulator/instances/shop/settings", json={"rejectCall": True, "msgCall": "Só por mensagem."})

    ask(shop, "calls", {"from": "5511999990002"})

    [text] = receiver.wait_for("messages.upsert")
    assert {one.data["status"] for one in receiver.wait_for("call", 2)} == {"offer", "reject"}
    assert (text.data["key"]["fromMe"], text.data["message"]["conversation"]) == (True, "Só por mensagem.")


def test_what_has_no_text_cannot_be_edited(shop, receiver):
    key = write(shop, receiver, kind="location")["key"]

    answer = shop.http.post("/simulator/instances/shop/edits", json={"id": key["id"], "text": "Aqui"})

    assert answer.status_code == 400
    assert receiver.of("messages.edited") == []


def test_two_edits_follow_each_other(shop, receiver):
    key = write(shop, receiver, text="um")["key"]
    receiver.answers.extend([(500, None)] * 2)

    ask(shop, "edits", {"id": key["id"], "text": "dois"})
    ask(shop, "edits", {"id": key["id"], "text": "três"})

    edits = receiver.wait_for("messages.edited", 4)
    assert [one.data["editedMessage"]["conversation"] for one in edits] == ["dois"] * 3 + ["três"]


def test_a_restart_loses_what_an_edit_held_up(make_world, receiver, wait_until):
    world = make_world(retry_initial_s=60, loading_s=0.01)
    world.open(webhook={"url": receiver.url, "events": EVENTS})
    key = write(world, receiver, text="um")["key"]
    receiver.answers.append((500, None))
    ask(world, "edits", {"id": key["id"], "text": "dois"})
    ask(world, "messages", {"from": "5511999990002", "text": "perdida"})

    world.http.post("/simulator/restart", json={})
    wait_until(lambda: world.tool()["state"] == "open", "the connection after the restart")
    write(world, receiver, text="depois")

    heard = [one.data["message"]["conversation"] for one in receiver.of("messages.upsert")]
    assert heard == ["um", "depois"]
