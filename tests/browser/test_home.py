"""Home, where everybody begins: what it says changes by itself, and it fits with something of everything on it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import FindProblems
from tests.browser.looks import AN_OPERATOR, Sight
from tests.browser.people import HOME, sign_in, stays_on_page
from tests.running.stack import ADMIN, Stack

pytestmark = pytest.mark.browser

PAGE = f"{HOME}/home"


def test_customer_who_writes_appears_on_home_by_itself_and_is_a_click_away(
    open_page: Callable[..., Page], linked_unit: str, stack: Stack
) -> None:
    page = open_page()
    sign_in(page, ADMIN, stack.passwords[ADMIN])
    expect(page).to_have_url(f"{stack.api.url}{PAGE}")
    expect(page.get_by_role("heading", name="What needs you")).to_be_visible()
    is_same_page = stays_on_page(page)

    instance = stack.rows.instance_of(linked_unit)
    stack.simulator.customer_writes(instance, number="5511950007001", name="Rosa Exemplo", text="Is anybody there?")

    expect(page.locator("#need-waiting")).to_contain_text("for an answer", timeout=20_000)
    assert is_same_page()
    page.locator("#to-waiting").click()
    expect(page.get_by_role("textbox", name="Message")).to_be_visible()


def test_home_fits_and_keeps_nobody_out(linked_unit: str, stack: Stack, problems_of: FindProblems) -> None:
    assert problems_of([Sight("home", PAGE), Sight("home of operators", "/operator/", AN_OPERATOR)]) == {}
