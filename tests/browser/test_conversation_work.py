"""A conversation as work, in the browser: taken, noted in and resolved, by keyboard and without a script."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.looks import LOOKS, OpenPage, barriers, overflowing
from tests.browser.people import HOME, sign_in
from tests.running.stack import ADMIN, Stack
from tests.running.waiting import until

pytestmark = pytest.mark.browser

NUMBER = "5511950009077"


@pytest.fixture
def thread(stack: Stack, linked_unit: str) -> str:
    """The address of a thread in which a customer wrote, and that is nobody's."""
    instance = stack.rows.instance_of(linked_unit)
    sent = stack.simulator.customer_sends(instance, number=NUMBER, name="Rita " * 8, text="Tem vaga amanhã?")
    wanted = ("SELECT conversation_id FROM messages WHERE external_id = %s", sent["id"])
    until(lambda: stack.rows.fetch(*wanted), "message in the portal")
    return f"{HOME}/conversations/{stack.rows.fetch(*wanted)[0]['conversation_id']}"


def work(page: Page) -> Locator:
    return page.locator("#work")


def test_conversation_is_taken_noted_in_and_resolved_by_keyboard(admin: Page, thread: str) -> None:
    admin.goto(thread)
    expect(work(admin)).to_contain_text("Nobody answers yet")

    work(admin).locator("summary").focus()
    admin.keyboard.press("Enter")
    admin.keyboard.press("Tab")
    admin.keyboard.press("Enter")

    expect(work(admin).get_by_role("heading")).to_have_text("You answer")
    expect(work(admin).get_by_role("heading")).to_be_focused()
    expect(work(admin).locator("details")).not_to_have_attribute("open", "")
    expect(admin.locator("#messages")).to_contain_text("took this conversation")
    expect(admin.locator("#announcer")).to_have_text("You answer")

    admin.locator("#note summary").focus()
    admin.keyboard.press("Enter")
    admin.keyboard.press("Tab")
    admin.keyboard.type("Prefere a tarde")
    admin.keyboard.press("Tab")
    admin.keyboard.press("Enter")

    expect(admin.locator(".note")).to_contain_text("Prefere a tarde")
    expect(admin.get_by_label("Note", exact=True)).to_have_value("")
    expect(admin.locator("#note-save")).to_be_focused()

    admin.locator("#work-state").focus()
    admin.keyboard.press("Enter")

    expect(work(admin)).to_contain_text("Resolved")
    expect(admin.locator("#work-state")).to_have_text("Reopen")
    expect(admin.locator("#work-state")).to_be_focused()
    expect(admin.locator("#messages")).to_contain_text("resolved this conversation")


def test_note_is_deleted_once_that_was_asked(admin: Page, thread: str) -> None:
    admin.goto(thread)
    admin.locator("#note summary").click()
    admin.get_by_label("Note", exact=True).fill("Errado")
    admin.get_by_role("button", name="Save the note").click()
    delete = admin.locator(".note").get_by_role("button", name="Delete")
    expect(delete).to_be_visible()

    admin.once("dialog", lambda dialog: dialog.dismiss())
    delete.click()
    expect(admin.locator(".note")).to_be_visible()
    admin.once("dialog", lambda dialog: dialog.accept())
    delete.click()

    expect(admin.locator(".note")).to_have_count(0)


def test_reply_takes_the_conversation_and_the_customer_opens_it_again(
    admin: Page, stack: Stack, linked_unit: str, thread: str
) -> None:
    admin.goto(thread)
    admin.get_by_label("Message", exact=True).fill("Temos sim!")
    admin.keyboard.press("Enter")
    expect(work(admin)).to_contain_text("You answer")
    admin.locator("#work-state").click()
    expect(work(admin)).to_contain_text("Resolved")

    stack.simulator.customer_sends(stack.rows.instance_of(linked_unit), number=NUMBER, name="Rita", text="Obrigada")

    expect(admin.locator("#messages")).to_contain_text("Reopened: the customer wrote again")
    expect(work(admin)).not_to_contain_text("Resolved")
    expect(admin.locator("#work-state")).to_have_text("Resolve")


def test_everything_works_without_a_script(open_page: Callable[..., Page], stack: Stack, thread: str) -> None:
    plain = open_page(java_script_enabled=False)
    sign_in(plain, ADMIN, stack.passwords[ADMIN])
    plain.goto(thread)

    work(plain).locator("summary").click()
    work(plain).get_by_role("button", name="Take it").click()
    expect(work(plain)).to_contain_text("You answer")
    plain.locator("#note summary").click()
    plain.get_by_label("Note", exact=True).fill("Prefere a tarde")
    plain.get_by_role("button", name="Save the note").click()
    expect(plain.locator(".note")).to_contain_text("Prefere a tarde")
    plain.locator(".note").get_by_role("button", name="Delete").click()
    expect(plain.locator("h1")).to_have_text("Delete this note?")
    plain.get_by_role("button", name="Delete").click()
    expect(plain.locator(".note")).to_have_count(0)
    plain.get_by_role("button", name="Resolve").click()
    expect(work(plain)).to_contain_text("Resolved")


def test_person_stands_beside_the_thread_where_there_is_room(admin: Page, thread: str) -> None:
    admin.goto(thread)

    expect(admin.locator("#about")).to_contain_text("Campaigns may reach this person.")
    admin.set_viewport_size({"width": 1100, "height": 800})
    expect(admin.locator("#about")).to_be_hidden()
    expect(admin.locator(".thread__person")).to_be_visible()


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_work_sticks_out_nowhere_and_keeps_nobody_out(
    open_page: OpenPage, thread: str, look: dict[str, object]
) -> None:
    page = open_page(ADMIN, bypass_csp=True, reduced_motion="reduce", **look)
    page.goto(thread)
    page.locator("#note summary").click()
    page.locator("#note-text").fill("Palavra" * 40)
    page.locator("#note-save").click()
    expect(page.locator(".note")).to_be_visible()
    page.locator("#work summary").click()
    expect(page.locator(".work__panel")).to_be_in_viewport(ratio=1)

    assert overflowing(page) == []
    page.locator("#work summary").click()
    assert barriers(page) == []
