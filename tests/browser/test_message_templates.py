"""A template is written, seen as a person gets it while it is written, and used to begin a message."""

import re
from collections.abc import Callable
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.browser.people import HOME, PHONE, sign_in
from tests.files import PDF
from tests.running.stack import ADMIN, Stack
from tests.running.waiting import until

pytestmark = pytest.mark.browser


def meet(stack: Stack, unit: str) -> str:
    """Let a new person write to the unit, and give their number."""
    number = f"55119500{uuid4().int % 90_000 + 10_000}"
    text = f"Oi, é {number}"
    stack.simulator.customer_writes(stack.rows.instance_of(unit), number=number, name="Rita Exemplo", text=text)
    until(lambda: stack.rows.received([text]), "message")
    return number


def test_preview_follows_what_is_written_and_the_template_begins_a_message(
    open_page: Callable[..., Page], linked_unit: str, stack: Stack
) -> None:
    number, name = meet(stack, linked_unit), f"Oferta {uuid4().hex[:8]}"
    page = open_page(ADMIN, viewport=PHONE)
    page.goto(f"{HOME}/templates/new")
    page.get_by_label("Show it for").fill(number)
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Message").fill("Oi, ")
    page.get_by_role("button", name=re.compile("first name|primeiro nome")).click()
    page.keyboard.type("! ((pedido))")

    preview = page.get_by_role("region", name="Preview")
    expect(preview.get_by_text("Oi, Rita! ((pedido))")).to_be_visible()
    expect(preview.get_by_text("This person has no value for: pedido")).to_be_visible()

    page.locator("[data-file]").set_input_files({"name": "oferta.pdf", "mimeType": "application/pdf", "buffer": PDF})
    # Below a file there is room for less.
    expect(preview.get_by_text("of 1,024 characters")).to_be_visible()

    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    page.goto(f"{HOME}/units/{linked_unit}/send?phone=%2B{number}")
    page.get_by_text("Begin with a template").click()
    page.get_by_label("Template").select_option(label=name)
    page.get_by_role("button", name="Fill in the message").click()
    page.get_by_label("Message").fill(f"Oi, Rita! {name}")
    page.get_by_role("button", name="Send").click()

    messages = page.get_by_role("region", name="Messages")
    expect(messages.get_by_text(f"Oi, Rita! {name}")).to_be_visible()
    expect(messages.get_by_text("oferta.pdf")).to_be_visible()


def test_template_is_written_and_looked_at_without_a_script(open_page: Callable[..., Page], stack: Stack) -> None:
    name = f"Oferta {uuid4().hex[:8]}"
    page = open_page(java_script_enabled=False)
    sign_in(page, ADMIN, stack.passwords[ADMIN])
    page.goto(f"{HOME}/templates/new")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Message").fill("Bom dia ((")
    page.get_by_role("button", name="Update the preview").click()
    expect(page.get_by_text("“((” is not closed")).to_be_visible()

    page.get_by_label("Message").fill("Bom dia!")
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_role("heading", name=name)).to_be_visible()
