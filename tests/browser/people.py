"""People at their browsers: who is signed in, how they look at the portal, and what their browser complained about."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect

from local.people import TENANT
from tests.browser.languages import note_language
from tests.running.stack import Stack

# A figure that people feel is below 3 s; a busy machine gets twice that before a test fails.
HARD_LIMIT_S = 6
HOME = f"/t/{TENANT}"
# What htmx says of a poll under way when the person went on to another page; one that fails has a name of its own too.
LEFT_MEANWHILE = ("htmx:sendAbort", "htmx:afterRequest")
# What the browser and htmx each say of an answer that is a refusal.
REFUSED = (
    "the server responded with a status of 4",
    "Response Status Error Code 4",
    "the server responded with a status of 502",
    "Response Status Error Code 502",
)
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 800}


class Visitors:
    """Browsers of their own for several people, who look at the portal in this way; each signs in once."""

    def __init__(self, chromium: Browser, stack: Stack, look: Mapping[str, Any]) -> None:
        self._chromium = chromium
        self._stack = stack
        self._look = look
        self._sessions: dict[str, Any] = {}
        self._open: list[BrowserContext] = []
        self._problems: list[str] = []

    def open(self, email: str | None = None, *, expects_error: bool = False, **options: Any) -> Page:
        """Open an empty page, signed in when an email is given; `options` are Playwright's for a context."""
        if email is not None:
            options["storage_state"] = self._session(email)
        page = self._context(**options).new_page()
        page.on("pageerror", lambda error: self._problems.append(str(error)))
        page.on("console", lambda message: self._note(message, expects_error=expects_error))
        return page

    def leave(self) -> list[str]:
        """Close every page, and give what the browser complained about."""
        for context in self._open:
            context.close()
        self._open.clear()
        problems, self._problems = self._problems, []
        return problems

    def _session(self, email: str) -> Any:
        if email not in self._sessions:
            page = self._context().new_page()
            sign_in(page, email, self._stack.passwords[email])
            self._sessions[email] = page.context.storage_state()
        return self._sessions[email]

    def _context(self, **options: Any) -> BrowserContext:
        settings = {**self._look, "base_url": self._stack.api.url, **options}
        context = self._chromium.new_context(**settings)
        note_language(context, settings["locale"], self._stack.api.url)
        context.set_default_timeout(2 * HARD_LIMIT_S * 1000)
        self._open.append(context)
        return context

    def _note(self, message: ConsoleMessage, *, expects_error: bool) -> None:
        is_expected = expects_error and any(words in message.text for words in REFUSED)
        is_expected = is_expected or message.text in LEFT_MEANWHILE
        if message.type in ("error", "warning") and not is_expected:
            self._problems.append(f"{message.type} at {message.location['url']}: {message.text}")


def sign_in(page: Page, email: str, password: str) -> None:
    page.goto("/login")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def make_unit(page: Page, name: str) -> str:
    """Add a unit by the form, and give its short name, which the page proposes."""
    page.goto(f"{HOME}/new-unit")
    page.get_by_label("Name", exact=True).fill(name)
    slug = page.locator("#slug").input_value()
    page.get_by_role("button", name="Create unit").click()
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
    return slug


def link_unit(stack: Stack, unit: str) -> str:
    """Connect the unit to a simulated phone without a browser."""
    stack.link(unit, number=f"55119{unit[-5:]}501")
    return unit


def ask_for_code(page: Page, *, button: str = "Show the QR code") -> None:
    page.get_by_role("button", name=button).click()


def qr_code(page: Page) -> Locator:
    return page.get_by_role("img", name="QR code to link")


def seconds_until_visible(locator: Locator) -> float:
    elapsed_s = stopwatch()
    expect(locator).to_be_visible()
    return elapsed_s()


def stopwatch() -> Callable[[], float]:
    began_at = time.monotonic()
    return lambda: time.monotonic() - began_at


def stays_on_page(page: Page) -> Callable[[], bool]:
    """Mark the page as it is, and give a question: is it still that page, neither reloaded nor left?"""
    page.evaluate("window.isTheSame = true")
    return lambda: page.evaluate("window.isTheSame === true")
