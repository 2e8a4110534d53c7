"""Every page is light: few bytes, few requests, nothing from elsewhere, and what is drawn stays where it is.

With PORTAL_WEIGHT=docs/weight.md what was measured takes the place of the table there.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.looks import VIEWERS, OpenPage, Sight
from tests.browser.people import HOME, sign_in
from tests.browser.weighing import HEAD, Scales, Weight, place_of
from tests.running.stack import ADMIN, Stack

pytestmark = pytest.mark.browser

MOST_HTML = 100_000
# The whole API in one page, for whoever looks for a word in it.
MOST_HTML_OF = {"reference": 200_000}
MOST_AT_FIRST = 100_000
MOST_REQUESTS = 10
MOST_SHIFT = 0.1
# All else waits until the page is drawn.
SCRIPTS_BEFORE_PAINT = {"/static/js/theme.js"}


@pytest.mark.timeout(300)
def test_every_page_is_light_calm_and_by_itself(
    sights: list[Sight], open_page: OpenPage, stack: Stack, measured: Callable[[str], None]
) -> None:
    weights = weigh(sights, open_page)

    tell(weights, measured)
    assert {weight.name: found for weight in weights if (found := too_much(weight, stack.api.url))} == {}


def weigh(sights: list[Sight], open_page: OpenPage) -> list[Weight]:
    weights = []
    for viewer in VIEWERS:
        page = open_page(viewer.email, expects_error=viewer.expects_error, locale="pt-BR", reduced_motion="reduce")
        scales = Scales(page)
        weights += [scales.weigh(sight.name, sight.path) for sight in sights if sight.viewer == viewer]
    return weights


def too_much(weight: Weight, home: str) -> list[str]:
    """What is wrong with it."""
    asked = {*weight.first.requests, *weight.second.requests}
    scripts = {place for one in weight.blocking if (place := place_of(one)).endswith(".js")}
    found = {
        f"{weight.html} bytes of HTML": weight.html > MOST_HTML_OF.get(weight.name, MOST_HTML),
        f"{weight.first.bytes} bytes at first": weight.first.bytes > MOST_AT_FIRST,
        f"{len(weight.first.requests)} requests at first": len(weight.first.requests) > MOST_REQUESTS,
        f"asks again for {[*map(place_of, weight.second.requests[1:])]}": len(weight.second.requests) > 1,
        f"moves by {weight.shift}": weight.shift > MOST_SHIFT,
        f"from elsewhere: {sorted(asked)}": not all(one.startswith(f"{home}/") for one in asked),
        f"waits for {sorted(scripts)}": scripts != SCRIPTS_BEFORE_PAINT,
    }
    return [words for words, is_wrong in found.items() if is_wrong]


def tell(weights: list[Weight], measured: Callable[[str], None]) -> None:
    heaviest = max(weights, key=lambda weight: weight.first.bytes)
    measured(f"Heaviest page at the first visit: {heaviest.name}, {heaviest.first.bytes:,} bytes")
    if wanted := os.environ.get("PORTAL_WEIGHT"):
        table = "\n".join((HEAD, *(weight.line for weight in weights)))
        measured(table)
        path = Path(wanted)
        before = path.read_text().partition(HEAD)[0] if path.exists() else ""
        path.write_text(f"{before}{table}\n")


def test_back_leads_to_the_page_before_and_to_nothing_once_one_has_signed_out(
    open_page: OpenPage, stack: Stack
) -> None:
    page = open_page()
    sign_in(page, ADMIN, stack.passwords[ADMIN])
    page.goto(f"{HOME}/conversations")
    page.goto(f"{HOME}/contacts")

    page.go_back()
    expect(page).to_have_url(re.compile(f"{HOME}/conversations$"))
    expect(page.locator("#conversation-list")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    page.go_back()

    expect(page.get_by_label("Password")).to_be_visible()
    expect(page.locator("#conversation-list")).to_have_count(0)
