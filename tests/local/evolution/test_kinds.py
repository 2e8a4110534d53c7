"""Everything that phones write, in the shapes of Evolution."""

import pytest

from tests.local.evolution.writing import EVENTS, OWN, PHONE, write


@pytest.fixture
def shop(world, receiver):
    world.open(webhook={"url": receiver.url, "events": EVENTS})
    return world


CASES = {
    "text": ("conversation", {}),
    "image": ("imageMessage", {"mimetype": "image/jpeg"}),
    "video": ("videoMessage", {"mimetype": "video/mp4"}),
    "videoNote": ("ptvMessage", {"mimetype": "video/mp4"}),
    "audio": ("audioMessage", {"ptt": False}),
    "voiceNote": ("audioMessage", {"ptt": True, "mimetype": "audio/ogg; codecs=opus"}),
    "document": ("documentMessage", {"fileName": "comprovante.pdf", "title": "comprovante.pdf"}),
    "sticker": ("stickerMessage", {"isAnimated": False, "mimetype": "image/webp"}),
    "location": ("locationMessage", {"degreesLatitude": -23.5613, "name": "Loja Exemplo"}),
    "liveLocation": ("liveLocationMessage", {"degreesLongitude": -46.6565}),
    "contact": ("contactMessage", {"displayName": "Carlos Modelo"}),
    "contacts": ("contactsArrayMessage", {"displayName": "2 contatos"}),
    "poll": ("pollCreationMessageV3", {"name": "Como prefere?", "selectableOptionsCount": 1}),
    "listAnswer": ("listResponseMessage", {"title": "Opção 1", "singleSelectReply": {"selectedRowId": "opcao-1"}}),
    "buttonAnswer": ("buttonsResponseMessage", {"selectedDisplayText": "Confirmar", "selectedButtonId": "confirmar"}),
    "templateAnswer": ("templateButtonReplyMessage", {"selectedDisplayText": "Confirmar", "selectedId": "confirmar"}),
    "interactiveAnswer": ("interactiveResponseMessage", {"body": {"text": "Confirmar", "format": 0}}),
    "unknown": ("eventMessage", {"name": "Exemplo"}),
    "adClick": ("conversation", {}),
    "empty": ("unknown", {}),
}


@pytest.mark.parametrize("path", ["messages", "own-messages"], ids=["customer", "own phone"])
@pytest.mark.parametrize("kind", list(CASES))
def test_each_kind_arrives_with_its_content(shop, receiver, kind, path):
    message_type, parts = CASES[kind]

    data = write(shop, receiver, path, kind=kind, text="Oi")

    content = data["message"].get(message_type)
    assert data["messageType"] == message_type
    assert {name: content[name] for name in parts} == parts
    assert [name for name in data["message"] if name not in ("messageContextInfo", message_type)] == []
    assert (data["key"]["fromMe"], data["status"]) == (
        (False, "DELIVERY_ACK") if path == "messages" else (True, "SERVER_ACK")
    )


@pytest.mark.parametrize("kind", ["image", "video", "videoNote"])
def test_pictures_and_films_come_with_a_small_real_picture(shop, receiver, kind):
    data = write(shop, receiver, kind=kind, caption="Chegou assim")

    content = data["message"][data["messageType"]]
    thumbnail = bytes(content["jpegThumbnail"].values())
    assert (thumbnail[:3], thumbnail[-2:]) == (b"\xff\xd8\xff", b"\xff\xd9")
    assert content["caption"] == "Chegou assim"
    assert set(content["fileLength"]) == {"low", "high", "unsigned"}


def test_an_answer_quotes_what_it_answers(shop, receiver):
    sent = shop.send(text="Temos o azul.").get_json()["key"]["id"]

    text = write(shop, receiver, text="Quero esse", quote=sent)
    picture = write(shop, receiver, kind="image", quote=text["key"]["id"])

    assert text["message"]["conversation"] == "Quero esse"
    assert (text["contextInfo"]["stanzaId"], text["contextInfo"]["participant"]) == (sent, OWN)
    assert text["contextInfo"]["quotedMessage"] == {"conversation": "Temos o azul."}
    assert picture["contextInfo"] == picture["message"]["imageMessage"]["contextInfo"]
    assert picture["contextInfo"]["participant"] == PHONE


