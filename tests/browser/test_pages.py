"""Every page on a phone and on a desk, light and dark, in both languages: fits, is quiet, and is open to all.

With PORTAL_SCREENS naming a folder, a picture of each is left there (`make screens`).
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.people import DESKTOP, HOME, PHONE, Visitors, ask_for_code, link_unit, make_unit, qr_code
from tests.running.stack import ADMIN, OPERATOR, Stack
from tests.running.waiting import until

pytestmark = pytest.mark.browser

# Every size meets both languages and both colours.
LOOKS = {
    "phone light pt": {"viewport": PHONE, "color_scheme": "light", "locale": "pt-BR"},
    "phone dark en": {"viewport": PHONE, "color_scheme": "dark", "locale": "en-US"},
    "desktop light en": {"viewport": DESKTOP, "color_scheme": "light", "locale": "en-US"},
    "desktop dark pt": {"viewport": DESKTOP, "color_scheme": "dark", "locale": "pt-BR"},
}
SCREENS = os.environ.get("PORTAL_SCREENS")
# Size and language add no barrier of their own, colours may.
LOOKS_FOR_AXE = tuple(LOOKS) if SCREENS else ("phone light pt", "desktop dark pt")
GRAVE = ("serious", "critical")
LONG_TEXT = "Bom dia! Vocês ainda têm o modelo " + "azul-marinho" * 8 + " em estoque? https://example.test/" + "a" * 90

SIDEWAYS = """() => [document.scrollingElement, ...document.querySelectorAll("body *")]
  .filter((box) => box === document.scrollingElement || ["auto", "scroll"].includes(getComputedStyle(box).overflowX))
  .filter((box) => box.scrollWidth > box.clientWidth)
  .map((box) => `${box.scrollWidth - box.clientWidth} px too wide: ${box.tagName} ${box.className}`)
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


@pytest.fixture(scope="module")
def sights(visitors: Visitors, running: Stack) -> list[Sight]:
    """One unit that is linked and wrote with somebody, and one that shows a QR code."""
    page = visitors.open(ADMIN)
    linked = link_unit(running, make_unit(page, "Loja da avenida comprida 10501"))
    waiting = make_unit(page, "Loja que espera 10502")
    conversation = talk(running, linked)
    message = fail(running, linked)
    page.goto(f"{HOME}/units/{waiting}")
    page.locator("form[action$=scan-link] button").click()
    link = page.locator("#scan-url").input_value()
    running.note_secret("scan link", link.rpartition("/")[2])
    page.goto(f"{HOME}/units/{waiting}/connect")
    ask_for_code(page)
    expect(qr_code(page)).to_be_visible()
    assert visitors.leave() == []
    return list_sights(linked, waiting, conversation, message, link)


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_fits_its_window_and_the_browser_finds_nothing_to_complain_of(
    sights: list[Sight], open_page: OpenPage, look: str
) -> None:
    found = walk(sights, open_page, LOOKS[look], overflowing)

    assert found == {}


@pytest.mark.parametrize("look", LOOKS_FOR_AXE)
def test_no_page_keeps_anybody_out(sights: list[Sight], open_page: OpenPage, look: str) -> None:
    found = walk(sights, open_page, {**LOOKS[look], "bypass_csp": True}, barriers)

    assert found == {}


def list_sights(linked: str, waiting: str, conversation: str, message: str, link: str) -> list[Sight]:
    of_linked, of_waiting = f"{HOME}/units/{linked}", f"{HOME}/units/{waiting}"
    return [
        Sight("login", "/login", SOMEBODY),
        Sight("units", f"{HOME}/"),
        Sight("new unit", f"{HOME}/new-unit"),
        Sight("unit", of_linked),
        Sight("unit waiting", of_waiting),
        Sight("settings", f"{of_linked}/settings"),
        Sight("archive", f"{of_linked}/archive"),
        Sight("connected", f"{of_linked}/connect"),
        Sight("QR code", f"{of_waiting}/connect"),
        Sight("not connected", f"{HOME}/units/norte/connect"),
        *(Sight(step, f"{of_linked}/{step}") for step in ("disconnect", "restart", "delete")),
        Sight("inbox", f"{HOME}/conversations"),
        Sight("inbox of a unit", f"{HOME}/conversations?unit={linked}"),
        Sight("thread", f"{HOME}/conversations/{conversation}"),
        Sight("send", f"{of_linked}/send"),
        Sight("not delivered", f"{HOME}/undelivered?bucket=failed"),
        Sight("story", f"{HOME}/messages/{message}"),
        Sight("send held", f"{HOME}/units/norte/send"),
        Sight("scan link", link, SOMEBODY),
        Sight("scan link gone", "/scan/nothing", THE_LOST),
        Sight("tenants", "/operator/", AN_OPERATOR),
        Sight("error", f"{HOME}/units/no-such-unit", THE_LOST_ADMIN),
    ]


def talk(stack: Stack, unit: str) -> str:
    """Let a customer and the unit write to each other, and give the conversation's id."""
    number, answer = "5511950009005", "Temos sim. Quer que eu separe um para você?"
    instance = stack.rows.instance_of(unit)
    stack.simulator.customer_writes(instance, number=number, name="Conceição de Souza Exemplo", text=LONG_TEXT)
    stack.simulator.customer_writes(stack.rows.instance_of(unit), number=number, name="Conceição", text="Obrigada!")
    until(lambda: stack.rows.received(["Obrigada!"]), "message")
    stack.api.send(unit, phone=f"+{number}", text=answer)
    until(lambda: stack.rows.statuses([answer]).get(answer) == "read", "second tick")
    found = stack.rows.fetch("SELECT conversation_id FROM messages WHERE body = %s", answer)
    return str(found[0]["conversation_id"])


def fail(stack: Stack, unit: str) -> str:
    """Let the unit write to a number that is not on WhatsApp, and give the message's id."""
    text = "Your order is ready. " + LONG_TEXT
    message = stack.api.send(unit, phone="+5511950000008", text=text)
    until(lambda: stack.rows.statuses([text]).get(text) == "failed", "failure")
    return message


def walk(
    sights: list[Sight], open_page: OpenPage, look: dict[str, Any], check: Callable[[Page], list[str]]
) -> dict[str, list[str]]:
    """Page -> what is wrong with it, of those where something is."""
    found = {}
    for viewer in VIEWERS:
        page = open_page(viewer.email, expects_error=viewer.expects_error, **look)
        for sight in sights:
            if sight.viewer == viewer:
                page.goto(sight.path)
                expect(page.locator("main")).to_be_visible()
                found[sight.name] = check(page)
                take_picture(page, sight, look)
    return {name: problems for name, problems in found.items() if problems}


def overflowing(page: Page) -> list[str]:
    """What is wider than its window or than the part that scrolls it, and by how much."""
    found: list[str] = page.evaluate(SIDEWAYS)
    return found


def barriers(page: Page) -> list[str]:
    """What axe finds that keeps people out. It adds styles of its own, which the page's policy would refuse."""
    violations: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [
        f"{violation['id']} at {[node['target'] for node in violation['nodes']]}"
        for violation in violations
        if violation["impact"] in GRAVE
    ]


def take_picture(page: Page, sight: Sight, look: dict[str, Any]) -> None:
    # The driver, too, adds a style for a picture.
    if SCREENS and "bypass_csp" in look:
        kind = f"{look['viewport']['width']}-{look['color_scheme']}-{look['locale']}"
        page.screenshot(path=Path(SCREENS) / f"{sight.name.replace(' ', '-')}-{kind}.png", full_page=True)
