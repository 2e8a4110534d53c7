"""A unit's connection in the browser: confirm, scan link, pairing code, and a code that nobody scans."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import FLAGS
from tests.browser.people import HOME, PHONE, ask_for_code, qr_code, stays_on_page
from tests.running.stack import Stack

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Page]
NUMBER = "5511950009001"
# A number that is connected in one unit is refused in the next.
NUMBER_OF_THE_LINK = "5511950009031"
STEPS = {
    "Disconnect": ("Disconnect the number?", "Disconnect", "Unlinked"),
    "Restart": ("Restart the connection?", "Restart", "Connected"),
    "Delete": ("Delete the connection?", "Delete the connection", "Not connected yet"),
}


@pytest.fixture
def codes_end_soon(stack: Stack) -> Iterator[None]:
    """Evolution makes two codes, of three seconds each, and stops."""
    restart_evolution(stack, "--qr-interval-s=3", "--qr-limit=2")
    yield
    restart_evolution(stack)


@pytest.mark.parametrize("step", STEPS)
def test_what_is_confirmed_is_done(admin: Page, linked_unit: str, step: str) -> None:
    question, button, result = STEPS[step]
    admin.goto(f"{HOME}/units/{linked_unit}")

    admin.get_by_role("link", name=step).click()
    expect(admin.get_by_role("heading", name=question)).to_be_visible()
    admin.get_by_role("button", name=button).click()

    expect(admin.locator("#connection .pill")).to_have_text(result, timeout=15_000)


def test_what_is_not_confirmed_is_left_as_it_is(admin: Page, linked_unit: str) -> None:
    admin.goto(f"{HOME}/units/{linked_unit}")

    admin.get_by_role("link", name="Disconnect").click()
    admin.get_by_role("link", name="Leave it as it is").click()

    expect(admin.locator("#connection .pill")).to_have_text("Connected")


def test_unit_that_was_disconnected_is_linked_again_with_a_new_instance(
    admin: Page, linked_unit: str, stack: Stack
) -> None:
    before = stack.rows.instance_of(linked_unit)
    admin.goto(f"{HOME}/units/{linked_unit}/disconnect")
    admin.get_by_role("button", name="Disconnect").click()
    expect(admin.locator("#connection .pill")).to_have_text("Unlinked", timeout=15_000)

    admin.get_by_role("link", name="Connect", exact=True).click()
    ask_for_code(admin, button="Generate a new code")
    expect(qr_code(admin)).to_be_visible()
    stack.simulator.scan(stack.rows.instance_of(linked_unit), number=NUMBER, name="Loja de novo")

    expect(admin.get_by_text("Connected as Loja de novo")).to_be_visible()
    assert stack.rows.instance_of(linked_unit) != before


def test_unlinking_on_the_phone_shows_on_the_unit_without_a_reload(admin: Page, linked_unit: str, stack: Stack) -> None:
    admin.goto(f"{HOME}/units/{linked_unit}")
    is_same_page = stays_on_page(admin)

    stack.simulator.unlink(stack.rows.instance_of(linked_unit))

    expect(admin.locator("#connection .pill")).to_have_text("Unlinked")
    assert is_same_page()


def test_person_with_the_phone_needs_the_link_only(admin: Page, unit: str, stack: Stack, open_page: OpenPage) -> None:
    visitor = open_page(viewport=PHONE)
    visitor.goto(make_scan_link(admin, unit, stack))

    ask_for_code(visitor)
    expect(qr_code(visitor)).to_be_visible()
    expect(visitor.get_by_role("navigation")).to_have_count(0)
    stack.simulator.scan(stack.rows.instance_of(unit), number=NUMBER_OF_THE_LINK, name="Loja do link")

    expect(visitor.get_by_text("You can close this page.")).to_be_visible()
    expect(admin.locator("#connection .pill")).to_have_text("Connected")


def test_revoked_scan_link_shows_nothing(admin: Page, unit: str, stack: Stack, open_page: OpenPage) -> None:
    visitor = open_page(expects_error=True)
    link = make_scan_link(admin, unit, stack)

    admin.get_by_role("button", name="Revoke").click()
    expect(admin.locator("#scan-url")).to_have_count(0)
    visitor.goto(link)

    expect(visitor.get_by_role("heading", name="This link does not work")).to_be_visible()


def test_pairing_code_is_the_one_that_whatsapp_expects(admin: Page, unit: str, stack: Stack) -> None:
    admin.goto(f"{HOME}/units/{unit}/connect")
    admin.get_by_text("No camera? Use a code").click()
    admin.get_by_label("Phone number for a pairing code").fill("+55 11 95000-9001")
    ask_for_code(admin)

    code = admin.locator("#pairing-code")
    expect(code).to_have_text(re.compile(r"^\w{4}-\w{4}$"))
    expected = {one["name"]: one["pairingCode"] for one in stack.simulator.instances()}
    assert code.inner_text().replace("-", "") == expected[stack.rows.instance_of(unit)]


def test_code_that_nobody_scans_ends_and_a_new_one_is_offered(admin: Page, unit: str, codes_end_soon: None) -> None:
    admin.goto(f"{HOME}/units/{unit}/connect")
    ask_for_code(admin)
    expect(qr_code(admin)).to_be_visible()

    expect(admin.locator("#connection-panel").get_by_text("The code ran out")).to_be_visible(timeout=15_000)
    expect(admin.locator("#connection-panel[hx-trigger]")).to_have_count(0)
    ask_for_code(admin, button="Generate a new code")

    expect(qr_code(admin)).to_be_visible()


def restart_evolution(stack: Stack, *flags: str) -> None:
    stack.evolution.stop()
    stack.evolution.start(*FLAGS, *flags)


def make_scan_link(admin: Page, unit: str, stack: Stack) -> str:
    admin.goto(f"{HOME}/units/{unit}")
    admin.get_by_role("button", name="Make a link").click()
    link = admin.locator("#scan-url").input_value()
    stack.note_secret("scan link", link.rpartition("/")[2])
    return link
