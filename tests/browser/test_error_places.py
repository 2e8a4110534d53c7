"""What goes wrong behind htmx is told where the person is, with what they typed still there."""

import pytest
from playwright.sync_api import expect

from tests.browser.chats import Customer, box
from tests.browser.looks import OpenPage, barriers
from tests.browser.people import HOME
from tests.running.stack import ADMIN, Stack

pytestmark = pytest.mark.browser

FORGE = "for (const field of document.querySelectorAll('[name=csrf_token]')) field.value = 'of another session'"
GO_ASTRAY = """path => {
  const list = document.querySelector("#unit-list");
  list.setAttribute("hx-get", path);
  htmx.process(list);
}"""


def test_action_that_is_refused_says_so_and_loses_nothing(open_page: OpenPage, stack: Stack, linked_unit: str) -> None:
    customer = Customer(stack, linked_unit, number="5511950009077", name="Ivo Exemplo")
    customer.writes("Bom dia!")
    page = open_page(ADMIN, expects_error=True)
    page.goto(customer.address)
    box(page).fill("Temos sim.")
    page.evaluate(FORGE)

    box(page).press("Enter")

    told = page.get_by_role("alert").filter(has_text="This form is too old.")
    expect(told).to_be_visible()
    expect(box(page)).to_have_value("Temos sim.")
    expect(page.locator("#messages")).to_contain_text("Bom dia!")
    told.get_by_role("link", name="Open the page anew").click()
    expect(told).to_have_count(0)
    expect(box(page)).to_have_value("Temos sim.")


def test_poll_that_fails_is_told_once_and_leaves_the_page_as_it_is(open_page: OpenPage) -> None:
    page = open_page(ADMIN, expects_error=True, bypass_csp=True)
    page.goto(f"{HOME}/")
    page.evaluate(GO_ASTRAY, f"{HOME}/units/no-such-unit")

    told = page.locator("#problem")
    expect(told).to_contain_text("There is nothing here, or not for you.")
    expect(page.locator("#announcer")).to_contain_text("There is nothing here, or not for you.")
    expect(page.locator("#unit-list")).to_be_visible()
    assert barriers(page) == []
