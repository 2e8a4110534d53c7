"""Every page on a phone and on a desk, light and dark, in both languages: fits, is quiet, and is open to all.

With PORTAL_SCREENS naming a folder, a picture of each is left there (`make screens`). Tests of other pages take theirs.
"""

import pytest
from playwright.sync_api import expect

from tests.browser.looks import LANGUAGES, OpenPage, Sight, walk
from tests.running.stack import OPERATOR

pytestmark = pytest.mark.browser


@pytest.mark.timeout(600)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_fits_its_window_keeps_nobody_out_and_the_browser_finds_nothing_to_complain_of(
    sights: list[Sight], open_page: OpenPage, language: str
) -> None:
    found = walk(sights, open_page, language)

    assert found == {}


def test_colours_change_at_once_for_somebody_who_wants_no_motion(open_page: OpenPage) -> None:
    page = open_page(reduced_motion="reduce", color_scheme="light")
    page.goto("/login")
    page.evaluate("() => { window.moved = []; document.ontransitionrun = (at) => moved.push(at.target.tagName); }")

    page.emulate_media(color_scheme="dark")

    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    # One that starts as another ends comes with the next picture.
    page.evaluate("() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")
    assert page.evaluate("moved") == []


def test_bar_grows_at_once_for_somebody_who_wants_no_motion(open_page: OpenPage) -> None:
    page = open_page(OPERATOR, reduced_motion="reduce")
    page.goto("/operator/components")
    # So slow that a bar on its way is seen there, however long the picture takes.
    page.context.new_cdp_session(page).send("Animation.setPlaybackRate", {"playbackRate": 0.01})
    bar = page.locator("progress.import__bar").first
    bar.evaluate("bar => { bar.value = 0; }")
    bar.screenshot()

    bar.evaluate("bar => { bar.value = bar.max; }")

    grown = bar.screenshot()
    bar.evaluate("bar => bar.replaceWith(bar.cloneNode())")
    assert grown == bar.screenshot()
