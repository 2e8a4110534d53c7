"""A list is brought in, looked at, imported and undone: on a desk, on a phone, and without JavaScript."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.browser.people import DESKTOP, HOME, PHONE, sign_in, stays_on_page
from tests.running.stack import ADMIN, Stack

pytestmark = pytest.mark.browser

# The page asks anew every second, or every two seconds without JavaScript.
DONE_MS = 20_000
WAYS: dict[str, dict[str, Any]] = {
    "desk": {"viewport": DESKTOP},
    "phone": {"viewport": PHONE},
    "phone, no script": {"viewport": PHONE, "java_script_enabled": False},
}
# They take a worker a moment.
ROWS = 60_000


@pytest.fixture(params=WAYS, ids=str)
def person(request: pytest.FixtureRequest, open_page: Callable[..., Page], stack: Stack) -> Page:
    """The tenant's admin, in one of the ways to look at the portal."""
    page = open_page(**WAYS[request.param])
    sign_in(page, ADMIN, stack.passwords[ADMIN])
    return page


def mixed_list(name: str) -> bytes:
    """Two people to add, one row that is wrong, one that repeats, and one number that is written differently."""
    place = uuid4().int % 9_000 + 1_000
    lines = (
        "Telefone;Nome;Cidade",
        f"+55 11 97000-{place};{name} Um;Recife",
        f"11 8700-{place};{name} Dois;Natal",
        f"1199;{name} Tres;Natal",
        f"+55 11 97000-{place};{name} Outra;Natal",
    )
    return "\n".join(lines).encode()


def long_list() -> bytes:
    """Many people, and one row that is wrong."""
    people = (f"+55 11 9{4_000 + n // 10_000}-{n % 10_000:04d};Pessoa {n}\n" for n in range(ROWS))
    return f"Telefone;Nome\n{''.join(people)}1199;Ninguém\n".encode()


def upload(page: Page, content: bytes, *, name: str = "clientes.csv") -> None:
    page.goto(f"{HOME}/contacts/import")
    page.locator('input[type="file"]').set_input_files({"name": name, "mimeType": "text/csv", "buffer": content})
    page.get_by_role("button", name="Upload and check").click()


def check(page: Page) -> None:
    page.get_by_role("button", name="Check the rows").click(timeout=DONE_MS)
    expect(page.get_by_role("heading", name="Checked, and nothing changed yet")).to_be_visible(timeout=DONE_MS)


def test_list_is_checked_imported_and_undone(person: Page) -> None:
    name = f"Cliente {uuid4().hex[:8]}"
    upload(person, mixed_list(name))
    check(person)
    expect(person.get_by_text("2 people can be imported.")).to_be_visible()
    expect(person.get_by_text("Not a telephone number").first).to_be_visible()

    person.get_by_role("button", name="Import 2 people").click()
    expect(person.get_by_role("heading", name="The list was imported")).to_be_visible(timeout=DONE_MS)
    person.get_by_role("link", name="See these contacts").click()
    expect(person.get_by_role("link", name=f"{name} Um")).to_be_visible()
    expect(person.get_by_role("link", name=f"{name} Dois")).to_be_visible()

    person.go_back()
    person.get_by_role("link", name="Undo this import").click()
    person.get_by_role("button", name="Undo the import").click()
    expect(person.get_by_role("heading", name="This import was undone")).to_be_visible(timeout=DONE_MS)
    person.goto(f"{HOME}/contacts?q={name.replace(' ', '+')}")
    expect(person.get_by_role("link", name=f"{name} Um")).to_have_count(0)


def test_what_is_no_list_is_refused_in_a_sentence(admin: Page) -> None:
    upload(admin, b"%PDF-1.7\n" + b"\xe2\xe3\xcf\xd3" * 200)

    expect(admin.get_by_text("Its content is no table but something else: PDF.")).to_be_visible(timeout=DONE_MS)


def test_cancelled_import_leaves_nothing(admin: Page) -> None:
    name = f"Cliente {uuid4().hex[:8]}"
    upload(admin, mixed_list(name))
    check(admin)

    admin.get_by_role("button", name="Cancel the import").click()

    expect(admin.get_by_role("heading", name="This import was cancelled")).to_be_visible(timeout=DONE_MS)
    admin.goto(f"{HOME}/contacts?q={name.replace(' ', '+')}")
    expect(admin.get_by_role("link", name=f"{name} Um")).to_have_count(0)


def test_page_follows_an_import_from_the_upload_to_its_undoing(admin: Page) -> None:
    upload(admin, long_list())
    expect(admin.locator("#announcer")).to_have_text("Say what the columns are")
    admin.get_by_role("button", name="Check the rows").click()
    admin.locator("#import-cancel").focus()
    is_same_page = stays_on_page(admin)

    # Whoever was at the button that is gone goes on at the heading.
    expect(admin.get_by_role("heading", name="Checked, and nothing changed yet")).to_be_focused(timeout=30_000)
    assert is_same_page()
    expect(admin.get_by_text("1 row is wrong and stays out.")).to_be_visible()
    admin.get_by_role("button", name="Import 60,000 people").click()
    expect(admin.get_by_role("heading", name="The list was imported")).to_be_visible(timeout=30_000)
    admin.get_by_role("link", name="Undo this import").click()
    admin.get_by_role("button", name="Undo the import").click()
    expect(admin.get_by_text("60,000 contacts were removed.")).to_be_visible(timeout=30_000)
