"""Messages that did not arrive, seen and decided by a person, with and without JavaScript."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.people import HOME, sign_in, stays_on_page
from tests.running.stack import ADMIN, Stack
from tests.running.waiting import until

pytestmark = pytest.mark.browser

NOBODY = "+5511950000008"
SOMEBODY = "+5511950009010"


@pytest.fixture
def faulty(stack: Stack) -> Iterator[Stack]:
    """Evolution, whose faults end with the test."""
    yield stack
    stack.simulator.change(faults=None)


def test_message_in_doubt_is_sent_again_in_its_thread(admin: Page, linked_unit: str, faulty: Stack) -> None:
    text = "Your order leaves today."
    faulty.simulator.change(faults={"timedOut": 1})
    faulty.api.send(linked_unit, phone=SOMEBODY, text=text)
    until(lambda: faulty.rows.statuses([text])[text] == "unconfirmed", "doubt")
    faulty.simulator.change(faults=None)
    admin.goto(f"{HOME}/conversations?unit={linked_unit}")
    admin.get_by_role("link", name="+55 11 95000-9010").click()
    bubble = admin.locator(".bubble--unconfirmed")
    expect(bubble.get_by_text("The person may get it twice")).to_be_visible()
    is_same_page = stays_on_page(admin)

    bubble.get_by_role("button", name="Send again").click()

    expect(admin.locator(".bubble--read", has_text="Sent again in the place of an earlier one")).to_be_visible()
    expect(bubble.get_by_text("Sent again at")).to_be_visible()
    expect(bubble.get_by_role("button")).to_have_count(0)
    assert is_same_page()
    assert faulty.simulator.sent_texts().count(text) == 1


def test_many_are_set_aside_without_a_script(open_page: Callable[..., Page], linked_unit: str, stack: Stack) -> None:
    texts = [f"Nobody reads this {number} of {linked_unit}" for number in range(3)]
    for text in texts:
        stack.api.send(linked_unit, phone=NOBODY, text=text)
    until(lambda: set(stack.rows.statuses(texts).values()) == {"failed"}, "failures")
    page = open_page(java_script_enabled=False)
    sign_in(page, ADMIN, stack.passwords[ADMIN])
    page.goto(f"{HOME}/undelivered?bucket=failed&unit={linked_unit}")
    expect(page.get_by_role("link", name="3 messages of")).to_be_visible()

    page.get_by_label("All 3 that this filter shows").check()
    page.locator("#many").get_by_role("button", name="Set aside").click()
    expect(page.get_by_role("heading", name="Set 3 messages aside?")).to_be_visible()
    page.get_by_role("button", name="Set aside").click()

    expect(page.get_by_text("3 set aside")).to_be_visible()
    expect(page.get_by_text(texts[0])).to_have_count(0)
