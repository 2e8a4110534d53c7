"""An administrator invites somebody, who chooses a password and signs in; and the pages of both fit every window."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import FindProblems
from tests.browser.looks import SOMEBODY, THE_LOST, OpenPage, Sight
from tests.browser.people import HOME
from tests.running.stack import Stack

pytestmark = pytest.mark.browser

TEAM = f"{HOME}/members"
PASSWORD = "four words nobody knows"


def invite(page: Page, stack: Stack, email: str) -> str:
    """Invite an agent of one unit, and return the address that they are given."""
    page.goto(f"{TEAM}/new")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Agent", exact=True).check()
    page.get_by_label("Centro", exact=True).check()
    page.get_by_role("button", name="Invite").click()
    address = page.locator("#account-link").input_value()
    stack.note_secret("invitation", address.rpartition("/")[2])
    return urlsplit(address).path


def test_invited_agent_chooses_a_password_and_gets_in(admin: Page, open_page: OpenPage, stack: Stack) -> None:
    path = invite(admin, stack, "clara@example.test")
    guest = open_page()
    guest.goto(path)
    guest.get_by_label("New password").fill(PASSWORD)
    guest.get_by_label("The same password again").fill(PASSWORD)
    guest.get_by_role("button", name="Set the password").click()
    expect(guest.get_by_text("Your password is set. Sign in with it.")).to_be_visible()
    guest.get_by_label("E-mail").fill("clara@example.test")
    guest.get_by_label("Password").fill(PASSWORD)
    guest.get_by_role("button", name="Sign in").click()

    expect(guest.get_by_role("link", name="Conversations", exact=True)).to_be_visible()
    assert guest.get_by_role("link", name="Team").count() == 0
    admin.goto(TEAM)
    member = admin.get_by_role("listitem").filter(has_text="clara@example.test")
    expect(member.get_by_text("Active")).to_be_visible()


@pytest.mark.timeout(300)
def test_pages_fit_their_window_and_keep_nobody_out(admin: Page, problems_of: FindProblems, stack: Stack) -> None:
    name = "uma.pessoa.com.um.endereco.comprido@uma-empresa-com-nome-comprido.example.test"
    link = invite(admin, stack, name)
    admin.goto(TEAM)
    member = urlsplit(admin.get_by_role("link", name=name).get_attribute("href") or "").path

    sights = [
        Sight("team", TEAM),
        Sight("invite somebody", f"{TEAM}/new"),
        Sight("member", member),
        Sight("shut out", f"{member}/disable"),
        Sight("choose a password", link, SOMEBODY),
        Sight("forgot the password", "/password-reset", SOMEBODY),
        Sight("link gone", "/invitation/nothing", THE_LOST),
    ]

    assert problems_of(sights) == {}
