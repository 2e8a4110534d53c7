"""The main job of the portal, from the sign-in to the second tick."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.people import (
    HARD_LIMIT_S,
    ask_for_code,
    qr_code,
    seconds_until_visible,
    sign_in,
    stays_on_page,
    stopwatch,
)
from tests.running.stack import ADMIN, Stack

pytestmark = pytest.mark.browser

UNIT = "Centro"
CUSTOMER = "5511999990002"
CUSTOMER_NAME = "Maria Exemplo"
CREATE_ANSWER_S = 5.0
DELIVERED_AFTER_S = 3.0
READ_AFTER_S = 7.0
OpenPage = Callable[..., Page]
Measured = Callable[[str], None]


def test_unit_is_connected_and_a_customer_is_answered(open_page: OpenPage, stack: Stack, measured: Measured) -> None:
    stack.simulator.change(receiptDelayS=DELIVERED_AFTER_S, readDelayS=READ_AFTER_S)
    page, phone = open_page(), open_page()
    sign_in(page, ADMIN, stack.passwords[ADMIN])

    figures = [*connect(page, phone, stack), *receive(page, phone, stack), *answer(page, phone)]

    measured("main job in Chromium: " + ", ".join(f"{name} after {seconds:.1f} s" for name, seconds in figures))


def connect(page: Page, phone: Page, stack: Stack) -> list[tuple[str, float]]:
    # Home names each unit only where there are few.
    page.get_by_role("link", name="Units", exact=True).click()
    page.get_by_role("link", name=UNIT, exact=True).click()
    page.get_by_role("link", name="Connect", exact=True).click()
    ask_for_code(page)
    shown_s = seconds_until_visible(qr_code(page))
    assert shown_s < CREATE_ANSWER_S, "the code came with the answer to the create, not before it"

    is_same_page = stays_on_page(page)
    phone.goto(f"{stack.simulator.url}/phone")
    shop = phone.locator(f'[data-instance="{stack.rows.instance_of(UNIT.lower())}"]')
    shop.get_by_test_id("scan").click()
    connected_s = seconds_until_visible(page.get_by_role("heading", name="Connected"))
    expect(page.get_by_text("Connected as Loja Demo")).to_be_visible()
    assert is_same_page()
    return [("QR code", shown_s), ("connected", connected_s)]


def receive(page: Page, phone: Page, stack: Stack) -> list[tuple[str, float]]:
    page.get_by_role("link", name="To the conversations").click()
    phone.goto(f"{stack.simulator.url}/phone?shop={stack.rows.instance_of(UNIT.lower())}&customer={CUSTOMER}")
    write_as_customer(phone, "Good morning, are you open?")
    listed_s = seconds_until_visible(page.get_by_role("link", name=CUSTOMER_NAME))

    page.get_by_role("link", name=CUSTOMER_NAME).click()
    expect(page.get_by_role("region", name="Messages").get_by_text("are you open?")).to_be_visible()
    is_same_page = stays_on_page(page)
    write_as_customer(phone, "I need a present for today.")
    shown_s = seconds_until_visible(page.get_by_role("region", name="Messages").get_by_text("a present for today"))
    assert is_same_page()
    return [("new conversation", listed_s), ("message in the thread", shown_s)]


def answer(page: Page, phone: Page) -> list[tuple[str, float]]:
    is_same_page = stays_on_page(page)
    box = page.get_by_role("textbox", name="Message")
    box.fill("Yes, until six o'clock.")
    box.press("Enter")
    since_enter_s = stopwatch()
    expect(phone.get_by_test_id("bubble").get_by_text("until six o'clock")).to_be_visible()
    figures = [("reply on the phone", since_enter_s())]
    for rung, limit_s in (("sent", 0), ("delivered", DELIVERED_AFTER_S), ("read", READ_AFTER_S)):
        bubble = page.locator(f".bubble--outbound.bubble--{rung}", has_text="until six o'clock")
        expect(bubble).to_be_visible(timeout=(limit_s + HARD_LIMIT_S) * 1000)
        figures.append((f"{rung} (the phone's {limit_s:.0f} s included)", since_enter_s()))
    expect(box).to_have_value("")
    expect(box).to_be_focused()
    assert is_same_page()
    return figures


def write_as_customer(phone: Page, text: str) -> None:
    phone.get_by_label(f"Message from {CUSTOMER_NAME}").fill(text)
    phone.get_by_test_id("send").click()
