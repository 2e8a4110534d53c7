"""The operators' home: what needs them over all companies, and each company's day in numbers."""

import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.db import atomic, db
from portal.models import (
    ConnectionStatus,
    Conversation,
    Direction,
    EvolutionServer,
    MessageKind,
    MessageStatus,
    Relay,
    StatusReason,
    Tenant,
    Unit,
    Verdict,
)
from portal.queries.operator_home import PAGE as PAGE_OF_COMPANIES
from portal.services import alerts
from portal.services.audit import Actor
from portal.tenancy import TenantScope, across_tenants
from tests.factories import (
    make_connected_unit,
    make_conversation,
    make_message,
    make_parked_event,
    make_server,
    make_tenant,
    make_unit,
)
from tests.monitor.watching import start_workers
from tests.statements import counted
from tests.web.homes import link_of, move, needs_in
from tests.web.releases import do_checkpoint, make_release

PAGE = "/operator/"
LOST = (ConnectionStatus.DISCONNECTED, StatusReason.CONNECTION_LOST)


@pytest.fixture(autouse=True)
def _workers(database: None) -> None:
    start_workers()


def company_in(page: str, slug: str) -> str:
    """The line of one company, without tags."""
    line = next(part for part in page.split('<li class="company">') if f">{slug}<" in part)
    return " ".join(re.sub(r"<[^>]+>", " ", line.partition("</li>")[0]).split())


def companies_in(page: str) -> list[str]:
    """The short names of the companies in the list, in its order."""
    return re.findall(r'<li class="company">.*?<span class="muted">([^<]+)</span>', page)


def needs_of(operator: FlaskClient) -> dict[str, str]:
    return needs_in(operator.get(PAGE).text)


def test_nothing_needs_them_where_all_is_well(operator: FlaskClient, connected_unit: Unit) -> None:
    page = operator.get(PAGE).text

    assert "Nothing needs you now." in page
    assert needs_in(page) == {}


def test_server_in_trouble_is_named_with_its_reason(operator: FlaskClient) -> None:
    server = make_server()
    with across_tenants("a test pauses a server"), atomic():
        row = db.session.get_one(EvolutionServer, server.id)
        row.pause_reason, row.paused_at, row.paused_until = "evolution_unreachable", now(), now()
        row.check_requested_at = None

    page = operator.get(PAGE).text

    assert needs_in(page)[f"server-{server.id}"].startswith("second: Paused It does not answer.")
    assert operator.get(link_of(page, f"server-{server.id}")).status_code == 200


def test_units_that_lost_their_connection_are_counted_by_company(
    operator: FlaskClient, acme: TenantScope, rival: TenantScope, connected_unit: Unit
) -> None:
    make_connected_unit(acme, "praia", phone="5511999990009")
    move(acme, connected_unit, *LOST)
    page = operator.get(PAGE).text
    move(acme, connected_unit, ConnectionStatus.CONNECTED, StatusReason.SCAN_COMPLETED)

    assert needs_in(page)["down-acme"].startswith("Acme: 1 of 2 units is not connected though it was")
    assert "down-rival" not in needs_in(page)
    assert link_of(page, "down-acme") == "/t/acme/"
    assert needs_of(operator) == {}


def test_suspended_companys_units_need_nobody(operator: FlaskClient, acme: TenantScope, connected_unit: Unit) -> None:
    move(acme, connected_unit, *LOST)
    with across_tenants("a test suspends a company"), atomic():
        db.session.get_one(Tenant, acme.tenant_id).suspended_at = now()

    assert needs_of(operator) == {}


def test_events_that_could_not_be_applied_or_are_nobodys_are_counted(
    operator: FlaskClient, acme: TenantScope, connected_unit: Unit
) -> None:
    make_parked_event(acme, connected_unit)
    for _number in range(2):
        make_parked_event(None, None)

    page = operator.get(PAGE).text

    assert needs_in(page)["parked"].startswith("1 event could not be applied")
    assert needs_in(page)["unknown"].startswith("2 events came in the name of instances that no unit has.")
    assert [operator.get(link_of(page, key)).status_code for key in ("parked", "unknown")] == [200, 200]


def test_open_alert_and_bad_verdict_are_told(operator: FlaskClient) -> None:
    alerts.raise_test(Actor(None))
    do_checkpoint(make_release("v9"), 1, Verdict.NO_GO)

    needs = needs_of(operator)

    assert needs["alerts"].startswith("1 alert is open.")
    assert needs["release"].startswith("The release v9: NO-GO")