def test_an_answer_to_something_unknown_has_the_id_alone(shop, receiver):
    data = write(shop, receiver, text="Quero esse", quote="3EB0UNKNOWN")

    assert data["contextInfo"]["stanzaId"] == "3EB0UNKNOWN"
    assert "quotedMessage" not in data["contextInfo"]


def test_a_forward_and_an_ad_are_told_in_the_context(shop, receiver):
    forwarded = write(shop, receiver, text="Olha", forwarded=4)["contextInfo"]
    ad = write(shop, receiver, kind="adClick", text="Vi o anúncio", adTitle="Promoção")["contextInfo"]

    assert (forwarded["isForwarded"], forwarded["forwardingScore"]) == (True, 4)
    assert (ad["externalAdReply"]["title"], ad["externalAdReply"]["sourceType"]) == ("Promoção", "ad")


def test_a_text_alone_has_no_context(shop, receiver):
    assert "contextInfo" not in write(shop, receiver, text="Oi")


def test_wrappers_are_not_opened(shop, receiver):
    once = write(shop, receiver, kind="image", viewOnce=True)
    vanishing = write(shop, receiver, text="Some em 7 dias", ephemeral=True)
    both = write(shop, receiver, kind="image", viewOnce=True, ephemeral=True)
    gone = write(shop, receiver, kind="image", viewOnce="unavailable")

    assert once["messageType"] == "viewOnceMessageV2"
    assert once["message"]["viewOnceMessageV2"]["message"]["imageMessage"]["viewOnce"] is True
    assert vanishing["messageType"] == "ephemeralMessage"
    assert vanishing["message"]["ephemeralMessage"]["message"]["extendedTextMessage"]["text"] == "Some em 7 dias"
    assert "viewOnceMessageV2" in both["message"]["ephemeralMessage"]["message"]
    assert (gone["messageType"], gone["key"]["isViewOnce"]) == ("unknown", True)


def test_a_reaction_names_its_target_and_is_taken_back_by_nothing(shop, receiver):
    sent = shop.send().get_json()["key"]

    given = write(shop, receiver, kind="reaction", target=sent["id"], emoji="👍")
    removed = write(shop, receiver, kind="reaction", target=sent["id"], emoji="")

    assert given["message"]["reactionMessage"]["key"]["id"] == sent["id"]
    assert given["message"]["reactionMessage"]["key"]["fromMe"] is True
    assert [one["message"]["reactionMessage"]["text"] for one in (given, removed)] == ["👍", ""]


@pytest.mark.parametrize(
    ("place", "chat"),
    [("group", "120363000000000001@g.us"), ("story", "status@broadcast"), ("broadcast", "1500000000@broadcast")],
)
@pytest.mark.parametrize("path", ["messages", "own-messages"], ids=["customer", "own phone"])
def test_other_places_name_who_wrote(shop, receiver, place, chat, path):
    shop.http.put("/simulator/instances/shop/settings", json={"readStatus": True})

    key = write(shop, receiver, path, text="Oi", place=place, addressing="lid")["key"]

    author = PHONE if path == "messages" else OWN
    assert (key["remoteJid"], key["participantAlt"], key["addressingMode"]) == (chat, author, "lid")
    assert key["participant"].endswith("@lid")
    assert "remoteJidAlt" not in key


def test_a_given_id_and_time_are_kept_so_that_a_message_can_come_twice(shop, receiver):
    twice = [write(shop, receiver, text="Oi", id="3ATWICE", timestamp=1_761_055_300) for _ in range(2)]

    assert [(one["key"]["id"], one["messageTimestamp"]) for one in twice] == [("3ATWICE", 1_761_055_300)] * 2


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "smell"},
        {"text": " "},
        {"kind": "reaction"},
        {"kind": "pollVote", "target": "unknown"},
        {"text": "Oi", "place": "moon"},
        {"text": "Oi", "viewOnce": True},
        {"text": "Oi", "addressing": "name"},
        {"kind": "image", "media": "not base64!"},
        {"kind": "location", "latitude": "far"},
    ],
)
def test_what_no_phone_can_write_is_refused(shop, receiver, body):
    answer = shop.http.post("/simulator/instances/shop/messages", json={"from": "5511999990002", **body})

    assert answer.status_code == 400
    assert answer.get_json()["error"]
    assert receiver.of("messages.upsert") == []
