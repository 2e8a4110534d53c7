"""The composer under somebody who types faster than the network."""

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.people import HOME
from tests.running.stack import Stack

pytestmark = pytest.mark.browser

SOMEBODY = "+5511950009011"


def test_what_is_typed_while_a_message_is_on_its_way_is_the_next_one(
    admin: Page, linked_unit: str, stack: Stack
) -> None:
    stack.api.send(linked_unit, phone=SOMEBODY, text="Good morning")
    admin.goto(f"{HOME}/conversations?unit={linked_unit}")
    admin.get_by_role("link", name="+55 11 95000-9011").click()
    text, held = admin.locator("#composer-text"), list[Route]()
    admin.route("**/conversations/*/messages", lambda route: held.append(route))

    text.fill("We open at nine.")
    text.press("Enter")
    text.press_sequentially(" Come early!")
    admin.wait_for_function("document.querySelector('#composer').classList.contains('htmx-request')")
    held[0].continue_()

    expect(admin.locator(".bubble", has_text="We open at nine.")).to_be_visible()
    expect(text).to_have_value(" Come early!")
    admin.unroute_all()
    text.press("Enter")
    expect(admin.locator(".bubble", has_text="Come early!")).to_be_visible()
    expect(text).to_have_value("")
