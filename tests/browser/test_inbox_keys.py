"""What moves by itself in the inbox, and what the keys do."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.chats import LIST_BESIDE_THREAD, Customer, box, hears
from tests.browser.people import HOME
from tests.running.stack import ADMIN, Stack
from tests.running.waiting import until

pytestmark = pytest.mark.browser

# Counts the tones instead of playing them; a page that is heard before somebody did something would be refused.
SILENT_AUDIO = """
  window.tones = 0;
  class Node { constructor() { this.gain = this.frequency = this; } connect() {} setValueAtTime() {}
    exponentialRampToValueAtTime() {} start() { window.tones += 1; } stop() {} }
  window.AudioContext = class { constructor() { this.state = "running"; this.currentTime = 0; }
    createOscillator() { return new Node(); } createGain() { return new Node(); } resume() {} };
"""
# How far the message is from the top of the box that scrolls, in pixels.
PLACE = """id => document.getElementById(id).getBoundingClientRect().top
  - document.querySelector(".thread__scroll").getBoundingClientRect().top"""
FIRST_SHOWN = """() => {
  const top = document.querySelector(".thread__scroll").getBoundingClientRect().top;
  return [...document.querySelectorAll("[id^='message-']")].find((one) => one.getBoundingClientRect().bottom > top).id;
}"""


@pytest.fixture
def rita(stack: Stack, linked_unit: str) -> Customer:
    customer = Customer(stack, linked_unit, number="5511950009013", name="Rita Primeira")
    customer.writes("Bom dia")
    return customer


@pytest.fixture
def bia(stack: Stack, linked_unit: str, rita: Customer) -> Customer:
    """Writes after Rita, so that she stands above her in the list."""
    customer = Customer(stack, linked_unit, number="5511950009014", name="Bia Segunda")
    customer.writes("Boa tarde")
    return customer


def at_end(page: Page) -> bool:
    script = "box => box.scrollHeight - box.scrollTop - box.clientHeight < 80"
    return bool(page.locator(".thread__scroll").evaluate(script))


def scroll(page: Page, top: int) -> None:
    page.locator(".thread__scroll").evaluate("(box, top) => { box.scrollTop = top }", top)


def bubble(page: Page, text: str) -> Locator:
    return page.get_by_role("region", name="Messages").get_by_text(text, exact=True)


def test_alt_and_arrows_go_through_the_list(admin: Page, linked_unit: str, rita: Customer, bia: Customer) -> None:
    admin.goto(f"{HOME}/conversations?unit={linked_unit}")
    heading = admin.get_by_role("heading", level=1)

    admin.keyboard.press("Alt+ArrowDown")
    expect(heading).to_have_text("Bia Segunda")
    admin.keyboard.press("Alt+ArrowDown")
    expect(heading).to_have_text("Rita Primeira")
    box(admin).focus()
    admin.keyboard.press("Alt+ArrowUp")

    expect(heading).to_have_text("Bia Segunda")
    assert f"unit={linked_unit}" in admin.url


def test_search_is_reached_by_its_keys_and_a_slash_in_a_message_is_one(admin: Page, rita: Customer) -> None:
    admin.set_viewport_size(LIST_BESIDE_THREAD)
    admin.goto(rita.address)
    search = admin.locator("[data-inbox-search]")

    admin.keyboard.press("/")
    expect(search).to_be_focused()
    box(admin).focus()
    admin.keyboard.press("Control+k")
    expect(search).to_be_focused()
    box(admin).press_sequentially("e/ou?")

    expect(box(admin)).to_be_focused()
    expect(box(admin)).to_have_value("e/ou?")
    expect(search).to_have_value("")


def test_question_mark_shows_the_keys_and_single_keys_can_be_turned_off(admin: Page, rita: Customer) -> None:
    admin.set_viewport_size(LIST_BESIDE_THREAD)
    admin.goto(rita.address)
    keys, search = admin.locator("#composer-keys"), admin.locator("[data-inbox-search]")

    admin.keyboard.press("?")

    expect(keys).to_have_attribute("open", "")
    expect(keys.locator("summary")).to_be_focused()
    keys.get_by_role("button", name="Keys / and ?").click()
    expect(keys.get_by_role("button", name="Keys / and ?")).to_have_attribute("aria-pressed", "false")
    admin.keyboard.press("/")
    expect(search).not_to_be_focused()
    admin.keyboard.press("Control+k")
    expect(search).to_be_focused()


def test_shift_and_enter_make_a_line_and_escape_leaves_the_box(admin: Page, rita: Customer) -> None:
    admin.goto(rita.address)
    text = box(admin)

    text.press_sequentially("Um")
    text.press("Shift+Enter")
    text.press_sequentially("dois")
    text.press("Escape")

    expect(text).to_have_value("Um\ndois")
    expect(text).not_to_be_focused()


def test_older_messages_come_page_by_page_and_nothing_moves(admin: Page, rita: Customer) -> None:
    rita.has_written(160)
    admin.goto(rita.address)
    expect(bubble(admin, "Bom dia")).to_be_visible()
    assert at_end(admin)
    bubbles = admin.locator(".thread__scroll .bubble")
    expect(bubbles).to_have_count(50)

    for shown in (100, 150):
        admin.locator(".thread__scroll").evaluate("box => { box.scrollTop = 0 }")
        first = admin.evaluate(FIRST_SHOWN)
        before = admin.evaluate(PLACE, first)
        expect(bubbles).to_have_count(shown)
        # Nothing more comes while nobody goes further up, and the message stands where it stood.
        admin.wait_for_timeout(400)
        expect(bubbles).to_have_count(shown)
        assert abs(admin.evaluate(PLACE, first) - before) <= 1

    scroll(admin, 0)
    expect(bubbles).to_have_count(161)
    expect(admin.get_by_role("link", name="Load older messages")).to_have_count(0)


def test_poll_leaves_whoever_reads_further_up_in_their_place(admin: Page, rita: Customer) -> None:
    rita.has_written(60)
    admin.goto(rita.address)
    expect(bubble(admin, "Bom dia")).to_be_visible()
    scroll(admin, 900)
    first = admin.evaluate(FIRST_SHOWN)
    before = admin.evaluate(PLACE, first)

    hears(admin, lambda: rita.writes("Ainda aí?"), "New message from Rita Primeira: Ainda aí?")

    assert abs(admin.evaluate(PLACE, first) - before) <= 1
    newer = admin.get_by_role("button", name="New messages", exact=True)
    expect(newer).to_be_visible()
    newer.click()
    until(lambda: at_end(admin), "end of the thread")
    expect(newer).to_be_hidden()


def test_thread_at_its_end_follows_what_comes(admin: Page, rita: Customer) -> None:
    rita.has_written(60)
    admin.goto(rita.address)
    expect(bubble(admin, "Bom dia")).to_be_visible()

    hears(admin, lambda: rita.writes("Cheguei"), "Cheguei")

    assert at_end(admin)
    expect(admin.get_by_role("button", name="New messages", exact=True)).to_be_hidden()
    # The same words again are news as well.
    admin.evaluate("document.querySelector('#announcer').textContent = ''")
    hears(admin, lambda: rita.writes("Cheguei"), "New message from Rita Primeira: Cheguei")


def test_message_that_fails_is_told(admin: Page, rita: Customer, stack: Stack) -> None:
    admin.goto(rita.address)
    box(admin).fill("Não vai chegar")
    box(admin).press("Enter")
    # No receipt comes after the last one.
    until(lambda: stack.rows.statuses(["Não vai chegar"]).get("Não vai chegar") == "read", "second tick")
    expect(admin.locator(".bubble--read", has_text="Não vai chegar")).to_be_visible()

    fail = "UPDATE messages SET status = 'failed', failed_at = now(), error_code = 'not_on_whatsapp' WHERE body = %s"
    hears(admin, lambda: stack.rows.change(fail, "Não vai chegar"), "Not delivered: Não vai chegar")


def test_sound_is_off_until_it_is_turned_on_and_is_heard_of_what_others_write(
    open_page: Callable[..., Page], linked_unit: str, rita: Customer, bia: Customer
) -> None:
    page = open_page(ADMIN, viewport=LIST_BESIDE_THREAD)
    page.add_init_script(SILENT_AUDIO)
    page.goto(rita.address)
    toggle = page.get_by_role("button", name="Sound of new messages")
    expect(toggle).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("Shift")
    bia.writes("Primeira")
    expect(page.locator(f"#chat-{bia.conversation_id}")).to_contain_text("Primeira")
    assert page.evaluate("window.tones") == 0

    toggle.click()
    expect(toggle).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("window.tones") == 2
    page.reload()
    expect(toggle).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Shift")
    before = page.evaluate("window.tones")
    bia.writes("Segunda")

    page.wait_for_function("before => window.tones > before", arg=before)
