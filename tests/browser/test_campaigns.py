"""A campaign from its beginning to its sending: on a desk, and on a phone that runs no script."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.browser.people import HOME, PHONE, sign_in
from tests.running.stack import ADMIN, Stack
from tests.running.waiting import until

pytestmark = pytest.mark.browser

# A worker plans it; without JavaScript the page asks anew every two seconds.
PLANNED_MS = 20_000


def new_number() -> str:
    return f"55119600{uuid4().int % 90_000 + 10_000}"


def begin(page: Page, unit: str, name: str) -> None:
    page.goto(f"{HOME}/campaigns/new?unit={unit}")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name="Go on").click()


def arrived(stack: Stack, text: str, *, number: int) -> None:
    """So many people got that text."""
    query = "SELECT id FROM messages WHERE body = %s AND status IN ('sent', 'delivered', 'read')"
    until(lambda: len(stack.rows.fetch(query, text)) == number, f"{number} messages")


def test_campaign_is_prepared_tried_and_sent(admin: Page, linked_unit: str, stack: Stack) -> None:
    name, numbers = f"Oferta {uuid4().hex[:8]}", [new_number() for _ in range(2)]
    begin(admin, linked_unit, name)
    admin.get_by_label("Telephone numbers").fill("\n".join([*numbers, "1199"]))
    admin.get_by_label("Telephone numbers").blur()
    expect(admin.get_by_text("and 3 pasted lines")).to_be_visible()
    admin.get_by_role("button", name="Save and go on").click()
    # What is typed before the page's script is there is not looked at.
    admin.wait_for_url("**/message")
    admin.get_by_label("Message").fill(f"Olá! {name}")
    expect(admin.get_by_role("region", name="Preview").get_by_text(f"Olá! {name}")).to_be_visible()
    admin.get_by_role("button", name="Save and go on").click()

    expect(admin.get_by_role("link", name="2 get the message")).to_be_visible(timeout=PLANNED_MS)
    expect(admin.get_by_role("link", name="1 line that is no number")).to_be_visible()
    admin.get_by_label("Your number").fill(new_number())
    admin.get_by_role("link", name="Next").click()
    expect(admin.get_by_text("Recipient 2 of 2:")).to_be_visible()
    # What was typed is there still.
    admin.get_by_role("button", name="Send me this message").click()
    expect(admin.get_by_text("On its way to")).to_be_visible()
    arrived(stack, f"Olá! {name}", number=1)

    admin.get_by_label("At a time of my choice").check()
    expect(admin.get_by_role("button", name="Schedule 2 messages")).to_be_visible()
    admin.get_by_label("Now", exact=True).check()
    admin.get_by_role("button", name="Send 2 messages").click()
    expect(admin.get_by_role("heading", name=name)).to_be_visible()
    arrived(stack, f"Olá! {name}", number=3)


def test_campaign_to_an_imported_list_is_sent_without_a_script(
    open_page: Callable[..., Page], linked_unit: str, stack: Stack
) -> None:
    name, file = f"Oferta {uuid4().hex[:8]}", f"lista-{uuid4().hex[:6]}.csv"
    page = open_page(viewport=PHONE, java_script_enabled=False)
    sign_in(page, ADMIN, stack.passwords[ADMIN])
    page.goto(f"{HOME}/contacts/import")
    content = f"Telefone;Nome\n{new_number()};Ana Exemplo\n".encode()
    page.locator('input[type="file"]').set_input_files({"name": file, "mimeType": "text/csv", "buffer": content})
    page.get_by_role("button", name="Upload and check").click()
    page.get_by_role("button", name="Check the rows").click(timeout=PLANNED_MS)
    page.get_by_role("button", name="Import 1 person").click(timeout=PLANNED_MS)
    expect(page.get_by_role("heading", name="The list was imported")).to_be_visible(timeout=PLANNED_MS)
    begin(page, linked_unit, name)
    page.get_by_label(file).check()
    page.get_by_role("button", name="Count again").click()
    expect(page.get_by_text("person of your contacts would get it as things are now")).to_be_visible()
    page.get_by_role("button", name="Save and go on").click()
    page.get_by_label("Message").fill("Oi, ((nome))! " + name)
    page.get_by_role("button", name="Update the preview").click()
    expect(page.get_by_text(f"Oi, Ana Exemplo! {name}", exact=True)).to_be_visible()
    page.get_by_role("button", name="Save and go on").click()

    page.get_by_role("button", name="Send 1 message").click(timeout=PLANNED_MS)

    expect(page.get_by_role("heading", name=name)).to_be_visible()
    arrived(stack, f"Oi, Ana Exemplo! {name}", number=1)
