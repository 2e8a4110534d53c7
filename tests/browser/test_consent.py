"""A customer asks for no more messages, clearly or perhaps: answered once, and when in doubt a person is asked."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.people import HOME
from tests.running.stack import Stack
from tests.running.waiting import until

pytestmark = pytest.mark.browser

NAME = "Rosa Exemplo"
DOUBTFUL = "tem como parar a dor?"


def write(stack: Stack, unit: str, *, number: str, text: str) -> None:
    stack.simulator.customer_writes(stack.rows.instance_of(unit), number=number, name=NAME, text=text)
    until(lambda: text in stack.rows.received([text]), "message")


def open_thread(page: Page, unit: str) -> None:
    page.goto(f"{HOME}/conversations?unit={unit}")
    page.get_by_role("link", name=NAME).first.click()


def test_word_that_opts_out_is_answered_once_and_shown_with_its_evidence(
    admin: Page, linked_unit: str, stack: Stack
) -> None:
    before = len(stack.simulator.sent_texts())
    write(stack, linked_unit, number="5511950009021", text="SAIR.")
    until(lambda: len(stack.simulator.sent_texts()) > before, "answer")
    write(stack, linked_unit, number="5511950009021", text="sair!!")

    open_thread(admin, linked_unit)
    expect(admin.get_by_text(f"{NAME} has wanted no more messages since")).to_be_visible()
    expect(admin.get_by_text("answered automatically")).to_be_visible()
    admin.get_by_role("link", name=NAME).last.click()

    expect(admin.get_by_text("Has wanted no more messages since")).to_be_visible()
    expect(admin.locator(".consent__said").last).to_have_text("SAIR.")
    assert len(stack.simulator.sent_texts()) == before + 1


def test_words_that_leave_it_open_are_asked_about_and_change_nothing(
    admin: Page, linked_unit: str, stack: Stack
) -> None:
    write(stack, linked_unit, number="5511950009022", text=DOUBTFUL)

    admin.goto(f"{HOME}/conversations?doubted=1")
    admin.get_by_role("link", name=NAME).first.click()
    expect(admin.get_by_text(f"Does {NAME} want no more messages?")).to_be_visible()
    admin.get_by_role("button", name="No, they mean something else").click()

    expect(admin.get_by_text(f"Does {NAME} want no more messages?")).to_have_count(0)
    opted_out = "contacts WHERE phone = '5511950009022' AND opted_out_at IS NOT NULL"
    assert stack.rows.count(opted_out) == 0
