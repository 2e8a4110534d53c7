"""A conversation on a bad day: answers that get lost, a proxy without the portal, and keyboards with other keys."""

import re

import pytest
from playwright.sync_api import Page, Request, Route, expect

from tests.browser.chats import LIST_BESIDE_THREAD, Customer, box, hears
from tests.browser.looks import OpenPage
from tests.running.stack import ADMIN, Stack

pytestmark = pytest.mark.browser

SENDING = "**/conversations/*/messages"
# What a keyboard tells of one key; Playwright's own have no third level.
PRESS = """(target, told) => target.dispatchEvent(
  new KeyboardEvent("keydown", { bubbles: true, cancelable: true, ...told }))"""
ALT_GR = {"ctrlKey": True, "altKey": True, "modifierAltGraph": True}
# Safari's Enter that ends a word: the word is over already, only the code tells.
ENDS_A_WORD = {"key": "Enter", "keyCode": 229}


@pytest.fixture
def rita(stack: Stack, linked_unit: str) -> Customer:
    customer = Customer(stack, linked_unit, number="5511950009013", name="(11) Rita Primeira")
    customer.writes("Bom dia")
    return customer


def thread_of(customer: Customer) -> re.Pattern[str]:
    """The addresses at which a page asks for the news of the thread."""
    return re.compile(rf"/conversations/{customer.conversation_id}\?")


class Hold:
    """Lets nothing more come of a thread until it is let go. Its requests would be handled twice if unrouted before."""

    def __init__(self, page: Page, customer: Customer) -> None:
        self._held: list[Route] | None = []
        page.route(thread_of(customer), self._take)

    def let_go(self) -> None:
        held, self._held = self._held or [], None
        for route in held:
            route.continue_()

    def _take(self, route: Route) -> None:
        if self._held is None:
            route.continue_()
        else:
            self._held.append(route)


def test_answer_that_got_lost_sends_the_message_once(open_page: OpenPage, rita: Customer, stack: Stack) -> None:
    page = open_page(ADMIN, expects_error=True)
    page.goto(rita.address)

    def lose(route: Route) -> None:
        route.fetch()
        route.fulfill(status=502, content_type="text/html", body="<html><h1>502 Bad Gateway</h1></html>")

    page.route(SENDING, lose)
    held = Hold(page, rita)
    box(page).fill("Abrimos às nove.")
    box(page).press("Enter")
    expect(page.locator("[data-offline]")).to_be_visible()
    expect(box(page)).to_have_value("Abrimos às nove.")

    page.unroute(SENDING)
    held.let_go()
    # The thread shows it, and has made the composer ready for the next message.
    expect(page.locator("#messages .bubble--outbound")).to_have_count(1)
    expect(page.locator("[data-offline]")).to_be_hidden()
    box(page).press("Enter")

    expect(box(page)).to_have_value("")
    assert stack.rows.count("messages WHERE body = 'Abrimos às nove.'") == 1
    # Whoever means it twice may say it twice.
    box(page).fill("Abrimos às nove.")
    box(page).press("Enter")
    expect(page.locator("#messages .bubble--outbound")).to_have_count(2)


def test_news_of_another_conversation_leave_the_thread_where_it_is(
    admin: Page, stack: Stack, linked_unit: str, rita: Customer
) -> None:
    rita.has_written(60)
    admin.set_viewport_size(LIST_BESIDE_THREAD)
    admin.goto(rita.address)
    thread = thread_of(rita)
    admin.wait_for_event("response", lambda answer: bool(thread.search(answer.url)) and answer.status == 204)
    held = Hold(admin, rita)
    admin.locator(".thread__scroll").evaluate("box => { box.scrollTop = 300 }")
    bia = Customer(stack, linked_unit, number="5511950009014", name="Bia Segunda")
    bia.writes("Boa tarde")
    expect(admin.locator(f"#chat-{bia.conversation_id}")).to_be_visible()

    assert admin.locator(".thread__scroll").evaluate("box => box.scrollTop") == 300
    held.let_go()


def test_file_that_is_refused_on_the_way_leaves_the_quote(open_page: OpenPage, rita: Customer) -> None:
    page = open_page(ADMIN, expects_error=True)
    page.goto(rita.address)
    page.locator(".bubble").get_by_role("link", name="Reply").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#answering")).to_contain_text("Bom dia")
    page.route(SENDING, too_large)

    box(page).fill("Segue o catálogo")
    box(page).press("Enter")

    expect(page.locator("#composer-problem")).to_contain_text("16 MB")
    expect(page.locator("#answering")).to_contain_text("Bom dia")


def too_large(route: Route) -> None:
    headers = {"HX-Retarget": "#composer-problem", "HX-Reswap": "outerHTML"}
    body = '<p id="composer-problem">At most 16 MB.</p>'
    route.fulfill(status=413, content_type="text/html", headers=headers, body=body)


def test_quote_opened_while_a_message_goes_up_is_for_the_next_one(admin: Page, rita: Customer) -> None:
    admin.goto(rita.address)
    held = list[Route]()
    admin.route(SENDING, lambda route: held.append(route))
    box(admin).fill("Um momento")
    box(admin).press("Enter")
    admin.wait_for_function("document.querySelector('#composer-form').classList.contains('htmx-request')")
    admin.locator(".bubble").get_by_role("link", name="Reply").focus()
    admin.keyboard.press("Enter")
    expect(admin.locator("#answering")).to_contain_text("Bom dia")

    held[0].continue_()

    expect(admin.locator("#messages .bubble--outbound")).to_have_count(1)
    expect(box(admin)).to_have_value("")
    expect(admin.locator("#answering")).to_contain_text("Bom dia")


def test_signs_written_with_alt_gr_are_keys_and_enter_that_ends_a_word_sends_nothing(
    admin: Page, rita: Customer
) -> None:
    admin.set_viewport_size(LIST_BESIDE_THREAD)
    admin.goto(rita.address)
    page, search = admin.locator("body"), admin.locator("[data-inbox-search]")

    page.evaluate(PRESS, {"key": "/", **ALT_GR})
    expect(search).to_be_focused()

    posts = list[Request]()
    admin.on("request", lambda request: posts.append(request) if request.method == "POST" else None)
    box(admin).fill("não")
    box(admin).evaluate(PRESS, ENDS_A_WORD)
    assert box(admin).evaluate("text => text.value") == "não"
    box(admin).press("Enter")
    expect(admin.locator("#messages .bubble--outbound")).to_have_count(1)
    assert len(posts) == 1


def test_name_that_begins_with_brackets_stays_in_the_title(admin: Page, stack: Stack, rita: Customer) -> None:
    # With a number of unread ones before it, it would be safe.
    stack.rows.change("UPDATE conversations SET unread = 0")
    admin.goto(rita.address)

    expect(admin).to_have_title("(11) Rita Primeira · Portal")


def test_of_many_messages_at_once_the_newest_are_read_out(admin: Page, rita: Customer) -> None:
    admin.goto(rita.address)
    expect(admin.locator("#messages .bubble")).to_have_count(1)
    with admin.expect_request(thread_of(rita)):
        held = Hold(admin, rita)
    for number in range(1, 6):
        rita.writes(f"Pergunta {number}")

    hears(admin, held.let_go, "(5) … Pergunta 3 · Pergunta 4 · Pergunta 5")
