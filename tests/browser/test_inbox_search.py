"""Searching in the inbox, in the browser: as one types, without a script, and into the thread."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.looks import LOOKS, OpenPage, overflowing
from tests.browser.people import HOME
from tests.running.stack import ADMIN, Stack
from tests.running.waiting import until

pytestmark = pytest.mark.browser

NUMBER = "5511950009077"
LINES = 40


@pytest.fixture
def chat(stack: Stack, linked_unit: str) -> str:
    """A customer asked for something long ago, and wrote a lot since: the id of what they asked."""
    instance = stack.rows.instance_of(linked_unit)
    sent = ["Ainda tem paralelepípedos?", *(f"linha {number}" for number in range(LINES))]
    ids = [
        stack.simulator.customer_sends(instance, number=NUMBER, name="Rita Moreira", kind="text", text=text)["id"]
        for text in sent
    ]
    rows = "SELECT id FROM messages WHERE external_id = %s"
    until(lambda: all(stack.rows.fetch(rows, external_id) for external_id in ids), "all of it in the portal")
    return str(stack.rows.fetch(rows, ids[0])[0]["id"])


def test_message_is_found_as_one_types_and_shown_in_its_thread(admin: Page, chat: str) -> None:
    admin.goto(f"{HOME}/conversations")
    field = admin.get_by_label("Search people and messages")

    field.press_sequentially("paralelepi")
    expect(admin.locator(f"#hit-{chat} mark")).to_have_text("paralelepípedos")
    expect(admin).to_have_url(re.compile(r"[?&]q=paralelepi(&|$)"))
    admin.locator(f"#hit-{chat}").click()

    expect(admin.locator(f"#message-{chat}")).to_be_in_viewport()
    expect(admin.get_by_label("Search people and messages")).to_have_value("paralelepi")
    assert admin.locator(f"#message-{chat}").evaluate("message => message.matches(':target')")


def test_list_comes_back_and_lives_when_the_search_is_cleared(admin: Page, chat: str) -> None:
    admin.goto(f"{HOME}/conversations?q=nobody-of-that-name")
    expect(admin.get_by_role("heading", name="Nothing found")).to_be_visible()

    admin.get_by_label("Search people and messages").fill("")

    expect(admin.get_by_role("link", name=re.compile("Rita Moreira")).first).to_be_visible()
    expect(admin.locator("#conversation-list")).to_have_attribute("hx-trigger", re.compile("every"))


def test_search_works_without_a_script(open_page: Callable[..., Page], chat: str) -> None:
    page = open_page(ADMIN, java_script_enabled=False)
    page.goto(f"{HOME}/conversations")
    page.get_by_label("Search people and messages").fill("rita")

    page.get_by_role("button", name="Search").click()

    expect(page.get_by_role("heading", name="People")).to_be_visible()
    expect(page.get_by_role("link", name=re.compile("Rita Moreira")).first).to_be_visible()


@pytest.mark.parametrize("look", LOOKS)
def test_list_and_what_was_found_fit_the_screen(open_page: OpenPage, chat: str, look: str) -> None:
    page = open_page(ADMIN, **LOOKS[look])

    for address in ("conversations", "conversations?q=rita", "conversations?work=mine&unread=1"):
        page.goto(f"{HOME}/{address}")
        assert overflowing(page) == []
