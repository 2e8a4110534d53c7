"""A unit is broken at Evolution, diagnosed and put right in the browser and by the command; and the runbook."""

import json
import subprocess
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import FindProblems
from tests.browser.looks import AN_OPERATOR, Sight
from tests.browser.people import HOME, TENANT, Visitors, link_unit, make_unit, stays_on_page
from tests.running.stack import ADMIN, Stack

pytestmark = pytest.mark.browser

# Looking takes ten seconds at most, and after a fix it is looked again every four.
LOOK_MS, FIX_MS = 30_000, 45_000
CHECK_TAKES_S = 2
PARKED = (
    "INSERT INTO webhook_events (tenant_id, unit_id, instance_name, event, body_hash, body, state, error, attempts)"
    " SELECT tenant_id, id, 'unit_x', 'presence.update', decode(md5(random()::text), 'hex'), '{}', 'parked',"
    " 'KeyError', 5 FROM units WHERE slug = %s RETURNING id"
)
CLOSED = "UPDATE lanes SET is_open = false FROM units WHERE units.id = unit_id AND slug = %s RETURNING unit_id"
LIMITED = (
    "UPDATE lanes SET cold_reason = 'new_chats_refused', cold_paused_until = now() + interval '1 hour',"
    " next_cold_at = now() + interval '1 hour' FROM units WHERE units.id = unit_id AND slug = %s RETURNING unit_id"
)
LATER = (
    "UPDATE unit_whatsapp_connections SET check_at = now() + interval '1 hour' FROM units"
    " WHERE units.id = unit_id AND slug = %s"
)
PAUSED = (
    "INSERT INTO campaigns (id, tenant_id, unit_id, name, state, plan_state, pause_reason, paused_at)"
    " SELECT gen_random_uuid(), tenant_id, id, 'Liquidação de inverno', 'paused', 'done', 'blocks', now()"
    " FROM units WHERE slug = %s RETURNING id"
)


def leave_alone(stack: Stack, unit: str) -> None:
    """The portal checks each unit twice a minute by itself, and would put right what is broken before anybody looks."""
    stack.rows.change(LATER, unit)
    # One that is under way would too, and who is linked just now is to be checked at once.
    time.sleep(CHECK_TAKES_S)
    stack.rows.change(LATER, unit)


def test_webhook_that_was_switched_off_is_found_and_switched_on(admin: Page, linked_unit: str, stack: Stack) -> None:
    admin.goto(f"{HOME}/units/{linked_unit}")
    leave_alone(stack, linked_unit)
    stack.simulator.change_webhook(stack.rows.instance_of(linked_unit), enabled=False)

    admin.get_by_role("link", name="Diagnose").click()

    is_same_page = stays_on_page(admin)
    cause = admin.locator("#inbound-webhook_wrong")
    expect(cause).to_contain_text("switched off", timeout=LOOK_MS)
    cause.get_by_role("button", name="Check and correct").click()
    expect(admin.locator("#outcome")).to_contain_text("is not found any more", timeout=FIX_MS)
    expect(cause).to_have_count(0)
    expect(admin.locator("#inbound")).to_contain_text("What customers write comes in.")
    assert not is_same_page()


def test_new_secret_is_made_in_both_places(admin: Page, linked_unit: str, stack: Stack) -> None:
    instance = stack.rows.instance_of(linked_unit)
    url = f"{stack.env['BASE_URL']}/webhooks/whatsapp/evolution/a-secret-of-somebody-else"
    leave_alone(stack, linked_unit)
    stack.simulator.change_webhook(instance, url=url)
    admin.goto(f"{HOME}/units/{linked_unit}/diagnosis")

    admin.locator("#inbound-secret_mismatch").get_by_role("link", name="Make a new secret").click(timeout=LOOK_MS)
    admin.get_by_role("button", name="Make a new secret").click()

    expect(admin.locator("#outcome")).to_contain_text("is not found any more", timeout=FIX_MS)
    stack.simulator.customer_writes(instance, number="5511950009031", name="Joana", text="Chegou?")
    admin.goto(f"{HOME}/conversations?unit={linked_unit}")
    expect(admin.get_by_text("Chegou?").first).to_be_visible(timeout=LOOK_MS)


def test_diagnosis_is_there_without_a_script(open_page: Callable[..., Page], linked_unit: str, stack: Stack) -> None:
    stack.rows.fetch(PARKED, linked_unit)
    page = open_page(ADMIN, java_script_enabled=False)
    page.goto(f"{HOME}/units/{linked_unit}/diagnosis")
    page.get_by_role("link", name="Look now").click()

    page.locator("#inbound-events_parked").get_by_role("button", name="Try them again").click()
    page.get_by_role("link", name="Look now").click()

    expect(page.locator("#outcome")).to_be_visible()


def test_command_finds_and_fixes(stack: Stack, linked_unit: str) -> None:
    path = f"{TENANT}/{linked_unit}"
    assert "Nothing is wrong." in stack.flask("diagnose", path)
    leave_alone(stack, linked_unit)
    stack.simulator.remove_webhook(stack.rows.instance_of(linked_unit))

    with pytest.raises(subprocess.CalledProcessError) as broken:
        stack.flask("diagnose", path)
    fixed = stack.flask("diagnose", path, "--fix", "--json")

    assert "FOUND webhook_wrong: wrong: missing → check" in broken.value.stdout
    told = json.loads(fixed)
    assert told["ok"]
    assert {one["cause"] for one in told["fixed"]} == {"webhook_wrong"}


@pytest.fixture(scope="module")
def sights(visitors: Visitors, running: Stack) -> list[Sight]:
    """A unit with as much to say as one can have, and the operator's book."""
    page = visitors.open(ADMIN)
    unit = link_unit(running, make_unit(page, "Loja da avenida comprida 30801"))
    for statement in (PARKED, CLOSED, LIMITED, PAUSED):
        running.rows.fetch(statement, unit)
    assert visitors.leave() == []
    book = "/operator/runbook"
    return [
        Sight("diagnosis", f"{HOME}/units/{unit}/diagnosis?now=1&fix=replay&look=15"),
        Sight("diagnosis opens", f"{HOME}/units/{unit}/diagnosis"),
        Sight("runbook", book, AN_OPERATOR),
        *(Sight(f"runbook {incident}", f"{book}/{incident}", AN_OPERATOR) for incident in ("unconnected", "campaign")),
    ]


def test_pages_fit_every_screen_and_keep_nobody_out(sights: list[Sight], problems_of: FindProblems) -> None:
    assert problems_of(sights) == {}
