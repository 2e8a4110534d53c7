"""What a page costs a browser: bytes, requests, what moves while it is drawn, and what it waits for."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import CDPSession, Page, expect

NOTE_SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => { for (const shift of list.getEntries()) window.shifted += shift.value; })
  .observe({ type: "layout-shift", buffered: true });
"""
# Each part that asks for its news is told that it has seen none, as if all were new.
DRAW_PARTS_ANEW = """async () => {
  const parts = [...document.querySelectorAll("[hx-trigger^='every']")];
  for (const part of parts) {
    const address = part.getAttribute("hx-get").replace(/([?&])seen=[^&]*/, "$1");
    await htmx.ajax("GET", address, { source: part, target: part, swap: "outerHTML" });
  }
  await new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(go, 50))));
  return window.shifted;
}"""
BLOCKING = """() => performance.getEntriesByType("resource")
  .filter((one) => one.renderBlockingStatus === "blocking").map((one) => one.name)"""
# How long the server took says more about the machine than about the page.
PAINTED = """() => {
  const [paint] = performance.getEntriesByName("first-contentful-paint");
  const [page] = performance.getEntriesByType("navigation");
  return paint ? Math.round(paint.startTime - page.responseStart) : 0;
}"""


@dataclass
class Visit:
    """What went over the line while a page was opened, polls apart."""

    addresses: dict[str, str] = field(default_factory=dict)
    bytes: int = 0

    @property
    def requests(self) -> list[str]:
        return [*self.addresses.values()]


@dataclass(frozen=True)
class Weight:
    name: str
    html: int
    first: Visit
    second: Visit
    shift: float
    painted_ms: int
    blocking: list[str]

    @property
    def line(self) -> str:
        """A row of the table of `HEAD`."""
        visits = [cell for visit in (self.first, self.second) for cell in (_kb(visit.bytes), len(visit.requests))]
        cells = (self.name, _kb(self.html), *visits, f"{self.shift:.3f}", self.painted_ms)
        return f"| {' | '.join(str(cell) for cell in cells)} |"


HEAD = (
    "| Page | HTML, kB | first visit, kB | requests | again, kB | requests | shift | paint, ms |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
)


class Scales:
    """Weighs pages in one browser window."""

    def __init__(self, page: Page) -> None:
        page.add_init_script(NOTE_SHIFTS)
        self._page = page
        self._visit = Visit()
        self._line: CDPSession = page.context.new_cdp_session(page)
        self._line.on("Network.requestWillBeSent", self._note_request)
        self._line.on("Network.requestServedFromCache", self._note_kept)
        self._line.on("Network.loadingFinished", self._note_end)
        self._line.send("Network.enable")

    def weigh(self, name: str, path: str) -> Weight:
        self._line.send("Network.clearBrowserCache")
        html, first = self._open(path)
        painted_ms, blocking = self._page.evaluate(PAINTED), self._page.evaluate(BLOCKING)
        shift = self._page.evaluate(DRAW_PARTS_ANEW)
        _, second = self._open(path)
        return Weight(name, html, first, second, shift, painted_ms, blocking)

    def _open(self, path: str) -> tuple[int, Visit]:
        """The page's own size, unpacked, and what its visit took."""
        visit = self._visit = Visit()
        answer = self._page.goto(path)
        expect(self._page.locator("main")).to_be_visible()
        assert answer is not None
        size = len(answer.body())
        # What comes from now on is none of the visit's.
        self._visit = Visit()
        return size, visit

    def _note_request(self, event: dict[str, Any]) -> None:
        address = event["request"]["url"]
        if event.get("type") != "XHR" and not address.startswith("data:"):
            self._visit.addresses[event["requestId"]] = address

    def _note_kept(self, event: dict[str, Any]) -> None:
        self._visit.addresses.pop(event["requestId"], None)

    def _note_end(self, event: dict[str, Any]) -> None:
        if event["requestId"] in self._visit.addresses:
            self._visit.bytes += int(event["encodedDataLength"])


def _kb(size: int) -> str:
    return f"{size / 1000:.1f}"


def place_of(address: str) -> str:
    """Without what changes with its content."""
    return urlsplit(address).path
