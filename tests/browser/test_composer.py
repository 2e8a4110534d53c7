"""The composer: under somebody faster than the network, with quick replies, and with what was begun and left."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.chats import Customer, box, write_template
from tests.browser.looks import OpenPage, barriers
from tests.browser.people import HOME, sign_in
from tests.running.stack import ADMIN, Stack
from tests.running.waiting import until

pytestmark = pytest.mark.browser

SOMEBODY = "+5511950009011"


@pytest.fixture
def rita(stack: Stack, linked_unit: str) -> Customer:
    customer = Customer(stack, linked_unit, number="5511950009012", name="Rita Exemplo")
    customer.writes("Quanto custa?")
    return customer


@pytest.fixture
def shortcut(admin: Page) -> str:
    """Of a template with a file and a variable that nobody has a value for."""
    shortcut = f"p{uuid4().hex[:8]}"
    write_template(admin, shortcut, "Oi, ((nome))! Seu pedido ((pedido)) está pronto.", with_file=True)
    return shortcut


def options(page: Page) -> Locator:
    return page.get_by_role("listbox", name="Quick replies").get_by_role("option")


def test_what_is_typed_while_a_message_is_on_its_way_is_the_next_one(
    admin: Page, linked_unit: str, stack: Stack
) -> None:
    stack.api.send(linked_unit, phone=SOMEBODY, text="Good morning")
    admin.goto(f"{HOME}/conversations?unit={linked_unit}")
    admin.get_by_role("link", name="+55 11 95000-9011").click()
    text, held = admin.locator("#composer-text"), list[Route]()
    admin.route("**/conversations/*/messages", lambda route: held.append(route))

    text.fill("We open at nine.")
    text.press("Enter")
    text.press_sequentially(" Come early!")
    admin.wait_for_function("document.querySelector('#composer-form').classList.contains('htmx-request')")
    held[0].continue_()

    expect(admin.locator(".bubble", has_text="We open at nine.")).to_be_visible()
    expect(text).to_have_value(" Come early!")
    admin.unroute_all()
    text.press("Enter")
    expect(admin.locator(".bubble", has_text="Come early!")).to_be_visible()
    expect(text).to_have_value("")


def test_quick_reply_is_chosen_by_its_short_cut_and_filled_in(admin: Page, rita: Customer, shortcut: str) -> None:
    admin.goto(rita.address)
    box(admin).press_sequentially(f"/{shortcut[:6]}")
    expect(options(admin)).to_have_count(1)
    expect(options(admin)).to_have_attribute("aria-selected", "true")

    box(admin).press("Enter")

    expect(box(admin)).to_have_value("Oi, Rita Exemplo! Seu pedido ((pedido)) está pronto.")
    expect(admin.locator("#composer").get_by_text("tabela.pdf")).to_be_visible()
    # What has no value is selected, ready to be written.
    admin.keyboard.type("42")
    box(admin).press("Enter")
    messages = admin.get_by_role("region", name="Messages")
    expect(messages.get_by_text("Seu pedido 42 está pronto.")).to_be_visible()
    expect(messages.get_by_text("tabela.pdf")).to_be_visible()
    expect(admin.locator("#composer").get_by_text("tabela.pdf")).to_be_hidden()


def test_gap_is_refused_and_the_file_can_be_left_out(
    open_page: Callable[..., Page], rita: Customer, shortcut: str
) -> None:
    page = open_page(ADMIN, expects_error=True)
    page.goto(rita.address)
    box(page).press_sequentially(f"/{shortcut}")
    options(page).first.click()

    box(page).press("Enter")

    expect(page.get_by_text("Write something in the place of ((pedido)).")).to_be_visible()
    expect(page.locator("#composer").get_by_text("tabela.pdf")).to_be_visible()
    page.locator("#composer").get_by_role("button", name="Remove").click()
    box(page).fill("Está pronto.")
    box(page).press("Enter")
    expect(page.get_by_role("region", name="Messages").get_by_text("Está pronto.")).to_be_visible()
    expect(page.get_by_role("region", name="Messages").get_by_text("tabela.pdf")).to_be_hidden()


def test_list_is_walked_by_arrows_and_closed_by_escape(open_page: OpenPage, rita: Customer) -> None:
    page, group = open_page(ADMIN, bypass_csp=True), f"g{uuid4().hex[:8]}"
    for place in (1, 2, 3):
        write_template(page, f"{group}{place}", f"Resposta {place}")
    page.goto(rita.address)
    text = box(page)

    text.press_sequentially(f"/{group}")
    expect(options(page)).to_have_count(3)
    text.press("ArrowDown")
    text.press("ArrowDown")

    expect(text).to_have_attribute("aria-controls", "quick-list")
    active = text.get_attribute("aria-activedescendant")
    expect(page.locator(f"#{active}")).to_contain_text(f"{group}3")
    assert barriers(page) == []
    text.press("Escape")
    expect(options(page)).to_have_count(0)
    expect(text).to_be_focused()
    expect(text).not_to_have_attribute("aria-controls", "quick-list")
    # As it stands, since it was closed.
    text.press("Enter")
    expect(page.get_by_role("region", name="Messages").get_by_text(f"/{group}", exact=True)).to_be_visible()


def test_enter_before_the_list_is_there_chooses_and_sends_no_command(
    admin: Page, rita: Customer, shortcut: str, stack: Stack
) -> None:
    admin.goto(rita.address)

    box(admin).press_sequentially(f"/{shortcut}")
    box(admin).press("Enter")

    expect(box(admin)).to_have_value("Oi, Rita Exemplo! Seu pedido ((pedido)) está pronto.")
    assert stack.rows.count("messages WHERE body = %s", f"/{shortcut}") == 0


def test_draft_waits_in_its_conversation_until_it_is_sent(admin: Page, rita: Customer, linked_unit: str) -> None:
    admin.goto(rita.address)
    box(admin).fill("Custa dez")
    admin.goto(f"{HOME}/conversations?unit={linked_unit}")
    row = admin.locator(f"#chat-{rita.conversation_id}")
    expect(row).to_contain_text("Draft:")

    row.click()

    expect(box(admin)).to_have_value("Custa dez")
    box(admin).press("Enter")
    expect(admin.get_by_role("region", name="Messages").get_by_text("Custa dez")).to_be_visible()
    expect(box(admin)).to_have_value("")
    admin.goto(f"{HOME}/conversations?unit={linked_unit}")
    expect(row).to_be_visible()
    expect(row).not_to_contain_text("Draft:")


def test_draft_gives_way_to_a_template_and_ends_after_thirty_days(admin: Page, rita: Customer, shortcut: str) -> None:
    admin.goto(rita.address)
    box(admin).fill("Custa dez")
    key = admin.evaluate("Object.keys(localStorage).find((one) => one.startsWith('portal:draft:'))")
    template_id = admin.locator("#template option", has_text=shortcut).get_attribute("value")

    admin.goto(f"{rita.address}?template={template_id}")
    expect(box(admin)).to_have_value("Oi, Rita Exemplo! Seu pedido ((pedido)) está pronto.")

    admin.evaluate(
        "key => localStorage.setItem(key, JSON.stringify({ text: 'Old', at: Date.now() - 31 * 24 * 3600 * 1000 }))", key
    )
    admin.goto(rita.address)
    expect(box(admin)).to_have_value("")
    assert admin.evaluate("key => localStorage.getItem(key)", key) is None


def test_drafts_go_with_whoever_signs_out(open_page: Callable[..., Page], stack: Stack, rita: Customer) -> None:
    page = open_page()
    sign_in(page, ADMIN, stack.passwords[ADMIN])
    page.goto(rita.address)
    box(page).fill("Custa dez")
    assert "Custa dez" in page.evaluate("JSON.stringify(localStorage)")

    # On a phone the conversation has the window to itself.
    page.goto(f"{HOME}/conversations")
    page.get_by_role("button", name="Sign out").click()

    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert "Custa dez" not in page.evaluate("JSON.stringify(localStorage)")


def test_reply_begins_with_a_template_without_a_script(
    open_page: Callable[..., Page], stack: Stack, rita: Customer, shortcut: str
) -> None:
    plain = open_page(java_script_enabled=False)
    sign_in(plain, ADMIN, stack.passwords[ADMIN])
    plain.goto(rita.address)
    plain.get_by_text("Begin with a template").click()
    plain.get_by_label("Template", exact=True).select_option(label=f"Modelo {shortcut}")
    plain.get_by_role("button", name="Fill in the message").click()
    text = plain.get_by_role("textbox", name="Message")
    expect(text).to_have_value("Oi, Rita Exemplo! Seu pedido ((pedido)) está pronto.")

    text.fill("Está pronto, sem anexo.")
    plain.get_by_role("checkbox", name="tabela.pdf").uncheck()
    plain.get_by_role("button", name="Send").click()

    expect(plain.get_by_role("region", name="Messages").get_by_text("Está pronto, sem anexo.")).to_be_visible()
    until(lambda: stack.rows.statuses(["Está pronto, sem anexo."]), "message")
    assert stack.rows.count("messages WHERE body = 'Está pronto, sem anexo.' AND media_id IS NULL") == 1
