"""The main job of the portal by keyboard alone, from the sign-in to what is done: no pointer touches the page."""

from uuid import uuid4
from zlib import crc32

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.chats import Customer, box, write_template
from tests.browser.keyboard import Keyboard
from tests.browser.looks import OpenPage
from tests.browser.people import make_unit, qr_code
from tests.running.stack import ADMIN, Stack
from tests.running.waiting import until

pytestmark = pytest.mark.browser

NUMBER = "5511950009016"


@pytest.fixture
def unit(admin: Page, request: pytest.FixtureRequest) -> str:
    """The first in the list, however many other tests have made."""
    return make_unit(admin, f"Bairro {crc32(request.node.nodeid.encode()) % 100_000:05d}")


@pytest.fixture
def shortcut(admin: Page) -> str:
    shortcut = f"k{uuid4().hex[:8]}"
    write_template(admin, shortcut, "Oi, ((nome))! Fechamos às 18 h.")
    return shortcut


def test_unit_is_connected_and_a_customer_is_answered_by_keyboard(
    open_page: OpenPage, stack: Stack, unit: str, shortcut: str
) -> None:
    page = open_page(reduced_motion="reduce")
    keys = Keyboard(page)

    sign_in(page, keys, stack.passwords[ADMIN])
    connect(page, keys, stack, unit)
    customer = Customer(stack, unit, number=NUMBER, name="Rita Teclado")
    open_conversation(page, keys, customer)
    take(page, keys)
    answer(page, keys, shortcut)
    react(page, keys)
    note(page, keys)
    resolve(page, keys)

    sent = ["Até as seis.", "Oi, Rita Teclado! Fechamos às 18 h."]
    until(lambda: set(sent) <= set(stack.simulator.sent_texts()), "answers on the customer's phone")


def sign_in(page: Page, keys: Keyboard, password: str) -> None:
    page.goto("/login")
    expect(page.get_by_label("E-mail")).to_be_focused()
    keys.write(ADMIN)
    keys.reach(page.get_by_label("Password"))
    keys.write(password)
    keys.press("Enter")
    expect(page.get_by_role("heading", name="What needs you")).to_be_visible()


def connect(page: Page, keys: Keyboard, stack: Stack, unit: str) -> None:
    keys.reach(page.get_by_role("link", name="Units", exact=True))
    keys.press("Enter")
    expect(page.get_by_role("heading", name="Units", level=1)).to_be_visible()
    keys.reach(page.locator(f"#link-{unit}"))
    keys.press("Enter")
    expect(page.get_by_role("heading", name=unit.replace("-", " ").title(), level=1)).to_be_visible()
    keys.reach(page.get_by_role("link", name="Connect", exact=True))
    keys.press("Enter")
    expect(page.get_by_role("heading", name="Connect WhatsApp")).to_be_visible()
    keys.reach(page.get_by_role("button", name="Show the QR code"))
    keys.press("Enter")
    expect(qr_code(page)).to_be_visible()
    keys.reach(page.get_by_role("link", name="Update"))

    stack.simulator.scan(stack.rows.instance_of(unit), number=f"55119{unit[-5:]}502", name="Loja Teclado")

    # The link is gone with the code.
    expect(page.get_by_role("heading", name="Connected")).to_be_focused()
    keys.reach(page.get_by_role("link", name="To the conversations"))
    keys.press("Enter")
    expect(page.get_by_role("heading", name="Conversations", level=1)).to_be_visible()


def open_conversation(page: Page, keys: Keyboard, customer: Customer) -> None:
    customer.writes("Até que horas abrem?")
    chat = page.locator(f"#chat-{customer.conversation_id}")
    expect(chat).to_be_visible()
    keys.reach(chat)
    customer.writes("Hoje ainda?")
    expect(chat).to_contain_text("Hoje ainda?")
    # The list was drawn anew around it.
    expect(chat).to_be_focused()
    keys.press("Enter")
    expect(messages(page).get_by_text("Hoje ainda?")).to_be_visible()


def take(page: Page, keys: Keyboard) -> None:
    work = page.locator("#work")
    keys.reach(work.locator("summary"))
    keys.press("Enter")
    keys.reach(work.get_by_role("button", name="Take it"))
    keys.press("Enter")
    expect(work.get_by_role("heading", name="You answer")).to_be_focused()
    keys.see()


def answer(page: Page, keys: Keyboard, shortcut: str) -> None:
    keys.reach(box(page))
    keys.write("Até as seis.")
    keys.press("Enter")
    expect(messages(page).get_by_text("Até as seis.")).to_be_visible()
    expect(box(page)).to_be_focused()

    keys.write(f"/{shortcut[:6]}")
    replies = page.get_by_role("listbox", name="Quick replies")
    expect(replies.get_by_role("option")).to_have_count(1)
    keys.press("Enter")
    expect(box(page)).to_have_value("Oi, Rita Teclado! Fechamos às 18 h.")
    keys.press("Enter")
    expect(messages(page).get_by_text("Fechamos às 18 h.")).to_be_visible()

    keys.write("/")
    expect(replies).to_be_visible()
    keys.press("Escape")
    expect(replies).to_be_hidden()
    expect(box(page)).to_be_focused()
    keys.press("Backspace", "Escape")
    expect(box(page)).not_to_be_focused()


def react(page: Page, keys: Keyboard) -> None:
    bubble = page.locator(".bubble--inbound", has_text="Hoje ainda?")
    react = bubble.get_by_role("link", name="React")
    keys.reach(react, backwards=True)
    keys.press("Enter")
    expect(page.get_by_role("button", name="Thumbs up")).to_be_focused()
    keys.reach(page.get_by_role("button", name="Heart"))
    keys.press("Enter")
    expect(bubble.get_by_role("list", name="Reactions")).to_contain_text("❤️")
    expect(react).to_be_focused()
    keys.see()


def note(page: Page, keys: Keyboard) -> None:
    keys.reach(page.locator("#note summary"))
    keys.press("Enter")
    keys.reach(page.get_by_role("textbox", name="Note"))
    keys.write("Vem às cinco")
    keys.reach(page.get_by_role("button", name="Save the note"))
    keys.press("Enter")
    expect(page.locator(".note")).to_contain_text("Vem às cinco")
    expect(page.get_by_role("button", name="Save the note")).to_be_focused()
    keys.see()


def resolve(page: Page, keys: Keyboard) -> None:
    keys.reach(page.get_by_role("button", name="Resolve"), backwards=True)
    keys.press("Enter")
    expect(page.get_by_role("button", name="Reopen")).to_be_focused()
    expect(page.locator("#work")).to_contain_text("Resolved")
    keys.see()


def messages(page: Page) -> Locator:
    return page.get_by_role("region", name="Messages")
