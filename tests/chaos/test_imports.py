"""The worker is killed while it imports a list: nothing of it is there, and the next one does it once."""

import os
import re
from collections.abc import Callable

import pytest

from local.people import TENANT
from tests.running.pages import PortalPages
from tests.running.stack import ADMIN, Stack
from tests.running.waiting import until

IS_LONG = os.environ.get("PORTAL_CHAOS_LONG") == "1"
ROWS = 60_000 if IS_LONG else 25_000
KILLS = 2 if IS_LONG else 1
DONE_WITHIN_S = 120
# Only these: the customers of earlier tests may still write, and become contacts.
LISTED = "contacts WHERE phone LIKE '552198%%'"
COLUMNS = {"kind-0": "phone", "kind-1": "name", "kind-2": "attribute", "field-2": "cidade", "tags": "chaos"}


@pytest.fixture
def pages(stack: Stack) -> PortalPages:
    pages = PortalPages(stack.api.url)
    pages.sign_in(ADMIN, stack.passwords[ADMIN])
    return pages


@pytest.mark.timeout(400)
def test_a_killed_import_leaves_nothing_and_is_done_once(
    stack: Stack, pages: PortalPages, measured: Callable[[str], None]
) -> None:
    assert stack.rows.count(LISTED) == 0
    place = bring(stack, pages)
    pages.fill_in(place, {}, action=f"{place}/confirm")

    seen = [kill_in_mid_import(stack) for _ in range(KILLS)]
    took_s = until(lambda: state(stack) == "done", "end of the import", within_s=DONE_WITHIN_S)

    measured(
        f"worker killed {KILLS} times in an import of {ROWS} rows, at {[f'{share:.0%}' for share in seen]} of it:"
        f" 0 contacts there after each, all of them {took_s:.0f} s after the last, each once"
    )
    assert stack.rows.count(LISTED) == ROWS
    assert stack.rows.count("contact_tags JOIN tags ON tags.id = tag_id WHERE name = 'chaos'") == ROWS
    pages.fill_in(f"{place}/undo", {})
    until(lambda: state(stack) == "undone", "end of the undoing", within_s=DONE_WITHIN_S)
    assert stack.rows.count(LISTED) == 0


def bring(stack: Stack, pages: PortalPages) -> str:
    """Upload a list and let it be checked; gives the path of its page."""
    start = f"/t/{TENANT}/contacts/import"
    place = re.sub(r"\?.*", "", pages.fill_in(start, {}, files={"file": ("clientes.csv", content())}))
    until(lambda: state(stack) == "mapping", "columns", within_s=DONE_WITHIN_S)
    pages.fill_in(place, COLUMNS, action=f"{place}/columns")
    until(lambda: state(stack) == "checked", "check", within_s=DONE_WITHIN_S)
    return place


def content() -> bytes:
    lines = (f"+55 21 9{80_000_000 + number};Pessoa {number};Cidade {number % 500}" for number in range(ROWS))
    return "\n".join(("Telefone;Nome;Cidade", *lines)).encode()


def kill_in_mid_import(stack: Stack) -> float:
    """Kill the worker while it is at it, start the next one, and give how far the import was."""
    until(lambda: share_done(stack) > 0.1, "import under way", within_s=DONE_WITHIN_S)
    share, there = share_done(stack), stack.rows.count("contacts WHERE import_id IS NOT NULL")
    stack.worker.kill()
    assert (state(stack), there) == ("importing", 0)
    stack.rows.change("UPDATE imports SET done = 0")
    stack.worker.start()
    return share


def state(stack: Stack) -> str:
    return str(stack.rows.fetch("SELECT state FROM imports ORDER BY id DESC LIMIT 1")[0]["state"])


def share_done(stack: Stack) -> float:
    found = stack.rows.fetch("SELECT done::float / greatest(total, 1) AS share FROM imports ORDER BY id DESC LIMIT 1")
    return float(found[0]["share"])
