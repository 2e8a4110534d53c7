"""Sending files, with the examples of the contract."""

import base64
import hashlib
import io
import re

import pytest

PDF = base64.b64decode("JVBERi0xLjQKJSBkZW1vCg==")
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PICTURE = {
    "number": "5511999990002",
    "mediatype": "image",
    "media": base64.b64encode(PNG).decode(),
    "fileName": "abc.jpg",
    "caption": "Modelo azul",
}
DOCUMENT = {
    "number": "5511999990002",
    "mediatype": "document",
    "media": "JVBERi0xLjQKJSBkZW1vCg==",
    "fileName": "orcamento.pdf",
    "caption": "Orçamento",
}
ALL = ["SEND_MESSAGE", "MESSAGES_UPDATE"]
NOT_MEDIA = ["Owned media must be a url or base64"]


def send(world, body):
    return world.call("POST", "/message/sendMedia/shop", body)


def test_a_picture_leaves_and_is_delivered_and_read(world, receiver):
    world.open(webhook={"url": receiver.url, "events": ALL})

    answer = send(world, PICTURE)
    [echo] = receiver.wait_for("send.message")
    receipts = receiver.wait_for("messages.update", 2)

    body = answer.get_json()
    assert answer.status_code == 201
    assert (body["status"], body["messageType"], body["pushName"]) == ("PENDING", "imageMessage", "Você")
    assert list(body["message"]["imageMessage"]) == [
        "interactiveAnnotations",
        "scanLengths",
        "annotations",
        "url",
        "mimetype",
        "caption",
        "fileSha256",
        "fileLength",
        "height",
        "width",
        "mediaKey",
        "fileEncSha256",
        "directPath",
        "mediaKeyTimestamp",
        "jpegThumbnail",
        "fileName",
        "contextInfo",
    ]
    assert bytes(body["message"]["imageMessage"]["fileSha256"].values()) == hashlib.sha256(PNG).digest()
    assert body["message"]["imageMessage"]["fileLength"] == {"low": len(PNG), "high": 0, "unsigned": True}
    assert body["message"]["imageMessage"]["contextInfo"] == body["contextInfo"]
    assert echo.data == body
    assert {one.data["status"] for one in receipts} == {"DELIVERY_ACK", "READ"}
    [sent] = world.http.get("/simulator/sends").get_json()
    assert {name: sent[name] for name in ("kind", "text", "fileName", "mimeType", "sha256", "size", "keyId")} == {
        "kind": "image",
        "text": "Modelo azul",
        "fileName": "abc.jpg",
        "mimeType": "image/jpeg",
        "sha256": hashlib.sha256(PNG).hexdigest(),
        "size": len(PNG),
        "keyId": body["key"]["id"],
    }


@pytest.mark.parametrize(
    ("changes", "message_type", "mime_type", "name"),
    [
        ({}, "documentMessage", "application/pdf", "orcamento.pdf"),
        ({"mimetype": "text/plain"}, "documentMessage", "application/pdf", "orcamento.pdf"),
        ({"fileName": "tabela"}, "documentMessage", "false", "tabela"),
        ({"mediatype": "video", "fileName": "v.mp4"}, "videoMessage", "video/mp4", "v.mp4"),
        ({"mediatype": "video", "fileName": None}, "videoMessage", "video/mp4", "video.mp4"),
        ({"mediatype": "audio", "fileName": "a.mp3"}, "audioMessage", "audio/mpeg", "a.mp3"),
        ({"mediatype": "audio", "fileName": None, "mimetype": "audio/ogg"}, "audioMessage", "audio/ogg", None),
        ({"mediatype": "image", "fileName": "a.png"}, "imageMessage", "image/jpeg", "a.png"),
    ],
)
def test_the_name_decides_the_type(world, changes, message_type, mime_type, name):
    world.open()
    body = {field: value for field, value in {**DOCUMENT, **changes}.items() if value is not None}

    answer = send(world, body).get_json()

    [content] = answer["message"].values()
    assert (answer["messageType"], content["mimetype"], content.get("fileName")) == (message_type, mime_type, name)
    assert content["caption"] == "Orçamento"


