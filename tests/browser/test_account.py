"""A person's own account in a browser: its pages on every screen, and a second factor from setting it up to its end."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import FindProblems
from tests.browser.looks import AN_OPERATOR, OpenPage, Sight, barriers, overflowing
from tests.browser.people import PHONE
from tests.running.stack import AGENT, Stack
from tests.ways_in import code_at

pytestmark = pytest.mark.browser

ACCOUNT = "/account"
SIGHTS = [
    Sight("account", ACCOUNT),
    Sight("own password", f"{ACCOUNT}/password"),
    Sight("set up a second factor", f"{ACCOUNT}/second-factor"),
    Sight("new recovery codes", f"{ACCOUNT}/second-factor/recovery-codes"),
    Sight("turn a second factor off", f"{ACCOUNT}/second-factor/off"),
    Sight("is it you", "/confirm"),
    Sight("operators account", ACCOUNT, AN_OPERATOR),
]


@pytest.mark.timeout(120)
def test_every_page_of_the_account_fits_its_window_and_keeps_nobody_out(problems_of: FindProblems) -> None:
    assert problems_of(SIGHTS) == {}


@pytest.mark.timeout(120)
def test_second_factor_is_set_up_asked_for_and_turned_off(stack: Stack, open_page: OpenPage) -> None:
    page = open_page(AGENT, viewport=PHONE, bypass_csp=True)
    page.goto(ACCOUNT)
    page.get_by_role("link", name="Set up a second factor").click()
    page.get_by_role("button", name="Show the QR code").click()
    expect(page.get_by_role("img", name="QR code for your authenticator app")).to_be_visible()
    key = page.locator("#second-factor-key").inner_text().replace(" ", "")
    stack.note_secret("second factor", key)
    assert wrong_with(page) == []

    page.get_by_label("Code").fill(code_at(key))
    page.get_by_role("button", name="Turn it on").click()
    expect(page.get_by_role("heading", name="Your second factor is on")).to_be_visible()
    recovery_codes = page.locator("#recovery-codes").inner_text().split()
    assert wrong_with(page) == []
    page.get_by_role("link", name="I have kept them").click()

    other = open_page(viewport=PHONE, bypass_csp=True)
    other.goto("/login")
    other.get_by_label("E-mail").fill(AGENT)
    other.get_by_label("Password").fill(stack.passwords[AGENT])
    other.get_by_role("button", name="Sign in").click()
    expect(other.get_by_role("heading", name="One more step")).to_be_visible()
    assert wrong_with(other) == []
    other.get_by_label("Code").fill(recovery_codes[0])
    other.get_by_role("button", name="Sign in").click()
    expect(other.get_by_role("button", name="Sign out")).to_be_visible()

    page.get_by_role("link", name="Second factor and recovery codes").click()
    expect(page.get_by_text("You have 9 recovery codes left.")).to_be_visible()
    page.get_by_role("link", name="Turn it off").click()
    page.get_by_role("button", name="Turn it off").click()
    expect(page.get_by_text("Your second factor is off.")).to_be_visible()


def wrong_with(page: Page) -> list[str]:
    return [*overflowing(page), *barriers(page)]
