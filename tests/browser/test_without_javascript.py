"""Everything that matters works without JavaScript, only less quickly."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.people import HOME, ask_for_code, qr_code, sign_in
from tests.running.stack import ADMIN, Stack
from tests.running.waiting import until

pytestmark = pytest.mark.browser

# The page asks anew every 3 s.
REFRESHED_MS = 12_000
REPLY = "It is ready, come by."


@pytest.fixture
def plain(open_page: Callable[..., Page], stack: Stack) -> Page:
    """The tenant's admin in a browser that runs no script."""
    page = open_page(java_script_enabled=False)
    sign_in(page, ADMIN, stack.passwords[ADMIN])
    return page


def test_connect_page_follows_by_refreshing_itself(plain: Page, unit: str, stack: Stack) -> None:
    plain.goto(f"{HOME}/units/{unit}/connect")
    ask_for_code(plain)

    expect(qr_code(plain)).to_be_visible(timeout=REFRESHED_MS)
    stack.simulator.scan(stack.rows.instance_of(unit), number="5511950009002", name="Loja sem script")

    expect(plain.get_by_text("Connected as Loja sem script")).to_be_visible(timeout=REFRESHED_MS)


def test_reply_is_an_ordinary_form(plain: Page, linked_unit: str, stack: Stack) -> None:
    instance = stack.rows.instance_of(linked_unit)
    stack.simulator.customer_writes(instance, number="5511950009003", name="Rita Exemplo", text="Is it ready?")
    until(lambda: stack.rows.received(["Is it ready?"]), "question")
    plain.goto(f"{HOME}/conversations?unit={linked_unit}")
    plain.get_by_role("link", name="Rita Exemplo").click()
    plain.get_by_role("textbox", name="Message").fill(REPLY)
    plain.get_by_role("button", name="Send").click()

    expect(plain.get_by_role("region", name="Messages").get_by_text(REPLY)).to_be_visible()
    until(lambda: stack.rows.statuses([REPLY])[REPLY] == "read", "second tick")
    plain.get_by_role("link", name="Update").click()

    expect(plain.locator(".bubble--outbound.bubble--read")).to_be_visible()
