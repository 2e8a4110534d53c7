"""Somebody who has a keyboard and nothing else: they go on by Tab, and see at each step where they are."""

from dataclasses import dataclass

import pytest
from playwright.sync_api import Locator, Page

from tests.browser.looks import SETTLE

MOST_STEPS = 300
# What has the focus, and whether that is seen: a line around it, or around the label of a field that is not, in the
# window and with nothing in front of it. Where a script or a link within the page leads, there is nothing to press.
FOCUS = """() => {
  const at = document.activeElement;
  if (!at || at === document.body) return { place: "", isSeen: false };
  const isInFront = (one) => {
    const { left, top, width, height } = one.getClientRects()[0];
    const hit = document.elementFromPoint(left + width / 2, top + Math.min(height, innerHeight - top) / 2);
    return Boolean(hit) && (one.contains(hit) || at.contains(hit));
  };
  const isSeen = (one) => {
    const style = getComputedStyle(one);
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2
      && one.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true }) && isInFront(one);
  };
  const words = (at.getAttribute("aria-label") || at.textContent || at.name || "").trim().replace(/\\s+/g, " ");
  return {
    place: `${at.tagName.toLowerCase()}${at.id ? "#" + at.id : ""} “${words.slice(0, 60)}”`,
    isSeen: at.matches("main") || [at, ...(at.labels || [])].some(isSeen),
  };
}"""


@dataclass(frozen=True)
class Keyboard:
    """The keyboard in front of a page."""

    page: Page

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def write(self, text: str) -> None:
        self.page.keyboard.type(text)

    def reach(self, wanted: Locator, *, backwards: bool = False) -> None:
        """Go on until this has the focus, wherever it is now. It may go once around the page."""
        passed = list[str]()
        for _ in range(MOST_STEPS):
            self.press("Shift+Tab" if backwards else "Tab")
            passed.append(self.see(may_be_nowhere="" not in passed))
            if wanted.evaluate("one => one === document.activeElement"):
                return
        pytest.fail(f"{wanted} was not reached; the focus went by {passed}")

    def see(self, *, may_be_nowhere: bool = False) -> str:
        """What has the focus, in words; "" for nothing, as between the end of a page and its beginning."""
        self.page.evaluate(SETTLE)
        focus = self.page.evaluate(FOCUS)
        assert focus["place"] or may_be_nowhere, "nothing has the focus"
        assert focus["isSeen"] or not focus["place"], f"it is not seen that {focus['place']} has the focus"
        return str(focus["place"])
