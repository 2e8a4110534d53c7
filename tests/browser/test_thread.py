"""What customers send, in the browser: every kind can be read, files come when they are wanted, nothing sticks out."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.looks import LOOKS, OpenPage, barriers, overflowing
from tests.browser.people import HOME, sign_in
from tests.running.stack import ADMIN, Stack
from tests.running.waiting import until

pytestmark = pytest.mark.browser

NUMBER = "5511950009008"
QUESTION = "Do you have this in blue? " + "azul-marinho" * 12
# A file is fetched at the worker's next look at its chores, 2 s at most, and shown at the page's next one.
FETCHED_MS = 30_000


class Chat:
    """A customer of one unit, who may send anything."""

    def __init__(self, stack: Stack, unit: str) -> None:
        self._stack, self._instance = stack, stack.rows.instance_of(unit)

    def sends(self, kind: str = "text", **fields: object) -> str:
        """Let the customer send it, and give its id once the portal has it."""
        sent = self._stack.simulator.customer_sends(self._instance, number=NUMBER, name="Rita", kind=kind, **fields)
        until(lambda: self._rows(sent["id"]), f"{kind} in the portal")
        return str(sent["id"])

    def edits(self, message_id: str, text: str) -> None:
        self._stack.simulator.edit(self._instance, message_id=message_id, text=text)

    def deletes(self, message_id: str) -> None:
        self._stack.simulator.delete(self._instance, message_id=message_id)

    def calls(self) -> None:
        self._stack.simulator.call(self._instance, number=NUMBER, video=True)

    def place(self, message_id: str) -> str:
        """Where the message stands in the page."""
        return f"#message-{self._rows(message_id)[0]['id']}"

    def address(self, message_id: str) -> str:
        return f"{HOME}/conversations/{self._rows(message_id)[0]['conversation_id']}"

    def _rows(self, message_id: str) -> list[dict[str, Any]]:
        return self._stack.rows.fetch("SELECT id, conversation_id FROM messages WHERE external_id = %s", message_id)


@pytest.fixture
def chat(stack: Stack, linked_unit: str) -> Chat:
    return Chat(stack, linked_unit)


def part(page: Page, chat: Chat, message_id: str) -> Locator:
    return page.locator(chat.place(message_id))


def test_picture_comes_when_it_is_seen_and_a_film_when_it_is_asked_for(admin: Page, chat: Chat) -> None:
    picture, film = chat.sends("image", caption="This one"), chat.sends("video")
    admin.goto(chat.address(picture))

    shown = part(admin, chat, picture).get_by_role("img", name="Photo")
    expect(shown).to_be_visible(timeout=FETCHED_MS)
    until(lambda: shown.evaluate("image => image.naturalWidth"), "picture drawn")
    expect(part(admin, chat, film).locator("video")).to_have_count(0)
    part(admin, chat, film).get_by_role("button", name="Load the video").click()
    expect(part(admin, chat, film).locator("video")).to_be_visible(timeout=FETCHED_MS)


def test_late_answer_about_a_picture_leaves_it_in_the_thread(admin: Page, stack: Stack, chat: Chat) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        route.fetch()
        held.append(route)

    admin.route("**/media/*/fetch", hold)
    picture = chat.sends("image", caption="This one")
    admin.goto(chat.address(picture))
    until(lambda: held or admin.wait_for_timeout(100), "wish for the picture")
    until(lambda: stack.rows.count("media WHERE state = 'stored'"), "file")
    chat.sends(text="And this")
    shown = part(admin, chat, picture).get_by_role("img", name="Photo")
    expect(shown).to_be_visible(timeout=FETCHED_MS)

    with admin.expect_response("**/media/*/part*"):
        held[0].continue_()
    admin.wait_for_timeout(500)

    expect(shown).to_be_visible()


def test_file_is_loaded_by_an_ordinary_form_without_a_script(
    open_page: Callable[..., Page], stack: Stack, chat: Chat
) -> None:
    plain = open_page(java_script_enabled=False)
    sign_in(plain, ADMIN, stack.passwords[ADMIN])
    document = chat.sends("document", fileName="Contract.pdf")
    plain.goto(chat.address(document))

    part(plain, chat, document).get_by_role("button", name="Load the file").click()

    expect(part(plain, chat, document)).to_contain_text("Loading…")
    until(lambda: stack.rows.count("media WHERE state = 'stored' AND file_name = 'Contract.pdf'"), "file")
    plain.reload()
    expect(part(plain, chat, document).get_by_role("link", name="Contract.pdf")).to_be_visible()


def test_open_thread_follows_reactions_edits_and_deletions(admin: Page, chat: Chat) -> None:
    first, second = chat.sends(text="Firts"), chat.sends(text="Never mind")
    admin.goto(chat.address(first))
    expect(part(admin, chat, first)).to_contain_text("Firts")

    chat.sends("reaction", target=first, emoji="👍")
    chat.edits(first, "First")
    chat.deletes(second)

    expect(part(admin, chat, first).get_by_role("list", name="Reactions")).to_contain_text("👍")
    expect(part(admin, chat, first).locator(".bubble__body").first).to_have_text("First")
    part(admin, chat, first).get_by_text("What it said first").click()
    expect(part(admin, chat, first).get_by_text("Firts")).to_be_visible()
    expect(part(admin, chat, second)).to_contain_text("This message was deleted")
    expect(part(admin, chat, second).get_by_text("Never mind")).to_be_hidden()


def test_opened_words_stay_open_while_the_thread_goes_on(admin: Page, chat: Chat) -> None:
    first = chat.sends(text="Firts")
    chat.edits(first, "First")
    admin.goto(chat.address(first))
    part(admin, chat, first).get_by_text("What it said first").click()

    later = chat.sends(text="And more")

    expect(part(admin, chat, later)).to_be_visible()
    expect(part(admin, chat, first).get_by_text("Firts")).to_be_visible()


def test_number_on_a_card_is_one_click_from_a_message(admin: Page, chat: Chat) -> None:
    card = chat.sends("contact", contactName="Ana", contactNumber="5511950009009")
    admin.goto(chat.address(card))

    part(admin, chat, card).get_by_role("link", name="+55 11 95000-9009").click()

    expect(admin.get_by_label("Phone number")).to_have_value("+5511950009009")


def test_all_kinds_fit_and_keep_nobody_out(open_page: OpenPage, chat: Chat) -> None:
    question = chat.sends(text=QUESTION)
    for kind in ("image", "video", "audio", "document", "sticker", "location", "contact", "poll", "unknown", "adClick"):
        chat.sends(kind, text="Hello", fileName="a" * 90 + ".pdf", placeName="Rua " + "comprida" * 20)
    answer = chat.sends(text="As above", quote=question, forwarded=1)
    chat.sends("reaction", target=question, emoji="👍")
    chat.sends("reaction", target="3AGONE", emoji="🙏")
    chat.edits(answer, "As said above")
    chat.deletes(chat.sends(text="No"))
    chat.calls()

    found = {}
    for name, look in LOOKS.items():
        page = open_page(ADMIN, **{**look, "bypass_csp": True})
        page.goto(chat.address(question))
        expect(page.locator(".bubble__call")).to_be_visible()
        for closed in page.locator("details").all():
            closed.evaluate("box => { box.open = true }")
        found[name] = overflowing(page) + barriers(page)

    assert found == dict.fromkeys(LOOKS, [])
