"""What the people who run the portal see without leave: no text, no name of a customer, and of a number its end."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from portal.clock import now
from portal.db import atomic, db
from portal.models import (
    Campaign,
    CampaignRecipient,
    Connection,
    ConnectionAction,
    ConnectionStatus,
    Contact,
    Conversation,
    ConversationEvent,
    Direction,
    Media,
    Message,
    MessageStatus,
    StatusReason,
    Unit,
)
from portal.permissions import ALLOWED, Permission, Role
from portal.services import access_grants, alerts, connections, contacts, releases, undelivered
from portal.services.audit import Actor
from portal.services.undelivered import Decision
from portal.tenancy import acting_for
from portal.web.api import waiting
from portal.web.panels import LATE_AFTER
from tests.architecture.walk import access_of, address, apart, methods
from tests.companies import Company, make_company, make_token
from tests.factories import make_message, make_parked_event, make_user, sign_in
from tests.web.conftest import OpenBrowser

NUMBERS = {
    "unit": "5511912340001",
    "expected": "5511912340004",
    "customer": "5511976540002",
    "pairing": "5511965430003",
}
TEXTS = {
    "text": "O exame deu positivo",
    "name": "Clotilde Wanderley",
    "file": "laudo-da-clotilde.pdf",
    "why": "Fala 31",
    "note": "Paga em dinheiro vivo",
}
LATE = now() - 2 * LATE_AFTER
STATES: dict[str, dict[str, Any]] = {
    "connected": {"status": ConnectionStatus.CONNECTED, "status_reason": StatusReason.SCAN_COMPLETED},
    "waiting long for a scan": {
        "status": ConnectionStatus.QR,
        "status_reason": StatusReason.WAITING_SCAN,
        "qr_code": "2@abc",
        "pairing_code": "WZYEH1YY",
        "qr_updated_at": LATE,
    },
    "waiting long for a code": {
        "status": ConnectionStatus.CONNECTING,
        "status_reason": StatusReason.INITIALIZING,
        "action": ConnectionAction.CONNECT,
        "action_requested_at": LATE,
    },
    "another number was scanned": {
        "status": ConnectionStatus.DISCONNECTED,
        "status_reason": StatusReason.WRONG_NUMBER,
    },
}


@pytest.fixture
def company(database: None) -> Company:
    """Acme, in whose every row stands what is nobody else's business."""
    company = make_company("acme")
    releases.register("looked at")
    alerts.raise_test(Actor(None))
    scope, told = company.scope, {"body": TEXTS["text"]}
    failed = {"status": MessageStatus.FAILED, "failed_at": now(), "error_details": TEXTS["why"]}
    make_message(scope, company.conversation, direction=Direction.OUTBOUND, **failed)
    with acting_for(scope), atomic():
        numbers = {"phone": NUMBERS["unit"], "pairing_number": NUMBERS["pairing"]}
        db.session.execute(scope.update(Connection).values(numbers))
        db.session.execute(scope.update(Unit).values(expected_number=NUMBERS["expected"]))
        person = {"phone": NUMBERS["customer"], "name": TEXTS["name"]}
        db.session.execute(scope.update(Contact).where(Contact.id == company.conversation.contact_id).values(person))
        db.session.execute(scope.update(Message).values(told))
        db.session.execute(scope.update(Conversation).values(last_message_preview=TEXTS["text"]))
        db.session.execute(scope.update(ConversationEvent).values(body=TEXTS["note"]))
        db.session.execute(scope.update(CampaignRecipient).values(told))
        db.session.execute(scope.update(Campaign).values(variants=[TEXTS["text"]]))
        db.session.execute(scope.update(Media).values(file_name=TEXTS["file"]))
    for whose in ((scope, company.unit), (None, None)):
        make_parked_event(*whose, body=json.dumps({"data": {**TEXTS, **NUMBERS}, "sender": NUMBERS["unit"]}))
    _act(company)
    return apart(company)


def _act(company: Company) -> None:
    """Let its people do what the audit log tells of."""
    scope, contact_id = company.scope, company.conversation.contact_id
    with acting_for(scope):
        contacts.edit_contact(scope, contact_id, name=TEXTS["name"], attributes=[("Diagnose", TEXTS["text"])])
        contacts.add_tag(scope, contact_id, name=TEXTS["name"])
        connections.request_restart(scope, company.unit.id)
        waiting = scope.select(Message, Message.id).where(Message.status == MessageStatus.FAILED)
        undelivered.decide(scope, Decision.SET_ASIDE, list(db.session.scalars(waiting)))


def show(company: Company, state: str) -> None:
    with acting_for(company.scope), atomic():
        db.session.execute(company.scope.update(Connection).values({"action": None, **STATES[state]}))


def of_operators(app: Flask) -> list[Rule]:
    """What somebody who runs the portal may look at, on pages and by the API."""
    may = {*ALLOWED[Role.SUPER_ADMIN], "signed_in"}
    return [rule for rule in app.url_map.iter_rules() if access_of(app, rule) in may and "GET" in methods(rule)]


def secrets_in(page: str) -> set[str]:
    """The numbers and texts that stand in it, however a number is written."""
    run_together = re.sub(r"[\s().+-]|&nbsp;|&#160;", "", page)
    numbers = {name for name, number in NUMBERS.items() if number[4:] in run_together}
    return numbers | {name for name, text in TEXTS.items() if text in page}


