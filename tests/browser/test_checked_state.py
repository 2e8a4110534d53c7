"""What a unit's page tells of its checked state, the settings of a unit, and both on every screen."""

from collections.abc import Callable
from itertools import count

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import FindProblems
from tests.browser.looks import Sight
from tests.browser.people import HOME, Visitors, link_unit, make_unit, stays_on_page
from tests.running.stack import ADMIN, Stack

pytestmark = pytest.mark.browser

# The panel asks every five seconds.
PANEL_S = 12_000
numbers = count()
SILENT = (
    "UPDATE unit_whatsapp_connections SET last_event_at = now() - interval '47 minutes', usual_gap_s = 240,"
    " connected_at = now() - interval '5 hours' FROM units WHERE units.id = unit_id AND slug = %s RETURNING unit_id"
)
# A unit that is heard: silence counts only while others hear.
HEARD = (
    "UPDATE unit_whatsapp_connections SET last_event_at = now() FROM units"
    " WHERE units.id = unit_id AND slug = %s RETURNING unit_id"
)
UNSTABLE = (
    "UPDATE unit_whatsapp_connections SET losses = 6, losses_since = now() - interval '40 minutes' FROM units"
    " WHERE units.id = unit_id AND slug = %s RETURNING unit_id"
)
REPAIR = (
    "INSERT INTO repairs (id, tenant_id, unit_id, kind, before, after, began_at, ended_at, found, created_at)"
    " SELECT gen_random_uuid(), tenant_id, id, %s, %s, %s, now() - interval '2 hours', now() - interval '90 minutes',"
    " %s, now() - make_interval(mins => %s) FROM units WHERE slug = %s RETURNING id"
)


def repair(stack: Stack, unit: str, kind: str, before: str | None, after: str | None, found: int = 0) -> None:
    stack.rows.fetch(REPAIR, kind, before, after, found, next(numbers), unit)


def test_panel_warns_of_silence_and_of_repairs_without_a_reload(admin: Page, linked_unit: str, stack: Stack) -> None:
    other = link_unit(stack, make_unit(admin, "Loja que ouve 30501"))
    admin.goto(f"{HOME}/units/{linked_unit}")
    panel = admin.locator("#checked")
    expect(panel.get_by_role("heading", name="Checked state")).to_be_visible()
    expect(panel.locator(".warning")).to_have_count(0)
    is_same_page = stays_on_page(admin)

    stack.rows.fetch(HEARD, other)
    stack.rows.fetch(SILENT, linked_unit)
    repair(stack, linked_unit, "hole", None, None, 6)

    expect(panel).to_contain_text("nothing heard for 47 min (usually 4 min)", timeout=PANEL_S)
    expect(panel).to_contain_text("6 messages were fetched.")
    assert is_same_page()


def test_settings_are_saved_and_a_wrong_number_is_explained(open_page: Callable[..., Page], unit: str) -> None:
    admin = open_page(ADMIN, expects_error=True)
    admin.goto(f"{HOME}/units/{unit}/settings")
    admin.get_by_label("Expected number").fill("12 34")
    admin.get_by_label("Groups").check()
    admin.get_by_role("button", name="Save").click()
    expect(admin.get_by_text("This is not a telephone number.")).to_be_visible()
    expect(admin.get_by_label("Groups")).to_be_checked()

    admin.get_by_label("Expected number").fill("11 98888-0001")
    admin.get_by_role("button", name="Save").click()

    expect(admin.get_by_text("Expected number: +55 11 98888-0001")).to_be_visible()
    admin.goto(f"{HOME}/units/{unit}/settings")
    expect(admin.get_by_label("Expected number")).to_have_value("+55 11 98888-0001")
    expect(admin.get_by_label("Groups")).to_be_checked()
    expect(admin.get_by_label("Stories")).not_to_be_checked()


def test_panel_is_there_without_a_script(open_page: Callable[..., Page], linked_unit: str, stack: Stack) -> None:
    for _ in range(12):
        repair(stack, linked_unit, "state", "connecting", "connected")
    page = open_page(ADMIN, java_script_enabled=False)

    page.goto(f"{HOME}/units/{linked_unit}")
    expect(page.locator("#checked .repair")).to_have_count(10)
    page.get_by_role("link", name="Earlier ones").click()

    expect(page.locator(".repair")).to_have_count(12)


@pytest.fixture(scope="module")
def sights(visitors: Visitors, running: Stack) -> list[Sight]:
    """A linked unit of which everything is to be said."""
    page = visitors.open(ADMIN)
    unit = link_unit(running, make_unit(page, "Loja da avenida comprida 30601"))
    heard = link_unit(running, make_unit(page, "Loja que ouve 30701"))
    for statement, slug in ((HEARD, heard), (SILENT, unit), (UNSTABLE, unit)):
        running.rows.fetch(statement, slug)
    for _ in range(4):
        repair(running, unit, "hole", None, None, 6)
        repair(running, unit, "webhook", "url, enabled, events, byEvents, headers", None)
        repair(running, unit, "state", "connecting", "connected")
        repair(running, unit, "settings", "groupsIgnore,readStatus", None)
    page.goto(f"{HOME}/units/{unit}")
    earlier = page.locator("#repairs-older").get_attribute("href")
    assert earlier
    assert visitors.leave() == []
    return [
        Sight("checked unit", f"{HOME}/units/{unit}"),
        Sight("checked list", f"{HOME}/"),
        Sight("checks", earlier),
        Sight("unit settings", f"{HOME}/units/{unit}/settings"),
    ]


def test_checked_state_fits_every_screen_and_keeps_nobody_out(sights: list[Sight], problems_of: FindProblems) -> None:
    assert problems_of(sights) == {}
