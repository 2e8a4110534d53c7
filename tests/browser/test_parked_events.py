"""An operator finds events that could not be applied, and replays them; and their pages on every screen."""

from itertools import count
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import FindProblems
from tests.browser.languages import said
from tests.browser.looks import AN_OPERATOR, Sight
from tests.browser.people import HOME, Visitors, link_unit, make_unit
from tests.running.stack import ADMIN, Stack
from tests.running.waiting import until

pytestmark = pytest.mark.browser

EVENTS = "/operator/events"
NUMBER = "5511950009020"
# The same event about another message, parked as one that could not be applied.
PARK = (
    "INSERT INTO webhook_events (tenant_id, unit_id, instance_name, event, body_hash, body, state, error, attempts)"
    " SELECT tenant_id, unit_id, instance_name, event, %s, replace(replace(body, %s, %s), %s, %s),"
    " 'parked', 'KeyError', 5 FROM webhook_events WHERE body LIKE %s AND state = 'done' LIMIT 1 RETURNING id"
)
UNKNOWN = (
    "INSERT INTO webhook_events (instance_name, event, body_hash, body, state, error)"
    " VALUES (%s, 'messages.upsert', %s, '{}', 'parked', 'unknown instance') RETURNING id"
)
COUNTS = (
    "INSERT INTO webhook_counts (day, outcome, event, count) VALUES (current_date, %s, %s, 12)"
    " ON CONFLICT DO NOTHING RETURNING count"
)
numbers = count(1)


def park(stack: Stack, unit: str, texts: list[str]) -> list[int]:
    """Let a customer write, and park events like that one that would bring these texts."""
    text = f"Bom dia, {unit}"
    stack.simulator.customer_writes(stack.rows.instance_of(unit), number=NUMBER, name="Conceição", text=text)
    until(lambda: stack.rows.received([text]), "message")
    query = "SELECT external_id FROM messages WHERE body = %s"
    known = str(stack.rows.fetch(query, text)[0]["external_id"])
    until(lambda: stack.rows.count("webhook_events WHERE body LIKE %s AND state = 'done'", f"%{known}%"), "event")
    ids = []
    for new in texts:
        other = f"{known[:-4]}{next(numbers):04d}"
        values = (uuid4().bytes, known, other, text, new, f"%{known}%")
        ids.append(int(stack.rows.fetch(PARK, *values)[0]["id"]))
    return ids


def test_operator_replays_one_and_then_the_rest(operator: Page, admin: Page, linked_unit: str, stack: Stack) -> None:
    texts = [f"Texto {number} de {linked_unit}" for number in range(3)]
    first, *_ = park(stack, linked_unit, texts)
    admin.goto(f"{HOME}/units/{linked_unit}")
    expect(admin.locator("#parked")).to_contain_text("3 events of this unit could not be applied yet")
    operator.goto("/operator/")
    operator.locator("#to-events").click()
    operator.get_by_label("Unit").select_option(label=f"Loja Exemplo · {unit_name(stack, linked_unit)}")
    operator.get_by_role("button", name="Filter").click()
    expect(operator.locator(".undelivered__row")).to_have_count(3)
    assert not any(text in operator.content() for text in texts)

    operator.locator(f"#replay-{first}").click()
    expect(operator.get_by_text("1 event goes to the inbox again.")).to_be_visible()
    until(lambda: stack.rows.received(texts) == texts[:1], "first message")
    operator.get_by_label("All 2 events of this filter").check()
    operator.locator("#replay-many").click()
    expect(operator.get_by_role("heading", name="Replay 2 events?")).to_be_visible()
    operator.get_by_role("button", name="Replay 2 events").click()

    expect(operator.get_by_text("2 events go to the inbox again.")).to_be_visible()
    until(lambda: sorted(stack.rows.received(texts)) == texts, "all messages")
    expect(admin.locator("#parked")).to_have_count(0, timeout=12_000)


def unit_name(stack: Stack, unit: str) -> str:
    return str(stack.rows.fetch("SELECT name FROM units WHERE slug = %s", unit)[0]["name"])


@pytest.fixture(scope="module")
def sights(visitors: Visitors, running: Stack) -> list[Sight]:
    """Parked events, unknown instances and counts."""
    unit = link_unit(running, make_unit(visitors.open(ADMIN), "Loja da avenida comprida 40501"))
    first, *_ = park(running, unit, [f"Texto {number} de {unit}" for number in range(3)])
    for name in (f"unit_{uuid4()}", "x" * 200, running.rows.instance_of(unit)):
        running.rows.fetch(UNKNOWN, name, uuid4().bytes)
    for outcome in ("unknown_event", "unknown_instance", "refused"):
        running.rows.fetch(COUNTS, outcome, "messaging-history.set")
    assert visitors.leave() == []
    return [
        Sight("parked events", EVENTS, AN_OPERATOR),
        Sight("parked events none fits", f"{EVENTS}?event=nothing", AN_OPERATOR),
        Sight("parked event", f"{EVENTS}/{first}", AN_OPERATOR),
        Sight("unknown instances", f"{EVENTS}/unknown", AN_OPERATOR),
        Sight("event counts", f"{EVENTS}/counts", AN_OPERATOR),
        Sight("operator with parked events", "/operator/", AN_OPERATOR),
    ]


def test_pages_of_events_fit_every_screen_and_keep_nobody_out(sights: list[Sight], problems_of: FindProblems) -> None:
    assert problems_of(sights) == {}


def test_unknown_instance_is_forgotten(operator: Page, stack: Stack) -> None:
    name = f"stranger-{uuid4()}"
    stack.rows.fetch(UNKNOWN, name, uuid4().bytes)
    operator.goto(f"{EVENTS}/unknown")

    operator.get_by_role("button", name=f"{said(operator, 'Forget')} {name}").click()
    expect(operator.get_by_role("heading", name="Forget 1 event?")).to_be_visible()
    operator.get_by_role("button", name="Forget").click()

    expect(operator.get_by_text("1 event was forgotten.")).to_be_visible()
    expect(operator.get_by_text(name)).to_have_count(0)
