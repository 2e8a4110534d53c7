"""The forms of the page that write anything, change it, call, and harm."""

import re

import pytest

from local.evolution.forms import DEEDS, KINDS
from local.evolution.kinds import KINDS as OTHER_KINDS
from local.evolution.sample_files import SAMPLES

PLACE = {"shop": "shop", "customer": "5511999990002"}


def form(world, path, **fields):
    answer = world.http.post(f"/phone/{path}", data={**PLACE, **fields})
    return world.http.get(answer.headers["Location"]).text if answer.status_code == 303 else answer.text


def stored(world):
    return list(world.simulator.instances.find("shop").messages.values())


def texts(shown):
    return re.findall(r'<span class="bubble__text">([^<]*)</span>', shown)


def reactions(shown):
    return re.findall(r'<span class="bubble__reactions">([^<]*)</span>', shown)


def test_every_kind_is_offered():
    assert set(KINDS) == set(OTHER_KINDS) | set(SAMPLES)


@pytest.mark.parametrize("side", ["customer", "shop"])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("reaction", "pollVote")])
def test_each_kind_is_sent_by_the_form_with_its_fields_left_empty(world, kind, side):
    world.open()
    text = {"text": "Oi"} if KINDS[kind][1] == "text" else {}

    form(world, "writings", kind=kind, side=side, place="person", target="", quote="", **text)

    [message] = stored(world)
    assert message.is_from_shop is (side == "shop")


def test_the_fields_of_the_form_reach_the_message(world):
    world.open()

    form(world, "writings", kind="poll", question="Quando?", options="Hoje, Amanhã")
    form(world, "writings", kind="location", latitude="-8.05", longitude="-34.9", forwarded="1")
    form(world, "writings", kind="image", caption="Assim", ephemeral="1", place="group")

    poll, place, picture = stored(world)
    assert poll.text == "📊 Quando? Hoje / Amanhã"
    assert place.message["locationMessage"]["degreesLatitude"] == -8.05
    assert place.context["isForwarded"] is True
    assert (picture.type, picture.text, picture.chat) == ("ephemeralMessage", "Assim", "120363000000000001@g.us")


def test_a_message_is_reacted_to_voted_on_edited_and_deleted(make_world):
    world = make_world(version="2.3.7")
    world.open()
    form(world, "writings", kind="poll")
    form(world, "writings", kind="text", text="Abre amanha?")
    poll, text = (message.key["id"] for message in stored(world))

    form(world, "writings", kind="reaction", side="shop", target=text, emoji="👍")
    given = world.http.get("/phone", query_string=PLACE).text
    form(world, "writings", kind="reaction", side="shop", target=text, emoji="none")
    form(world, "writings", kind="pollVote", target=poll)
    form(world, "changes", do="edit", target=text, text="Abre amanhã?")
    edited = world.http.get("/phone", query_string=PLACE).text
    deleted = form(world, "changes", do="delete", target=text)

    assert texts(edited) == [
        "📊 Como prefere? Retirar na loja / Receber em casa",
        "Abre amanhã?",
        "🗳 Retirar na loja",
    ]
    assert "Edited" in edited
    assert (reactions(given), reactions(edited)) == (["👍"], [])
    assert texts(deleted)[1] == "This message was deleted."


@pytest.mark.parametrize(
    ("path", "fields", "reason"),
    [
        ("writings", {"kind": "text"}, "text is required"),
        ("writings", {"kind": "reaction"}, "target is required"),
        ("writings", {"kind": "location", "latitude": "north"}, "in digits"),
        ("changes", {"do": "edit"}, "the new text is missing"),
    ],
)
def test_a_form_that_lacks_something_says_what(world, path, fields, reason):
    world.open()
    target = world.send().get_json()["key"]["id"]
    fields = {"target": target, **fields} if path == "changes" else fields

    assert reason in form(world, path, **fields)


def test_a_shop_without_a_phone_gets_nothing(world):
    world.create()

    assert "not connected" in form(world, "writings", kind="image")
    assert "not connected" in form(world, "calls", do="missed")


def test_calls_are_made_by_the_form(world, receiver):
    world.open(webhook={"url": receiver.url, "events": ["CALL"]})

    form(world, "calls", do="missed")

    assert "timeout" in {one.data["status"] for one in receiver.wait_for("call", 3)}


DONE = {
    "webhook-off": lambda shop: not shop.webhook.enabled,
    "webhook-elsewhere": lambda shop: shop.webhook.url.endswith("/elsewhere"),
    "webhook-events": lambda shop: shop.webhook.events == ["CALL"],
    "webhook-gone": lambda shop: shop.webhook is None,
    "close": lambda shop: shop.socket.state == "close",
    "open": lambda shop: shop.is_open,
    "storm": lambda shop: shop.socket.state == "close",
}


@pytest.mark.parametrize("deed", [deed.name for deed in DEEDS])
def test_every_button_of_the_panel_breaks_something(world, receiver, deed):
    world.open(webhook={"url": receiver.url, "events": []})

    form(world, "harm", do=deed)

    shop = world.simulator.instances.find("shop")
    assert shop is None if deed == "gone" else DONE[deed](shop)


def test_an_unknown_button_does_nothing(world):
    world.open()

    assert world.http.post("/phone/harm", data={**PLACE, "do": "explode"}).status_code == 404
