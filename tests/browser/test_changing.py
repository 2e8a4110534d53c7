"""Editing a message of ours by keyboard and deleting it for everyone, and what the customer's phone shows of it."""

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.looks import LOOKS, OpenPage, barriers, overflowing
from tests.browser.people import HOME, sign_in
from tests.running.stack import ADMIN, Stack
from tests.running.waiting import until

pytestmark = pytest.mark.browser

NUMBER = "5511950009014"


class Chat:
    """A customer who asked something, in the portal and on the customer's phone."""

    def __init__(self, stack: Stack, unit: str) -> None:
        self._stack, self._instance = stack, stack.rows.instance_of(unit)
        sent = stack.simulator.customer_sends(
            self._instance, number=NUMBER, name="Rosa", kind="text", text="When do you close?"
        )
        self._external_id = str(sent["id"])
        until(self._rows, "question in the portal")
        self.address = f"{HOME}/conversations/{self._rows()[0]['conversation_id']}"

    def _rows(self) -> list[dict[str, Any]]:
        return self._stack.rows.fetch("SELECT conversation_id FROM messages WHERE external_id = %s", self._external_id)

    def write(self, page: Page, text: str) -> Locator:
        """Answer, and give the bubble once WhatsApp has it."""
        page.goto(self.address)
        page.locator("#composer-text").fill(text)
        page.locator("#composer-text").press("Enter")
        bubble = page.locator(".bubble--outbound", has_text=text)
        expect(bubble.get_by_role("link", name="Edit")).to_be_attached()
        return bubble

    def phone(self, page: Page) -> Locator:
        """The chat on the customer's phone."""
        page.goto(f"{self._stack.simulator.url}/phone?shop={self._instance}&customer={NUMBER}")
        return page.locator("#chat")


@pytest.fixture
def chat(stack: Stack, linked_unit: str) -> Chat:
    return Chat(stack, linked_unit)


def press(control: Locator) -> None:
    control.focus()
    control.press("Enter")


def test_message_is_edited_by_keyboard_and_a_draft_stays(admin: Page, open_page: OpenPage, chat: Chat) -> None:
    bubble = chat.write(admin, "We close at six.")
    draft, text, above = admin.locator("#composer-text"), admin.locator("#change-text"), admin.locator("#answering")
    draft.fill("And tomorrow")

    press(bubble.get_by_role("link", name="Edit"))
    expect(text).to_be_focused()
    expect(text).to_have_value("We close at six.")
    expect(draft).to_be_hidden()
    admin.keyboard.press("Escape")
    expect(above).to_be_empty()
    expect(bubble.get_by_role("link", name="Edit")).to_be_focused()
    expect(draft).to_have_value("And tomorrow")

    press(bubble.get_by_role("link", name="Edit"))
    expect(text).to_be_focused()
    text.fill("We close at seven.")
    text.press("Enter")
    edited = admin.locator(".bubble--outbound", has_text="edited at")
    expect(edited).to_contain_text("We close at seven.")
    expect(edited).to_contain_text("What it said first")
    expect(above).to_be_empty()
    expect(draft).to_have_value("And tomorrow")
    draft.fill("")

    shown = chat.phone(open_page()).locator(".bubble", has_text="We close at seven.")
    expect(shown.locator(".bubble__note")).to_have_text("Edited")


def test_message_is_deleted_for_everyone_after_a_question(admin: Page, open_page: OpenPage, chat: Chat) -> None:
    bubble = chat.write(admin, "Call me at home.")
    above, button = admin.locator("#answering"), admin.get_by_role("button", name="Delete for everyone")

    press(bubble.get_by_role("link", name="Delete"))
    expect(button).to_be_focused()
    admin.keyboard.press("Escape")
    expect(above).to_be_empty()
    expect(bubble).to_contain_text("Call me at home.")

    press(bubble.get_by_role("link", name="Delete"))
    expect(button).to_be_focused()
    admin.keyboard.press("Enter")
    expect(admin.locator(".bubble--deleted")).to_contain_text("This message was deleted")
    expect(above).to_be_empty()
    # In the composer, or where the message stands if it was deleted only after that.
    admin.wait_for_function("document.activeElement !== document.body")

    expect(chat.phone(open_page())).to_contain_text("This message was deleted.")


def test_message_is_edited_and_deleted_without_a_script(open_page: OpenPage, stack: Stack, chat: Chat) -> None:
    plain = open_page(java_script_enabled=False)
    sign_in(plain, ADMIN, stack.passwords[ADMIN])
    plain.goto(chat.address)
    plain.locator("#composer-text").fill("Plainly at six.")
    plain.get_by_role("button", name="Send", exact=True).click()
    bubble = plain.locator(".bubble--outbound", has_text="Plainly at")

    def look_again() -> bool:
        plain.goto(chat.address)
        return bubble.get_by_role("link", name="Edit").count() == 1

    until(look_again, "message at WhatsApp")
    bubble.get_by_role("link", name="Edit").click()
    plain.locator("#change-text").fill("Plainly at seven.")
    plain.get_by_role("button", name="Save").click()
    expect(bubble).to_contain_text("Plainly at seven.")

    until(look_again, "edited message")
    bubble.get_by_role("link", name="Delete").click()
    plain.get_by_role("button", name="Delete for everyone").click()

    def is_gone() -> bool:
        plain.goto(chat.address)
        return plain.locator(".bubble--deleted", has_text="Plainly at seven.").count() == 1

    until(is_gone, "deleted message")


def test_change_fits_and_keeps_nobody_out(admin: Page, open_page: OpenPage, chat: Chat) -> None:
    bubble = chat.write(admin, "We may change this.")
    message_id = str(bubble.get_attribute("id")).removeprefix("message-")
    found = {}
    for name, look in LOOKS.items():
        page = open_page(ADMIN, **{**look, "bypass_csp": True})
        found[name] = []
        for way in ("edit", "delete"):
            page.goto(f"{HOME}/messages/{message_id}/{way}")
            expect(page.locator("[data-quote-cancel]")).to_be_visible()
            found[name] += overflowing(page) + barriers(page)
            page.goto(chat.address)
            press(page.locator(f"#{way}-{message_id}"))
            expect(page.locator("#answering [data-first]")).to_be_visible()
            found[name] += overflowing(page) + barriers(page)

    assert found == dict.fromkeys(LOOKS, [])
