"""A company's admin connects programs: makes a token that works, and an address that hears what happens."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.conftest import FindProblems
from tests.browser.looks import Sight, overflowing
from tests.browser.people import DESKTOP, HOME, PHONE, Visitors, link_unit, make_unit
from tests.running.stack import ADMIN, Stack
from tests.running.waiting import until
from tests.webhooks.receiver import Receiver

pytestmark = pytest.mark.browser

WEBHOOKS = f"{HOME}/webhooks"
CUSTOMER = "5511950009077"
WORKER_S = 15_000
LONG_URL = f"https://crm.example.com/{'whatsapp-' * 12}?key=only-they-know"
# State, error, answer, attempts, and when it is tried next: of each delivery in the log, the oldest first.
LOG = (
    ("delivered", None, 200, 1, "0"),
    ("failed", "bad_status", 500, 12, "0"),
    ("failed", "timed_out", None, 12, "0"),
    ("waiting", "unreachable", None, 3, "1 hour"),
    ("waiting", None, None, 0, "1 hour"),
    ("delivered", None, 204, 2, "0"),
)
_ENDPOINT = """
    INSERT INTO webhook_endpoints (id, tenant_id, url, topics, secret_encrypted, disabled_at, failures, paused_until)
    SELECT %s, id, %s, '["message.received", "message.status"]'::jsonb, 'unreadable',
        CASE WHEN %s = 'off' THEN now() END, 5, CASE WHEN %s = 'paused' THEN now() + interval '1 hour' END
    FROM tenants WHERE slug = %s
"""
_DELIVERY = """
    INSERT INTO webhook_deliveries (tenant_id, endpoint_id, unit_id, message_id, topic, status, state, error_code,
        response_status, attempts, next_attempt_at, last_attempt_at, delivered_at, took_ms)
    SELECT tenant_id, %s, unit_id, id, 'message.received', 'received', %s, %s, %s, %s, now() + %s::interval,
        now(), now(), 120
    FROM messages WHERE body = %s
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


def test_token_that_was_made_signs_in_a_program(admin: Page, stack: Stack) -> None:
    admin.goto(f"{HOME}/api-tokens/new")
    admin.get_by_label("Name", exact=True).fill("Our CRM")
    admin.get_by_label("Read data", exact=True).check()
    admin.get_by_role("button", name="Make the token").click()
    secret = admin.locator("#token-secret").inner_text()
    stack.note_secret("API token", secret)

    answer = requests.get(
        f"{stack.api.url}/admin/units", headers={"Authorization": f"Bearer {secret}"}, timeout=WORKER_S / 1000
    )

    assert answer.status_code == 200
    admin.get_by_role("link", name="I have copied it").click()
    expect(admin.get_by_role("heading", name="Our CRM")).to_be_visible()
    assert secret not in admin.content()


def test_address_hears_of_a_message_and_its_log_says_so(
    admin: Page, linked_unit: str, stack: Stack, receiver: Receiver
) -> None:
    secret, text = add_address(admin, stack, receiver.url), f"Vocês abrem hoje? {linked_unit}"
    admin.get_by_role("link", name="I have copied it").click()
    expect(admin.get_by_text("Nothing was posted yet")).to_be_visible()

    receiver.say(500)
    instance = stack.rows.instance_of(linked_unit)
    stack.simulator.customer_writes(instance, number=CUSTOMER, name="Conceição", text=text)

    log = admin.locator("#webhook-log")
    expect(log).to_contain_text("answered 500", timeout=WORKER_S)
    receiver.say(204)
    log.get_by_role("button", name="Send now").click()
    expect(admin.locator(".delivery", has_text="204")).to_be_visible(timeout=WORKER_S)
    # Its own second attempt may have come first.
    assert len(receiver.told) >= 2
    assert {told.read(secret)["data"]["body"] for told in receiver.told} == {text}
    assert len({told.id for told in receiver.told}) == 1
    delete_address(admin)


def test_address_that_is_wrong_is_typed_again_without_a_script(open_page: Callable[..., Page]) -> None:
    page = open_page(ADMIN, expects_error=True, java_script_enabled=False)
    page.goto(f"{WEBHOOKS}/new")
    page.get_by_label("Address").fill("https://192.168.0.10/hook")
    page.get_by_role("button", name="Add the address").click()

    expect(page.get_by_text("This address leads into a private network.")).to_be_visible()
    expect(page.get_by_label("Address")).to_have_value("https://192.168.0.10/hook")


def add_address(page: Page, stack: Stack, url: str) -> str:
    """Add it by the form, and give the secret that is shown."""
    page.goto(f"{WEBHOOKS}/new")
    page.get_by_label("Address").fill(url)
    page.get_by_role("button", name="Add the address").click()
    secret = page.locator("#secret").inner_text()
    stack.note_secret("signing secret", secret)
    page.set_viewport_size(PHONE)
    assert overflowing(page) == []
    page.set_viewport_size(DESKTOP)
    return secret


def delete_address(page: Page) -> None:
    """Delete the address whose page is open."""
    page.get_by_role("link", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete the address").click()
    expect(page.get_by_text("The address and its log are deleted.")).to_be_visible()


@pytest.fixture(scope="module")
def sights(visitors: Visitors, running: Stack) -> Iterator[list[Sight]]:
    """An address that is not reached, with something of everything in its log, and one that is switched off."""
    unit = link_unit(running, make_unit(visitors.open(ADMIN), "Loja da avenida comprida 10601"))
    assert visitors.leave() == []
    text, change, instance = "Uma notícia para o CRM", running.rows.change, running.rows.instance_of(unit)
    running.simulator.customer_writes(instance, number=CUSTOMER, name="Conceição", text=text)
    until(lambda: running.rows.received([text]), "message")
    ids = {state: str(uuid4()) for state in ("paused", "off")}
    for state, endpoint_id in ids.items():
        change(_ENDPOINT, endpoint_id, LONG_URL, state, state, HOME.rpartition("/")[2])
    for state, error, answer, attempts, later in LOG:
        change(_DELIVERY, ids["paused"], state, error, answer, attempts, later, text)
    query = "SELECT id FROM webhook_deliveries WHERE endpoint_id = %s AND error_code = 'bad_status'"
    delivery = running.rows.fetch(query, ids["paused"])[0]["id"]
    page = f"{WEBHOOKS}/{ids['paused']}"
    yield [
        Sight("webhooks", WEBHOOKS),
        Sight("new webhook", f"{WEBHOOKS}/new"),
        Sight("webhook", page),
        Sight("webhook off", f"{WEBHOOKS}/{ids['off']}"),
        Sight("webhook failures", f"{page}?state=failed"),
        Sight("webhook delivery", f"{page}/deliveries/{delivery}"),
        Sight("change webhook", f"{page}/edit"),
        Sight("new webhook secret", f"{page}/secret"),
        Sight("delete webhook", f"{page}/delete"),
        Sight("API tokens", f"{HOME}/api-tokens"),
        Sight("new API token", f"{HOME}/api-tokens/new"),
    ]
    change("DELETE FROM webhook_endpoints WHERE id = ANY(%s::uuid[])", list(ids.values()))


def test_every_page_of_integrations_fits_and_keeps_nobody_out(sights: list[Sight], problems_of: FindProblems) -> None:
    assert problems_of(sights) == {}
