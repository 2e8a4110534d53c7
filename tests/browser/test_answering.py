"""Answering one message and reacting to it, by keyboard, and what the customer's phone shows of it."""

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.looks import LOOKS, OpenPage, barriers, lost_when_zoomed, overflowing
from tests.browser.people import HOME, sign_in
from tests.running.stack import ADMIN, Stack
from tests.running.waiting import until

pytestmark = pytest.mark.browser

NUMBER = "5511950009012"
CHOOSES_AT_ONCE = """() => {
  window.isSamePage = true;
  document.addEventListener("focusin", (event) => { if (event.target.name === "sign") event.target.click(); });
}"""


class Question:
    """What a customer asked, in the portal and on the customer's phone."""

    def __init__(self, stack: Stack, unit: str) -> None:
        self._stack, self._instance = stack, stack.rows.instance_of(unit)
        sent = stack.simulator.customer_sends(
            self._instance, number=NUMBER, name="Rita", kind="text", text="Are you open today?"
        )
        self.external_id = str(sent["id"])
        until(self._rows, "question in the portal")
        self.id, self.address = self._rows()[0]["id"], f"{HOME}/conversations/{self._rows()[0]['conversation_id']}"

    def _rows(self) -> list[dict[str, Any]]:
        return self._stack.rows.fetch(
            "SELECT id, conversation_id FROM messages WHERE external_id = %s", self.external_id
        )

    def bubble(self, page: Page) -> Locator:
        return page.locator(f"#message-{self.id}")

    def phone(self, page: Page) -> Locator:
        """The chat on the customer's phone."""
        page.goto(f"{self._stack.simulator.url}/phone?shop={self._instance}&customer={NUMBER}")
        return page.locator("#chat")


@pytest.fixture
def question(stack: Stack, linked_unit: str) -> Question:
    return Question(stack, linked_unit)


def press(control: Locator) -> None:
    control.focus()
    control.press("Enter")


def test_message_is_answered_and_reacted_to_by_keyboard(admin: Page, open_page: OpenPage, question: Question) -> None:
    admin.goto(question.address)
    bubble, text, above = question.bubble(admin), admin.locator("#composer-text"), admin.locator("#answering")
    text.fill("Yes, until six.")

    press(bubble.get_by_role("link", name="Reply"))
    expect(above).to_contain_text("Rita Are you open today?")
    expect(text).to_be_focused()
    expect(text).to_have_value("Yes, until six.")
    text.press("Enter")
    expect(admin.locator(".bubble--outbound .quote")).to_contain_text("Are you open today?")
    expect(above).to_be_empty()

    press(bubble.get_by_role("link", name="React"))
    expect(above.get_by_role("button", name="Thumbs up")).to_be_focused()
    admin.keyboard.press("Tab")
    admin.keyboard.press("Enter")
    expect(bubble.get_by_role("list", name="Reactions")).to_contain_text("❤️")
    expect(above).to_be_empty()
    expect(bubble.get_by_role("link", name="React")).to_be_focused()

    chat = question.phone(open_page())
    expect(chat.locator(".bubble", has_text="Yes, until six.").locator(".bubble__quote")).to_have_text(
        "Are you open today?"
    )
    expect(chat.locator(".bubble--sent .bubble__reactions")).to_have_text("❤️")


def test_whoever_chooses_in_that_very_moment_stays_in_the_page(admin: Page, question: Question) -> None:
    admin.goto(question.address)
    admin.evaluate(CHOOSES_AT_ONCE)

    press(question.bubble(admin).get_by_role("link", name="React"))

    expect(question.bubble(admin).get_by_role("list", name="Reactions")).to_contain_text("👍")
    assert admin.evaluate("window.isSamePage") is True


def test_choice_of_a_reaction_outlives_news_and_is_left_by_escape(
    admin: Page, stack: Stack, linked_unit: str, question: Question
) -> None:
    admin.goto(question.address)
    above, react = admin.locator("#answering"), question.bubble(admin).get_by_role("link", name="React")
    press(react)
    expect(above.get_by_role("button", name="Thumbs up")).to_be_focused()

    stack.simulator.customer_sends(
        stack.rows.instance_of(linked_unit), number=NUMBER, name="Rita", kind="text", text="Hello?"
    )
    expect(admin.locator(".bubble", has_text="Hello?")).to_be_visible()
    expect(above.get_by_role("button", name="Thumbs up")).to_be_focused()

    admin.keyboard.press("Escape")
    expect(above).to_be_empty()
    expect(react).to_be_focused()


def test_any_other_emoji_is_typed(open_page: OpenPage, question: Question) -> None:
    page = open_page(ADMIN, expects_error=True, bypass_csp=True)
    page.goto(question.address)
    above, bubble = page.locator("#answering"), question.bubble(page)
    other = above.get_by_role("textbox", name="Another emoji")
    press(bubble.get_by_role("link", name="React"))
    expect(above.get_by_role("button", name="Thumbs up")).to_be_focused()
    for _ in range(6):
        page.keyboard.press("Tab")
    expect(other).to_be_focused()

    page.keyboard.type("ok")
    page.keyboard.press("Enter")
    expect(above.get_by_role("alert")).to_have_text("Choose a single emoji.")
    expect(other).to_be_focused()
    expect(other).to_have_value("ok")
    assert barriers(page) == []
    page.keyboard.press("Control+a")
    page.keyboard.insert_text("🎉")
    page.keyboard.press("Enter")

    expect(bubble.get_by_role("list", name="Reactions")).to_contain_text("🎉")
    expect(bubble.get_by_role("link", name="React")).to_be_focused()


def test_message_is_answered_and_reacted_to_without_a_script(
    open_page: OpenPage, stack: Stack, question: Question
) -> None:
    plain = open_page(java_script_enabled=False)
    sign_in(plain, ADMIN, stack.passwords[ADMIN])
    plain.goto(question.address)

    question.bubble(plain).get_by_role("link", name="Reply").click()
    plain.locator("#composer-text").fill("Yes.")
    plain.get_by_role("button", name="Send", exact=True).click()
    expect(plain.locator(".bubble--outbound .quote")).to_contain_text("Are you open today?")

    question.bubble(plain).get_by_role("link", name="React").click()
    plain.get_by_role("button", name="Thank you").click()
    expect(question.bubble(plain).get_by_role("list", name="Reactions")).to_contain_text("🙏")

    question.bubble(plain).get_by_role("link", name="React").click()
    plain.get_by_role("textbox", name="Another emoji").fill("🎉")
    plain.locator("#answering").get_by_role("button", name="React").click()
    expect(question.bubble(plain).get_by_role("list", name="Reactions")).to_contain_text("🎉")


def test_quote_and_choice_fit_and_keep_nobody_out(open_page: OpenPage, question: Question) -> None:
    found = {}
    for name, look in LOOKS.items():
        page = open_page(ADMIN, **{**look, "bypass_csp": True})
        found[name] = []
        for asked in ("answer", "react"):
            page.set_viewport_size(look["viewport"])
            page.goto(f"{question.address}?{asked}={question.id}")
            expect(page.locator("[data-quote-cancel]")).to_be_visible()
            found[name] += overflowing(page) + barriers(page) + lost_when_zoomed(page)

    assert found == dict.fromkeys(LOOKS, [])
