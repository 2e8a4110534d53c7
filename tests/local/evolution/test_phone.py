"""The page of simulated phones, with plain forms."""

import re

import pytest


def page(world, **query):
    return world.http.get("/phone", query_string=query).text


def test_a_new_shop_shows_its_code_and_a_button_to_scan(world, wait_until):
    world.create(qrcode=True, number="5511999990001")
    wait_until(lambda: world.tool()["code"], "a QR code")

    shown = page(world)

    code = world.tool()["pairingCode"]
    assert 'data-testid="scan"' in shown
    assert 'src="data:image/png;base64,' in shown
    assert f"{code[:4]}-{code[4:]}" in shown
    assert re.search(r'name="number"[^>]*value="55119\d{8}"', shown)


def test_scanning_by_the_form_opens_the_shop(world, wait_until):
    world.create(qrcode=True)
    wait_until(lambda: world.tool()["code"], "a QR code")

    answer = world.http.post(
        "/phone/scan", data={"shop": "shop", "number": "5511999990001", "profile_name": "Loja Centro"}
    )
    world.wait_for_state("shop", "open")

    assert answer.status_code == 303
    assert world.tool()["profileName"] == "Loja Centro"
    assert "Loja Centro" in page(world)


def test_the_chat_shows_both_sides_escaped(world):
    world.open()
    world.http.post("/phone/messages", data={"shop": "shop", "customer": "5531999990003", "text": "<b>Oi</b>"})
    world.send("5531999990003", "Olá, João!")

    shown = page(world, shop="shop", customer="5531999990003")

    assert re.findall(r'data-testid="bubble" data-side="(\w+)"', shown) == ["sent", "received"]
    assert "&lt;b&gt;Oi&lt;/b&gt;" in shown
    assert "Olá, João!" in shown


def test_writing_to_a_closed_shop_says_why_nothing_happens(world):
    world.create()

    answer = world.http.post(
        "/phone/messages", data={"shop": "shop", "customer": "5511999990002", "text": "Oi"}, follow_redirects=True
    )

    assert "not connected" in answer.text


def test_a_customer_can_be_added_and_a_stranger_is_listed_once_written_to(world):
    world.open()
    world.send("5541999990007")

    world.http.post("/phone/customers", data={"shop": "shop", "name": "Rui Exemplo", "customer": "+55 11 99999-0005"})
    shown = page(world, shop="shop")

    assert "Rui Exemplo" in shown
    assert "554199990007" in shown


@pytest.mark.parametrize("part", ["shops", "chat"])
def test_a_poll_is_answered_with_nothing_while_nothing_changed(world, part):
    world.open()
    shown = page(world)
    poll = re.search(rf'hx-get="(/phone/{part}[^"]*)"', shown)[1].replace("&amp;", "&")

    unchanged = world.http.get(poll)
    world.http.post("/simulator/instances/shop/messages", json={"from": "5511999990002", "text": "Oi"})
    world.http.post("/simulator/instances/shop/unlink")
    changed = world.http.get(poll)

    assert unchanged.status_code == 204
    assert (changed.status_code, f'id="{part}"' in changed.text) == (200, True)


def test_the_page_needs_nothing_inline(world):
    world.open()

    answer = world.http.get("/phone")

    assert "'unsafe-inline'" not in answer.headers["Content-Security-Policy"]
    assert not re.search(r"<style|style=|<script(?![^>]*src=)|\son\w+=", answer.text)


@pytest.mark.parametrize("path", ["/static-lib/htmx.min.js", "/static/phone.css"])
def test_the_pages_own_files_are_served(world, path):
    with world.http.get(path) as answer:
        assert answer.status_code == 200
        assert len(answer.data) > 1000


def form_of(shown):
    """What a browser would send of the form of faults."""
    form = re.search(r'<form class="faults__form".*?</form>', shown, re.DOTALL)[0]
    numbers = re.findall(r'name="([^"]+)" type="number"[^>]*value="([^"]*)"', form)
    ticked = re.findall(r'name="([^"]+)" type="checkbox" value="1"[^>]*checked', form)
    variant = re.search(r'value="(\w+)" selected', form)[1]
    return {**dict(numbers), **dict.fromkeys(ticked, "1"), "variant.serverError": variant}


def faults_on(shown):
    return re.search(r'data-testid="faults-on">([^<]*)<', shown)[1]


def test_the_panel_of_faults_begins_with_everything_off(world):
    shown = page(world)

    assert faults_on(shown) == "all off"
    assert '<details class="faults__panel" >' in shown


def test_faults_are_switched_on_and_off_by_the_form(world):
    world.open()
    form = form_of(page(world))
    changes = {"rate.hang": "2.5", "after.hang": "1", "on.licence": "1", "from.latency": "0.5", "to.latency": "2"}

    answer = world.http.post("/phone/faults", data={**form, **changes, "shop": "shop"})
    settings = world.http.get("/simulator/settings").get_json()["faults"]
    shown = world.http.get(answer.headers["Location"]).text
    world.http.post("/phone/faults", data=form_of(shown))
    unchanged = world.http.get("/simulator/settings").get_json()["faults"]
    world.http.post("/phone/faults/off")

    assert (answer.status_code, answer.headers["Location"].split("#")[1]) == (303, "faults")
    assert settings["hang"] == {"rate": 0.025, "afterSend": True}
    assert (settings["licence"], settings["hangAll"], settings["latency"]["seconds"]) == (True, False, [0.5, 2.0])
    assert faults_on(shown) == "2 on: No answer, Licence missing"
    assert '<details class="faults__panel" open>' in shown
    assert unchanged == settings
    assert faults_on(page(world)) == "all off"


def test_the_panel_counts_how_often_a_fault_struck(world):
    world.open()
    world.http.put("/simulator/settings", json={"faults": {"timedOut": 1}})

    world.send()

    assert "Struck so far: 1." in page(world)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rate.hang": "60", "rate.timedOut": "60"}, "must not add up to more than 1"),
        ({"rate.hang": "often"}, "“often” is not a number"),
        ({"rate.hang": "nan"}, "the rate of hang must be a number"),
    ],
)
def test_a_wrong_form_says_why_and_changes_nothing(world, changes, reason):
    answer = world.http.post("/phone/faults", data={**form_of(page(world)), **changes})

    assert answer.status_code == 400
    assert "Nothing was changed" in answer.text
    assert reason in answer.text
    assert faults_on(page(world)) == "all off"


def test_evolution_is_restarted_by_the_form_and_the_page_comes_back(make_world):
    world = make_world(loading_s=60)
    world.open()

    answer = world.http.post("/phone/restart", data={"down_s": "2"})

    assert answer.status_code == 200
    assert '<meta http-equiv="refresh" content="3;url=/phone">' in answer.text
    assert "state" not in world.call("GET", "/instance/connectionState/shop").get_json()["instance"]


def test_a_restart_for_no_sensible_time_is_refused(world):
    assert world.http.post("/phone/restart", data={"down_s": "-1"}).status_code == 400