def test_queue_without_worker_and_backlogs_are_told(
    operator: FlaskClient, acme: TenantScope, connected_unit: Unit, conversation: Conversation
) -> None:
    long_ago = now() - timedelta(minutes=10)
    make_parked_event(acme, connected_unit, state="new", error=None, attempts=0, received_at=long_ago)
    with across_tenants("a test ends the workers"), atomic():
        db.session.query(Relay).update({"heartbeat_at": long_ago, "started_at": long_ago})

    needs = needs_of(operator)

    assert {key for key in needs if key.startswith("worker-")} >= {"worker-outbox", "worker-inbox"}
    assert needs["inflow"].startswith("News of Evolution waits to be taken in since")


def test_each_company_has_its_day_in_numbers_and_no_text_or_number_of_anybody(
    operator: FlaskClient, acme: TenantScope, rival: TenantScope, connected_unit: Unit, conversation: Conversation
) -> None:
    make_message(acme, conversation, body="Segredo de Maria")
    make_message(acme, conversation, at=now() - timedelta(days=2))
    for status in (MessageStatus.SENT, MessageStatus.READ):
        make_message(acme, conversation, direction=Direction.OUTBOUND, status=status, sent_at=now())
    make_message(acme, conversation, direction=Direction.OUTBOUND, status=MessageStatus.FAILED, failed_at=now())
    theirs = make_conversation(rival, make_connected_unit(rival, "norte", phone="5511999990019"))
    make_message(rival, theirs, is_history=True)
    make_message(rival, theirs, body="❤️", kind=MessageKind.REACTION)

    page = operator.get(PAGE).text

    assert company_in(page, "acme").startswith("Acme acme 1 of 1 unit connected : Acme 1 received 2 sent 1 not sent")
    assert company_in(page, "rival") == "Rival rival 1 of 1 unit connected : Rival No message yet today."
    assert [text for text in ("Segredo", "Maria", "99999-0001", "5511999990001", "99999-0002") if text in page] == []


def test_companys_own_people_do_not_get_there(admin: FlaskClient) -> None:
    assert admin.get(PAGE).status_code == 403


def test_of_many_companies_those_in_trouble_come_first_and_the_others_page_by_page(operator: FlaskClient) -> None:
    slugs = [f"empresa-{number:02}" for number in range(PAGE_OF_COMPANIES + 10)]
    scopes = {slug: make_tenant(slug) for slug in slugs}
    down = [slugs[-1], slugs[30]]
    for number, slug in enumerate(down):
        move(scopes[slug], make_connected_unit(scopes[slug], phone=f"551199999100{number}"), *LOST)
    with across_tenants("a test suspends a company"), atomic():
        db.session.get_one(Tenant, scopes[slugs[30]].tenant_id).suspended_at = now()

    first = operator.get(PAGE).text
    address = re.search(r'href="([^"]+)">Next tenants<', first)
    assert address
    second = operator.get(address[1]).text

    assert companies_in(first) + companies_in(second) == [slugs[-1], *slugs[:-1]]
    assert len(companies_in(first)) == PAGE_OF_COMPANIES
    assert "Next tenants" not in second
    assert list(needs_in(first)) == list(needs_in(second)) == [f"down-{slugs[-1]}"]


def test_of_many_companies_in_trouble_some_are_named_and_the_others_counted(operator: FlaskClient) -> None:
    for number in range(7):
        scope = make_tenant(f"empresa-{number}")
        move(scope, make_connected_unit(scope, phone=f"551199999100{number}"), *LOST)

    needs = needs_of(operator)

    assert list(needs) == [*(f"down-empresa-{number}" for number in range(4)), "more-down"]
    assert needs["more-down"].startswith("3 more companies have units that lost their connection.")


def test_page_asks_as_often_for_many_companies_as_for_few(operator: FlaskClient, connected_unit: Unit) -> None:
    operator.get(PAGE)
    with counted() as few:
        operator.get(PAGE)
    for number in range(PAGE_OF_COMPANIES):
        make_unit(make_tenant(f"empresa-{number}"))

    with counted() as many:
        assert operator.get(PAGE).status_code == 200

    assert len(many) == len(few)