@pytest.fixture
def look(app: Flask, company: Company, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, str]]:
    """Open all that an operator may look at: endpoint -> what came."""
    monkeypatch.setattr(waiting, "LONGEST_WAIT_S", 0.0)
    person = make_user("op@portal.test", role=Role.SUPER_ADMIN, tenant=None)
    client, headers = app.test_client(), {"Authorization": f"Bearer {make_token(person)}", "Accept-Language": "en"}
    sign_in(client, person)

    def look_at_everything() -> dict[str, str]:
        pages = {}
        for rule in of_operators(app):
            with app.app_context():
                answer = client.get(address(app, rule, company), headers=headers)
            assert answer.status_code < 400 or rule.endpoint == "api_connections.qrcode", (rule.endpoint, answer.text)
            pages[rule.endpoint] = answer.text
        return pages

    return look_at_everything


@pytest.mark.parametrize("state", STATES)
def test_operator_sees_no_number_no_text_and_no_name_of_a_customer(
    company: Company, look: Callable[[], dict[str, str]], state: str
) -> None:
    show(company, state)

    pages = look()

    assert {endpoint: secrets_in(page) for endpoint, page in pages.items() if secrets_in(page)} == {}
    assert len(pages) > 20
    assert "****0001" in pages["tenant.units.index"]
    assert "****0004" in pages["tenant.units.settings"]
    assert json.loads(pages["api_units.list_units"])[0]["phone"] == "****0001"
    assert json.loads(pages["api_connections.status"])["phone"] == "****0001"
    assert "<code>data</code>" in pages["operator.events.show"]


def test_pages_show_numbers_while_the_company_lets_them_and_the_api_never_does(
    company: Company, look: Callable[[], dict[str, str]]
) -> None:
    with acting_for(company.scope):
        access_grants.give(company.scope, reason="A fault", hours=1)

    found = {endpoint: secrets_in(page) for endpoint, page in look().items()}

    assert found["tenant.units.index"] == {"unit"}
    assert found["tenant.units.show"] == {"unit", "expected"}
    assert {endpoint for endpoint, told in found.items() if told and not endpoint.startswith("tenant.")} == set()


def test_company_itself_sees_its_numbers_and_texts(company: Company, browser: OpenBrowser) -> None:
    # What the pages above leave out is there to be shown.
    admin = browser(company.admin)

    pages = [admin.get(f"/t/acme/{path}").text for path in ("units/centro", "conversations", "undelivered", "contacts")]
    thread = admin.get(f"/t/acme/conversations/{company.conversation.id}").text

    told = secrets_in("".join((*pages, thread)))
    assert told == {"unit", "expected", "customer", "text", "name", "file", "note"}


@pytest.mark.parametrize("state", STATES)
def test_scan_link_shows_of_the_units_numbers_their_end_only(
    company: Company, visitor: FlaskClient, state: str
) -> None:
    show(company, state)

    page = visitor.get(f"/scan/{company.scan_token}")

    assert page.status_code == 200
    assert secrets_in(page.text) == set()


def test_code_is_asked_for_again_for_the_number_of_the_last_time(
    company: Company, operator: FlaskClient, visitor: FlaskClient
) -> None:
    show(company, "waiting long for a code")
    page = operator.get("/t/acme/units/centro/connect").text

    for client, path in ((operator, "/t/acme/units/centro/connect"), (visitor, f"/scan/{company.scan_token}")):
        assert client.post(path, data={"again": "1"}).status_code == 303

    with acting_for(company.scope):
        assert (
            db.session.scalars(company.scope.select(Connection, Connection.pairing_number)).one() == NUMBERS["pairing"]
        )
    assert '<input type="hidden" name="again" value="1">' in page


@pytest.mark.parametrize(
    "command", [("events", "list"), ("messages", "resend", "--dry-run"), ("messages", "resend", "--tenant", "acme")]
)
def test_commands_say_no_number_and_no_text(app: Flask, company: Company, command: tuple[str, ...]) -> None:
    failed = {"status": MessageStatus.FAILED, "failed_at": now(), "body": TEXTS["text"]}
    make_message(company.scope, company.conversation, direction=Direction.OUTBOUND, **failed)

    result: Result = app.test_cli_runner().invoke(args=command)

    assert result.exit_code == 0, result.output
    assert "acme/centro" in result.output
    assert secrets_in(result.output) == set()


def test_operator_neither_sees_nor_changes_the_number_a_unit_expects_while_they_only_read(
    company: Company, operator: FlaskClient
) -> None:
    with acting_for(company.scope):
        access_grants.give(company.scope, reason="A fault", hours=1)
    typed = {"name": "Centro", "message_lifetime_h": "24", "receipt_wait_min": "10", "expected_number": ""}

    operator.post("/t/acme/units/centro/settings", data=typed)

    with acting_for(company.scope):
        assert db.session.scalars(company.scope.select(Unit, Unit.expected_number)).one() == NUMBERS["expected"]


def test_everything_that_an_operator_may_look_at_by_role_is_about_units_people_and_the_log() -> None:
    assert ALLOWED[Role.SUPER_ADMIN] == {
        Permission.VIEW_UNITS,
        Permission.MANAGE_UNITS,
        Permission.CONNECT,
        Permission.MANAGE_MEMBERS,
        Permission.READ_AUDIT,
        Permission.OPERATE,
    }
