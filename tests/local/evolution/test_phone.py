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
