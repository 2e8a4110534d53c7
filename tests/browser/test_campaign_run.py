"""A campaign as it runs, seen by somebody who only watches."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.campaigns import hand, seed_campaign
from tests.browser.people import HOME, stays_on_page
from tests.running.stack import Stack

pytestmark = pytest.mark.browser


def test_page_follows_the_campaign_and_stops_at_its_end(admin: Page, unit: str, stack: Stack) -> None:
    # The unit is not connected, so that nothing moves but what the test moves.
    campaign_id = seed_campaign(stack, unit, first=940_010_000)
    admin.goto(f"{HOME}/campaigns/{campaign_id}")
    heading = admin.locator("#run-title")
    expect(heading).to_have_text("10 of 39 sent")
    expect(admin.get_by_text("The unit is not connected.")).to_be_visible()
    is_same_page = stays_on_page(admin)

    hand(stack, campaign_id, 11)

    expect(heading).to_have_text("11 of 39 sent")
    assert is_same_page()

    admin.get_by_role("button", name="Pause").click()
    expect(admin.get_by_role("button", name="Resume (28)")).to_be_visible()
    admin.get_by_role("link", name="Cancel for good").click()
    admin.get_by_role("button", name="Cancel the campaign").click()

    expect(admin.locator("#run .pill", has_text="Cancelled")).to_be_visible()
    expect(admin.locator("#run[hx-get]")).to_have_count(0)
