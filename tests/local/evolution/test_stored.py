"""Stored messages and their files, as a client that reconciles asks for them."""

import base64

import pytest

ALL = ["MESSAGES_UPSERT", "SEND_MESSAGE", "MESSAGES_UPDATE"]


def write(world, path="messages", **body):
    answer = world.http.post(f"/simulator/instances/shop/{path}", json={"from": "5511999990002", **body})
    assert answer.status_code == 201, answer.text
    return answer.get_json()["id"]


def fetch(world, key_id, **more):
    message = {"message": {"key": {"id": key_id}, **more}}
    return world.call("POST", "/chat/getBase64FromMediaMessage/shop", message)


def found(world, where, **more):
    return world.call("POST", "/chat/findMessages/shop", {"where": where, **more}).get_json()["messages"]


@pytest.mark.parametrize(
    ("kind", "media_type", "starts", "name"),
    [
        ("image", "imageMessage", b"\xff\xd8\xff", "{id}.jpeg"),
        ("video", "videoMessage", b"\0\0\0\x18ftyp", "{id}.mp4"),
        ("videoNote", "ptvMessage", b"\0\0\0\x18ftyp", "{id}.mp4"),
        ("audio", "audioMessage", b"OggS", "{id}.oga"),
        ("voiceNote", "audioMessage", b"OggS", "{id}.oga"),
        ("document", "documentMessage", b"%PDF-", "comprovante.pdf"),
        ("sticker", "stickerMessage", b"RIFF", "{id}.webp"),
    ],
)
def test_the_file_of_a_stored_message_is_fetched(world, kind, media_type, starts, name):
    world.open()
    key_id = write(world, kind=kind, caption="Olha")

    answer = fetch(world, key_id)

    body = answer.get_json()
    content = base64.b64decode(body["base64"])
    assert answer.status_code == 201
    assert (body["mediaType"], body["buffer"], content.startswith(starts)) == (media_type, None, True)
    assert body["size"]["fileLength"] == {"low": len(content), "high": 0, "unsigned": True}
    # What ends a name of a type that has several is up to the machine's tables.
    assert body["fileName"].rpartition(".")[0] == name.format(id=key_id).rpartition(".")[0]
    [record] = found(world, {"key": {"id": key_id}})["records"]
    assert (record["messageType"], record["message"][media_type]["mimetype"]) == (media_type, body["mimetype"])


def test_a_given_file_is_fetched_as_it_was_given_whatever_it_claims(world):
    world.open()
    given = base64.b64encode(b"MZ not a picture").decode()
    key_id = write(world, kind="image", media=given, mimetype="image/png", fileLength=99_000_000)

    body = fetch(world, key_id).get_json()

    assert (body["base64"], body["mimetype"], body["size"]["fileLength"]["low"]) == (given, "image/png", 99_000_000)


def test_a_file_is_also_fetched_through_its_wrapper(world):
    world.open()
    key_id = write(world, kind="image", viewOnce=True)

    assert fetch(world, key_id).get_json()["mediaType"] == "imageMessage"


def test_what_has_no_file_or_is_unknown_is_refused(make_world):
    world = make_world()
    world.open()
    world.http.put("/simulator/settings", json={"mediaRetryS": 0})
    text, gone = write(world, text="Oi"), write(world, kind="image")
    world.http.post("/simulator/instances/shop/deletions", json={"id": gone})

    answers = [fetch(world, text), fetch(world, "unknown"), fetch(world, gone)]

    assert [one.status_code for one in answers] == [400, 400, 400]
    assert [one.get_json()["response"]["message"] for one in answers] == [
        ["The message is not of the media type"],
        ["Message not found"],
        ["AxiosError: Request failed with status code 410"],
    ]


@pytest.mark.parametrize("failure", ["notFound", "download"])
def test_fetching_can_be_made_to_fail_and_to_work_again(world, failure):
    world.open()
    key_id = write(world, kind="image")

    world.http.put("/simulator/settings", json={"mediaFailure": failure, "mediaRetryS": 0})
    failed = fetch(world, key_id)
    world.http.put("/simulator/settings", json={"mediaFailure": None})

    assert failed.status_code == 400
    assert fetch(world, key_id).status_code == 201


def test_both_sides_are_found_and_only_a_true_from_me_filters(world):
    world.open()
    asked = write(world, text="asked")
    sent = world.send(text="sent").get_json()["key"]["id"]
    own = write(world, "own-messages", to="5511999990002", text="own")

    def ids(key):
        return {record["key"]["id"] for record in found(world, {"key": key})["records"]}

    assert ids({"fromMe": True}) == {sent, own}
    assert ids({"fromMe": False}) == ids({}) == {asked, sent, own}


def test_old_messages_are_found_behind_newer_ones(world):
    world.open()
    newer = write(world, text="newer")
    older = write(world, text="older", timestamp=1_700_000_000)

    page = found(world, {}, offset=1, page=2)
    span = {"gte": "2023-11-14T00:00:00.000Z", "lte": "2023-11-15T00:00:00.000Z"}

    assert [record["key"]["id"] for record in page["records"]] == [older]
    assert (page["total"], page["pages"]) == (2, 2)
    assert [one["key"]["id"] for one in found(world, {"messageTimestamp": span})["records"]] == [older]
    assert found(world, {})["records"][0]["key"]["id"] == newer


def test_a_silent_message_is_stored_and_never_reported(world, receiver):
    world.open(webhook={"url": receiver.url, "events": ALL})

    silent = write(world, text="lost", silent=True)
    write(world, text="heard")

    receiver.wait_for("messages.upsert")
    assert [one.data["message"]["conversation"] for one in receiver.of("messages.upsert")] == ["heard"]
    assert found(world, {"key": {"id": silent}})["total"] == 1


def test_files_travel_in_webhooks_only_when_that_was_asked_for_at_the_start(world, receiver):
    world.open(webhook={"url": receiver.url, "events": ALL, "base64": True})
    key_id = write(world, kind="image")

    [arrived] = receiver.wait_for("messages.upsert")

    assert arrived.data["message"]["base64"] == fetch(world, key_id).get_json()["base64"]
    assert arrived.data["messageType"] == "imageMessage"


def test_the_switch_for_files_in_webhooks_acts_at_the_next_start(world, receiver):
    world.open(webhook={"url": receiver.url, "events": ALL})
    world.http.put("/simulator/instances/shop/webhook", json={"base64": True})
    write(world, kind="image")

    [arrived] = receiver.wait_for("messages.upsert")

    assert "base64" not in arrived.data["message"]
