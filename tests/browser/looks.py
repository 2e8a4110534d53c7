"""How a page is looked at: in both languages, on a phone and on a desk, light and dark, at twice its size, with axe."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser import screens
from tests.browser.people import DESKTOP, PHONE
from tests.running.stack import ADMIN, OPERATOR

SIZES = {"phone": PHONE, "desktop": DESKTOP}
LOCALES = {"pt": "pt-BR", "en": "en-US"}
# What else a browser on a phone tells of itself.
FINGERS = {"has_touch": True, "is_mobile": True}


def look_named(name: str) -> dict[str, Any]:
    """Playwright's settings for a look, of which the name is its size, its colour and its language."""
    size, colour, language = name.split()
    return {"viewport": SIZES[size], "color_scheme": colour, "locale": LOCALES[language]}


def look_of_flows() -> dict[str, Any]:
    """How people look at the portal where a test says nothing else: as PORTAL_LOOK says (`make flows`)."""
    look = look_named(os.environ.get("PORTAL_LOOK", "desktop light en"))
    return {**look, **(FINGERS if look["viewport"] == PHONE else {})}


# Every size meets both languages and both colours. A walk opens a page once for each language, in its first look.
LOOKS = {name: look_named(name) for name in ("phone light pt", "desktop dark pt", "desktop light en", "phone dark en")}
LANGUAGES = ("pt-BR", "en-US")
# Language adds no barrier of its own. The page's policy refuses the styles that axe and pictures add: where these are
# left out, it is seen whether the page itself keeps to the policy.
LANGUAGES_FOR_AXE = LANGUAGES if screens.FOLDER else ("pt-BR",)
# So wide and high is the window of a desk to a page that is shown at twice its size.
ZOOMED = {name: pixels // 2 for name, pixels in DESKTOP.items()}
# What size and colour can change; all else is the same in every look.
RULES_OF_LOOKS = ("color-contrast", "target-size", "scrollable-region-focusable")

# With all unfolded: what is folded away keeps the size that it had when it was last seen.
SIDEWAYS = """() => {
  const folded = [...document.querySelectorAll("details:not([open])")];
  for (const box of folded) box.open = true;
  const found = [document.scrollingElement, ...document.querySelectorAll("body *")]
    .filter((box) => box === document.scrollingElement || ["auto", "scroll"].includes(getComputedStyle(box).overflowX))
    .filter((box) => box.scrollWidth > box.clientWidth)
    .map((box) => `${box.scrollWidth - box.clientWidth} px too wide: ${box.tagName} ${box.className}`);
  for (const box of folded) box.open = false;
  return found;
}"""
# What hides a part of itself, of which nothing says that there is more, and what scrolls but is too low to read in. A
# field is gone through by its cursor, and what is for screen readers alone is one pixel.
CUT_OFF = """() => [...document.querySelectorAll("body, body *")].filter((box) => {
  const style = getComputedStyle(box);
  const isShortened = style.textOverflow === "ellipsis" || style.webkitLineClamp !== "none";
  if (isShortened || box.clientWidth <= 1 || box.matches("input, textarea, svg *")) return false;
  const hides = (overflow) => ["hidden", "clip"].includes(overflow);
  const [isWider, isHigher] = [box.scrollWidth > box.clientWidth + 1, box.scrollHeight > box.clientHeight + 1];
  const isTooLow = isHigher && ["auto", "scroll"].includes(style.overflowY) && box.clientHeight < 96;
  return isTooLow || (hides(style.overflowX) && isWider) || (hides(style.overflowY) && isHigher);
}).map((box) => `cut off: ${box.tagName} ${box.className}`)"""
# One of a part that is not drawn may never end.
SETTLE = """() => Promise.race([
  Promise.allSettled(
    document.getAnimations().filter((moving) => moving instanceof CSSTransition).map((moving) => moving.finished)),
  new Promise((go) => setTimeout(go, 1000))])
"""
OpenPage = Callable[..., Page]


@dataclass(frozen=True)
class Viewer:
    """Somebody who may be signed in, and who may be shown a 404."""

    email: str | None = None
    expects_error: bool = False


A_TENANTS_ADMIN, SOMEBODY, AN_OPERATOR = Viewer(ADMIN), Viewer(), Viewer(OPERATOR)
THE_LOST, THE_LOST_ADMIN = Viewer(expects_error=True), Viewer(ADMIN, expects_error=True)
VIEWERS = (A_TENANTS_ADMIN, SOMEBODY, AN_OPERATOR, THE_LOST, THE_LOST_ADMIN)


@dataclass(frozen=True)
class Sight:
    """A page and who looks at it."""

    name: str
    path: str
    viewer: Viewer = A_TENANTS_ADMIN


def walk(sights: list[Sight], open_page: OpenPage, language: str) -> dict[str, list[str]]:
    """Page -> what is wrong with it, of those where something is."""
    has_axe = language in LANGUAGES_FOR_AXE
    found = {}
    for viewer in VIEWERS:
        page = open_page(
            viewer.email,
            expects_error=viewer.expects_error,
            locale=language,
            reduced_motion="reduce",
            bypass_csp=has_axe,
        )
        for sight in sights:
            if sight.viewer == viewer:
                found[sight.name] = look_at(page, sight, language, has_axe=has_axe)
    return {name: problems for name, problems in found.items() if problems}


def look_at(page: Page, sight: Sight, language: str, *, has_axe: bool) -> list[str]:
    """What is wrong with the page in one size and colour or the other."""
    found = []
    for turn, (name, look) in enumerate((name, look) for name, look in LOOKS.items() if look["locale"] == language):
        page.set_viewport_size(look["viewport"])
        page.emulate_media(color_scheme=look["color_scheme"])
        if turn == 0:
            page.goto(sight.path)
            expect(page.locator("main")).to_be_visible()
        # From one colour to the other some parts take a moment.
        expect(page.locator("html")).to_have_attribute("data-bs-theme", look["color_scheme"])
        page.evaluate(SETTLE)
        found += [f"{name}: {problem}" for problem in overflowing(page)]
        if has_axe:
            found += [f"{name}: {problem}" for problem in barriers(page, rules=RULES_OF_LOOKS if turn else None)]
            screens.take_picture(page, sight.name, name)
    if has_axe:
        found += [f"zoomed: {problem}" for problem in lost_when_zoomed(page)]
    return found


def lost_when_zoomed(page: Page) -> list[str]:
    """What nobody can read any more in a window of a desk that shows the page at twice its size."""
    page.set_viewport_size(ZOOMED)
    page.evaluate(SETTLE)
    return [*overflowing(page), *page.evaluate(CUT_OFF)]


def overflowing(page: Page) -> list[str]:
    """What is wider than its window or than the part that scrolls it, and by how much."""
    found: list[str] = page.evaluate(SIDEWAYS)
    return found


def barriers(page: Page, *, rules: Sequence[str] | None = None) -> list[str]:
    """What axe finds that keeps people out, by all rules or these. It adds styles, which the page's policy refuses."""
    options = {"runOnly": list(rules)} if rules else None
    violations: list[dict[str, Any]] = Axe().run(page, options=options).response["violations"]
    return [f"{violation['id']} at {[node['target'] for node in violation['nodes']]}" for violation in violations]
