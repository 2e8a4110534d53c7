"""What differs between versions: encodings, addresses, and what stands beside the content."""

import base64

import pytest

PHONE = "5511999990002@s.whatsapp.net"
EVENTS = ["MESSAGES_UPSERT", "MESSAGES_UPDATE", "MESSAGES_DELETE", "MESSAGES_SET", "CHATS_SET", "CONTACTS_UPSERT"]


@pytest.fixture
def shop_of(make_world, receiver):
    """A connected shop of a version."""

    def make(version, events=EVENTS):
        world = make_world(version=version)
        world.open(webhook={"url": receiver.url, "events": events})
        return world

    return make


def ask(world, path, **body):
    answer = world.http.post(f"/simulator/instances/shop/{path}", json={"from": "5511999990002", **body})
    assert answer.status_code == 201 or answer.status_code == 200, answer.text
    return answer.get_json()


def is_map(value):
    return set(value) == {str(index) for index in range(len(value))}


@pytest.mark.parametrize(
    ("version", "long_type", "lists"),
    [("2.3.2", str, False), ("2.3.5", int, True), ("2.3.6", dict, True), ("2.3.7", dict, True), ("2.4.0", dict, True)],
)
def test_numbers_bytes_and_lists_are_written_by_version(shop_of, receiver, version, long_type, lists):
    world = shop_of(version)
    ask(world, "messages", kind="image")

    [arrived] = receiver.wait_for("messages.upsert")

    image = arrived.data["message"]["imageMessage"]
    assert type(image["fileLength"]) is long_type
    assert ("annotations" in image) is lists
    if version == "2.3.2":
        assert base64.b64decode(image["jpegThumbnail"]).startswith(b"\xff\xd8")
    else:
        assert is_map(image["jpegThumbnail"])
    found = world.call("POST", "/chat/findMessages/shop", {"where": {}}).get_json()["messages"]["records"]
    assert found[0]["message"] == arrived.data["message"]


@pytest.mark.parametrize(("version", "shown"), [("2.3.2", "DISPLAY_TEXT"), ("2.3.6", 1)])
def test_enumerations_are_names_or_numbers(shop_of, receiver, version, shown):
    ask(shop_of(version), "messages", kind="buttonAnswer")

    [arrived] = receiver.wait_for("messages.upsert")

    assert arrived.data["message"]["buttonsResponseMessage"]["type"] == shown


LID_KEYS = {
    "2.3.0": {"remoteJid": "LID", "senderPn": PHONE},
    "2.3.2": {"remoteJid": PHONE, "previousRemoteJid": "LID", "senderPn": PHONE},
    "2.3.5": {
        "remoteJid": PHONE,
        "remoteJidAlt": PHONE,
        "previousRemoteJid": "LID",
        "participant": "",
        "addressingMode": "lid",
    },
    "2.3.6": {"remoteJid": "LID", "remoteJidAlt": PHONE, "participant": "", "addressingMode": "lid"},
    "2.3.7": {"remoteJid": PHONE, "remoteJidAlt": PHONE, "participant": "", "addressingMode": "lid"},
    "2.4.0": {"remoteJid": PHONE, "remoteJidAlt": "LID", "participant": "", "addressingMode": "pn"},
}


@pytest.mark.parametrize("version", list(LID_KEYS))
def test_an_anonymous_sender_is_told_by_version(shop_of, receiver, version):
    ask(shop_of(version), "messages", text="Oi", addressing="lid")

    [arrived] = receiver.wait_for("messages.upsert")

    key = {name: value for name, value in arrived.data["key"].items() if name not in ("id", "fromMe")}
    assert {name: "LID" if value.endswith("@lid") else value for name, value in key.items()} == LID_KEYS[version]


def test_an_anonymous_sender_can_come_without_a_number(shop_of, receiver):
    ask(shop_of("2.3.6"), "messages", text="Oi", addressing="lidOnly")

    [arrived] = receiver.wait_for("messages.upsert")

    assert arrived.data["key"]["remoteJid"].endswith("@lid")
    assert PHONE not in str(arrived.data)


@pytest.mark.parametrize("version", ["2.3.2", "2.3.6"])
def test_the_older_library_knows_one_address(shop_of, receiver, version):
    ask(shop_of(version), "messages", text="Oi")

    [arrived] = receiver.wait_for("messages.upsert")

    is_old = version == "2.3.2"
    assert (set(arrived.data["key"]) == {"remoteJid", "fromMe", "id"}) is is_old


def test_addressing_is_set_for_all_for_one_instance_and_for_one_message(shop_of, receiver):
    world = shop_of("2.3.6")

    world.http.put("/simulator/settings", json={"addressing": "lid"})
    ask(world, "messages", text="all")
    world.http.put("/simulator/instances/shop/addressing", json={"addressing": "pn"})
    ask(world, "messages", text="instance")
    ask(world, "messages", text="message", addressing="lid")

    arrived = {one.data["message"]["conversation"]: one.data["key"] for one in receiver.wait_for("messages.upsert", 3)}
    modes = {text: key["addressingMode"] for text, key in arrived.items()}
    assert modes == {"all": "lid", "instance": "pn", "message": "lid"}


@pytest.mark.parametrize("version", ["2.3.7", "2.4.0"])
def test_a_text_loses_its_quote_from_2_4_on(shop_of, receiver, version):
    world = shop_of(version)
    sent = world.send().get_json()["key"]["id"]
    ask(world, "messages", text="Sim", quote=sent)

    [arrived] = receiver.wait_for("messages.upsert")

    assert ("stanzaId" in arrived.data["contextInfo"]) is (version == "2.3.7")


