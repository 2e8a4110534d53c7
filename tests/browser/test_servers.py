"""An operator at the Evolution servers: adds a second one, and moves a linked unit to it without losing a message."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from local import programs
from local.processes import free_port
from tests.browser.conftest import FindProblems
from tests.browser.languages import said
from tests.browser.looks import AN_OPERATOR, Sight
from tests.browser.people import HOME, Visitors, link_unit, make_unit, qr_code
from tests.running.clients import SimulatorApi
from tests.running.program import Program
from tests.running.stack import ADMIN, Stack
from tests.running.waiting import until

pytestmark = pytest.mark.browser

KEY = "a-key-of-one-more-server"
SERVERS = "/operator/servers"
WORKER_S = 15_000


@pytest.fixture(scope="module")
def second_url(running: Stack) -> Iterator[str]:
    """A second simulated Evolution, beside the one of the settings."""
    port = free_port()
    command = programs.evolution(port, api_key=KEY, state_file=running.folder / "second.json")
    second = Program("second", command, running.env, folder=running.folder, is_ready=lambda _: answers(port))
    second.start()
    running.note_secret("key of the second server", KEY)
    yield f"http://{programs.HOST}:{port}"
    take_units(running, False)
    second.stop()


def answers(port: int) -> bool:
    return programs.answers(port, "/simulator/instances")


def take_units(stack: Stack, is_wanted: bool) -> None:
    """Let new units come to the second server, or leave them all to the first, at whose phones the other tests look."""
    stack.rows.fetch("UPDATE evolution_servers SET accepts_units = %s WHERE name = 'second' RETURNING id", is_wanted)


@pytest.fixture(scope="module")
def second_id(visitors: Visitors, running: Stack, second_url: str) -> str:
    """The second server's id, added by the form."""
    page = visitors.open(AN_OPERATOR.email)
    page.goto(SERVERS)
    page.get_by_role("link", name="Add a server").click()
    page.get_by_label("Name").fill("second")
    page.get_by_label("Address").fill(second_url)
    page.get_by_label("Key", exact=True).fill(KEY)
    page.get_by_role("button", name="Add the server").click()
    expect(page.locator("#server-state .pill")).to_have_text("Answers", timeout=WORKER_S)
    expect(page.locator("#server-state")).to_contain_text("2.3.6")
    take_units(running, False)
    return page.url.rpartition("/")[2]


def default_id(stack: Stack) -> str:
    return str(stack.rows.fetch("SELECT id FROM evolution_servers WHERE is_default")[0]["id"])


def test_server_with_a_wrong_key_says_so(operator: Page, second_id: str, second_url: str) -> None:
    operator.goto(f"{SERVERS}/{second_id}/edit")
    operator.get_by_label("New key").fill("another-key-than-that")
    operator.get_by_role("button", name="Save").click()
    state = operator.locator("#server-state")
    expect(state).to_contain_text("It does not accept the key.", timeout=WORKER_S)

    operator.goto(f"{SERVERS}/{second_id}/edit")
    operator.get_by_label("New key").fill(KEY)
    operator.get_by_role("button", name="Save").click()

    expect(state.locator(".pill")).to_have_text("Answers", timeout=WORKER_S)


def test_moved_unit_shows_a_new_code_and_sends_what_waited(
    operator: Page, admin: Page, linked_unit: str, stack: Stack, second_id: str, second_url: str
) -> None:
    name, text = stack.rows.fetch("SELECT name FROM units WHERE slug = %s", linked_unit)[0]["name"], "Até já"
    old_instance, simulator = stack.rows.instance_of(linked_unit), SimulatorApi(second_url)
    take_units(stack, True)
    operator.goto(f"{SERVERS}/{default_id(stack)}")
    operator.get_by_role("link", name=f"{said(operator, 'Move to another server…')} {name}").click()
    operator.get_by_label("second").check()
    operator.get_by_role("button", name="Move the unit").click()
    expect(operator.get_by_role("heading", name=name, level=1)).to_be_visible()
    take_units(stack, False)

    admin.goto(f"{HOME}/units/{linked_unit}/connect")
    expect(qr_code(admin)).to_be_visible(timeout=WORKER_S)
    stack.api.send(linked_unit, phone="+5511950009006", text=text)
    instance = stack.rows.instance_of(linked_unit)
    waiting = stack.rows.statuses([text])
    simulator.scan(instance, number="5511950009601", name="Loja Exemplo")

    expect(admin.get_by_role("heading", name="Connected")).to_be_visible(timeout=WORKER_S)
    until(lambda: text in simulator.sent_texts(), "message at the new server")
    until(lambda: old_instance not in [one["name"] for one in stack.simulator.instances()], "end of the old instance")
    assert set(waiting.values()) == {"queued"}
    assert [one["name"] for one in simulator.instances()].count(instance) == 1
    operator.goto(f"{SERVERS}/{second_id}")
    expect(operator.locator(".served")).to_contain_text(name)


@pytest.fixture(scope="module")
def sights(visitors: Visitors, running: Stack, second_id: str) -> list[Sight]:
    """The servers, with a linked unit that could be moved."""
    unit = link_unit(running, make_unit(visitors.open(ADMIN), "Loja da avenida muito comprida 20501"))
    unit_id = running.rows.fetch("SELECT id FROM units WHERE slug = %s", unit)[0]["id"]
    take_units(running, True)
    here, there = f"{SERVERS}/{default_id(running)}", f"{SERVERS}/{second_id}"
    assert visitors.leave() == []
    return [
        Sight("servers", SERVERS, AN_OPERATOR),
        Sight("new server", f"{SERVERS}/new", AN_OPERATOR),
        Sight("server", here, AN_OPERATOR),
        Sight("second server", there, AN_OPERATOR),
        Sight("change server", f"{there}/edit", AN_OPERATOR),
        Sight("change default server", f"{here}/edit", AN_OPERATOR),
        Sight("remove server", f"{there}/remove", AN_OPERATOR),
        Sight("move unit", f"{here}/units/{unit_id}/move", AN_OPERATOR),
    ]


def test_every_page_of_the_servers_fits_and_keeps_nobody_out(sights: list[Sight], problems_of: FindProblems) -> None:
    assert problems_of(sights) == {}