def test_a_file_can_come_as_a_part_of_a_form(world):
    world.open()
    form = {"number": "5511999990002", "mediatype": "document", "fileName": "orcamento.pdf"}

    answer = world.http.post(
        "/message/sendMedia/shop",
        data={**form, "file": (io.BytesIO(PDF), "anything.bin")},
        headers={"apikey": "a-global-key-for-tests"},
    )
    with_delay = world.http.post(
        "/message/sendMedia/shop",
        data={**form, "delay": "5", "file": (io.BytesIO(PDF), "x")},
        headers={"apikey": "a-global-key-for-tests"},
    )

    assert answer.status_code == 201
    [sent] = world.http.get("/simulator/sends").get_json()
    assert (sent["fileName"], sent["sha256"]) == ("orcamento.pdf", hashlib.sha256(PDF).hexdigest())
    assert with_delay.get_json()["response"]["message"] == [["Enter a value in milliseconds"]]


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"mediatype": None}, 400, [['instance requires property "mediatype"']]),
        ({"mediatype": "gif"}, 400, [["mediatype is not one of enum values: image,document,video,audio"]]),
        ({"number": 5511999990002}, 400, [["Invalid format"]]),
        ({"media": "data:image/png;base64,iVBORw0KGgo="}, 400, NOT_MEDIA),
        ({"media": "http://localhost:5000/a.png"}, 400, NOT_MEDIA),
        ({"media": "http://minio:9000/a.png"}, 400, NOT_MEDIA),
        ({"media": "not a url"}, 400, NOT_MEDIA),
        ({"media": "abc"}, 400, NOT_MEDIA),
        ({"media": None}, 400, NOT_MEDIA),
        ({"fileName": None}, 400, ["For base64 the file name must be informed."]),
        ({"media": ""}, 500, ["Error: (no content)"]),
        (
            {"media": "https://portal.example.test/m/abc.jpg"},
            500,
            ["AxiosError: getaddrinfo ENOTFOUND portal.example.test"],
        ),
        ({"media": "http://10.0.0.5:9000/v.mp4?sig=x"}, 500, ["AxiosError: getaddrinfo ENOTFOUND 10.0.0.5"]),
        ({"number": "120363000000000000@g.us"}, 400, ["[object Object]"]),
        (
            {"number": "5511999990008"},
            400,
            [{"jid": "5511999990008@s.whatsapp.net", "exists": False, "number": "5511999990008"}],
        ),
    ],
)
def test_what_cannot_be_sent_is_refused_and_nothing_leaves(world, changes, status, message):
    world.open()
    body = {name: value for name, value in {**DOCUMENT, **changes}.items() if value is not None}

    answer = send(world, body)

    assert (answer.status_code, answer.get_json()["response"]["message"]) == (status, message)
    assert world.http.get("/simulator/sends").get_json() == []


def test_a_file_on_this_machine_is_fetched(world, receiver):
    world.open()
    receiver.answers.extend([(200, None), (404, None)])

    empty = send(world, {**DOCUMENT, "media": f"{receiver.url}/m/orcamento.pdf"})
    missing = send(world, {**DOCUMENT, "media": f"{receiver.url}/m/orcamento.pdf"})

    assert [one.path for one in receiver.received] == ["/m/orcamento.pdf", "/m/orcamento.pdf"]
    assert empty.get_json()["response"]["message"] == ["Error: (no content)"]
    assert missing.get_json()["response"]["message"] == ["AxiosError: Request failed with status code 404"]
    assert (empty.status_code, missing.status_code) == (500, 500)


def test_an_instance_that_is_not_open_cannot_upload(make_world):
    world = make_world(first_qr_s=60)
    world.create()

    never = send(world, DOCUMENT)
    world.call("GET", "/instance/connect/shop")
    connecting = send(world, DOCUMENT)

    assert never.status_code == connecting.status_code == 500
    assert never.get_json()["response"]["message"] == [
        "TypeError: Cannot read properties of undefined (reading 'waUploadToServer')"
    ]
    assert connecting.get_json()["response"]["message"] == ["Error: Connection Closed"]


@pytest.mark.parametrize(("version", "is_kept"), [("2.3.6", False), ("2.4.0", True)])
def test_the_callers_message_id_counts_from_2_4(make_world, version, is_kept):
    world = make_world(version=version)
    world.open()

    given = send(world, {**DOCUMENT, "messageId": "3EB0000000000000000001"}).get_json()["key"]["id"]

    assert (given == "3EB0000000000000000001") is is_kept


def test_faults_strike_files_as_they_strike_texts(world):
    world.open()
    world.http.put("/simulator/settings", json={"faults": {"timedOut": {"rate": 1, "afterSend": True}}})

    answer = send(world, DOCUMENT)

    assert answer.get_json()["response"]["message"] == ["Error: Timed Out"]
    assert [one["fault"] for one in world.http.get("/simulator/sends").get_json()] == ["timedOut"]


def test_a_file_is_found_and_outlives_the_run(make_world, state_file):
    first = make_world(state_file=state_file)
    first.open()
    send(first, DOCUMENT)
    first.send(text="a text")
    first.simulator.stop()

    second = make_world(state_file=state_file)
    second.wait_for_state("shop", "open")
    where = {"messageType": "documentMessage"}
    found = second.call("POST", "/chat/findMessages/shop", {"where": where}).get_json()["messages"]

    [record] = found["records"]
    assert (record["messageType"], record["message"]["documentMessage"]["fileName"]) == (
        "documentMessage",
        "orcamento.pdf",
    )


def test_the_customers_phone_shows_the_picture_and_the_document(world):
    world.open()
    send(world, PICTURE)
    send(world, DOCUMENT)

    shown = world.http.get("/phone", query_string={"shop": "shop", "customer": "5511999990002"}).text
    source = re.search(r'<img class="bubble__picture" src="([^"]+)"', shown)[1]
    picture = world.http.get(source)
    links = re.findall(r'href="(/phone/files/[^"]+)" download="([^"]+)"', shown)

    assert (picture.mimetype, picture.data) == ("image/png", PNG)
    assert [name for _, name in links] == ["abc.jpg", "orcamento.pdf"]
    document = world.http.get(links[1][0])
    assert (document.headers["Content-Disposition"], document.data) == ("attachment", PDF)
    assert document.headers["X-Content-Type-Options"] == "nosniff"
    assert "Modelo azul" in shown
    assert "16 bytes" in shown
    assert world.http.get("/phone/files/unknown").status_code == 404