@pytest.mark.parametrize(("version", "told"), [("2.3.7", {"messageType": "unknown"}), ("2.4.0", {})])
def test_what_has_no_content_is_unknown_or_nothing(shop_of, receiver, version, told):
    ask(shop_of(version), "messages", kind="empty")

    [arrived] = receiver.wait_for("messages.upsert")

    assert {name: value for name, value in arrived.data.items() if name == "messageType"} == told


@pytest.mark.parametrize(("version", "is_reported"), [("2.3.6", False), ("2.3.7", True)])
def test_votes_are_reported_from_2_3_7_on(shop_of, receiver, version, is_reported):
    world = shop_of(version)
    poll = ask(world, "messages", kind="poll", options=["Sim", "Não"])["id"]

    vote = ask(world, "messages", kind="pollVote", target=poll, options=["Não"])
    ask(world, "messages", text="depois")

    arrived = {one.data["messageType"]: one.data for one in receiver.wait_for("messages.upsert", 2 + is_reported)}
    assert vote["reported"] is is_reported
    assert ("pollUpdateMessage" in arrived) is is_reported
    if is_reported:
        assert arrived["pollUpdateMessage"]["message"]["pollUpdateMessage"]["pollCreationMessageKey"]["id"] == poll
        assert arrived["pollUpdateMessage"]["pollUpdates"] == [
            {"name": "Sim", "voters": []},
            {"name": "Não", "voters": [PHONE]},
        ]


@pytest.mark.parametrize(("version", "statuses"), [("2.3.2", ["DELETED"]), ("2.3.6", []), ("2.3.7", ["SERVER_ACK"])])
def test_an_edit_looks_like_a_status_in_some_versions(shop_of, receiver, version, statuses):
    world = shop_of(version)
    written = ask(world, "messages", text="Abre amanha?")["id"]

    ask(world, "edits", id=written, text="Abre amanhã?")
    ask(world, "deletions", id=written)

    [deleted] = receiver.wait_for("messages.delete")
    updates = receiver.wait_for("messages.update", len(statuses))
    assert [one.data["status"] for one in updates] == statuses
    assert deleted.data.get("status") == ("DELETED" if version == "2.3.7" else None)


def test_the_version_changes_while_it_runs(world):
    world.http.put("/simulator/settings", json={"version": "2.4.0"})

    assert world.call("GET", "/").get_json()["version"] == "2.4.0"
    assert world.http.get("/simulator/settings").get_json()["version"] == "2.4.0"


@pytest.mark.parametrize(
    "body", [{"version": "latest"}, {"version": 2.4}, {"addressing": "name"}, {"mediaFailure": "sometimes"}]
)
def test_what_no_version_is_changes_nothing(world, body):
    before = world.http.get("/simulator/settings").get_json()

    assert world.http.put("/simulator/settings", json=body).status_code == 400
    assert world.http.get("/simulator/settings").get_json() == before


@pytest.mark.parametrize(("version", "status"), [("2.3.7", 400), ("2.4.0", 201)])
def test_the_list_of_events_grew(make_world, version, status):
    world = make_world(version=version)
    world.create()
    webhook = {"enabled": True, "url": "http://127.0.0.1:9/", "events": ["MESSAGING_HISTORY_SET"]}

    assert world.call("POST", "/webhook/set/shop", {"webhook": webhook}).status_code == status


@pytest.mark.parametrize("version", ["2.3.6", "2.3.7", "2.4.0"])
def test_history_comes_in_several_webhooks(shop_of, receiver, version):
    world = shop_of(version, events=[])

    made = ask(world, "history", messages=25, chats=4, perWebhook=10, numbers=["5531999990003"])

    webhooks = receiver.wait_for("messages.set", 3)
    told = {(one.json.get("isLatest"), one.json.get("progress")) for one in webhooks}
    messages = [message for one in webhooks for message in one.data]
    keys = [message["key"] for message in messages]
    assert sorted(len(one.data) for one in webhooks) == [5, 10, 10]
    assert told == ({(None, None)} if version == "2.3.6" else {(False, 40), (False, 80), (True, 100)})
    if version != "2.3.6":
        assert list(webhooks[0].json)[:2] == ["isLatest", "progress"]
    assert {key["id"] for key in keys} == set(made["ids"])
    assert {key["fromMe"] for key in keys} == {True, False}
    assert len({key["remoteJid"] for key in keys}) == 4
    assert len({message["messageTimestamp"] for message in messages}) == 25
    [chats] = receiver.wait_for("chats.set")
    [contacts] = receiver.wait_for("contacts.upsert")
    assert chats.data[0]["remoteJid"] == contacts.data[0]["remoteJid"] == "553199990003@s.whatsapp.net"
    ends = receiver.wait_for("messaging-history.set") if version == "2.4.0" else receiver.of("messaging-history.set")
    assert len(ends) == (version == "2.4.0")


def test_history_is_found_behind_what_came_after_it(shop_of):
    world = shop_of("2.3.6")
    newest = ask(world, "messages", text="Oi")["id"]
    ask(world, "history", messages=60, chats=3)

    found = world.call("POST", "/chat/findMessages/shop", {"where": {}}).get_json()["messages"]

    times = [record["messageTimestamp"] for record in found["records"]]
    assert (found["total"], found["pages"], found["records"][0]["key"]["id"]) == (61, 2, newest)
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize("body", [{"messages": 0}, {"messages": 10**9}, {"chats": "many"}])
def test_a_history_has_a_sensible_size(world, body):
    world.open()

    assert world.http.post("/simulator/instances/shop/history", json=body).status_code == 400
