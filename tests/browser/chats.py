"""Customers of a unit who write to it, and the pages of their conversations."""

from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.browser.languages import said
from tests.browser.people import DESKTOP, HOME
from tests.files import PDF
from tests.running.stack import Stack
from tests.running.waiting import until

# A phone shows the one or the other.
LIST_BESIDE_THREAD = DESKTOP
# Older than anything that is written now, one a minute, each of a height of its own.
_HISTORY = """
    INSERT INTO messages (id, tenant_id, unit_id, conversation_id, direction, kind, body, status, source, occurred_at,
        external_id)
    SELECT gen_random_uuid(), tenant_id, unit_id, id, 'inbound', 'text',
        'Linha ' || place || repeat(' e mais umas palavras', place %% 7), 'received', 'person',
        now() - interval '1 day' - (%s - place) * interval '1 minute', '3AHISTORY' || left(id::text, 8) || place
    FROM conversations CROSS JOIN generate_series(1, %s) AS place WHERE id = %s
"""


class Customer:
    """Somebody who writes to a unit, and how their conversation is found."""

    def __init__(self, stack: Stack, unit: str, *, number: str, name: str) -> None:
        self.name, self._number = name, number
        self._stack, self._instance = stack, stack.rows.instance_of(unit)

    def writes(self, text: str) -> None:
        """Let them write it, until the portal has it."""
        before = len(self._stack.rows.received([text]))
        self._stack.simulator.customer_writes(self._instance, number=self._number, name=self.name, text=text)
        until(lambda: len(self._stack.rows.received([text])) > before, "message")

    def has_written(self, messages: int) -> None:
        """Give the conversation that many older messages."""
        self._stack.rows.change(_HISTORY, messages, messages, self.conversation_id)

    @property
    def conversation_id(self) -> str:
        query = (
            "SELECT conversations.id FROM conversations JOIN contacts ON contacts.id = contact_id"
            " JOIN unit_whatsapp_connections AS connections ON connections.unit_id = conversations.unit_id"
            " WHERE contacts.name = %s AND instance_name = %s"
        )
        return str(self._stack.rows.fetch(query, self.name, self._instance)[0]["id"])

    @property
    def address(self) -> str:
        return f"{HOME}/conversations/{self.conversation_id}"


def box(page: Page) -> Locator:
    """Where a message is written."""
    return page.locator("#composer-text")


def write_template(page: Page, shortcut: str, text: str, *, with_file: bool = False) -> None:
    """Let there be a template that is called by this short cut."""
    page.goto(f"{HOME}/templates/new")
    page.get_by_label("Name", exact=True).fill(f"Modelo {shortcut}")
    page.get_by_label("Short cut").fill(f"/{shortcut}")
    page.get_by_label("Message").fill(text)
    if with_file:
        page.locator("[data-file]").set_input_files(
            {"name": "tabela.pdf", "mimeType": "application/pdf", "buffer": PDF}
        )
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text(f"/{shortcut}")).to_be_visible()


def hears(page: Page, act: Callable[[], object], words: str) -> None:
    """Act, and wait until a screen reader is told these words."""
    act()
    script = "words => document.querySelector('#announcer').textContent.includes(words)"
    page.wait_for_function(script, arg=said(page, words))
